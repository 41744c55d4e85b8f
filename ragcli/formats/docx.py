"""Word: the body in its own order, with headings by style, lists, tables, text boxes and footnotes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import docx
from docx.document import Document as WordDocument
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from docx.oxml.xmlchemy import BaseOxmlElement as Element

from ragcli.errors import LoadError
from ragcli.formats.archive import ZIP_ERRORS, open_archive
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.tables import Cell, Grid, Row, add_rows
from ragcli.types import Document, Reason

# What python-docx raises on a package whose parts are missing, of another kind or not well-formed XML (SyntaxError).
_DAMAGE = (*ZIP_ERRORS, OpcError, SyntaxError, AttributeError, LookupError, TypeError)

_LONGEST_HEADING = 200
_MAX_COLUMNS = 1000  # a span is only a number in the file

_P, _TBL, _TR, _TC, _BOX = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc"), qn("w:txbxContent")
_TEXT = {qn("w:t"), qn("m:t")}
_MARKS = {qn("w:tab"): " ", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
# A text box comes twice: as a drawing and, for old programs, as a fallback.
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOT_TEXT = {qn("w:del"), qn("w:moveFrom"), qn("w:pPr"), qn("w:rPr"), qn("w:rt"), _BOX, _FALLBACK}
_NOTES = {qn("w:footnoteReference"): "footnotes", qn("w:endnoteReference"): "endnotes"}

_HEADING = re.compile(r"heading ?([1-9])\Z", re.IGNORECASE)
_LIST = re.compile(r"list(?: (?:bullet|number)(?: \d)?)?\Z", re.IGNORECASE)
_MAX_DEPTH = 20  # of styles based on styles, which may go round in a circle
_OUTLINE_LEVELS = "012345678"  # 9 is body text


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a Word file; its pages are not known, as they depend on the printer.

    Raises LoadError: EMPTY, ENCRYPTED or DAMAGED.
    """
    del options
    open_archive(data, ".docx").close()
    try:
        document = docx.Document(io.BytesIO(data))
        reader = _Reader(document)
        reader.read(document.element.body)
        title = " ".join((document.core_properties.title or "").split())
    except _DAMAGE as error:
        raise LoadError(Reason.DAMAGED, f"not a readable Word file: {error}") from error
    return reader.builder.build(path, title if is_title(title, path) else reader.title)


class _Reader:
    """Turns the elements of a document into blocks."""

    def __init__(self, document: WordDocument) -> None:
        self.builder = TextBuilder()
        self.title = ""  # the first paragraph in the style Title, else the first heading
        self._has_title_style = False
        self._styles = _read_styles(document.styles.element)
        self._notes = {kind: _read_notes(document, kind) for kind in _NOTES.values()}
        self._in_list = False

    def read(self, parent: Element) -> None:
        for element in _body(parent):
            if element.tag == _TBL:
                add_rows(self.builder, _rows(element))
                self._in_list = False
            else:
                self._add_paragraph(element)

    def _add_paragraph(self, element: Element) -> None:
        text = _paragraph_text(element)
        if text:
            self._add_text(text, _paragraph_style(element, self._styles))
        for reference in element.iter(*_NOTES):
            note = self._notes[_NOTES[reference.tag]].pop(reference.get(qn("w:id")), "")
            self.builder.add(f"Note: {note}" if note else "")
        for box in _boxes(element):
            self.read(box)

    def _add_text(self, text: str, style: _Style) -> None:
        if style.level is not None and len(text) <= _LONGEST_HEADING:
            self.builder.heading(text, max(1, style.level))
            if not self.title or (style.level == 0 and not self._has_title_style):
                self.title, self._has_title_style = text, style.level == 0
            self._in_list = False
        elif style.is_list:
            self.builder.add(f"- {text}", "list", separator="\n" if self._in_list else "\n\n")
            self._in_list = True
        else:
            self.builder.add(text)
            self._in_list = False


def _body(parent: Element) -> Iterator[Element]:
    """The paragraphs and tables below ``parent`` in order, also those in content controls and tracked insertions."""
    for child in parent:
        if child.tag in (_P, _TBL):
            yield child
        elif isinstance(child.tag, str) and child.tag not in _NOT_TEXT:
            yield from _body(child)


def _paragraph_text(element: Element) -> str:
    lines = "".join(_pieces(element)).split("\n")
    return "\n".join(cleaned for line in lines if (cleaned := " ".join(line.split())))


def _pieces(element: Element) -> Iterator[str]:
    for child in element:
        if child.tag in _TEXT:
            yield child.text or ""
        elif child.tag in _MARKS:
            yield _MARKS[child.tag]
        elif isinstance(child.tag, str) and child.tag not in _NOT_TEXT:
            yield from _pieces(child)


