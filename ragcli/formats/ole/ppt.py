"""PowerPoint 97 to 2003 ([MS-PPT]): slides as pages under their titles, texts in reading order, tables, notes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title, name_of
from ragcli.formats.ole.container import Container
from ragcli.formats.tables import Cell, add_rows, spread
from ragcli.types import Document, Reason

_LONGEST_HEADING = 200
_MAX_DEPTH = 50  # of records in records
_MAX_EDITS = 10_000  # times that the file was saved fast
_MAX_TABLE = 100  # rows or columns; PowerPoint allows 75
_LINE = 144  # of 576 to an inch: shapes whose tops differ by less stand side by side
_BOTH = ("pp97_dualstorage",)
_ENCRYPTED = 0xF3D1C4DF  # begins the stream of the user when there is a password

# Types of records
_DOCUMENT, _SLIDE, _SLIDE_ATOM, _NOTES, _NOTES_ATOM = 0x03E8, 0x03EE, 0x03EF, 0x03F0, 0x03F1
_EDIT, _PLACES, _TEXTS, _PLACE = 0x0FF5, 0x1772, 0x0FF0, 0x03F3
_KIND, _WIDE, _NARROW, _OUTLINE, _STRING = 0x0F9F, 0x0FA0, 0x0FA8, 0x0F9E, 0x0FBA
_GROUP, _SHAPE, _TEXT_BOX, _CLIENT_DATA, _PLACEHOLDER = 0xF003, 0xF004, 0xF00D, 0xF011, 0x0BC3
_ANCHOR, _CHILD_ANCHOR, _MORE_PROPERTIES = 0xF010, 0xF00F, 0xF122
_COMMENT, _TAGS = 0x2EE0, 0x138B
_TABLE_PROPERTY = 0x039F

_TITLES, _BODIES, _NOTES_KIND = (0, 6), (1, 5, 7, 8), 2  # kinds of text
_REPEATED = (7, 8, 9, 10)  # placeholders: date, number, footer, header


class _Record(NamedTuple):
    kind: int
    instance: int
    start: int  # of its content
    end: int
    is_container: bool


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a presentation; a block's page is its slide's number, hidden slides included.

    Raises LoadError: EMPTY, ENCRYPTED, DAMAGED, or UNSUPPORTED for a file of PowerPoint 95 or older.
    """
    del options
    container = Container(data, "an old PowerPoint file")
    folder = _BOTH if container.names_in(*_BOTH) else ()  # a file for PowerPoint 95 and 97 holds itself twice
    stream = container.read(*folder, "PowerPoint Document")
    if not folder and any(name[0].startswith(("pp40", "text_content")) for name in container.names_in()):
        raise LoadError(Reason.UNSUPPORTED, "a file of PowerPoint 95 or older")
    if stream is None:
        raise LoadError(Reason.DAMAGED, "there is no presentation in it")
    builder = TextBuilder()
    try:
        show = _Show(stream, container.read(*folder, "Current User") or b"")
        writer = _Writer(builder, show)
        for number, slide in enumerate(show.slides(), start=1):
            writer.add_slide(slide, number)
    except (struct.error, ValueError) as error:
        raise LoadError(Reason.DAMAGED, f"not an old PowerPoint file that can be read: {error}") from error
    own = container.title()
    return builder.build(path, own if is_title(own, path) else writer.title)


