"""OpenDocument: headings, lists with their numbers, tables, notes and comments at their place, slides as pages."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZipFile

from lxml import etree
from lxml.etree import _Element as Element

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.equations import MathML
from ragcli.formats.odf.sheets import ROW, TABLE, add_sheets, cells_of
from ragcli.formats.odf.styles import OUTLINE, Counters, Styles, number_of, q
from ragcli.formats.odf.text import BOXES, COMMENT, INLINE, NOT_TEXT, NOTE, H, P, describe, flat_text, inline, picture
from ragcli.formats.tables import add_rows, spread
from ragcli.formats.zip_container import ZIP_ERRORS, open_container, read_member
from ragcli.types import Document, Reason

_DAMAGE = (*ZIP_ERRORS, SyntaxError, AttributeError, LookupError, TypeError, RecursionError)
_BODY = q("office:body")
_MANIFEST = "META-INF/manifest.xml"
_ENCRYPTED = (q("manifest:encryption-data"), q("manifest:key-derivation"), q("manifest:encrypted-key"))
# Pictures in a flat file; the parser refuses texts of more than 10 MB.
_PICTURE = re.compile(rb"(<office:binary-data(?:\s[^<>]*)?>)[^<]*")

_LONGEST_HEADING = 200
_MAX_LISTS = 10  # lists in lists
_LIST, _ITEM, _LIST_HEADER, _NUMBERED = map(
    q, ("text:list", "text:list-item", "text:list-header", "text:numbered-paragraph")
)
_STYLE_NAME, _SECTION, _ID, _START = q("text:style-name"), q("text:section"), q("xml:id"), q("text:start-value")
_SHAPE_CLASS, _PLACEHOLDER = q("presentation:class"), q("presentation:placeholder")
_CHANGE = q("text:change-id")
_MASTER, _NAME = q("draw:master-page-name"), q("style:name")
_GROUP = q("draw:g")
_OBJECT, _HREF = q("draw:object"), q("xlink:href")
_CHART, _TITLES = q("chart:chart"), (q("chart:title"), q("chart:subtitle"))
_MATH = q("math:math")
_FORMULA = MathML(
    lambda node: etree.QName(node).localname,
    lambda node: list(node.iterchildren("*")),
    lambda node: "".join(node.itertext()),
    lambda node, name: node.get(name) or node.get(q(f"math:{name}")) or "",
)
_LARGEST_OBJECT = 4 << 20  # bytes
_MAX_OBJECTS = 200
_REPEATED = {"header", "footer", "date-time", "page-number"}
_LENGTH = re.compile(r"(-?[\d.]{1,12})(cm|mm|in|pt|pc|px)\Z")
_CENTIMETRES = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 2.54 / 72, "pc": 2.54 / 6, "px": 2.54 / 96}
_LINE = 0.6  # cm: shapes whose tops differ by less stand side by side


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a text, a presentation, a drawing or a spreadsheet; the content says which one it is.

    A block's page is the number of its slide or sheet; those of a text are not known, as they depend on the printer.
    Raises LoadError: EMPTY, ENCRYPTED or DAMAGED.
    """
    del options
    builder = TextBuilder()
    try:
        content, parts, objects = _open(data, path.suffix.lower())
        kind, head = _survey(content)
        parts.insert(0, head if kind == "spreadsheet" else _parse(content, "content.xml"))
        styles = Styles(_style_groups(parts))
        _drop_deleted(parts[0])
        _place_formulas(parts[0], objects)
        writer = _Writer(builder, styles, objects)
        warnings: tuple[str, ...] = ()
        if kind == "spreadsheet":
            warnings = add_sheets(builder, content, styles)
        elif kind in ("presentation", "drawing"):
            for number, slide in enumerate(_body(parts[0]).iterchildren(q("draw:page")), start=1):
                writer.add_slide(slide, number)
            writer.add_backgrounds(parts)
        elif kind == "text":
            writer.write(_body(parts[0]))
            writer.add_margins(parts)
        else:
            raise LoadError(Reason.DAMAGED, f"there is no text, sheet or slide in it, but {kind or 'nothing'}")
        title = next((text for part in parts if (text := _metadata_title(part))), "")
    except _DAMAGE as error:
        raise LoadError(Reason.DAMAGED, f"not a readable OpenDocument file: {error}") from error
    if writer.unread:
        warnings += (f"{writer.unread} pictures without a description were not read",)
    return builder.build(path, title if is_title(title, path) else writer.title, warnings)