def _boxes(element: Element) -> Iterator[Element]:
    """The text boxes that hang on a paragraph, outermost only."""
    for child in element:
        if child.tag == _BOX:
            yield child
        elif isinstance(child.tag, str) and child.tag != _FALLBACK:
            yield from _boxes(child)


def _rows(table: Element) -> Iterator[Row]:
    grid = Grid()
    for row in _parts(table, _TR):
        cells = [Cell("")] * _number(row.find(f"{qn('w:trPr')}/{qn('w:gridBefore')}"), 0)
        for cell in islice(_parts(row, _TC), _MAX_COLUMNS):
            merge = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
            goes_on = merge is not None and merge.get(qn("w:val"), "continue") == "continue"
            span = _number(cell.find(f"{qn('w:tcPr')}/{qn('w:gridSpan')}"), 1)
            cells.append(Cell(None if goes_on else _cell_text(cell), columns=span))
        yield grid.row(cells)


def _parts(parent: Element, tag: str) -> Iterator[Element]:
    """The rows of a table or the cells of a row, also those in content controls; not those of tables inside."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif isinstance(child.tag, str) and child.tag not in (_P, _TBL, _TC):
            yield from _parts(child, tag)


def _cell_text(cell: Element) -> str:
    """All text of a cell, tables inside it and text boxes included."""
    texts = []
    for element in _body(cell):
        if element.tag == _TBL:
            texts += [_cell_text(inner) for row in _parts(element, _TR) for inner in _parts(row, _TC)]
        else:
            texts.append(_paragraph_text(element))
            texts += [_cell_text(box) for box in _boxes(element)]
    return " ".join(text for text in texts if text)


def _number(element: Element | None, default: int) -> int:
    value = element.get(qn("w:val"), "") if element is not None else ""
    return min(int(value), _MAX_COLUMNS) if value.isascii() and value.isdigit() and len(value) < 9 else default


def _read_notes(document: WordDocument, kind: str) -> dict[str, str]:
    """The footnotes or endnotes by their id, empty when the document has none."""
    notes: dict[str, str] = {}
    for relation in document.part.rels.values():
        if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
            for note in parse_xml(relation.target_part.blob):
                if isinstance(note.tag, str) and note.get(qn("w:id")) is not None:
                    notes[str(note.get(qn("w:id")))] = _cell_text(note)
    return notes


@dataclass(frozen=True, slots=True)
class _Style:
    """``level`` is 1 to 9 for headings, 0 for the title, None for everything else."""

    level: int | None = None
    is_list: bool = False


def _read_styles(element: Element) -> dict[str, _Style]:
    """The styles below a ``w:styles`` element by their id, each with what it takes from those it is based on."""
    own = {str(style.get(qn("w:styleId"))): style for style in element.iter(qn("w:style"))}
    return {name: _resolve(name, own, 0) for name in own}


def _paragraph_style(paragraph: Element, styles: dict[str, _Style]) -> _Style:
    """The role of a ``w:p`` element: its own properties first, then those of its style."""
    properties = paragraph.find(qn("w:pPr"))
    if properties is None:
        return _Style()
    style = styles.get(_value(properties, "w:pStyle"), _Style())
    return _Style(_outline_level(properties, style.level), _is_numbered(properties, style.is_list))


def _resolve(name: str, own: dict[str, Element], depth: int) -> _Style:
    element = own.get(name)
    if element is None or depth > _MAX_DEPTH:
        return _Style()
    shown = _value(element, "w:name")
    heading = _HEADING.match(shown)
    if heading:
        return _Style(int(heading[1]))
    if shown.casefold() == "title":
        return _Style(0)
    if _LIST.match(shown):
        return _Style(None, is_list=True)
    base = _resolve(_value(element, "w:basedOn"), own, depth + 1)
    properties = element.find(qn("w:pPr"))
    if properties is None:
        return base
    return _Style(_outline_level(properties, base.level), _is_numbered(properties, base.is_list))


def _outline_level(properties: Element, inherited: int | None) -> int | None:
    value = _value(properties, "w:outlineLvl")
    if not value:
        return inherited
    return int(value) + 1 if value in _OUTLINE_LEVELS else None


def _is_numbered(properties: Element, inherited: bool) -> bool:
    numbering = properties.find(qn("w:numPr"))
    if numbering is None:
        return inherited
    return _value(numbering, "w:numId") != "0"  # 0 takes the numbers away again


def _value(parent: Element, tag: str) -> str:
    child = parent.find(qn(tag))
    return str(child.get(qn("w:val"), "")) if child is not None else ""
