"""Word 97 to 2003 ([MS-DOC]): text in its own order with headings, lists, tables, notes and comments."""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.equations import lowered, raised
from ragcli.formats.ole.container import Container
from ragcli.formats.ole.doc_properties import (
    Characters,
    Lists,
    Paragraphs,
    Places,
    Properties,
    read_characters,
    read_lists,
    read_styles,
)
from ragcli.formats.spans import Edge, cells_by_edges
from ragcli.formats.tables import add_rows, spread
from ragcli.types import Document, Reason

_LONGEST_HEADING = 200
_WORD_97, _WORD_6 = 0xA5EC, 0xA5DC
_EAST_ASIAN = (0xA697, 0xA698, 0xA699)  # Word 6 and 95 in Chinese, Japanese and Korean
# Parts of the text, in their order, by where their length stands in the header
_LENGTHS = (76, 80, 84, 88, 92, 96, 100, 104)
_BODY, _FOOTNOTES, _MARGINS, _, _COMMENTS, _ENDNOTES, _BOXES, _ = range(8)
# Tables by the number of their place in the header
_STYLES, _NOTE_REFERENCES, _NOTE_TEXTS, _COMMENT_REFERENCES, _COMMENT_TEXTS, _MARGIN_TEXTS = 1, 2, 3, 4, 5, 11
_CHARACTER_PAGES, _PARAGRAPH_PAGES, _PIECES, _AUTHORS, _SHAPES = 12, 13, 33, 36, 40
_ENDNOTE_REFERENCES, _ENDNOTE_TEXTS, _BOX_TEXTS, _LISTS, _OVERRIDES = 46, 47, 56, 73, 74