def _open(data: bytes, suffix: str) -> tuple[bytes, list[Element], dict[str, bytes]]:
    """The XML with the body; the roots of the styles and of the metadata; embedded objects by their name."""
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        content = _PICTURE.sub(rb"\1", data)
        return content, [], {}
    with open_container(data, suffix) as archive:
        _refuse_encrypted(archive)
        content = read_member(archive, "content.xml")
        names = [name for name in ("styles.xml", "meta.xml") if name in archive.namelist()]
        parts = [_parse(read_member(archive, name), name) for name in names]
        inner = [member for member in archive.infolist() if member.filename.endswith("/content.xml")]
        inner = [member for member in inner if member.file_size <= _LARGEST_OBJECT][:_MAX_OBJECTS]
        return content, parts, {name: read_member(archive, name) for name in (member.filename for member in inner)}


def _refuse_encrypted(archive: ZipFile) -> None:
    names = archive.namelist()
    if "encrypted-package" in names:
        raise LoadError(Reason.ENCRYPTED, "an OpenDocument file with a password")
    if _MANIFEST in names:
        manifest = _parse(read_member(archive, _MANIFEST), _MANIFEST)
        if any(True for _ in manifest.iter(*_ENCRYPTED)):
            raise LoadError(Reason.ENCRYPTED, "an OpenDocument file with a password")


def _parse(data: bytes, name: str) -> Element:
    """The root of an XML file; LoadError(DAMAGED) when it is not well-formed or declares entities."""
    # huge_tree stays off: libxml2 then refuses elements in elements without end.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root: Element = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise LoadError(Reason.DAMAGED, f"{name}: {error}") from error
    _refuse_entities(root.getroottree(), name)
    return root


def _refuse_entities(tree: etree._ElementTree, name: str) -> None:
    declared = tree.docinfo.internalDTD
    if declared is not None and any(True for _ in declared.iterentities()):
        raise LoadError(Reason.DAMAGED, f"{name} declares XML entities")


def _survey(content: bytes) -> tuple[str, Element]:
    """What the body is ("text", "spreadsheet"; "" for nothing), and the root with what stands before the body.

    The tree of a spreadsheet would take many times the memory of the file.
    """
    events = etree.iterparse(io.BytesIO(content), ("start",), resolve_entities=False, no_network=True)
    try:
        for _, element in events:
            parent = element.getparent()
            if parent is not None and parent.tag == _BODY:
                _refuse_entities(element.getroottree(), "content.xml")
                return etree.QName(element).localname, element.getroottree().getroot()
    except etree.XMLSyntaxError as error:
        raise LoadError(Reason.DAMAGED, f"content.xml: {error}") from error
    raise LoadError(Reason.DAMAGED, "there is no office:body in it")


def _body(root: Element) -> Element:
    return next(iter(next(root.iter(_BODY)).iterchildren()))


def _inside(element: Element, objects: dict[str, bytes]) -> Element:
    """The root of an embedded object (a ``draw:object``), itself where it stands in the file."""
    name = f"{element.get(_HREF, '').removeprefix('./').rstrip('/')}/content.xml"
    return _parse(objects[name], name) if name in objects else element


def _drop_deleted(root: Element) -> None:
    """Empty the text that is deleted in its place, as LibreOffice does in flat files; else it stands elsewhere."""
    deleted = {
        region.get(q("text:id")) or region.get(_ID)
        for region in root.iter(q("text:changed-region"))
        if region.find(q("text:deletion")) is not None
    }
    starts = [mark for mark in root.iter(q("text:change-start")) if mark.get(_CHANGE) in deleted]
    if not starts:
        return
    opened: set[str | None] = set()
    for event, element in etree.iterwalk(root, ("start", "end")):
        change = element.get(_CHANGE)
        if event == "end":
            element.tail = None if opened else element.tail
        elif element.tag == q("text:change-start") and change in deleted:
            opened.add(change)
        elif element.tag == q("text:change-end"):
            opened.discard(change)
        elif opened:
            element.text = None


def _place_formulas(root: Element, objects: dict[str, bytes]) -> None:
    """Write the formulas that stand in a line into that line."""
    for element in list(root.iter(_OBJECT)):
        frame = element.getparent()
        line = frame.getparent() if frame is not None else None
        if frame is None or line is None or line.tag not in INLINE:
            continue
        formulas = [_FORMULA.line(formula) for formula in _inside(element, objects).iter(_MATH)]
        if formulas:
            span = etree.Element(INLINE[-1])
            span.text, span.tail = " ".join(formulas), frame.tail
            line.replace(frame, span)


def _style_groups(parts: list[Element]) -> Iterator[Element]:
    """The named styles, then those that the content makes for itself."""
    for part in parts[::-1]:
        yield from part.iterchildren(q("office:styles"))
    yield from parts[0].iterchildren(q("office:automatic-styles"))


def _metadata_title(part: Element) -> str:
    return " ".join((part.findtext(f"{q('office:meta')}/{q('dc:title')}") or "").split())


