"""AsciiDoc: sections, blocks between delimiters and tables, each a span of the file as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ragcli.formats.blocks import LoadOptions, header_line
from ragcli.formats.decode import decode
from ragcli.formats.lines import Blocks, Line, document, split_lines
from ragcli.types import Document

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_DELIMITER = re.compile(r"(?:={4,}|-{4,}|\.{4,}|\+{4,}|/{4,}|\*{4,}|_{4,}|--|```.*)[ \t]*")
_VERBATIM = ("-", ".", "+", "/", "`")  # what begins a delimiter behind which nothing is a heading
_TABLE = re.compile(r"[|,:!]={3,}[ \t]*")
_ITEM = re.compile(r"[ \t]*(?:[*.-]{1,5}|\d+\.)[ \t]+\S")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The decoded file; its title is the first heading."""
    del options
    text, warnings = decode(data)
    blocks = Blocks()
    _scan(blocks, split_lines(text))
    return document(path, text, blocks.found, title=blocks.title, warnings=warnings)


def _scan(blocks: Blocks, lines: Sequence[Line]) -> None:
    at = begin = 0
    while at < len(lines):
        content = lines[at].content
        end = at + 1
        if heading := _HEADING.fullmatch(content.rstrip()):
            blocks.add(lines[begin:at], "paragraph")
            blocks.heading([lines[at]], " ".join(heading[2].split()), len(heading[1]))
            begin = end
        elif _TABLE.fullmatch(content):
            blocks.add(lines[begin:at], "paragraph")
            end = _closing(lines, at, content.strip())
            _add_table(blocks, lines[at:end])
            begin = end
        elif _DELIMITER.fullmatch(content) and content.startswith(_VERBATIM) and content.strip() != "--":
            blocks.add(lines[begin:at], "paragraph")
            end = _closing(lines, at, content.strip()[:3] if content.startswith("`") else content.strip())
            blocks.add(lines[at:end], "code")
            begin = end
        elif lines[at].is_blank:
            blocks.add(lines[begin:at], "list" if _ITEM.match(lines[begin].content) else "paragraph")
            begin = end
        at = end
    if begin < len(lines):
        blocks.add(lines[begin:], "list" if _ITEM.match(lines[begin].content) else "paragraph")


def _closing(lines: Sequence[Line], at: int, delimiter: str) -> int:
    """The line after the one that closes what opens in line ``at``."""
    found = (number for number in range(at + 1, len(lines)) if lines[number].content.strip() == delimiter)
    return next(found, len(lines) - 1) + 1


def _add_table(blocks: Blocks, lines: Sequence[Line]) -> None:
    """The rows of a table; the first one names the columns when a blank line follows it."""
    rows = [number for number, line in enumerate(lines[1:-1], start=1) if line.content.lstrip().startswith("|")]
    has_header = bool(rows) and rows[0] + 1 < len(lines) and lines[rows[0] + 1].is_blank
    columns = header_line(lines[rows[0]].content.split("|")[1:]) if has_header else ""
    # The delimiters belong to the first and the last row.
    starts = [0, *rows[1:]] if rows else [0]
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        blocks.add(lines[start:end], "row", columns=columns if number else "")
