"""Plain text: paragraphs between blank lines, with the headings that its conventions mark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from ragcli.formats.blocks import LoadOptions, header_line
from ragcli.formats.decode import decode
from ragcli.formats.escapes import unescaped
from ragcli.formats.lines import Blocks, Line, document, each_line, paragraphs
from ragcli.formats.tables import header_of, plain_row
from ragcli.types import Document

_UNDERLINES = {"=": 1, "-": 2}
_UNDERLINE = re.compile(r"(=|-)\1{2,}[ \t]*")
_MARGIN = 3  # characters by which an underline may differ from its title, as typed by hand
_TABLE_LINES = 3


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The decoded file; each line of ``.lines`` is a record.

    Pages are counted where form feeds end them. Raises LoadError(EMPTY) when all of it is blank.
    """
    del options
    suffix = path.suffix.lower()
    text, warnings = decode(data)
    text = unescaped(text, suffix)
    blocks = Blocks()
    if suffix == ".lines":
        for line in each_line(text):
            blocks.add([line], "record")
        return document(path, text, blocks.found, warnings=warnings)
    start, is_paged = 0, "\f" in text
    for number in count(1):
        end = text.find("\f", start)
        page = number if is_paged else None
        for paragraph in paragraphs(each_line(text, start, len(text) if end < 0 else end)):
            _add_plain(blocks, paragraph, page)
        if end < 0:
            break
        start = end + 1
    return document(path, text, blocks.found, title=blocks.title, warnings=warnings)


def _add_plain(blocks: Blocks, paragraph: Sequence[Line], page: int | None) -> None:
    """A paragraph, a table, or a title with a line of === or --- below it (and perhaps above) and what follows."""
    if len(paragraph) >= _TABLE_LINES and _is_table(paragraph):
        columns = header_line(_header(paragraph))
        for number, line in enumerate(paragraph):
            blocks.add([line], "row", page, columns=columns if number else "")
        return
    over = 1 if len(paragraph) > 1 and _underline(paragraph[0]) else 0
    sign = _underline(paragraph[over + 1]) if len(paragraph) > over + 1 else ""
    title = paragraph[over].content.strip()
    underlined = bool(sign) and not _underline(paragraph[over])
    if underlined and over:
        underlined = _underline(paragraph[0]) == sign
    elif underlined:
        underlined = abs(len(paragraph[1].content.strip()) - len(title)) <= _MARGIN
    if underlined:
        body = over + 2
        blocks.heading(paragraph[:body], " ".join(title.split()), _UNDERLINES[sign], page)
        paragraph = paragraph[body:]
    if paragraph:
        blocks.add(paragraph, "paragraph", page)


def _underline(line: Line) -> str:
    match = _UNDERLINE.fullmatch(line.content.strip())
    return match[1] if match else ""


def _is_table(paragraph: Sequence[Line]) -> bool:
    """True for lines of cells with tabs between them, the same number in each."""
    tabs = paragraph[0].content.count("\t")
    return (
        tabs > 0
        and all(line.content.count("\t") == tabs for line in paragraph)
        and not any(line.content.startswith("\t") for line in paragraph)
    )


def _header(paragraph: Sequence[Line]) -> list[str]:
    """The names of the columns in the first line, none where it has values."""
    rows = [plain_row([cell.strip() for cell in line.content.split("\t")]) for line in paragraph[:_TABLE_LINES]]
    height, names = header_of(rows)
    return names if height == 1 else []
