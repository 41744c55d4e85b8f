"""Run every question through each stage of search, and note the ranking and the time; rankings as files."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from ragcli.errors import UsageError
from ragcli.evaluate.collection import Report
from ragcli.evaluate.task import Task
from ragcli.index.reader import open_index
from ragcli.retrieve.engine import Searcher, SearchOptions

# How deep a ranking is measured.
DEPTH = 100

# Users ask for 10 passages, so the timed queries run again with 10.
_TIMED = 100

_BLANK = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Stage:
    """One way to search."""

    name: str
    options: SearchOptions


# From the simplest to the whole pipeline: each is compared with the one before.
STAGES: tuple[Stage, ...] = (
    Stage("keyword", SearchOptions(mode="keyword", reranker=None)),
    Stage("dense", SearchOptions(mode="dense", reranker=None)),
    Stage("hybrid", SearchOptions(mode="hybrid", reranker=None)),
    Stage("rerank", SearchOptions()),
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What one stage answered: names by question id, best first, each once."""

    stage: str
    names: dict[str, list[str]]


def choose_stages(names: Sequence[str]) -> tuple[Stage, ...]:
    """The stages of these names in their own order, all for no names; UsageError for a name that none has."""
    known = {stage.name for stage in STAGES}
    for name in names:
        if name not in known:
            raise UsageError(f"unknown stage {name!r}", f"stages: {', '.join(stage.name for stage in STAGES)}")
    return tuple(stage for stage in STAGES if not names or stage.name in names)


def run_stage(folder: Path, task: Task, stage: Stage, *, offline: bool, report: Report) -> Ranking:
    """Ask the index in ``folder`` every question of ``task``."""
    names: dict[str, list[str]] = {}
    with open_index(folder, stage.options.mode) as index:
        searchers = {
            unique: Searcher(index, replace(stage.options, k=DEPTH, unique=unique, offline=offline))
            for unique in {question in task.by_document for question in task.queries}
        }
        for question, text in task.queries.items():
            hits = searchers[question in task.by_document].search(text).hits
            # each name at its best place
            names[question] = list(dict.fromkeys(name for hit in hits for name in task.named(question, hit)))
            report(stage.name, len(names), len(task.queries))
    return Ranking(stage.name, names)


def time_stages(
    folder: Path, task: Task, stages: Sequence[Stage], *, offline: bool, report: Report
) -> dict[str, list[float]]:
    """Milliseconds by stage for each of the first 100 questions, asked as ``ragcli query`` asks them but for the start.

    The index is open and the models are loaded. The stages take turns, so that what else the machine does at the time
    slows all of them alike.
    """
    questions = list(task.queries.values())[:_TIMED]
    ms: dict[str, list[float]] = {stage.name: [] for stage in stages}
    with ExitStack() as opened:
        searchers = {
            stage.name: Searcher(
                opened.enter_context(open_index(folder, stage.options.mode)), replace(stage.options, offline=offline)
            )
            for stage in stages
        }
        for searcher in searchers.values():
            searcher.search(questions[0])  # the first search also waits for what later ones find loaded
        for number, text in enumerate(questions, 1):
            for name, searcher in searchers.items():
                started = time.perf_counter()
                searcher.search(text)
                ms[name].append(1000 * (time.perf_counter() - started))
            report("timing", number, len(questions))
    return ms


def write_run(ranking: Ranking, path: Path) -> None:
    """Write ``ranking`` in the TREC run format: ``question Q0 document rank score tag`` lines; the tag is the stage.

    Scores fall by 1 from rank to rank: the tools rank by score and break ties each in its own way. White space in
    names, which the format cannot hold, is written as in a URL. OSError when ``path`` cannot be written.
    """
    with path.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for question, names in ranking.names.items():
            for rank, name in enumerate(names, 1):
                score = len(names) - rank + 1
                file.write(f"{_word(question)} Q0 {_word(name)} {rank} {score} {ranking.stage}\n")


def _word(name: str) -> str:
    return _BLANK.sub(lambda blank: quote(blank.group()), name)