_PARAGRAPH, _CELL, _SECTION = "\r", "\x07", "\x0c"
_END = re.compile("[\r\x07\x0c]")
_FIELD = re.compile("[\x13\x14\x15]")
_SIGNS = str.maketrans(
    {"\x0b": "\n", "\x0e": "\n", "\x1e": "-", "\x1f": None, "\xa0": " ", "\0": None}
    | dict.fromkeys(map(chr, (1, 2, 3, 4, 5, 6, 8)))
)
_GONE = "\0"  # hidden and deleted text


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a Word file; its pages are not known, as they depend on the printer.

    Of a file of Word 6 or 95 the plain text is read. Raises LoadError: EMPTY, ENCRYPTED, DAMAGED, or UNSUPPORTED for
    an older file and for one of Word 6 in an East Asian language.
    """
    del options
    if data.startswith((b"\xdb\xa5", b"\x9b\xa5")):
        raise LoadError(Reason.UNSUPPORTED, "a file of Word 2 or older")
    container = Container(data, "an old Word file")
    word = container.read("WordDocument")
    if word is None or len(word) < 68:
        raise LoadError(Reason.DAMAGED, "there is no Word document in it")
    builder = TextBuilder()
    try:
        title = _read(builder, container, word)
    except (struct.error, IndexError, ValueError) as error:
        raise LoadError(Reason.DAMAGED, f"not an old Word file that can be read: {error}") from error
    own = container.title()
    return builder.build(path, own if is_title(own, path) else title)


def _read(builder: TextBuilder, container: Container, word: bytes) -> str:
    kind, version = struct.unpack_from("<2H", word)
    (flags,) = struct.unpack_from("<H", word, 10)
    if kind in _EAST_ASIAN:
        raise LoadError(Reason.UNSUPPORTED, "a file of an East Asian Word 6 or 95")
    if kind not in (_WORD_97, _WORD_6):
        raise LoadError(Reason.DAMAGED, "there is no Word document in it")
    if flags & 0x100:
        raise LoadError(Reason.ENCRYPTED, "a Word file with a password")
    if kind == _WORD_6 or version < 0xC1:
        return _read_word_6(builder, word, is_saved_fast=bool(flags & 4))
    table = container.read("1Table" if flags & 0x200 else "0Table")
    if table is None:
        raise LoadError(Reason.DAMAGED, "its table stream is missing")
    file = _File(word, table, container.read("Data") or b"")
    writer = _Writer(builder, file)
    writer.write(file.part(_BODY))
    return writer.title


def _read_word_6(builder: TextBuilder, word: bytes, *, is_saved_fast: bool) -> str:
    first, _ = struct.unpack_from("<2I", word, 24)
    (length,) = struct.unpack_from("<I", word, 52)
    pieces = [(first, length)]
    if is_saved_fast:
        start, size = struct.unpack_from("<2I", word, 0x160)
        bounds, places = _read_clx(word[start : start + size], len(word))
        pieces = [(place, end - begin) for place, (begin, end) in zip(places, pairwise(bounds), strict=True)]
    raw = b"".join(word[place : place + size] for place, size in pieces)[:length]
    text = raw.decode(_page_of_word_6(word, raw), "replace")
    for paragraph in _END.split(_visible(text)):
        builder.add(_lines(paragraph))
    return ""


# Code pages by the primary language of Windows, where they are not cp1252
_LANGUAGES = (
    dict.fromkeys((0x19, 0x22, 0x23, 0x02, 0x2F), "cp1251")
    | dict.fromkeys((0x05, 0x0E, 0x15, 0x1B, 0x24, 0x18, 0x1A, 0x1C), "cp1250")
    | dict.fromkeys((0x25, 0x26, 0x27), "cp1257")
    | {0x08: "cp1253", 0x1F: "cp1254", 0x0D: "cp1255", 0x01: "cp1256", 0x29: "cp1256", 0x1E: "cp874", 0x2A: "cp1258"}
    | {0x11: "cp932", 0x12: "cp949", 0x04: "cp936"}
)
_FONTS = {204: "cp1251", 238: "cp1250", 161: "cp1253", 162: "cp1254", 177: "cp1255", 178: "cp1256", 186: "cp1257"}
_FOREIGN = re.compile(rb"[\x80-\xff]{3}")  # in Western text three such letters hardly follow each other


def _page_of_word_6(word: bytes, raw: bytes) -> str:
    """The code page of the text: that of the Mac, of the language of the file, or of a font in it."""
    if word[18] == 1:
        return "mac_roman"
    (language,) = struct.unpack_from("<H", word, 6)
    if page := _LANGUAGES.get(language & 0x3FF):
        return page
    if len(_FOREIGN.findall(raw)) * 20 < len(raw.translate(None, bytes(range(128)))):
        return "cp1252"
    start, length = struct.unpack_from("<2I", word, 0xD0)
    at, end = start + 2, min(start + length, len(word))
    while at + 5 < end:
        if page := _FONTS.get(word[at + 4]):
            return page
        at += 1 + word[at]
    return "cp1252"


def _read_clx(data: bytes, most: int) -> tuple[tuple[int, ...], list[int]]:
    """The bounds of the pieces of text (a Clx) in characters, and the place of each; LoadError(DAMAGED)."""
    at = 0
    while data[at : at + 1] == b"\x01":  # properties of pieces, which are not read
        at += 3 + int.from_bytes(data[at + 1 : at + 3], "little")
    if data[at : at + 1] != b"\x02":
        raise LoadError(Reason.DAMAGED, "its table of pieces is missing")
    count = max(0, int.from_bytes(data[at + 1 : at + 5], "little") - 4) // 12
    at += 5
    bounds = struct.unpack_from(f"<{count + 1}I", data, at)
    at += 4 * (count + 1)
    if not all(a <= b for a, b in pairwise(bounds)) or bounds[-1] > most:
        raise LoadError(Reason.DAMAGED, "its pieces are longer than the file")
    return bounds, [struct.unpack_from("<I", data, at + 8 * number + 2)[0] for number in range(count)]


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the text by its first and last character."""

    start: int
    end: int


