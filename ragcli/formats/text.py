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
from ragcli.types import Document

_UNDERLINES = {"=": 1, "-": 2}
_UNDERLINE = re.compile(r"(=|-)\1{2,}[ \t]*")
_MARGIN = 3  # characters by which an underline may differ from its title, as typed by hand
_ORG = re.compile(r"(\*+)[ \t]+(\S.*)")
_ORG_ROW = re.compile(r"[ \t]*\|.*")
_ORG_RULE = re.compile(r"[ \t]*\|-[-+|]*[ \t]*$")
_TEX = re.compile(r"[ \t]*\\(part|chapter|section|subsection|subsubsection)\*?(?:\[[^]]*\])?\{(.+?)\}")
_MARKUP = {".org": _ORG, ".tex": _TEX}
_TEX_LEVELS = {"part": 1, "chapter": 2, "section": 3, "subsection": 4, "subsubsection": 5}


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
            if suffix in _MARKUP:
                _add_marked_up(blocks, paragraph, suffix, page)
            else:
                _add_plain(blocks, paragraph, page)
        if end < 0:
            break
        start = end + 1
    return document(path, text, blocks.found, title=blocks.title, warnings=warnings)


def _add_plain(blocks: Blocks, paragraph: Sequence[Line], page: int | None) -> None:
    """A paragraph, or a title with a line of === or --- below it (and perhaps above) and what follows."""
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


def _add_org_table(blocks: Blocks, rows: Sequence[Line], page: int | None) -> None:
    """The rows of a table, named by those above its first rule."""
    rule = next((number for number, row in enumerate(rows) if _ORG_RULE.match(row.content)), 0)
    columns = header_line(" ".join(cells) for cells in zip(*(_org_cells(row) for row in rows[:rule]), strict=False))
    if rule:
        blocks.add(rows[: rule + 1], "row", page)
    for row in rows[rule + 1 if rule else 0 :]:
        blocks.add([row], "row", page, columns=columns)


def _org_cells(row: Line) -> list[str]:
    return row.content.strip().strip("|").split("|")


def _add_marked_up(blocks: Blocks, paragraph: Sequence[Line], suffix: str, page: int | None) -> None:
    begin = 0
    if suffix == ".org" and all(map(_ORG_ROW.match, (line.content for line in paragraph))):
        _add_org_table(blocks, paragraph, page)
        return
    for number, line in enumerate(paragraph):
        match = _MARKUP[suffix].match(line.content)
        if match:
            level = len(match[1]) if suffix == ".org" else _TEX_LEVELS[match[1]]
            blocks.add(paragraph[begin:number], "paragraph", page)
            blocks.heading([line], " ".join(match[2].split()), level, page)
            begin = number + 1
    blocks.add(paragraph[begin:], "paragraph", page)