class _Writer:
    """Turns the elements of a text or a slide into blocks."""

    def __init__(self, builder: TextBuilder, styles: Styles, objects: dict[str, bytes]) -> None:
        self.title = ""  # the first paragraph in the style Title, else the first heading
        self._has_title_style = False
        self._builder = builder
        self._styles = styles
        self._objects = objects
        self._page: int | None = None
        self._headings: tuple[str, ...] | None = None  # None: those in force
        self._outline = Counters()
        self._lists: dict[str, Counters] = {}  # by the identity and by the style of each list
        self._in_list = False
        self.unread = 0  # pictures without a description

    def write(self, parent: Element) -> None:
        name = picture(parent) if parent.tag in BOXES else None
        self._add(name or "")
        self.unread += name == ""
        for element in parent:
            tag = element.tag
            if tag in (P, H):
                self._add_paragraph(element, "")
            elif tag in (_LIST, _NUMBERED):
                self._add_list(element)
            elif tag == TABLE:
                rows = (cells_of(row, self._styles) for row in _rows(element))
                add_rows(self._builder, spread(rows), self._page, self._headings)
                self._in_list = False
            elif tag in (NOTE, COMMENT):
                self._add(describe(element, self._styles))
            elif tag == _OBJECT:
                self._add_object(element)
            elif not isinstance(tag, str) or tag in NOT_TEXT or self._is_hidden(element):
                continue
            else:
                self.write(element)

    def add_slide(self, slide: Element, number: int) -> None:
        """A slide as a page: its title as a heading, its shapes in reading order, the speaker's notes."""
        shapes = [shape for shape in _shapes(slide) if shape.get(_SHAPE_CLASS) not in _REPEATED]
        title = next((shape for shape in shapes if shape.get(_SHAPE_CLASS) == "title"), None)
        heading = flat_text(title, self._styles) if title is not None else ""
        if len(heading) > _LONGEST_HEADING:  # the whole slide written into its title
            title, heading = None, ""
        self._builder.heading(heading, 1, page=number)
        self.title = self.title or heading
        # A slide without a title must not pass for a part of the one before.
        self._page, self._headings = number, (heading,) if heading else ()
        for shape in shapes:
            if shape is not title and shape.get(_PLACEHOLDER) != "true":
                self._in_list = False
                self.write(shape)
        for comment in slide.iterchildren(COMMENT):
            self._add(describe(comment, self._styles))
        for notes in slide.iterchildren(q("presentation:notes")):
            texts = [flat_text(shape, self._styles) for shape in notes if shape.get(_SHAPE_CLASS) == "notes"]
            self._add(f"Notes: {' '.join(texts)}" if any(texts) else "")

    def add_backgrounds(self, parts: list[Element]) -> None:
        """What the masters put on their slides, each text once."""
        used = {slide.get(_MASTER) for slide in _body(parts[0]).iterchildren(q("draw:page"))}
        masters = [
            master for part in parts for master in part.iter(q("style:master-page")) if master.get(_NAME) in used
        ]
        shapes = [shape for master in masters for shape in _shapes(master) if shape.get(_SHAPE_CLASS) is None]
        for text in dict.fromkeys(flat_text(shape, self._styles) for shape in shapes):
            self._builder.add(text if re.search(r"[^\W\d_]{2}", text) else "", headings=())

    def add_margins(self, parts: list[Element]) -> None:
        """What stands at the head and the foot of the pages, each text once."""
        kinds = [f"header{which}" for which in ("", "-left", "-first")] + [
            f"footer{w}" for w in ("", "-left", "-first")
        ]
        tags = [q(f"style:{kind}") for kind in kinds]
        for part in parts:
            for master in part.iterchildren(q("office:master-styles")):
                texts = [flat_text(margin, self._styles) for margin in master.iter(*tags)]
                # A page number alone says nothing.
                for text in dict.fromkeys(text for text in texts if re.search(r"[^\W\d_]{2}", text)):
                    self._builder.add(text, headings=())

    def _add_object(self, element: Element) -> None:
        """The titles and the values of a chart, a formula as text; nothing of other objects."""
        root = _inside(element, self._objects)
        for formula in root.iter(_MATH):
            self._add(_FORMULA.line(formula))
        for chart in root.iter(_CHART):
            titles = [flat_text(title, self._styles) for title in chart.iter(*_TITLES)]
            self._add(f"Chart: {', '.join(filter(None, titles))}" if any(titles) else "")
            for table in chart.iterchildren(TABLE):
                rows = (cells_of(row, self._styles) for row in _rows(table))
                add_rows(self._builder, spread(rows), self._page, self._headings)

    def _is_hidden(self, element: Element) -> bool:
        if element.tag != _SECTION:
            return False
        return element.get(q("text:display")) == "none" or self._styles.is_hidden(
            "section", element.get(_STYLE_NAME, "")
        )

    def _add(self, text: str, separator: str = "\n\n") -> None:
        self._builder.add(text, page=self._page, headings=self._headings, separator=separator)

    def _add_paragraph(self, element: Element, marker: str) -> None:
        """A paragraph with what hangs on it; ``marker`` stands before an item of a list, "" before other paragraphs."""
        text, hanging = inline(element, self._styles)
        style = element.get(_STYLE_NAME, "")
        if text and not self._styles.is_hidden("paragraph", style):
            self._add_text(element, text, style, marker)
        for other in hanging:
            if other.tag in BOXES:
                self.write(other)
            else:
                self._add(describe(other, self._styles))

    def _add_text(self, element: Element, text: str, style: str, marker: str) -> None:
        level = self._styles.level_of(style)
        if element.tag == H:
            level = number_of(element, q("text:outline-level"))
        if self._page is None and level is not None and len(text) <= _LONGEST_HEADING:
            if element.tag == H and not marker and element.get(q("text:is-list-header")) != "true":
                marker = self._outline.next_label(self._styles, OUTLINE, level)
            number = marker if marker != "- " else ""
            self._builder.heading(f"{number}{text}", max(1, level), page=self._page)
            if not self.title or (level == 0 and not self._has_title_style):
                self.title, self._has_title_style = text, level == 0
            self._in_list = False
        elif marker:
            separator = "\n" if self._in_list else "\n\n"
            self._builder.add(f"{marker}{text}", "list", page=self._page, headings=self._headings, separator=separator)
            self._in_list = True
        else:
            self._add(text)
            self._in_list = False

    def _add_list(self, element: Element) -> None:
        style = element.get(_STYLE_NAME, "")
        if not style and (first := next(element.iter(P, H), None)) is not None:
            style = self._styles.list_of(first.get(_STYLE_NAME, ""))
        counters = self._lists.get(f"id {continued}") if (continued := element.get(q("text:continue-list"))) else None
        if counters is None and element.get(q("text:continue-numbering")) == "true":
            counters = self._lists.get(f"style {style}")
        if counters is None:
            counters = Counters()
        self._lists[f"id {element.get(_ID)}"] = self._lists[f"style {style}"] = counters
        if element.tag == _NUMBERED:
            self._add_item(element, style, number_of(element, q("text:level")), counters)
        else:
            self._add_items(element, style, 1, counters)

    def _add_items(self, element: Element, style: str, level: int, counters: Counters) -> None:
        style = element.get(_STYLE_NAME, style)
        for item in element:
            if item.tag in (_ITEM, _LIST_HEADER):
                self._add_item(item, style, level, counters)

    def _add_item(self, item: Element, style: str, level: int, counters: Counters) -> None:
        is_labelled = item.tag != _LIST_HEADER
        for element in item:
            if element.tag in (P, H):
                start = number_of(item, _START) if item.get(_START) else None
                marker = counters.next_label(self._styles, style, level, start) if is_labelled else ""
                is_labelled = False
                self._add_paragraph(element, marker)
            elif element.tag == _LIST and level < _MAX_LISTS:
                self._add_items(element, style, level + 1, counters)
            elif element.tag == _LIST:
                self._add(flat_text(element, self._styles))


