"""How ``ragcli models calibrate`` asks its questions, fits the probability and tells how far it can be believed."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError
from ragcli.evaluate.datasets import load_questions
from ragcli.evaluate.fit_probability import Pair, auroc, expected_calibration_error, fit
from ragcli.evaluate.make import make_questions
from ragcli.evaluate.task import Task, known_item_task
from ragcli.index.reader import Index, open_index
from ragcli.models.resolve import resolve_reranker
from ragcli.render import write_json
from ragcli.render.visible import json_text, visible
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.retrieve.probability import SIGNALS, Calibration, Case, save_calibration

_SHOWN = 5  # hits of a question that are judged: those that people look at
_LEAST = 40  # answered questions; fewer say nothing about a probability
_MADE = 300


def run(env: Env, questions: Path | None, reranker: str) -> ExitCode:
    """Fit on the questions of a file, or on ones made from the index, and keep the fit for these two models."""
    files = resolve_reranker(reranker, offline=env.offline)
    with open_index(env.existing_index(), "hybrid") as index:
        task = _task(index, questions)
        env.say(f"asking {len(task.queries)} questions")
        searcher = Searcher(index, SearchOptions(k=_SHOWN, reranker=reranker, offline=env.offline))
        pairs = [_pairs(searcher, task, question) for question in task.queries]
        encoder = index.settings.sha256
    answered = sum(any(pair.answers for pair in of_question) for of_question in pairs)
    if answered < _LEAST:
        raise UsageError(
            f"only {answered} of {len(pairs)} questions found their answer among the first {_SHOWN} hits: "
            f"a probability needs {_LEAST}",
            "give more questions: a JSONL file of {question, path, text}",
        )
    flat = [pair for of_question in pairs for pair in of_question]
    cases: list[Case] = [case for case, names in SIGNALS.items() if all(name in flat[0].signals for name in names)]
    kept = save_calibration(encoder, files.sha256, {case: fit(flat, SIGNALS[case]) for case in cases})
    error, area = _cross_checked(pairs, cases[-1])  # the last knows the most
    record = {
        "schema": 1, "reranker": files.name, "questions": len(pairs), "answered": answered, "pairs": len(flat),
        "synthetic": task.synthetic, "expected calibration error": round(error, 4), "auroc": round(area, 4),
        "file": str(kept),
    }  # fmt: skip
    if env.json:
        write_json(record, sys.stdout)
    else:
        for key in ("questions", "answered", "pairs", "expected calibration error", "auroc"):
            sys.stdout.write(f"{key:<27} {visible(str(record[key]))}\n")
    if task.synthetic:
        env.say("the questions were made from the index itself: those that people ask are harder")
    env.say(f"kept in {visible(str(kept))}; probabilities of {files.name} come from it now")
    return ExitCode.OK


def _task(index: Index, questions: Path | None) -> Task:
    if questions is not None:
        return known_item_task(load_questions(questions), index)
    made = make_questions(index, _MADE, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.jsonl"
        path.write_text("".join(json_text(asdict(one) | {"synthetic": True}) + "\n" for one in made), encoding="utf-8")
        return known_item_task(load_questions(path), index)


def _pairs(searcher: Searcher, task: Task, question: str) -> list[Pair]:
    relevant = task.qrels[question]
    return [
        Pair(hit.signals, any(relevant.get(name, 0) > 0 for name in task.named(question, hit)))
        for hit in searcher.search(task.queries[question]).hits
    ]


def _cross_checked(pairs: Sequence[Sequence[Pair]], case: Case) -> tuple[float, float]:
    """Expected calibration error and AUROC of pairs whose questions were not in the fit that judged them."""
    probabilities: list[float] = []
    answers: list[bool] = []
    for fold in (0, 1):
        held_out = [pair for number, of_question in enumerate(pairs) if number % 2 == fold for pair in of_question]
        seen = [pair for number, of_question in enumerate(pairs) if number % 2 != fold for pair in of_question]
        calibration = Calibration({case: fit(seen, SIGNALS[case])})
        probabilities += [calibration.probability(pair.signals) or 0.0 for pair in held_out]
        answers += [pair.answers for pair in held_out]
    return expected_calibration_error(probabilities, answers), auroc(probabilities, answers)
