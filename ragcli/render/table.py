"""Aligned columns for lists and status, without frames and without rich."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TextIO

from ragcli.render.visible import one_line

_NUMBER = re.compile(r"[-+]?\d[\d,.]*( ?(%|B|[KMGT]iB|ms|s|min|h|d))*|[-–]?")
_INDENT = 4
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"


def write_table(
    rows: Sequence[Sequence[str]], header: Sequence[str], out: TextIO, *, color: bool, width: int | None = None
) -> None:
    """Write ``rows`` under ``header``, with two blanks between columns; columns of numbers are aligned to the right.

    Every row has as many cells as the header. The text of a cell is made visible, in one line. Where the columns do not
    fit into ``width``, the first cell of a row has a line of its own, and the others follow below it.
    """
    shown = [[one_line(cell) for cell in row] for row in rows]
    columns = list(zip(header, *shown, strict=True))
    widths = [max(cells(cell) for cell in column) for column in columns]
    to_right = [bool(shown) and all(_NUMBER.fullmatch(cell) for cell in column[1:]) for column in columns]
    is_narrow = width is not None and _total(widths) > width
    fits_below = width is not None and _INDENT + _total(widths[1:]) <= width
    for number, row in enumerate((header, *shown)):
        aligned = [_aligned(*cell) for cell in zip(row, widths, to_right, strict=True)]
        lines = ["  ".join(aligned)]
        if is_narrow:
            below = ["  ".join(aligned[1:])] if fits_below else [cell.strip() for cell in row[1:] if cell]
            lines = [row[0], *(" " * _INDENT + line for line in below)]
        for line in lines:
            shown_line = line.rstrip()
            out.write(f"{_BOLD}{shown_line}{_RESET}\n" if color and number == 0 else f"{shown_line}\n")


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * max(0, len(widths) - 1)


def _aligned(cell: str, width: int, to_right: bool) -> str:
    pad = " " * (width - cells(cell))
    return pad + cell if to_right else cell + pad


def cells(text: str) -> int:
    """Return the columns that ``text`` takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
