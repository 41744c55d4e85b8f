"""``ragcli models``: the models on this machine, and how well their scores tell an answer."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.command import command, group
from ragcli.cli.env import Env, Reranker
from ragcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ragcli.evaluate.fit_probability import Pair
    from ragcli.evaluate.task import Task
    from ragcli.index.reader import Index
    from ragcli.retrieve.engine import Searcher
    from ragcli.retrieve.probability import Case

_SHOWN = 5  # hits of a question that are judged: those that people look at
_LEAST = 40  # answered questions; fewer say nothing about a probability
_MADE = 300

models = group("models", "List, show, add, remove and calibrate models.")


@command(under=models, index=False, home=False)
def list_(env: Env) -> ExitCode:
    """List the installed models and those that were added."""
    from ragcli.models import library, packaged
    from ragcli.models.resolve import DEFAULT_MODEL, resolve
    from ragcli.render import write_json
    from ragcli.render.table import write_table
    from ragcli.render.terminal import color_wanted

    default = resolve(DEFAULT_MODEL)
    found = [(default, "default"), *packaged.installed(), *library.installed()]
    if env.json:
        entries = [
            {"name": files.name, "origin": origin, "folder": str(files.folder), "sha256": files.sha256}
            for files, origin in found
        ]
        write_json({"schema": 1, "models": entries}, sys.stdout)
    else:
        rows = [(files.name, origin, str(files.folder)) for files, origin in found]
        write_table(rows, ("model", "origin", "folder"), sys.stdout, color=color_wanted(sys.stdout))
    return ExitCode.OK


@command(under=models, index=False, home=False)
def show(env: Env, *, name: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="The model.")]) -> ExitCode:
    """Show the folder, digest, dimension, window and runtime of a model."""
    from ragcli.models.open import open_query_encoder
    from ragcli.models.resolve import resolve
    from ragcli.render import visible, write_json

    files = resolve(name, offline=env.offline)
    encoder = open_query_encoder(files)
    record = {
        "name": files.name, "folder": str(files.folder), "revision": files.revision, "sha256": files.sha256,
        "dimension": encoder.dimension, "window": encoder.window, "runtime": encoder.runtime,
    }  # fmt: skip
    if env.json:
        write_json({"schema": 1, **record}, sys.stdout)
    else:
        for key, value in record.items():
            sys.stdout.write(f"{key:<10} {visible(str(value))}\n")
    return ExitCode.OK


@command(under=models, index=False, home=False)
def add(
    env: Env,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="A name on the Hugging Face hub, or a folder.")],
) -> ExitCode:
    """Copy a model from a folder or the Hugging Face hub.

    It can then be used by name and offline.
    """
    from ragcli.models import library
    from ragcli.render import write_json

    files = library.add(name, offline=env.offline)
    if env.json:
        write_json({"schema": 1, "name": files.name, "folder": str(files.folder), "sha256": files.sha256}, sys.stdout)
    env.say(f"added {files.name}; use it with: ragcli index --model {files.name}")
    return ExitCode.OK


@command(under=models, index=False, home=False, json=False)
def remove(
    env: Env, *, name: Annotated[str, typer.Argument(metavar="NAME", help="A model that was added.")]
) -> ExitCode:
    """Delete a model that was added.

    An index that was built with it can then be searched by words only.
    """
    from ragcli.models import library

    library.remove(name)
    env.say(f"removed {name}")
    return ExitCode.OK


@command(under=models)
def calibrate(
    env: Env,
    *,
    questions: Annotated[
        Path | None,
        typer.Argument(
            metavar="QUESTIONS.jsonl", readable=False,
            help="Objects of {question, path, text?}, one per line; by default, made questions.",
        ),
    ] = None,
    reranker: Reranker = None,
) -> ExitCode:  # fmt: skip
    """Fit the probability that a hit answers, for the models of --index.

    It asks questions about the documents of the index. The fit belongs to the weights of both models and is used
    wherever they are; other models have none until they are calibrated. A few hundred questions take minutes.
    """
    from ragcli.evaluate.fit_probability import fit
    from ragcli.index.reader import open_index
    from ragcli.models.files import DEFAULT_RERANKER
    from ragcli.models.resolve import resolve_reranker
    from ragcli.render import write_json
    from ragcli.render.visible import visible
    from ragcli.retrieve.engine import Searcher, SearchOptions
    from ragcli.retrieve.probability import SIGNALS, save_calibration

    reranker = reranker or DEFAULT_RERANKER
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
    error, area = _cross_checked(pairs, cases[-1])  # the last case uses the most signals
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
        env.say("the questions were made from the index itself; questions that people ask are harder")
    env.say(f"kept in {visible(str(kept))}; probabilities of {files.name} now come from it")
    return ExitCode.OK


def _task(index: "Index", questions: Path | None) -> "Task":
    import tempfile
    from dataclasses import asdict

    from ragcli.evaluate.datasets import load_questions
    from ragcli.evaluate.make import make_questions
    from ragcli.evaluate.task import known_item_task
    from ragcli.render.visible import json_text

    if questions is not None:
        return known_item_task(load_questions(questions), index)
    made = make_questions(index, _MADE, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.jsonl"
        path.write_text("".join(json_text(asdict(one) | {"synthetic": True}) + "\n" for one in made), encoding="utf-8")
        return known_item_task(load_questions(path), index)


def _pairs(searcher: "Searcher", task: "Task", question: str) -> "list[Pair]":
    from ragcli.evaluate.fit_probability import Pair

    relevant = task.qrels[question]
    return [
        Pair(hit.signals, any(relevant.get(name, 0) > 0 for name in task.named(question, hit)))
        for hit in searcher.search(task.queries[question]).hits
    ]


def _cross_checked(pairs: "Sequence[Sequence[Pair]]", case: "Case") -> tuple[float, float]:
    """Expected calibration error and AUROC of pairs, each judged by a fit that did not see its question."""
    from ragcli.evaluate.fit_probability import auroc, expected_calibration_error, fit
    from ragcli.retrieve.probability import SIGNALS, Calibration

    probabilities: list[float] = []
    answers: list[bool] = []
    for fold in (0, 1):
        held_out = [pair for number, of_question in enumerate(pairs) if number % 2 == fold for pair in of_question]
        seen = [pair for number, of_question in enumerate(pairs) if number % 2 != fold for pair in of_question]
        calibration = Calibration({case: fit(seen, SIGNALS[case])})
        probabilities += [calibration.probability(pair.signals) or 0.0 for pair in held_out]
        answers += [pair.answers for pair in held_out]
    return expected_calibration_error(probabilities, answers), auroc(probabilities, answers)