@dataclass(slots=True)
class _Shape:
    """A text with its kind, or the cells of a table, and where it stands."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    kind: int = 4
    text: str = ""
    placeholder: int = 0
    cells: list[_Shape] = field(default_factory=list)


class _Slide(NamedTuple):
    place: int  # of its record
    identity: int
    outline: list[tuple[int, str]]  # kind and text of those that stand in the document, not in the slide


class _Show:
    """The records of a presentation."""

    def __init__(self, data: bytes, user: bytes) -> None:
        self._data = data
        places, document = self._read_edits(user)
        self._places = places
        self._notes: dict[int, int] = {}  # identity of the slide -> place of its notes
        self._slides: list[_Slide] = []
        self._read_document(document)

    def slides(self) -> list[_Slide]:
        """The slides in their order."""
        return self._slides

    def records(self, start: int, end: int) -> Iterator[_Record]:
        """The records between two places; one that is cut off ends with what holds it."""
        while start + 8 <= end:
            head, kind, length = struct.unpack_from("<2HI", self._data, start)
            start += 8
            yield _Record(kind, head >> 4, start, min(end, start + length), head & 0xF == 0xF)
            start += length

    def record_at(self, place: int) -> _Record:
        head, kind, length = struct.unpack_from("<2HI", self._data, place)
        return _Record(kind, head >> 4, place + 8, min(len(self._data), place + 8 + length), head & 0xF == 0xF)

    def number(self, place: int) -> int:
        return int(struct.unpack_from("<I", self._data, place)[0])

    def texts(self, start: int, end: int) -> list[tuple[int, str]]:
        """The (kind, text) pairs between two places; kind 4 is any other text."""
        found = []
        kind = 4
        for record in self.records(start, end):
            if record.kind == _KIND and record.start + 4 <= record.end:
                kind = self.number(record.start)
            elif record.kind in (_WIDE, _NARROW, _STRING):
                found.append((kind, self.text(record)))
        return found

    def text(self, record: _Record) -> str:
        data = self._data[record.start : record.end]
        if record.kind == _NARROW:
            return data.decode("latin-1")
        return data[: len(data) // 2 * 2].decode("utf-16-le", "replace")

    def notes(self, slide: _Slide) -> str:
        """What the speaker says to a slide."""
        place = self._notes.get(slide.identity)
        if place is None:
            return ""
        shapes = [shape for shape in self.shapes(self.record_at(place), []) if shape.kind == _NOTES_KIND]
        return " ".join(" ".join(_lines(shape.text)) for shape in shapes)

    def comments(self, record: _Record, depth: int = 0) -> Iterator[str]:
        """The comments in a slide."""
        for inner in self.records(record.start, record.end):
            if inner.kind == _COMMENT:
                strings = {
                    piece.instance: " ".join(self.text(piece).split())
                    for piece in self.records(inner.start, inner.end)
                    if piece.kind == _STRING
                }
                author, text = strings.get(0, ""), strings.get(1, "")
                if text:
                    yield f"Comment by {author}: {text}" if author else f"Comment: {text}"
            elif (inner.is_container or inner.kind == _TAGS) and depth < _MAX_DEPTH:
                yield from self.comments(inner, depth + 1)

    def shapes(self, record: _Record, outline: list[tuple[int, str]], depth: int = 0) -> Iterator[_Shape]:
        """The shapes with text in a slide, those of a group in their order, a table as one."""
        for inner in self.records(record.start, record.end):
            if inner.kind == _SHAPE:
                shape = self._shape(inner, outline)
                if shape.text.strip():
                    yield shape
            elif inner.is_container and depth < _MAX_DEPTH:
                found = self.shapes(inner, outline, depth + 1)
                if inner.kind == _GROUP and depth > 0 and self._is_table(inner):
                    cells = list(found)
                    group = self._anchor(next(self.records(inner.start, inner.end)))
                    yield _Shape(*group, cells=cells)
                else:
                    yield from found

    def _is_table(self, group: _Record) -> bool:
        first = next(self.records(group.start, group.end), None)
        if first is None or first.kind != _SHAPE:
            return False
        for record in self.records(first.start, first.end):
            if record.kind == _MORE_PROPERTIES:
                for number in range(min(record.instance, (record.end - record.start) // 6)):
                    name, value = struct.unpack_from("<HI", self._data, record.start + 6 * number)
                    if name & 0x3FFF == _TABLE_PROPERTY:
                        return bool(value & 1)
        return False

    def _anchor(self, shape: _Record) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of a shape."""
        for record in self.records(shape.start, shape.end):
            size = record.end - record.start
            if record.kind == _ANCHOR and size >= 8:
                form = "<4i" if size >= 16 else "<4h"
                top, left, right, bottom = struct.unpack_from(form, self._data, record.start)
                return top, left, bottom, right
            if record.kind == _CHILD_ANCHOR and size >= 16:
                left, top, right, bottom = struct.unpack_from("<4i", self._data, record.start)
                return top, left, bottom, right
        return 0, 0, 0, 0

    def _shape(self, shape: _Record, outline: list[tuple[int, str]]) -> _Shape:
        found = _Shape(*self._anchor(shape))
        for record in self.records(shape.start, shape.end):
            if record.kind == _TEXT_BOX:
                for inner in self.records(record.start, record.end):
                    if inner.kind == _OUTLINE and inner.start + 4 <= inner.end:
                        number = self.number(inner.start)
                        if number < len(outline):
                            found.kind, found.text = outline[number]
                for kind, text in self.texts(record.start, record.end):
                    found.kind, found.text = kind, text
            elif record.kind == _CLIENT_DATA:
                for inner in self.records(record.start, record.end):
                    if inner.kind == _PLACEHOLDER and inner.start + 5 <= inner.end:
                        found.placeholder = self._data[inner.start + 4]
        return found

    def _read_edits(self, user: bytes) -> tuple[dict[int, int], int]:
        """The places of the records that have a number, the newest of each, and that of the document."""
        token, edit = struct.unpack_from("<2I", user, 12) if len(user) >= 20 else (0, 0)
        if token == _ENCRYPTED:
            raise LoadError(Reason.ENCRYPTED, "a PowerPoint file with a password")
        if edit + 8 > len(self._data) or self.record_at(edit).kind != _EDIT:  # the last one is the newest
            edits = [record.start - 8 for record in self.records(0, len(self._data)) if record.kind == _EDIT]
            edit = edits[-1] if edits else 0
        places: dict[int, int] = {}
        document = None
        seen: set[int] = set()
        while edit and edit not in seen and len(seen) < _MAX_EDITS:
            seen.add(edit)
            record = self.record_at(edit)
            if record.kind != _EDIT:
                break
            before, directory, number = struct.unpack_from("<3I", self._data, record.start + 8)
            document = number if document is None else document
            for one, place in self._read_places(directory):
                places.setdefault(one, place)
            edit = before
        if document is None or document not in places:
            raise LoadError(Reason.DAMAGED, "its document is missing")
        return places, places[document]

    def _read_places(self, directory: int) -> Iterator[tuple[int, int]]:
        record = self.record_at(directory)
        if record.kind != _PLACES:
            return
        at = record.start
        while at + 4 <= record.end:
            head = self.number(at)
            first, count = head & 0xFFFFF, head >> 20
            at += 4
            for number in range(min(count, (record.end - at) // 4)):
                yield first + number, self.number(at + 4 * number)
            at += 4 * count

    def _read_document(self, place: int) -> None:
        document = self.record_at(place)
        if document.kind != _DOCUMENT:
            raise LoadError(Reason.DAMAGED, "its document is missing")
        for record in self.records(document.start, document.end):
            if record.kind == _TEXTS and record.instance == 0:
                self._read_slides(record)
            elif record.kind == _TEXTS and record.instance == 2:
                for inner in self.records(record.start, record.end):
                    if inner.kind == _PLACE:
                        self._read_notes(self._places.get(self.number(inner.start)))

    def _read_slides(self, texts: _Record) -> None:
        seen: set[int] = set()  # a slide that is listed again and again would make the text grow without end
        kind = 4
        outline: list[tuple[int, str]] = []
        for record in self.records(texts.start, texts.end):
            if record.kind == _PLACE and record.start + 16 <= record.end:
                outline, kind = [], 4
                place = self._places.get(self.number(record.start))
                if place is not None and place not in seen:
                    seen.add(place)
                    self._slides.append(_Slide(place, self.number(record.start + 12), outline))
            elif record.kind == _KIND and record.start + 4 <= record.end:
                kind = self.number(record.start)
                outline.append((kind, ""))
            elif record.kind in (_WIDE, _NARROW):
                if outline:
                    outline.pop()
                outline.append((kind, self.text(record)))

    def _read_notes(self, place: int | None) -> None:
        if place is None:
            return
        notes = self.record_at(place)
        if notes.kind != _NOTES:
            return
        for record in self.records(notes.start, notes.end):
            if record.kind == _NOTES_ATOM and record.start + 4 <= record.end:
                self._notes.setdefault(self.number(record.start), place)


class _Writer:
    """Turns slides into blocks."""

    def __init__(self, builder: TextBuilder, show: _Show) -> None:
        self.title = ""  # of the first slide that has one
        self._builder = builder
        self._show = show

    def add_slide(self, slide: _Slide, number: int) -> None:
        record = self._show.record_at(slide.place)
        if record.kind != _SLIDE:
            return
        shapes = [s for s in self._show.shapes(record, slide.outline) if s.placeholder not in _REPEATED]
        title = next((shape for shape in shapes if shape.kind in _TITLES), None)
        heading = " ".join(_lines(title.text)) if title is not None else ""
        if len(heading) > _LONGEST_HEADING:  # the whole slide written into its title
            title, heading = None, ""
        self._builder.heading(heading, 1, page=number)
        self.title = self.title or heading
        # A slide without a title must not pass for a part of the one before.
        headings = (name_of(heading),) if heading else ()
        for shape in _reading_order(shapes):
            if shape.cells:
                add_rows(self._builder, spread(_rows(shape.cells)), number, headings)
            elif shape is not title:
                self._add_text(shape, number, headings)
        for comment in self._show.comments(record):
            self._builder.add(comment, page=number, headings=headings)
        if notes := self._show.notes(slide):
            self._builder.add(f"Notes: {notes}", page=number, headings=headings)

    def _add_text(self, shape: _Shape, number: int, headings: tuple[str, ...]) -> None:
        paragraphs = [" ".join(_lines(paragraph)) for paragraph in shape.text.split("\r")]
        paragraphs = [paragraph for paragraph in paragraphs if paragraph]
        if shape.kind in _BODIES and len(paragraphs) > 1:
            for position, paragraph in enumerate(paragraphs):
                separator = "\n" if position else "\n\n"
                self._builder.add(f"- {paragraph}", "list", page=number, headings=headings, separator=separator)
        else:
            self._builder.add("\n".join(_lines(shape.text)), page=number, headings=headings)


def _lines(text: str) -> list[str]:
    lines = text.replace("\v", "\r").replace("\n", "\r").split("\r")
    return [cleaned for line in lines if (cleaned := " ".join(line.split()))]


def _reading_order(shapes: list[_Shape]) -> Iterator[_Shape]:
    """The shapes from top to bottom, side by side ones from left to right."""
    band: list[_Shape] = []
    for shape in sorted(shapes, key=lambda shape: shape.top):
        if band and shape.top - band[0].top >= _LINE:
            yield from sorted(band, key=lambda shape: shape.left)
            band = []
        band.append(shape)
    yield from sorted(band, key=lambda shape: shape.left)


def _rows(cells: list[_Shape]) -> list[list[Cell]]:
    """The cells of a table by their places; those without text are known by the gaps that they leave."""
    tops, lefts = sorted({cell.top for cell in cells}), sorted({cell.left for cell in cells})
    if max(len(tops), len(lefts)) > _MAX_TABLE:
        return [[Cell(" ".join(_lines(cell.text)))] for cell in cells]
    rows: list[list[Cell]] = [[] for _ in tops]
    ends = [0] * len(tops)  # columns of each row so far
    covered: set[tuple[int, int]] = set()  # by cells of rows above
    for cell in sorted(cells, key=lambda cell: (cell.top, cell.left)):
        row, column = tops.index(cell.top), lefts.index(cell.left)
        width = sum(1 for left in lefts if cell.left <= left < max(cell.right, cell.left + 1))
        height = sum(1 for top in tops if cell.top <= top < max(cell.bottom, cell.top + 1))
        gaps = [gap for gap in range(ends[row], column) if (row, gap) not in covered]
        rows[row] += [Cell("")] * len(gaps)
        rows[row].append(Cell(" ".join(_lines(cell.text)), columns=width, rows=height))
        ends[row] = column + width
        covered.update((row + down, column + right) for down in range(1, height) for right in range(width))
    return rows
