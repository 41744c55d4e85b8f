"""How ``ragcli eval`` finds what to measure, measures it, and prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError
from ragcli.evaluate.collection import Report, is_built, kept_folder, passages_index
from ragcli.evaluate.datasets import DEFAULT_SPLIT, load_beir, load_questions
from ragcli.evaluate.make import Made, make_questions
from ragcli.evaluate.stages import Ranking, choose_stages, run_stage, time_stages
from ragcli.evaluate.task import Task, judged_task, known_item_task
from ragcli.evaluate.whole import whole_index
from ragcli.index.reader import open_index
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.render import write_json, write_json_line
from ragcli.render.evaluation import SYNTHETIC, evaluation_record, write_evaluation
from ragcli.render.terminal import color_wanted, terminal_width
from ragcli.render.visible import visible

_COUNT = 200


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What to measure; None and () as in the help."""

    split: str | None
    whole: bool
    model: str | None
    stages: tuple[str, ...]
    limit: int | None
    compare: bool
    run: Path | None
    plot: Path | None


@dataclass(frozen=True, slots=True)
class MakeOptions:
    """What to make; None as in the help."""

    count: int | None
    seed: int | None
    output: Path | None


def run(env: Env, dataset: Path, options: EvalOptions, made: MakeOptions) -> ExitCode:
    """Ask every stage every question, and print the figures."""
    if made != MakeOptions(None, None, None):
        raise UsageError("--count, --seed and --output belong to: ragcli eval make")
    # what cannot be done is said before minutes of work, not after
    from ragcli.evaluate.report import summarize

    stages = choose_stages(options.stages)
    if options.plot is not None:
        from ragcli.evaluate.plot import check_plot

        check_plot(options.plot, len(stages))
    for path in (options.run, options.plot):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", "make it first")

    with _progress(env) as report:
        folder, task = _prepared(env, dataset, options, report)
        if options.limit is not None:
            task = task.first(options.limit)
        rankings = [run_stage(folder, task, stage, offline=env.offline, report=report) for stage in stages]
        ms = time_stages(folder, task, stages, offline=env.offline, report=report)
        report("measuring", 0, 1)
        evaluation = summarize(task, rankings, ms, compare=options.compare)
    for warning in evaluation.warnings:
        env.say(f"note: {visible(warning)}")
    if env.json:
        if evaluation.synthetic:
            env.say(f"note: {SYNTHETIC}")
        write_json(evaluation_record(evaluation), sys.stdout)
    else:
        width = terminal_width() if sys.stdout.isatty() else None
        write_evaluation(evaluation, sys.stdout, color=color_wanted(sys.stdout), width=width)
    _write_run(env, rankings[-1], options.run)
    if options.plot is not None:
        from ragcli.evaluate.plot import write_plot

        write_plot(evaluation, options.plot)
        env.say(f"the plot is in {visible(str(options.plot))}")
    return ExitCode.OK


def make(env: Env, options: MakeOptions, other: EvalOptions) -> ExitCode:
    """Make questions of the index and write them as JSONL."""
    if other != EvalOptions(None, False, None, (), None, False, None, None):
        raise UsageError("make takes --count, --seed, --output and --index only", "see: ragcli eval --help")
    with open_index(env.existing_index(), None) as index:
        questions = make_questions(
            index, _COUNT if options.count is None else options.count, 0 if options.seed is None else options.seed
        )
    records = [_question_record(question) for question in questions]
    if options.output is not None:
        with options.output.open("w", encoding="utf-8") as file:
            _write_lines(records, file)
    elif not env.json:
        _write_lines(records, sys.stdout)
    if env.json:
        write_json({"schema": 1, "synthetic": True, "questions": records}, sys.stdout)
    where = f" in {visible(str(options.output))}" if options.output is not None else ""
    env.say(f"{len(records)} {SYNTHETIC.replace(':', f'{where}:', 1)}")
    return ExitCode.OK


def _question_record(question: Made) -> dict[str, object]:
    return {**asdict(question), "synthetic": True}


def _write_lines(records: list[dict[str, object]], out: TextIO) -> None:
    for record in records:
        write_json_line(record, out)


def _prepared(env: Env, dataset: Path, options: EvalOptions, report: Report) -> tuple[Path, Task]:
    """The index to ask, built first where need be, and what to ask it."""
    if dataset.is_dir():
        return _collection(env, dataset, options, report)
    if not dataset.is_file():
        raise UsageError(f"there is no dataset {dataset}", "give a BEIR folder, a JSONL file of questions, or: make")
    if options.split is not None or options.whole or options.model is not None:
        raise UsageError("--split, --whole and --model are for BEIR folders", f"{dataset} is a file of questions")
    folder = env.existing_index()
    with open_index(folder, None) as index:
        return folder, known_item_task(load_questions(dataset), index)


def _collection(env: Env, dataset: Path, options: EvalOptions, report: Report) -> tuple[Path, Task]:
    data = load_beir(dataset, DEFAULT_SPLIT if options.split is None else options.split)
    model = resolve(options.model or DEFAULT_MODEL, offline=env.offline)
    kept = kept_folder(data, model, "whole" if options.whole else "passages")
    if not is_built(kept):
        env.say(f"indexing {len(data.corpus):,} documents once: {visible(str(kept))} keeps them for the next time")
    if options.whole:
        folder = whole_index(data, model, report=report)
    else:
        folder = passages_index(data, model, offline=env.offline, report=report)
    with open_index(folder, None) as index:
        return folder, judged_task(data, index)


def _write_run(env: Env, ranking: Ranking, path: Path | None) -> None:
    if path is not None:
        from ragcli.evaluate.trec import write_run

        write_run(ranking, path)
        env.say(f"the ranking of {ranking.stage} is in {visible(str(path))}")


@contextmanager
def _progress(env: Env) -> Iterator[Report]:
    """A live line on stderr for a terminal; nothing in a pipe, with --quiet or for a dumb terminal."""
    if env.quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _doing, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("left"),
        TimeRemainingColumn(), console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        tasks: dict[str, TaskID] = {}

        def report(doing: str, done: int, total: int) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(doing, total=total)
            bar.update(tasks[doing], completed=done, total=total)

        yield report
