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
_ATTRIBUTE = re.compile(r"(?m)^:(\w[\w-]*):[ \t]+(\S.{0,199})$")
_REFERENCE = re.compile(r"(?<!\\)\{(\w[\w-]*)\}")
_COLUMNS = re.compile(r"\bcols=(?:[\"']([^\"']*)[\"']|([\w*]+))")
_HEADER = re.compile(r"%(?:\w+%)*header\b|options?=[\"']?[\w,]*header|opts=[\"']?[\w,]*header")
_ITEM = re.compile(r"[ \t]*(?:[*.-]{1,5}|\d+\.)[ \t]+\S")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The decoded file; its title is the first heading."""
    del options
    text, warnings = decode(data)
    text = _written_out(text)
    blocks = Blocks()
    _scan(blocks, split_lines(text))
    return document(path, text, blocks.found, title=blocks.title, warnings=warnings)


def _written_out(text: str) -> str:
    """``text`` with the names that it gives to texts (``:crane: Liebherr 550``) replaced by these, line by line."""
    if "{" not in text:
        return text
    given: dict[str, str] = {match[1]: match[2].strip() for match in _ATTRIBUTE.finditer(text)}
    return _REFERENCE.sub(lambda match: given.get(match[1], match[0]), text) if given else text


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
            _add_table(blocks, lines[at:end], lines[at - 1].content if at and lines[at - 1].content[:1] == "[" else "")
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


def _add_table(blocks: Blocks, lines: Sequence[Line], attributes: str) -> None:
    """The rows of a table; the first one names the columns when it is said to, or a blank line follows it."""
    cells = [
        (number, cell.strip())
        for number, line in enumerate(lines[1:-1], start=1)
        if line.content.lstrip().startswith("|")
        for cell in line.content.split("|")[1:]
    ]
    rows = sorted({number for number, _ in cells})
    follows_blank = bool(rows) and rows[0] + 1 < len(lines) and lines[rows[0] + 1].is_blank
    width = _width(attributes) or sum(number == rows[0] for number, _ in cells) if rows else 0
    if width and len(cells) % width == 0:  # a row may take a line for each cell
        rows = sorted({number for number, _ in cells[::width]})
    has_header = follows_blank or _HEADER.search(attributes) is not None
    columns = header_line(cell for _, cell in cells[:width]) if has_header else ""
    # The delimiters belong to the first and the last row.
    starts = [0, *rows[1:]] if rows else [0]
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        blocks.add(lines[start:end], "row", columns=columns if number else "")


def _width(attributes: str) -> int:
    """The number of columns that ``cols`` says, 0 where it does not."""
    if (match := _COLUMNS.search(attributes)) is None:
        return 0
    specs = re.split(r"[,;]", (match[1] or match[2]).strip())
    return sum(int(spec.split("*")[0]) if re.match(r"\d{1,3}\*", spec.strip()) else 1 for spec in specs)
