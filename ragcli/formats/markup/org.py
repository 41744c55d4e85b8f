"""Org: headings, tables and blocks of code, each a span of the file as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ragcli.formats.blocks import LoadOptions, header_line
from ragcli.formats.decode import decode
from ragcli.formats.lines import Blocks, Line, document, split_lines
from ragcli.types import BlockKind, Document

_HEADING = re.compile(r"(\*+)[ \t]+(\S.*)")
_STATE = re.compile(r"(?:TODO|DONE|NEXT|WAITING|HOLD|CANCELED|CANCELLED|STARTED|PROJ|SOMEDAY)[ \t]+(?=\S)")
_COOKIE = re.compile(r"\[(?:#\w|\d*/\d*|\d*%)\][ \t]*")
_TAGS = re.compile(r"[ \t]+:[\w@#%:]+:[ \t]*\Z")
_LINK = re.compile(r"\[\[[^\[\]]*\]\[([^\[\]]*)\]\]")
_TITLE = re.compile(r"(?i)#\+title:[ \t]*(\S.*)")
_ROW = re.compile(r"[ \t]*\|")
_RULE = re.compile(r"[ \t]*\|-[-+|]*[ \t]*$")
_BEGIN = re.compile(r"(?i)[ \t]*#\+begin_(src|example)\b")
_ITEM = re.compile(r"[ \t]*(?:[-+]|\d+[.)])[ \t]+\S")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The decoded file; its title is ``#+TITLE``, else the first heading."""
    del options
    text, warnings = decode(data)
    lines = split_lines(text)
    blocks = Blocks()
    _scan(blocks, lines)
    title = next((match[1] for line in lines if (match := _TITLE.match(line.content))), blocks.title)
    return document(path, text, blocks.found, title=title, warnings=warnings)


def _scan(blocks: Blocks, lines: Sequence[Line]) -> None:
    at = begin = 0
    while at < len(lines):
        content = lines[at].content
        end, after = at, at + 1  # where the block before ends, and the next one begins
        if heading := _HEADING.match(content):
            _add(blocks, lines[begin:end])
            blocks.heading([lines[at]], _name(heading[2]), len(heading[1]))
        elif _ROW.match(content):
            _add(blocks, lines[begin:end])
            after = next((n for n in range(at, len(lines)) if not _ROW.match(lines[n].content)), len(lines))
            _add_table(blocks, lines[at:after])
        elif code := _BEGIN.match(content):
            _add(blocks, lines[begin:end])
            closing = f"#+end_{code[1].lower()}"
            found = (n for n in range(at, len(lines)) if lines[n].content.strip().lower() == closing)
            after = next(found, len(lines) - 1) + 1
            blocks.add(lines[at:after], "code")
        elif lines[at].is_blank:
            _add(blocks, lines[begin:end])
        else:
            after = begin
        at, begin = (at + 1, begin) if after == begin else (after, after)
    _add(blocks, lines[begin:])


def _add(blocks: Blocks, lines: Sequence[Line]) -> None:
    kind: BlockKind = "list" if lines and _ITEM.match(lines[0].content) else "paragraph"
    blocks.add(lines, kind)


def _name(heading: str) -> str:
    """The text of a heading without its state, priority and tags."""
    text = _TAGS.sub("", _COOKIE.sub("", _STATE.sub("", heading, count=1)))
    return " ".join(_LINK.sub(r"\1", text).split()) or heading


def _add_table(blocks: Blocks, rows: Sequence[Line]) -> None:
    """The rows of a table, named by those above its first rule; one may stand above the header too."""
    rules = [number for number, row in enumerate(rows) if _RULE.match(row.content)]
    rule = next((number for number in rules if number), 0)
    header = [row for row in rows[:rule] if not _RULE.match(row.content)]
    columns = header_line(" ".join(cells) for cells in zip(*map(_cells, header), strict=False))
    if rule:
        blocks.add(rows[: rule + 1], "row")
    for row in rows[rule + 1 if rule else 0 :]:
        blocks.add([row], "row", columns=columns)


def _cells(row: Line) -> list[str]:
    return row.content.strip().strip("|").split("|")
