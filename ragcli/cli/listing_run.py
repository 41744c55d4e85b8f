"""The tables behind ``ragcli list``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TextIO

from ragcli.cli.env import Env
from ragcli.errors import ExitCode
from ragcli.index.reader import open_index
from ragcli.render import write_json
from ragcli.render.table import write_table
from ragcli.render.terminal import color_wanted
from ragcli.render.visible import display_path


def documents(env: Env, base: Path, out: TextIO) -> ExitCode:
    """One line a document, in path order."""
    with open_index(env.existing_index(), None) as index:
        rows = list(index.catalog.documents())
    if env.json:
        entries = [
            {
                "path": str(row.path), "title": row.title, "kind": row.loader, "chunks": row.chunks,
                "pages": len(row.pages), "size": row.size, "modified": _when(row.mtime_ns), "sha256": row.sha256,
                "warnings": list(row.warnings),
            }
            for row in rows
        ]  # fmt: skip
        write_json({"schema": 1, "documents": entries}, out)
    else:
        table = [(display_path(row.path, base), str(row.chunks), row.loader, _when(row.mtime_ns)[:10]) for row in rows]
        write_table(table, ("path", "chunks", "kind", "modified"), out, color=color_wanted(out))
    return ExitCode.OK if rows else ExitCode.NOT_FOUND


def skipped(env: Env, base: Path, out: TextIO, *, only_failed: bool) -> ExitCode:
    """One line a file, or folder that was not entered, with its reason."""
    with open_index(env.existing_index(), None) as index:
        rows = [row for row in index.catalog.skipped() if row.reason.is_failure or not only_failed]
    if env.json:
        entries = [
            {"path": str(row.path), "reason": str(row.reason), "detail": row.detail, "files": row.files,
             "failed": row.reason.is_failure}
            for row in rows
        ]  # fmt: skip
        write_json({"schema": 1, "not_indexed": entries}, out)
    else:
        table = [(display_path(row.path, base), str(row.reason), row.detail, str(row.files)) for row in rows]
        write_table(table, ("path", "reason", "detail", "files"), out, color=color_wanted(out))
    return ExitCode.OK if rows else ExitCode.NOT_FOUND


def _when(mtime_ns: int) -> str:
    return datetime.fromtimestamp(mtime_ns / 1e9).astimezone().isoformat(timespec="seconds")
