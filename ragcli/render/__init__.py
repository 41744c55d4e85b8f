"""Write results for people and for programs.

Only ``text`` needs rich; each format is imported when it is asked for. Only data is written: notes, counts and
"nothing found" are for the caller to say on stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ragcli.errors import UsageError
from ragcli.render.visible import json_text, visible

if TYPE_CHECKING:
    from ragcli.types import Results

__all__ = ["FORMATS", "visible", "write_json", "write_json_line", "write_results"]

FORMATS: tuple[str, ...] = ("text", "plain", "json", "jsonl", "csv", "paths", "vimgrep", "markdown")


def write_results(
    results: Results,
    format: str,  # noqa: A002 - the name of the option that it carries
    out: TextIO,
    *,
    base: Path,
    nul: bool = False,
    explain: bool = False,
    context: int = 0,
    color: bool = False,
    width: int | None = None,
    first: int = 1,
) -> None:
    """Write ``results`` to ``out`` in one of FORMATS.

    Paths below ``base`` are shown relative to it, others as they are; JSON always has absolute paths. ``nul`` ends the
    names of ``paths`` with NUL. ``explain`` adds the rank and score in each list to ``text``, ``plain`` and ``csv``
    (JSON always has them). ``context`` adds that many lines of the passage around the snippet to ``text`` and
    ``markdown``. ``color``, ``width`` (columns) and ``first`` (the rank of the first hit) are for ``text``; without a
    width its lines are not wrapped. For ``plain``, ``paths``, ``csv`` and ``vimgrep``, ``out`` must be able to write
    lone surrogates (``errors="surrogateescape"``), or file names that are not UTF-8 fail. Raises UsageError for an
    unknown format.
    """
    match format:
        case "json":
            from ragcli.render.record import results_record

            write_json(results_record(results), out)
        case "jsonl":
            from ragcli.render.record import line_records

            for record in line_records(results):
                write_json_line(record, out)
        case "plain":
            from ragcli.render.lines import plain_lines

            out.writelines(plain_lines(results, base, explain=explain))
        case "vimgrep":
            from ragcli.render.lines import vimgrep_lines

            out.writelines(vimgrep_lines(results, base))
        case "paths":
            from ragcli.render.lines import path_lines

            out.writelines(path_lines(results, base, nul=nul))
        case "csv":
            from ragcli.render.spreadsheet import write_csv

            write_csv(results, out, base, explain=explain)
        case "markdown":
            from ragcli.render.markdown import write_markdown

            write_markdown(results, out, base, context=context)
        case "text":
            from ragcli.render.text import write_text

            write_text(results, out, base, explain=explain, context=context, color=color, width=width, first=first)
        case _:
            raise UsageError(f"unknown format {visible(format)!r}", f"one of: {', '.join(FORMATS)}")


def write_json(record: dict[str, Any], out: TextIO) -> None:
    """Write one JSON document, indented, ending with a line break."""
    out.write(json_text(record, indent=2) + "\n")


def write_json_line(record: dict[str, Any], out: TextIO) -> None:
    """Write one JSON document on a line of its own."""
    out.write(json_text(record) + "\n")
