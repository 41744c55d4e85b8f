"""CSV and TSV: each record one line of text, on the line of the file where it begins."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path
from typing import Literal

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.decode import decode
from ragcli.formats.lines import document
from ragcli.formats.tables import named_rows, plain_row
from ragcli.types import Block, Document

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50
_MOST_LINES = 0.6
_MAX_HEIGHT = 500  # lines of one record; a cell with a longer text is a quote that nobody closed


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """One line for each line of the file: a record stands on its first, the others of a record are empty.

    A header names the values below it; lines of other widths may stand above it, as in the exports of banks.
    LoadError(EMPTY) when no cell has text.
    """
    del options
    text, warnings = decode(data)
    parts: list[str] = []
    blocks: list[Block] = []
    length = 0
    records = [
        ([cell.strip() for cell in cells], height)
        for cells, height in _records(text, "\t" if path.suffix.lower() == ".tsv" else None)
    ]
    rows = named_rows((plain_row(cells) for cells, _ in records), lines_across=False)
    for cells, height in records:
        row = next(rows) if any(cells) else ""
        if row:
            blocks.append(Block(length, length + len(row), "row"))
        parts.append(row + "\n" * height)
        length += len(row) + height
    return document(path, "".join(parts), blocks, warnings=warnings)


def _records(text: str, delimiter: str | None) -> list[tuple[list[str], int]]:
    """The cells of each record and the lines that it takes in the file."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    delimiter = delimiter or _guess_delimiter(lines[:_SAMPLE_LINES])
    records = _parse(lines, delimiter, csv.QUOTE_MINIMAL)
    if max((height for _, height in records), default=0) > _MAX_HEIGHT:  # a stray quote swallowed what follows it
        records = [([cell.strip(' "') for cell in cells], 1) for cells, _ in _parse(lines, delimiter, csv.QUOTE_NONE)]
    return records


def _parse(lines: list[str], delimiter: str, quoting: Literal[0, 3]) -> list[tuple[list[str], int]]:
    limit = csv.field_size_limit(sys.maxsize)
    try:
        reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, quoting=quoting)
        before = 0
        records = []
        for cells in reader:
            records.append((cells, reader.line_num - before))
            before = reader.line_num
        return records
    finally:
        csv.field_size_limit(limit)


def _guess_delimiter(lines: list[str]) -> str:
    """The sign that cuts most of the lines into the same number of cells; one that never occurs when none does.

    A sign that makes more cells of most lines wins over one that occurs once in all of them, as a decimal comma does.
    """
    best, delimiter = (0.0, 0.0), "\x1f"
    for candidate in _DELIMITERS:
        widths = Counter(len(cells) for cells, _ in _parse(lines, candidate, csv.QUOTE_MINIMAL) if cells)
        width, count = max(widths.items(), key=lambda item: item[::-1], default=(0, 0))
        share = count / max(1, widths.total())
        score = (share * width if share > _MOST_LINES else 0.0, share)
        if width > 1 and score > best:
            best, delimiter = score, candidate
    return delimiter