def _rows(table: Element) -> Iterator[Element]:
    """The rows of a table, also those in groups; not those of tables inside."""
    for child in table:
        if child.tag == ROW:
            yield child
        elif isinstance(child.tag, str) and child.tag not in (TABLE, P) and child.tag not in NOT_TEXT:
            yield from _rows(child)


def _shapes(parent: Element) -> Iterator[Element]:
    """The shapes from top to bottom, side by side ones from left to right, groups opened where they stand."""
    placed = sorted(
        ((_length(shape, "svg:y"), _length(shape, "svg:x"), shape) for shape in parent if shape.tag in BOXES),
        key=lambda place: place[:1],
    )
    for _, _, shape in _in_bands(placed):
        if shape.tag == _GROUP:
            yield from _shapes(shape)
        else:
            yield shape


def _in_bands(placed: Iterable[tuple[float, float, Element]]) -> Iterator[tuple[float, float, Element]]:
    band: list[tuple[float, float, Element]] = []
    for place in placed:
        if band and place[0] - band[0][0] >= _LINE:
            yield from sorted(band, key=lambda place: place[1])
            band = []
        band.append(place)
    yield from sorted(band, key=lambda place: place[1])


def _length(shape: Element, attribute: str) -> float:
    """A length in centimetres, that of the first shape inside for a group."""
    value = shape.get(q(attribute))
    if value is None and shape.tag == _GROUP and len(shape):
        value = next((child.get(q(attribute)) for child in shape.iter() if child.get(q(attribute))), None)
    match = _LENGTH.match(value or "")
    try:
        return float(match[1]) * _CENTIMETRES[match[2]] if match else 0.0
    except ValueError:
        return 0.0
