"""CSV and TSV: each record one line of text, on the line of the file where it begins."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path
from typing import Literal

from ragcli.formats.blocks import LoadOptions, row_text
from ragcli.formats.decode import decode
from ragcli.formats.lines import document
from ragcli.types import Block, Document

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50
_MAX_HEIGHT = 500  # lines of one record; a cell with a longer text is a quote that nobody closed


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """One line for each line of the file: a record stands on its first, the others of a record are empty.

    The first record with several cells names the values below it when it looks like a header.
    LoadError(EMPTY) when no cell has text.
    """
    del options
    text, warnings = decode(data)
    parts: list[str] = []
    blocks: list[Block] = []
    length = 0
    header: list[str] | None = None
    undecided = True
    for cells, height in _records(text, "\t" if path.suffix.lower() == ".tsv" else None):
        row = row_text(header, cells)
        if row:
            blocks.append(Block(length, length + len(row), "row"))
        if undecided and sum(1 for cell in cells if cell.strip()) > 1:  # a line with one cell above it is a caption
            header, undecided = (cells if _is_header(cells) else None), False
        parts.append(row + "\n" * height)
        length += len(row) + height
    return document(path, "".join(parts), blocks, warnings=warnings)


def _is_header(cells: list[str]) -> bool:
    """True for two or more different names, one in every column (the first column may do without)."""
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:  # each line may end with a delimiter
        names.pop()
    names = names if names and names[0] else names[1:]
    has_letters = all(any(character.isalpha() for character in name) for name in names)
    return len(names) > 1 and has_letters and len(set(names)) == len(names)


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
    """The sign that cuts most of the lines into the same number of cells; one that never occurs when none does."""
    best, delimiter = (0.0, 1), "\x1f"
    for candidate in _DELIMITERS:
        widths = Counter(len(cells) for cells, _ in _parse(lines, candidate, csv.QUOTE_MINIMAL) if cells)
        width, count = max(widths.items(), key=lambda item: item[::-1], default=(0, 0))
        score = (count / max(1, widths.total()), width)
        if width > 1 and score > best:
            best, delimiter = score, candidate
    return delimiter
