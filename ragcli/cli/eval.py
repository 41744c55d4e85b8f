"""``ragcli eval``: measure the ranking, and make questions to measure it with."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ragcli.evaluate.collection import Report
    from ragcli.evaluate.stages import Ranking
    from ragcli.evaluate.task import Task
    from ragcli.render.progress import ProgressBar


class _Collection(NamedTuple):
    """How a BEIR folder is indexed; None as in the help."""

    split: str | None
    whole: bool
    model: str | None


@command()
def eval_(
    env: Env,
    *,
    dataset: Annotated[
        Path,
        typer.Argument(metavar="DATASET", help="A BEIR folder, or a JSONL file of questions.", readable=False),
    ],
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which qrels to use (default test).", rich_help_panel="BEIR folders"),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole", help="Index whole documents, as published figures are measured.", rich_help_panel="BEIR folders"
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER", help="Use a different embedding model.", rich_help_panel="BEIR folders"
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only this stage; may be given several times.", rich_help_panel="Measuring"
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first N questions.", rich_help_panel="Measuring")
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Test the differences between stages; count wins and losses.",
            rich_help_panel="Measuring",
        ),
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the ranking of the last stage as a TREC run.", readable=False,
            rich_help_panel="Output",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw quality against latency, wins and losses.", readable=False,
            rich_help_panel="Output",
        ),
    ] = None,
) -> ExitCode:  # fmt: skip
    """Measure keyword, dense and hybrid search side by side.

    DATASET is a BEIR folder (corpus.jsonl, queries.jsonl, qrels/), which is indexed once and kept, or a JSONL file of
    {question, path, text?} about the documents of --index. `ragcli eval make` writes such a file from the index
    itself, without human judgements.

    Examples:
      ragcli eval path/to/scifact --compare         all stages, and which differences are significant
      ragcli eval path/to/scifact --whole           to compare with published figures
      ragcli eval questions.jsonl --index notes     questions about your own documents
      ragcli eval make --index notes -o q.jsonl     make questions about your own documents
      ragcli eval q.jsonl --index notes --limit 50  and ask them

    """
    from ragcli.evaluate.report import summarize
    from ragcli.evaluate.stages import choose_stages, run_stage, time_stages
    from ragcli.render import write_json
    from ragcli.render.evaluation import SYNTHETIC, evaluation_record, write_evaluation
    from ragcli.render.progress import progress_bar
    from ragcli.render.terminal import color_wanted, terminal_width

    # What cannot be done is said before minutes of work, not after.
    stages = choose_stages(tuple(stage or ()))
    if plot is not None:
        from ragcli.evaluate.plot import check_plot

        check_plot(plot, len(stages))
    for path in (run, plot):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"the folder {path.parent} does not exist", "make it first")

    with progress_bar(quiet=env.quiet) as bar:
        report = partial(_show_progress, bar)
        folder, task = _prepared(env, dataset, _Collection(split, whole, model), report)
        if limit is not None:
            task = task.first(limit)
        rankings = [run_stage(folder, task, one, offline=env.offline, report=report) for one in stages]
        ms = time_stages(folder, task, stages, offline=env.offline, report=report)
        report("measuring", 0, 1)
        evaluation = summarize(task, rankings, ms, compare=compare)
    for warning in evaluation.warnings:
        env.say(f"note: {warning}")
    if env.json:
        if evaluation.synthetic:
            env.say(f"note: {SYNTHETIC}")
        write_json(evaluation_record(evaluation), sys.stdout)
    else:
        width = terminal_width() if sys.stdout.isatty() else None
        write_evaluation(evaluation, sys.stdout, color=color_wanted(sys.stdout), width=width)
    _write_run(env, rankings[-1], run)
    if plot is not None:
        from ragcli.evaluate.plot import write_plot

        write_plot(evaluation, plot)
        env.say(f"the plot is in {plot}")
    return ExitCode.OK


@command(under=eval_)
def make(
    env: Env,
    *,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many questions.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="A different seed makes different questions.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead of stdout.", readable=False),
    ] = None,
) -> ExitCode:
    """Make questions from the documents of the index, as JSONL.

    The questions are synthetic: they are easier than those that people ask, because they are made of words of the
    passages themselves.

    Examples:
      ragcli eval make --index notes -o q.jsonl
      ragcli eval q.jsonl --index notes

    """
    from dataclasses import asdict

    from ragcli.evaluate.make import make_questions
    from ragcli.index.reader import open_index
    from ragcli.render import write_json, write_json_line
    from ragcli.render.evaluation import SYNTHETIC

    with open_index(env.existing_index(), None) as index:
        questions = make_questions(index, count, seed)
    records = [{**asdict(question), "synthetic": True} for question in questions]
    if output is not None:
        with output.open("w", encoding="utf-8") as file:
            for record in records:
                write_json_line(record, file)
    elif not env.json:
        for record in records:
            write_json_line(record, sys.stdout)
    if env.json:
        write_json({"schema": 1, "synthetic": True, "questions": records}, sys.stdout)
    where = f" in {output}" if output is not None else ""
    env.say(f"{len(records)} {SYNTHETIC.replace(':', f'{where}:', 1)}")
    return ExitCode.OK


def _prepared(env: Env, dataset: Path, options: _Collection, report: "Report") -> "tuple[Path, Task]":
    """The index to ask, built first if necessary, and what to ask it."""
    from ragcli.evaluate.datasets import load_questions
    from ragcli.evaluate.task import known_item_task
    from ragcli.index.reader import open_index

    if dataset.is_dir():
        return _collection(env, dataset, options, report)
    if not dataset.is_file():
        raise UsageError(
            f"there is no dataset {dataset}",
            "name a BEIR folder or a JSONL file of questions; ragcli eval make writes one",
        )
    if options != _Collection(None, False, None):
        raise UsageError("--split, --whole and --model are for BEIR folders", f"{dataset} is a file of questions")
    folder = env.existing_index()
    with open_index(folder, None) as index:
        return folder, known_item_task(load_questions(dataset), index)


def _collection(env: Env, dataset: Path, options: _Collection, report: "Report") -> "tuple[Path, Task]":
    from ragcli.evaluate.collection import is_built, kept_folder, passages_index
    from ragcli.evaluate.datasets import DEFAULT_SPLIT, load_beir
    from ragcli.evaluate.task import judged_task
    from ragcli.evaluate.whole import whole_index
    from ragcli.index.reader import open_index
    from ragcli.models.resolve import DEFAULT_MODEL, resolve

    data = load_beir(dataset, DEFAULT_SPLIT if options.split is None else options.split)
    model = resolve(options.model or DEFAULT_MODEL, offline=env.offline)
    kept = kept_folder(data, model, "whole" if options.whole else "passages")
    if not is_built(kept):
        env.say(f"indexing {len(data.corpus):,} documents once: {kept} keeps them for the next time")
    if options.whole:
        folder = whole_index(data, model, report=report)
    else:
        folder = passages_index(data, model, offline=env.offline, report=report)
    with open_index(folder, None) as index:
        return folder, judged_task(data, index)


def _write_run(env: Env, ranking: "Ranking", path: Path | None) -> None:
    if path is not None:
        from ragcli.evaluate.stages import write_run

        write_run(ranking, path)
        env.say(f"the ranking of {ranking.stage} is in {path}")


def _show_progress(bar: "ProgressBar", doing: str, done: int, total: int) -> None:
    bar.show(doing, done, total)