class _File:
    """The text of a file with the tables that say what it is."""

    def __init__(self, word: bytes, table: bytes, data: bytes) -> None:
        self._word = word
        self.table = table
        lengths = [max(0, length) for (length,) in (struct.unpack_from("<i", word, at) for at in _LENGTHS)]
        self._bounds = [0]
        for length in lengths:
            self._bounds.append(self._bounds[-1] + length)
        self._starts: list[int] = []  # first character of each piece
        self._bytes: list[tuple[int, int]] = []  # first byte of each piece and bytes of a character
        characters = read_characters(word, table, self.place(_CHARACTER_PAGES))
        self.scripts: list[tuple[int, int, int]] = []  # first and last character of raised (1) and lowered (-1) text
        self.text = self.__read_clx(characters)
        styles = read_styles(table, self.place(_STYLES))
        self._paragraphs = Paragraphs(word, table, data, self.place(_PARAGRAPH_PAGES), styles)
        self.lists: Lists = read_lists(table, self.place(_LISTS), self.place(_OVERRIDES))

    def place(self, number: int) -> Places:
        """Where a table stands in the table stream; an empty place when it is not all there."""
        at = 154 + 8 * number
        if at + 8 > len(self._word):
            return 0, 0
        start, length = struct.unpack_from("<2I", self._word, at)
        return (start, length) if start + length <= len(self.table) else (0, 0)

    def part(self, number: int) -> _Part:
        return _Part(*(min(bound, len(self.text)) for bound in self._bounds[number : number + 2]))

    def properties(self, character: int) -> Properties:
        """Of the paragraph whose mark is ``character``."""
        piece = bisect.bisect_right(self._starts, character) - 1
        if piece < 0:
            return Properties()
        first, width = self._bytes[piece]
        return self._paragraphs.at(first + width * (character - self._starts[piece]))

    def places(self, number: int, width: int) -> list[tuple[int, bytes]]:
        """The characters in a table (a Plc) and the ``width`` bytes that it keeps of each; the last has none."""
        start, length = self.place(number)
        count = max(0, length - 4) // (4 + width)
        if not count:
            return []
        characters = struct.unpack_from(f"<{count + 1}I", self.table, start)
        data = start + 4 * (count + 1)
        entries = [self.table[data + width * n : data + width * (n + 1)] for n in range(count)]
        return list(zip(characters, [*entries, b""], strict=True))

    def stories(self, part: int, number: int, width: int = 0) -> list[tuple[str, bytes]]:
        """The texts in a part that a table (a Plc) cuts up, each on one line."""
        whole = self.part(part)
        places = self.places(number, width)
        found = []
        for (start, entry), (end, _) in pairwise(places):
            text = self.text[whole.start + start : min(whole.end, whole.start + end)]
            found.append((" ".join(_visible(text).replace(_CELL, " ").split()), entry))
        return found

    def __read_clx(self, characters: Characters) -> str:
        begin_of_table, length = self.place(_PIECES)
        bounds, places = _read_clx(self.table[begin_of_table : begin_of_table + length], len(self._word))
        parts = []
        for where, (begin, end) in zip(places, pairwise(bounds), strict=True):
            width = 1 if where & 0x40000000 else 2
            first = (where & 0x3FFFFFFF) // (2 if width == 1 else 1)
            size = end - begin
            self._starts.append(begin)
            self._bytes.append((first, width))
            text = _decode(self._word[first : first + width * size], width).ljust(size, _GONE)
            parts.append(_without(text, characters.hidden, first, width))
            number = max(0, bisect.bisect_right(characters.scripts, (first, 0, 0)) - 1)
            for start, stop, height in characters.scripts[number:]:
                if start >= first + width * size:
                    break
                span = max(0, (start - first) // width), min(size, (stop - first) // width)
                if span[0] < span[1]:
                    self.scripts.append((begin + span[0], begin + span[1], height))
        return "".join(parts)


def _decode(data: bytes, width: int) -> str:
    """One character for each code unit, so that numbers of characters stay those of the file."""
    if width == 1:
        return data.decode("cp1252", "replace")
    data = data[: len(data) // 2 * 2]
    text = data.decode("utf-16-le", "surrogatepass")
    if len(text) * 2 == len(data):
        return text
    return "".join(map(chr, struct.unpack(f"<{len(data) // 2}H", data)))


def _without(text: str, hidden: list[tuple[int, int]], first: int, width: int) -> str:
    """``text`` with each hidden letter replaced by a sign for nothing; marks of paragraphs, cells and fields stay."""
    number = max(0, bisect.bisect_right(hidden, (first, 0)) - 1)
    parts = []
    at = 0
    while number < len(hidden) and hidden[number][0] < first + width * len(text):
        start, end = hidden[number]
        begin, stop = max(at, (start - first) // width), max(at, (end - first) // width)
        parts += [text[at:begin], "".join(sign if sign < " " else _GONE for sign in text[begin:stop])]
        at = stop
        number += 1
    return "".join([*parts, text[at:]])


def _visible(text: str) -> str:
    """``text`` without the instructions of its fields."""
    return "".join(piece for piece in _results(text, []))


def _results(text: str, fields: list[bool]) -> Iterator[str]:
    """The pieces of ``text`` that no field hides. ``fields`` are those that are open, True in their instruction."""
    at = 0
    for mark in _FIELD.finditer(text):
        if not any(fields):
            yield text[at : mark.start()]
        at = mark.end()
        if mark[0] == "\x13":
            fields.append(True)
        elif fields and mark[0] == "\x14":
            fields[-1] = False
        elif fields:
            fields.pop()
    if not any(fields):
        yield text[at:]


def _lines(text: str) -> str:
    # Signs beyond the first 65,536 stand as two halves.
    text = text.translate(_SIGNS).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return "\n".join(cleaned for line in text.split("\n") if (cleaned := " ".join(line.split())))


@dataclass(slots=True)
class _Table:
    cell: list[str] = field(default_factory=list)
    row: list[str] = field(default_factory=list)
    rows: list[tuple[list[str], list[Edge]]] = field(default_factory=list)


class _Writer:
    """Turns the paragraphs of the body into blocks."""

    def __init__(self, builder: TextBuilder, file: _File) -> None:
        self.title = ""  # the first paragraph in the style Title, else the first heading
        self._has_title_style = False
        self._builder = builder
        self._file = file
        self._hanging = sorted(_hanging(file), key=lambda place: place[0])
        self._fields: list[bool] = []
        self._table = _Table()
        self._in_list = False

    def write(self, body: _Part) -> None:
        start = body.start
        text = self._file.text
        while start < body.end:
            mark = _END.search(text, start, body.end)
            end = mark.start() if mark else body.end
            visible = self._shown(start, end)
            # Text that a field hides has no mark of its own.
            self._add(_lines(visible), mark[0] if mark else _PARAGRAPH, self._file.properties(end), end)
            start = end + 1
        self._end_table()
        for _, note in self._hanging:
            self._builder.add(note)
        margins = dict.fromkeys(text for text, _ in self._file.stories(_MARGINS, _MARGIN_TEXTS)[6:])
        for text in margins:
            # A page number alone says nothing.
            self._builder.add(text if re.search(r"[^\W\d_]{2}", text) else "", headings=())

    def _shown(self, start: int, end: int) -> str:
        """The text between two characters that no field hides, with its exponents and indices."""
        shown, at = "", start
        scripts = self._file.scripts
        for begin, stop, height in scripts[max(0, bisect.bisect_right(scripts, (start, 0, 0)) - 1) :]:
            if begin >= end:
                break
            first, last = max(at, begin), min(end, stop)
            if first < last:
                shown += "".join(_results(self._file.text[at:first], self._fields))
                piece = "".join(_results(self._file.text[first:last], self._fields))
                shown += raised(shown[-3:], piece) if height > 0 else lowered(shown[-3:], piece)
                at = last
        return shown + "".join(_results(self._file.text[at:end], self._fields))

    def _add(self, text: str, mark: str, properties: Properties, end: int) -> None:
        notes = []
        while self._hanging and self._hanging[0][0] <= end:
            notes.append(self._hanging.pop(0)[1])
        if properties.is_row_end and mark == _CELL and properties.depth <= 1:
            if self._table.row:
                self._table.rows.append((self._table.row, list(properties.edges)))
            self._table.row = []
        elif mark == _CELL or properties.in_table:
            marker = self._marker(properties) if text else ""
            self._table.cell += [f"{marker}{' '.join(text.split())}"] if text else []
            self._table.cell += [f"({note})" for note in notes]
            if mark == _CELL:
                self._table.row.append(" ".join(self._table.cell))
                self._table.cell = []
        else:
            if text or notes:
                self._end_table()
            self._add_paragraph(text, properties)
            for note in notes:
                self._builder.add(note)

    def _add_paragraph(self, text: str, properties: Properties) -> None:
        if not text:
            return
        marker = self._marker(properties)
        level = properties.level
        if level is not None and len(text) <= _LONGEST_HEADING:
            number = marker if marker != "- " else ""
            self._builder.heading(f"{number}{text}", max(1, level))
            if not self.title or (level == 0 and not self._has_title_style):
                self.title, self._has_title_style = text, level == 0
            self._in_list = False
        elif marker:
            self._builder.add(f"{marker}{text}", "list", separator="\n" if self._in_list else "\n\n")
            self._in_list = True
        else:
            self._builder.add(text)
            self._in_list = False

    def _marker(self, properties: Properties) -> str:
        if not properties.list_number:
            return ""
        return self._file.lists.label(properties.list_number, properties.list_level)

    def _end_table(self) -> None:
        table, self._table = self._table, _Table()
        if table.cell:
            table.row.append(" ".join(table.cell))
        if table.row:
            table.rows.append((table.row, []))
        if table.rows:
            add_rows(self._builder, spread(cells_by_edges(table.rows)))
            self._in_list = False


def _hanging(file: _File) -> Iterator[tuple[int, str]]:
    """The notes, comments and text boxes with the character of the body on which each hangs."""
    for part, references, texts, width in (
        (_FOOTNOTES, _NOTE_REFERENCES, _NOTE_TEXTS, 2),
        (_ENDNOTES, _ENDNOTE_REFERENCES, _ENDNOTE_TEXTS, 2),
    ):
        stories = file.stories(part, texts)
        for (character, _), (text, _) in zip(file.places(references, width), stories, strict=False):
            if note := _lines(text):
                yield character, f"Note: {note}"
    authors = _names(file.table, file.place(_AUTHORS))
    comments = zip(file.places(_COMMENT_REFERENCES, 30), file.stories(_COMMENTS, _COMMENT_TEXTS), strict=False)
    for (character, entry), (text, _) in comments:
        number = int.from_bytes(entry[20:22], "little")
        author = authors[number] if number < len(authors) else ""
        if comment := _lines(text):
            yield character, f"Comment by {author}: {comment}" if author else f"Comment: {comment}"
    shapes = {entry[:4]: character for character, entry in file.places(_SHAPES, 26)}
    for text, entry in file.stories(_BOXES, _BOX_TEXTS, 22):
        if box := _lines(text):
            yield shapes.get(entry[14:18], len(file.text)), box


def _names(table: bytes, place: Places) -> list[str]:
    names = []
    at, end = place[0], place[0] + place[1]
    while at + 2 <= end:
        length = int.from_bytes(table[at : at + 2], "little")
        names.append(" ".join(table[at + 2 : at + 2 + 2 * length].decode("utf-16-le", "replace").split()))
        at += 2 + 2 * length
    return names
