"""``ragcli query``: search by meaning and by words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode
from ragcli.render import FORMATS
from ragcli.retrieve import DEFAULT_CANDIDATES

_MODES = ("hybrid", "dense", "keyword")


def _complete_mode(incomplete: str) -> list[str]:
    return [mode for mode in _MODES if mode.startswith(incomplete)]


def _complete_format(incomplete: str) -> list[str]:
    return [name for name in FORMATS if name.startswith(incomplete)]


def register(app: typer.Typer) -> None:
    @command(app, "query")
    def query(
        env: Env,
        text: Annotated[str, typer.Argument(metavar="TEXT", help="The question; - reads one a line from stdin.")],
        files: Annotated[
            list[Path] | None, typer.Argument(metavar="FILE", help="More files to search, with --in.")
        ] = None,
        k: Annotated[int, typer.Option("-k", "--top", min=1, help="How many passages.")] = 10,
        mode: Annotated[
            str, typer.Option(metavar="|".join(_MODES), autocompletion=_complete_mode, help="Which lists to search.")
        ] = "hybrid",
        rerank: Annotated[
            bool, typer.Option("--rerank/--no-rerank", help="Read the best candidates again, with the question.")
        ] = True,
        reranker: Annotated[
            str | None, typer.Option(metavar="NAME|FOLDER", help="Another cross-encoder than the one that ships.")
        ] = None,
        candidates: Annotated[
            int, typer.Option(min=1, help="How many of the best are reranked.")
        ] = DEFAULT_CANDIDATES,
        budget: Annotated[
            str | None, typer.Option(metavar="TIME", help="Rerank as many as fit into this time: 300ms, 1s.")
        ] = None,
        min_prob: Annotated[
            float | None, typer.Option(min=0, max=1, metavar="P", help="Only passages at least this likely to answer.")
        ] = None,
        path: Annotated[
            list[str] | None, typer.Option(metavar="GLOB", help="Only files that match: *.md, docs/*, a folder.")
        ] = None,
        type_: Annotated[
            list[str] | None,
            typer.Option(
                "--type", "-t", metavar="KIND", envvar="RAGCLI_QUERY_TYPE", help="Only files of a kind: pdf, md, docx."
            ),
        ] = None,
        after: Annotated[str | None, typer.Option(metavar="DATE", help="Only files modified since.")] = None,
        before: Annotated[str | None, typer.Option(metavar="DATE", help="Only files modified before.")] = None,
        unique: Annotated[bool, typer.Option("--unique", "-u", help="At most one passage a file.")] = False,
        context: Annotated[int, typer.Option("--context", "-C", min=0, help="Lines around each snippet.")] = 0,
        explain: Annotated[bool, typer.Option("--explain", help="Show each list's rank and score.")] = False,
        format_: Annotated[
            str | None,
            typer.Option(
                "--format", "-f", metavar="|".join(FORMATS), autocompletion=_complete_format, show_default=False,
                help="How to print; text on a terminal, plain in a pipe.", envvar="RAGCLI_QUERY_FORMAT",
            ),
        ] = None,
        jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a hit and line.")] = False,
        paths: Annotated[bool, typer.Option("--paths", "-l", help="Only the paths, each once.")] = False,
        null: Annotated[bool, typer.Option("--null", "-0", help="End paths with NUL, for xargs -0.")] = False,
        in_: Annotated[
            list[Path] | None,
            typer.Option(
                "--in", metavar="FILE|-", envvar="RAGCLI_QUERY_IN",
                help="Search these files or folders, or stdin, without an index.",
            ),
        ] = None,
    ) -> ExitCode:  # fmt: skip
        """Print the best passages for a question.

        \b
        Examples:
          ragcli query "how are logs rotated?"             on a terminal: passages with their place
          ragcli query "rotation" --jsonl | jq .path       in a pipe: one JSON object a hit
          ragcli query "rotation" -l -0 | xargs -0 wc      the files, safely
          ragcli query "rotation" --in *.md                no index needed
          git log | ragcli query "when did X break" --in - search what another program says
          ragcli query - < questions.txt                   one JSON line out for each line in

        Exit code 1: nothing found, or nothing as likely as --min-prob asks.
        """
        from ragcli.cli import query_run
        from ragcli.models.files import DEFAULT_RERANKER
        from ragcli.retrieve.engine import SearchOptions
        from ragcli.retrieve.filters import Filters, parse_date

        chosen = query_run.choose_format(env, format_, FORMATS, jsonl=jsonl, paths=paths, null=null)
        options = SearchOptions(
            k=k,
            mode=query_run.choose_mode(mode),
            reranker=(reranker or DEFAULT_RERANKER) if rerank else None,
            candidates=candidates,
            budget=query_run.parse_time(budget) if budget else None,
            min_probability=min_prob,
            filters=Filters(
                paths=tuple(path or ()),
                types=tuple(type_ or ()),
                after=parse_date(after) if after else None,
                before=parse_date(before) if before else None,
            ),
            unique=unique,
            offline=env.offline,
        )
        look = query_run.Look(chosen, null=null, explain=explain, context=context)
        return query_run.run(env, text, [*(in_ or ()), *(files or ())], options, look, on_the_fly=bool(in_))
