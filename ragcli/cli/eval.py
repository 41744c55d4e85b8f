"""``ragcli eval``: measure the ranking."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode

MAKE = "make"


def register(app: typer.Typer) -> None:
    @command(app, "eval")
    def eval_(
        env: Env,
        dataset: Annotated[
            str, typer.Argument(metavar="DATASET|make", help="A BEIR folder, or a JSONL file of questions.")
        ],
        split: Annotated[
            str | None, typer.Option(metavar="NAME", help="Which qrels of a BEIR folder (test).", show_default=False)
        ] = None,
        whole: Annotated[
            bool, typer.Option("--whole", help="Whole documents of a BEIR folder, as published figures are measured.")
        ] = False,
        model: Annotated[
            str | None, typer.Option(metavar="NAME|FOLDER", help="Embedding model for a BEIR folder.")
        ] = None,
        stage: Annotated[
            list[str] | None, typer.Option(metavar="NAME", help="Only this stage; may be given several times.")
        ] = None,
        limit: Annotated[int | None, typer.Option(min=1, help="Only the first questions, for a quick look.")] = None,
        compare: Annotated[
            bool, typer.Option("--compare", help="Test the differences between stages; count wins and losses.")
        ] = False,
        run: Annotated[
            Path | None, typer.Option(metavar="FILE", help="Write the ranking of the last stage as a TREC run.")
        ] = None,
        plot: Annotated[
            Path | None, typer.Option(metavar="FILE.png", help="Draw quality against latency, wins and losses.")
        ] = None,
        count: Annotated[
            int | None, typer.Option(min=1, help="make: how many questions (200).", show_default=False)
        ] = None,
        seed: Annotated[
            int | None, typer.Option(min=0, help="make: another number, other questions (0).", show_default=False)
        ] = None,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", metavar="FILE", help="make: write there, not to stdout.")
        ] = None,
    ) -> ExitCode:  # fmt: skip
        """Measure the ranking: keyword, dense and hybrid search side by side.

        DATASET is a BEIR folder (corpus.jsonl, queries.jsonl, qrels/), which is indexed once and kept, or a JSONL file
        of {question, path, text?} about the documents of --index. The word make, instead, writes such a file from
        the index itself, without anyone who judges.

        \b
        Examples:
          ragcli eval path/to/scifact --compare         all stages, and which differences are not chance
          ragcli eval path/to/scifact --whole           to compare with published figures
          ragcli eval questions.jsonl --index notes     questions about your own documents
          ragcli eval make --index notes -o q.jsonl     make questions of your own documents
          ragcli eval q.jsonl --index notes --limit 50  and ask them
        """
        from ragcli.cli import eval_run

        made = eval_run.MakeOptions(count, seed, output)
        options = eval_run.EvalOptions(
            split=split, whole=whole, model=model, stages=tuple(stage or ()), limit=limit, compare=compare, run=run,
            plot=plot,
        )  # fmt: skip
        if dataset == MAKE:
            return eval_run.make(env, made, options)
        return eval_run.run(env, Path(dataset), options, made)
