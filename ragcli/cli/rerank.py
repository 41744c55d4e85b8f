"""``ragcli rerank``: a stage in a pipe."""

from __future__ import annotations

from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "rerank")
    def rerank(
        env: Env,
        query: Annotated[str, typer.Argument(metavar="QUERY", help="What the lines should answer.")],
        k: Annotated[int | None, typer.Option("-k", "--top", min=1, help="Only the best so many.")] = None,
        field: Annotated[str, typer.Option(metavar="NAME", help="The field of a JSON record that is read.")] = "text",
        reranker: Annotated[
            str | None, typer.Option(metavar="NAME|FOLDER", help="Another cross-encoder than the one that ships.")
        ] = None,
        min_prob: Annotated[
            float | None, typer.Option(min=0, max=1, metavar="P", help="Only what is at least this likely to answer.")
        ] = None,
    ) -> ExitCode:
        """Put lines or JSON records from stdin in the order in which they answer QUERY, best first.

        \b
        Lines come out as they came in. JSON records (one a line, all of them objects) get a field "rerank" with
        rank, score and probability. Blank lines are dropped; --json makes records of lines.

        \b
        Examples:
          rg -n timeout | ragcli rerank "why does a request fail" | head
          ragcli query "rotation" --no-rerank -k 50 --jsonl | ragcli rerank "how often are logs rotated" -k 5
          jq -c '.[]' issues.json | ragcli rerank "crash on start" --field body

        Exit code 1: nothing came in, or nothing as likely as --min-prob asks.
        """
        from ragcli.cli.rerank_run import run
        from ragcli.models.files import DEFAULT_RERANKER

        return run(env, query, field=field, k=k, reranker=reranker or DEFAULT_RERANKER, min_probability=min_prob)
