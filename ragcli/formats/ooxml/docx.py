"""Word: the body in its own order, with headings by style, numbers, tables, notes, comments, headers and footers."""

from __future__ import annotations

import io
import re
from collections import Counter
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
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title, row_text
from ragcli.formats.equations import lowered, office_math, raised
from ragcli.formats.members import load_embedded
from ragcli.formats.numbering import numeral
from ragcli.formats.ooxml.parts import chart_rows, diagram_texts, office_package, picture_name
from ragcli.formats.tables import Cell, Grid, Row, add_rows
from ragcli.formats.zip_container import ZIP_ERRORS
from ragcli.types import Document, Reason

# What python-docx raises on a package whose parts are missing, of another kind or not well-formed XML (SyntaxError).
_DAMAGE = (*ZIP_ERRORS, OpcError, SyntaxError, AttributeError, LookupError, TypeError)

_LONGEST_HEADING = 200
_MAX_COLUMNS = 1000  # a span is only a number in the file

_P, _TBL, _TR, _TC, _BOX = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc"), qn("w:txbxContent")
_TEXT = {qn("w:t"), qn("m:t")}
_MARKS = {qn("w:tab"): " ", qn("w:ptab"): " ", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_EQUATIONS = {qn("m:oMath"), qn("m:oMathPara")}
_R, _SDT, _CHUNK, _DRAWING = qn("w:r"), qn("w:sdt"), qn("w:altChunk"), qn("w:drawing")
_TEXT_MARK = b"<w:t"  # a part without it has no text
_BLIP = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}chart"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"
_NAMED = {f"{{http://schemas.openxmlformats.org/drawingml/2006/{name}}}docPr" for name in ("wordprocessingDrawing",)}
# The fonts whose letters are signs: the code of a letter and the sign that it shows.
_SYMBOLS = dict(
    zip(
        (
            0xA3,
            0xB3,
            0xB1,
            0xB4,
            0xB8,
            0xB0,
            0xB9,
            0xBB,
            0xAE,
            0xAC,
            0xAD,
            0xAF,
            0xB7,
            0xA5,
            0xD6,
            0xE5,
            0xF2,
            0xB6,
            0xCE,
        ),
        "≤≥±×÷°≠≈→←↑↓•∞√∑∫∂∈",
        strict=True,
    )
) | dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True))
# Word's names of the forms of numbers
_FORMS = {"lowerLetter": "a", "upperLetter": "A", "lowerRoman": "i", "upperRoman": "I"}
_SYMBOLS |= dict(zip(range(0x41, 0x5B), "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=True))
_WINGDINGS = {
    0xFE: "☒",
    0xA8: "☐",
    0x6F: "☐",
    0xFC: "✓",
    0xFB: "✗",
    0xE0: "→",
    0xDF: "←",
    0x4A: "☺",
    0xA7: "▪",
    0x6C: "●",
}
_PAGE_NUMBER = re.compile(r"[\W\d]*(?:(?:page|seite|pagina|página)?[\W\d]*(?:of|von|de|di)?[\W\d]*)\Z", re.IGNORECASE)
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
    data = office_package(data, ".docx")
    try:
        document = docx.Document(io.BytesIO(data))
        reader = _Reader(document, options)
        reader.read_document()
        title = " ".join((document.core_properties.title or "").split())
    except _DAMAGE as error:
        raise LoadError(Reason.DAMAGED, f"not a readable Word file: {error}") from error
    return reader.builder.build(path, title if is_title(title, path) else reader.title, tuple(reader.warnings()))


class _Reader:
    """Turns the elements of a document into blocks."""

    def __init__(self, document: WordDocument, options: LoadOptions) -> None:
        self.builder = TextBuilder()
        self._document = document
        self._options = options
        self._warnings: list[str] = []
        self._unread: Counter[str] = Counter()
        self._carried = ""  # text of a paragraph that goes on in the next one
        self._numbers = _Numbers(document)
        self._comments = _read_notes(document, "comments")
        self.title = ""  # the first paragraph in the style Title, else the first heading
        self._has_title_style = False
        self._styles = _read_styles(document.styles.element)
        self._notes = {kind: _read_notes(document, kind) for kind in _NOTES.values()}
        self._in_list = False

    def warnings(self) -> Iterator[str]:
        yield from self._warnings
        yield from (f"{count} {what} were not read" for what, count in sorted(self._unread.items()))

    def read_document(self) -> None:
        """The headers, each once, the body, and the footers, each once."""
        self._add_running("header")
        self.read(self._document.element.body)
        self._add_carried()
        self._add_running("footer")

    def read(self, parent: Element) -> None:
        for element in _body(parent):
            if element.tag == _TBL:
                self._add_carried()
                add_rows(self.builder, _rows(element))
                self._in_list = False
                self._add_beside(element)
            elif element.tag == _CHUNK:
                self._add_chunk(str(element.get(qn("r:id"), "")))
            else:
                self._add_paragraph(element)

    def _add_running(self, kind: str) -> None:
        seen: set[str] = set()
        sources = {
            relation.target_part.blob: None  # each once: every section may have its own copy
            for relation in self._document.part.rels.values()
            if relation.reltype.rpartition("/")[2] == kind and not relation.is_external
        }
        for source in sources:
            if _TEXT_MARK in source:
                for element in _body(parse_xml(source)):
                    text = _cell_text(element) if element.tag == _TBL else _paragraph_text(element)
                    if text not in seen and not _PAGE_NUMBER.match(text):
                        self.builder.add(text, headings=() if kind == "header" else None)
                    seen.add(text)

    def _add_chunk(self, key: str) -> None:
        """Text in another format that Word takes in when it opens the file."""
        part = self._document.part.related_parts.get(key)
        if part is None:
            return
        try:
            document = load_embedded(str(part.partname), part.blob, self._options)
        except LoadError as error:
            self._warnings.append(f"an inserted file was not read: {error}")
            return
        for block in document.blocks:
            headings = (*self.builder.headings, *block.headings)
            self.builder.add(document.text[block.start : block.end], block.kind, headings=headings)

    def _add_paragraph(self, element: Element) -> None:
        text = _paragraph_text(element)
        style = _paragraph_style(element, self._styles)
        label, is_list = self._numbers.label(element) if text or self._carried else ("", False)
        if text and _goes_on(element):
            self._carried += "".join(_pieces(element, [""]))
        elif text or self._carried:
            if self._carried:
                text = " ".join((self._carried + "".join(_pieces(element, [""]))).split())
            self._add_text(text, style, label, is_list=is_list or style.is_list)
            self._carried = ""
        for reference in element.iter(*_NOTES):
            note = self._notes[_NOTES[reference.tag]].pop(reference.get(qn("w:id")), "")
            self.builder.add(f"Note: {note}" if note else "")
        self._add_beside(element)
        for box in _boxes(element):
            self.read(box)

    def _add_carried(self) -> None:
        carried, self._carried = self._carried, ""
        self.builder.add(carried)

    def _add_beside(self, element: Element) -> None:
        """Comments on an element, and the charts, diagrams and pictures in it."""
        if next(element.iter(qn("w:commentReference"), _DRAWING, qn("w:object")), None) is None:  # nearly always
            return
        for reference in element.iter(qn("w:commentReference")):
            comment = self._comments.pop(reference.get(qn("w:id")), "")
            self.builder.add(f"Comment: {comment}" if comment else "")
        parts = self._document.part.related_parts
        for drawing in element.iter(_DRAWING):
            chart, diagram = next(drawing.iter(_CHART), None), next(drawing.iter(_DIAGRAM), None)
            if chart is not None and (part := parts.get(chart.get(qn("r:id"), ""))):
                title, rows = chart_rows(part.blob)
                self.builder.add(f"Chart: {title}" if title else "")
                for number, row in enumerate(rows[1:]):
                    self.builder.add(row_text(rows[0], row), "row", separator="\n" if number else "\n\n")
            elif diagram is not None and (part := parts.get(diagram.get(qn("r:dm"), ""))):
                for number, line in enumerate(diagram_texts(part.blob)):
                    self.builder.add(line, "list", separator="\n" if number else "\n\n")
            elif element.tag != _TBL:
                name = _picture(drawing)
                self.builder.add(name)
                is_picture = not name and next(drawing.iter(_BLIP), None) is not None
                self._unread["pictures without a description"] += is_picture
        self._unread["embedded objects"] += sum(1 for _ in element.iter(qn("w:object")))
        self._unread = +self._unread

    def _add_text(self, text: str, style: _Style, label: str, *, is_list: bool) -> None:
        numbered = f"{label} {text}" if label else text
        if style.level is not None and len(text) <= _LONGEST_HEADING:
            self.builder.heading(numbered, max(1, style.level))
            if not self.title or (style.level == 0 and not self._has_title_style):
                self.title, self._has_title_style = text, style.level == 0
            self._in_list = False
        elif is_list:
            item = numbered if label else f"- {text}"
            self.builder.add(item, "list", separator="\n" if self._in_list else "\n\n")
            self._in_list = True
        else:
            self.builder.add(numbered)
            self._in_list = False


def _body(parent: Element) -> Iterator[Element]:
    """The paragraphs and tables below ``parent`` in order, also those in content controls and tracked insertions."""
    for child in parent:
        if child.tag in (_P, _TBL, _CHUNK):
            yield child
        elif child.tag == _SDT and _is_placeholder(child):
            continue
        elif isinstance(child.tag, str) and child.tag not in _NOT_TEXT:
            yield from _body(child)


def _paragraph_text(element: Element) -> str:
    lines = "".join(_pieces(element, [""])).split("\n")
    return "\n".join(cleaned for line in lines if (cleaned := " ".join(line.split())))


def _pieces(element: Element, before: list[str]) -> Iterator[str]:
    """The texts below ``element``; ``before`` holds the last one, which a raised text stands behind."""
    for child in element:
        if child.tag == _R:
            text = _run_text(child, before)
            before[0] = text or before[0]
            yield text
        elif child.tag in _EQUATIONS:
            yield " ".join(office_math(child).split())
        elif child.tag in _TEXT:
            yield child.text or ""
        elif child.tag in _MARKS:
            yield _MARKS[child.tag]
        elif child.tag == qn("w:sym"):
            yield _symbol(child)
        elif child.tag == qn("w:fldChar"):
            yield _field(child)
        elif child.tag == _SDT and _is_placeholder(child):
            continue
        elif isinstance(child.tag, str) and child.tag not in _NOT_TEXT:
            yield from _pieces(child, before)


def _run_text(run: Element, before: list[str]) -> str:
    text = "".join(_pieces(run, before))
    properties = run.find(qn("w:rPr"))
    if properties is None:
        return text
    hidden = properties.find(qn("w:vanish"))
    if hidden is not None and hidden.get(qn("w:val"), "1") not in ("0", "false", "off"):
        return ""
    height = _value(properties, "w:vertAlign")
    if height == "superscript":
        return raised(before[0], text)
    return lowered(before[0], text) if height == "subscript" else text


def _is_placeholder(control: Element) -> bool:
    """True for a content control that nobody filled in: it shows what to do."""
    return control.find(f"{qn('w:sdtPr')}/{qn('w:showingPlcHdr')}") is not None


def _symbol(element: Element) -> str:
    code = element.get(qn("w:char"), "")
    number = int(code, 16) & 0xFFFF if re.fullmatch("[0-9A-Fa-f]{1,6}", code) else 0
    if not 0xF000 <= number <= 0xF0FF:
        return chr(number) if number and not 0xD800 <= number <= 0xDFFF else ""
    font = element.get(qn("w:font"), "").casefold()
    signs = _WINGDINGS if "wingdings" in font or "webdings" in font else _SYMBOLS
    return signs.get(number - 0xF000, "")


def _field(element: Element) -> str:
    """What a form field of Word shows: the chosen entry of a list, a box with or without a cross."""
    entries = element.find(f"{qn('w:ffData')}/{qn('w:ddList')}")
    if entries is not None:
        listed = [str(entry.get(qn("w:val"), "")) for entry in entries.findall(qn("w:listEntry"))]
        chosen = _number(entries.find(qn("w:result")), _number(entries.find(qn("w:default")), 0))
        return listed[chosen] if chosen < len(listed) else ""
    box = element.find(f"{qn('w:ffData')}/{qn('w:checkBox')}")
    if box is None:
        return ""
    state = box.find(qn("w:checked"))
    state = box.find(qn("w:default")) if state is None else state
    return "☒" if state is not None and state.get(qn("w:val"), "1") not in ("0", "false") else "☐"


def _goes_on(paragraph: Element) -> bool:
    """True for a drop cap, and for a paragraph whose end was deleted with changes tracked."""
    properties = paragraph.find(qn("w:pPr"))
    if properties is None:
        return False
    frame = properties.find(qn("w:framePr"))
    has_drop_cap = frame is not None and frame.get(qn("w:dropCap"), "none") != "none"
    return has_drop_cap or properties.find(f"{qn('w:rPr')}/{qn('w:del')}") is not None


def _picture(drawing: Element) -> str:
    return next((name for node in drawing.iter() if node.tag in _NAMED and (name := _description(node))), "")


def _description(node: Element) -> str:
    return picture_name(str(node.get("descr") or ""))


def _boxes(element: Element) -> Iterator[Element]:
    """The text boxes that hang on a paragraph, outermost only."""
    if next(element.iter(_BOX), None) is None:
        return
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
        if element.tag == _CHUNK:
            continue
        if element.tag == _TBL:
            texts += [_cell_text(inner) for row in _parts(element, _TR) for inner in _parts(row, _TC)]
        else:
            texts.append(_paragraph_text(element))
            texts += [_cell_text(box) for box in _boxes(element)]
            texts += [_picture(drawing) for drawing in element.iter(_DRAWING)]
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


class _Numbers:
    """Counts the paragraphs that Word numbers (numbering.xml)."""

    def __init__(self, document: WordDocument) -> None:
        self._styles: dict[str, tuple[str, int]] = {}  # id of a style -> id of its numbering, level
        self._levels: dict[str, dict[int, _Level]] = {}  # by id of the abstract numbering
        self._abstract: dict[str, str] = {}  # by id of the numbering
        self._starts: dict[tuple[str, int], int] = {}  # where a numbering begins again
        self._counts: dict[str, dict[int, int]] = {}
        self._begun: set[tuple[str, int]] = set()
        for relation in document.part.rels.values():
            if relation.reltype.rpartition("/")[2] == "numbering" and not relation.is_external:
                self._read(parse_xml(relation.target_part.blob))
        self._read_styles(document.styles.element)

    def label(self, paragraph: Element) -> tuple[str, bool]:
        """The number that stands before a paragraph, "" for none and bullets; and whether it is an item of a list."""
        properties = paragraph.find(qn("w:pPr"))
        if properties is None:
            return "", False
        style = _value(properties, "w:pStyle")
        numbering, level = self._styles.get(style, ("", 0))
        own = properties.find(qn("w:numPr"))
        if own is not None:
            numbering = _value(own, "w:numId") or numbering
            level = _number(own.find(qn("w:ilvl")), level if own.find(qn("w:numId")) is None else 0)
        abstract = self._abstract.get(numbering)
        levels = self._levels.get(abstract or "", {})
        if abstract is None or level not in levels:
            return "", False
        self._count(numbering, abstract, level)
        return self._text(abstract, level), True

    def _count(self, numbering: str, abstract: str, level: int) -> None:
        counts, levels = self._counts.setdefault(abstract, {}), self._levels[abstract]
        start = self._starts.get((numbering, level))
        if start is not None and (numbering, level) not in self._begun:
            counts[level] = start
        elif level in counts:
            counts[level] += 1
        else:
            counts[level] = levels[level].start
        self._begun.add((numbering, level))
        for above in range(level):
            counts.setdefault(above, levels[above].start if above in levels else 1)
        for below in [other for other in counts if other > level]:
            del counts[below]

    def _text(self, abstract: str, level: int) -> str:
        levels, counts = self._levels[abstract], self._counts[abstract]
        form = levels[level]
        if form.form in ("bullet", "none"):
            return ""

        def counted(match: re.Match[str]) -> str:
            number = int(match[1]) - 1
            kind = "decimal" if form.is_legal or number not in levels else levels[number].form
            count = counts.get(number, 1)
            return f"{count:02d}" if kind == "decimalZero" else numeral(count, _FORMS.get(kind, "1"), doubled=True)

        return " ".join(re.sub(r"%([1-9])", counted, form.text).split())

    def _read(self, root: Element) -> None:
        for abstract in root.findall(qn("w:abstractNum")):
            levels = {_integer(one.get(qn("w:ilvl"))): _Level.read(one) for one in abstract.findall(qn("w:lvl"))}
            self._levels[str(abstract.get(qn("w:abstractNumId")))] = levels
        linked = {
            _value(abstract, "w:styleLink"): str(abstract.get(qn("w:abstractNumId")))
            for abstract in root.findall(qn("w:abstractNum"))
        }
        for abstract in root.findall(qn("w:abstractNum")):
            style = _value(abstract, "w:numStyleLink")
            if style and style in linked:
                self._levels[str(abstract.get(qn("w:abstractNumId")))] = self._levels[linked[style]]
        for num in root.findall(qn("w:num")):
            name = str(num.get(qn("w:numId")))
            self._abstract[name] = _value(num, "w:abstractNumId")
            for override in num.findall(qn("w:lvlOverride")):
                level, start = _integer(override.get(qn("w:ilvl"))), override.find(qn("w:startOverride"))
                if start is not None:
                    self._starts[name, level] = _number(start, 1)

    def _read_styles(self, root: Element) -> None:
        own = {str(style.get(qn("w:styleId"))): style for style in root.iter(qn("w:style"))}
        for name in own:
            style, depth = own.get(name), 0
            while style is not None and depth < _MAX_DEPTH:
                numbering = style.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
                if numbering is not None:
                    key = _value(numbering, "w:numId")
                    by_style = self._level_of(key, name)
                    level = _number(numbering.find(qn("w:ilvl")), 0) if by_style is None else by_style
                    self._styles[name] = key, level
                    break
                style, depth = own.get(_value(style, "w:basedOn")), depth + 1

    def _level_of(self, numbering: str, style: str) -> int | None:
        levels = self._levels.get(self._abstract.get(numbering, ""), {})
        return next((number for number, level in levels.items() if level.style == style), None)


@dataclass(frozen=True, slots=True)
class _Level:
    """One level of a numbering."""

    form: str
    text: str  # with %1 for the number of the first level, and so on
    start: int
    is_legal: bool  # all its numbers are in digits
    style: str

    @classmethod
    def read(cls, element: Element) -> _Level:
        return cls(
            _value(element, "w:numFmt") or "decimal",
            _value(element, "w:lvlText"),
            _number(element.find(qn("w:start")), 1),
            element.find(qn("w:isLgl")) is not None,
            _value(element, "w:pStyle"),
        )


def _integer(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 9 else 0


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
