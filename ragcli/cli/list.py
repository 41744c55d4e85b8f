"""``ragcli list``: what is in the index, or what is not and why."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env
from ragcli.errors import ExitCode


@command(pager=True)
def list_(
    env: Env,
    *,
    not_indexed: Annotated[
        bool, typer.Option("--not-indexed", help="List the files that are not in the index, and why.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="List only the files that could not be read.")] = False,
) -> ExitCode:
    """List the documents, or what is not indexed.

    Examples:
      ragcli list                      path, chunks, kind, date
      ragcli list --not-indexed        every file that was left out, with the reason
      ragcli list --failed --json      only the files that need attention

    """
    if not_indexed or failed:
        return _list_skipped(env, only_failed=failed)
    return _list_documents(env)


def _list_documents(env: Env) -> ExitCode:
    """Print one line per document, in path order."""
    from ragcli.index.reader import open_index
    from ragcli.render import write_json
    from ragcli.render.table import write_table
    from ragcli.render.terminal import color_wanted, screen_width
    from ragcli.render.visible import display_path

    with open_index(env.existing_index(), None) as index:
        rows = list(index.catalog.documents())
        run = index.catalog.ledger.unfinished_run()
    if run is not None:
        env.say(f"note: {run}")
    elif not rows:
        env.say("note: the index holds no documents; see what was left out: ragcli list --not-indexed")
    if env.json:
        entries = [
            {
                "path": str(row.path), "title": row.title, "kind": row.loader, "chunks": row.chunks,
                "pages": len(row.pages), "size": row.size, "modified": _when(row.mtime_ns), "sha256": row.sha256,
                "sent": None if row.dated_ns is None else _when(row.dated_ns),
                "warnings": list(row.warnings),
            }
            for row in rows
        ]  # fmt: skip
        with env.output() as out:
            write_json({"schema": 1, "documents": entries}, out)
    else:
        base = Path.cwd()
        table = [(display_path(row.path, base), str(row.chunks), row.loader, _when(row.time_ns)[:10]) for row in rows]
        with env.output() as out:
            write_table(
                table, ("path", "chunks", "kind", "date"), out, color=color_wanted(sys.stdout), width=screen_width()
            )
    return ExitCode.OK if rows else ExitCode.NOT_FOUND


def _list_skipped(env: Env, *, only_failed: bool) -> ExitCode:
    """Print one line per file or unvisited folder, with the reason."""
    from ragcli.index.reader import open_index
    from ragcli.render import write_json
    from ragcli.render.record import skipped_record
    from ragcli.render.table import write_table
    from ragcli.render.terminal import color_wanted, screen_width
    from ragcli.render.visible import display_path

    with open_index(env.existing_index(), None) as index:
        rows = [row for row in index.catalog.skipped() if row.reason.is_failure or not only_failed]
    if env.json:
        with env.output() as out:
            write_json({"schema": 1, "not_indexed": [skipped_record(row) for row in rows]}, out)
    else:
        base = Path.cwd()
        table = [(display_path(row.path, base), str(row.reason), row.detail, str(row.files)) for row in rows]
        with env.output() as out:
            write_table(
                table, ("path", "reason", "detail", "files"), out, color=color_wanted(sys.stdout), width=screen_width()
            )
    return ExitCode.OK if rows else ExitCode.NOT_FOUND


def _when(mtime_ns: int) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(mtime_ns / 1e9).astimezone().isoformat(timespec="seconds")
