"""RTF, also under the name of an old Word file: headings, lists, tables, notes and comments, in any code page."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.equations import lowered, raised
from ragcli.formats.spans import Edge, cells_by_edges
from ragcli.formats.tables import add_rows, spread
from ragcli.types import Document, Reason

_TOKEN = re.compile(
    rb"\\(?:([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|'([0-9a-fA-F]{2})|([\s\S]))|([{}])|([^\\{}]+)"
)  # word, number, hex byte, symbol, brace, text
_DEEPEST = 5000  # groups in groups
_LONGEST_HEADING = 200
_HEADING = re.compile(r"heading ?([1-9])\Z", re.IGNORECASE)
_MARKER = re.compile(r"([•·‣▪◦o-])\t")  # a bullet that is typed, as pandoc does

_CHARACTERS = {
    "tab": "\t", "line": "\n", "lbr": "\n", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’",
    "ldblquote": "“", "rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ", "qmspace": " ",
}  # fmt: skip
_HEIGHTS = {"super": 1, "up": 1, "sub": -1, "dn": -1, "nosupersub": 0}
_SYMBOLS = {b"~": " ", b"_": "-", b"\t": "\t"}
_ENDS = frozenset(("par", "sect", "page", "column"))

# Groups whose text is not that of the body, by what becomes of it.
_MARGIN = frozenset(f"{where}{page}" for where in ("header", "footer") for page in ("", "l", "r", "f"))
_STORIES = dict.fromkeys(_MARGIN, "margin") | {
    "footnote": "note", "annotation": "comment", "atnauthor": "author", "shptxt": "box", "dptxbxtext": "box",
    "listtext": "marker", "pntext": "marker", "title": "title", "fonttbl": "fonts", "stylesheet": "styles",
}  # fmt: skip
# Groups without text for a reader. Those that begin with \* and are not known here have none either.
_NO_TEXT = """
    colortbl pict objdata fldinst author operator keywords comment doccomm subject category company manager hlinkbase
    creatim revtim printim buptim nonesttables nonshppict shprslt sp xe tc txe rxe ftnsep ftnsepc ftncn aftnsep aftnsepc
    aftncn falt mmathPict atnid atnref datafield
"""
_SKIPPED = frozenset(_NO_TEXT.split())
_STARRED = frozenset(("shpinst", "do", "moMath", "moMathPara", *_STORIES))

# \fcharset -> code page
_CHARSETS = {
    0: "cp1252", 77: "mac_roman", 78: "shift_jis", 79: "euc_kr", 80: "gb2312", 81: "big5", 83: "mac_greek",
    85: "mac_turkish", 86: "mac_cyrillic", 88: "mac_latin2", 128: "cp932", 129: "cp949", 130: "johab", 134: "cp936",
    136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257",
    204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
_SYMBOL_CHARSET = 2
_PAGES = {10000: "mac_roman", 10007: "mac_cyrillic", 65001: "utf-8", 1361: "johab"}


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a file in RTF; its pages are not known, as they depend on the printer.

    A file that is cut off is read as far as it goes, and a warning says so. Raises LoadError: EMPTY or DAMAGED.
    """
    del options
    builder = TextBuilder()
    title, warnings = rtf_blocks(builder, data)
    return builder.build(path, title[0] if is_title(title[0], path) else title[1], warnings)


def rtf_blocks(builder: TextBuilder, data: bytes) -> tuple[tuple[str, str], tuple[str, ...]]:
    """Append the text of an RTF file; returns its two titles (of the metadata, of the text) and warnings.

    Raises LoadError(DAMAGED) when it is no RTF or has groups in groups without end.
    """
    start = data[:64].find(b"{\\rtf")
    if start < 0 or data[:start].strip(b"\xef\xbb\xbf\0 \t\r\n"):
        raise LoadError(Reason.DAMAGED, "not an RTF file: it does not begin with {\\rtf")
    reader = _Reader(builder)
    is_complete = reader.read(data, start)
    reader.finish()
    return (reader.title, reader.first_heading), () if is_complete else ("the file ends too early",)


def html_in_rtf(data: bytes) -> str | None:
    """The page in an RTF file that Outlook made of HTML ([MS-OXRTFEX]), None when it was not made of HTML."""
    if b"\\fromhtml1" not in data[:2048]:
        return None
    reader = _HtmlReader(TextBuilder())
    reader.read(data, max(0, data.find(b"{\\rtf")))
    return "".join(reader.markup)


@dataclass(slots=True)
class _Story:
    """A text beside others: the body, a note, a header; or what the file says of itself."""

    kind: str
    pieces: list[str] = field(default_factory=list)  # of the paragraph at hand
    heights: list[int] = field(default_factory=list)  # of each piece: 1 raised, -1 lowered, 0 on the line
    hanging: list[str] = field(default_factory=list)  # notes, comments and boxes of the paragraph at hand

    def take(self) -> str:
        """The paragraph at hand, which ends here."""
        text = ""
        for height, pieces in groupby(zip(self.heights, self.pieces, strict=True), key=itemgetter(0)):
            part = "".join(piece for _, piece in pieces)
            text += raised(text[-3:], part) if height > 0 else lowered(text[-3:], part) if height < 0 else part
        self.pieces.clear()
        self.heights.clear()
        # Signs beyond the first 65,536 come as two halves.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def add(self, text: str, height: int = 0) -> None:
        """Go on with the paragraph at hand."""
        self.pieces.append(text)
        self.heights.append(height)


@dataclass(slots=True)
class _Group:
    """What is in force between a pair of braces."""

    story: _Story
    is_skipped: bool = False
    is_hidden: bool = False
    is_deleted: bool = False
    height: int = 0  # 1 raised, -1 lowered
    font: int = 0
    page: str = "cp1252"
    fallback: int = 1  # characters after each \u for programs without Unicode
    style: int = 0
    outline: int = -1
    in_table: bool = False


class _Reader:
    def __init__(self, builder: TextBuilder) -> None:
        self.title = ""
        self.first_heading = ""
        self._builder = builder
        self._body = _Story("body")
        self._group = _Group(self._body)
        self._outer: list[_Group] = []
        self._is_starred = False
        self._to_skip = 0  # characters that stand in for the last \u
        self._bytes = bytearray()
        self._default_page = "cp1252"
        self._default_font = 0
        self._fonts: dict[int, str] = {}  # number -> code page
        self._levels: dict[int, int] = {}  # style -> level of its headings, 0 for the title
        self._written = self._group  # the group in which the last text of the body's paragraph stood
        self._marker = ""
        self._author = ""
        self._margins: dict[str, None] = {}
        self._in_list = False
        self._cell: list[str] = []
        self._row: list[str] = []
        self._edges: list[Edge] = []
        self._flags: set[str] = set()  # of the cell that the next \cellx ends
        self._table: list[tuple[list[str], list[Edge]]] = []

    def read(self, data: bytes, position: int) -> bool:
        """Take in the file; False when it is cut off."""
        while match := _TOKEN.match(data, position):
            position = match.end()
            word, number, code, symbol, brace, text = match.groups()
            if text is not None:
                if not self._group.is_skipped:
                    self._add_bytes(text.translate(None, b"\r\n\0"))
            elif brace == b"{":
                self._open()
            elif brace == b"}":
                self._close()
                if not self._outer:
                    return True
            elif word == b"bin":
                position += max(0, int(number or 0))
                self._to_skip = max(0, self._to_skip - 1)
            elif self._group.is_skipped:
                continue
            elif code is not None:
                self._add_bytes(bytes.fromhex(code.decode()))
            elif word is not None:
                self._take_word(word.decode(), None if number is None else int(number))
            else:
                self._take_symbol(symbol)
        return False

    def finish(self) -> None:
        """Write what is still open, and what stands at the head and the foot of the pages."""
        self._flush()
        self._end_row()
        self._end_paragraph()
        self._end_table()
        for text in self._margins:
            self._builder.add(text, headings=())

    def _open(self) -> None:
        self._flush()
        self._to_skip = 0
        if len(self._outer) >= _DEEPEST:
            raise LoadError(Reason.DAMAGED, "groups in groups without end")
        self._outer.append(self._group)
        self._group = replace(self._group)

    def _close(self) -> None:
        self._flush()
        self._to_skip = 0
        self._is_starred = False
        inner, self._group = self._group, self._outer.pop()
        if inner.is_skipped:
            return
        if inner.story.kind == "styles":
            self._end_style(inner)
        if inner.story is not self._group.story:
            self._end_story(inner.story)

    def _end_style(self, group: _Group) -> None:
        name = group.story.take().strip(" ;")
        heading = _HEADING.match(name)
        if heading:
            self._levels[group.style] = int(heading[1])
        elif name.casefold() == "title":
            self._levels[group.style] = 0
        elif name and 0 <= group.outline < 9:
            self._levels[group.style] = group.outline + 1

    def _end_story(self, story: _Story) -> None:
        text = " ".join(story.take().split())
        for hung in story.hanging:
            text += f" ({hung})"
        hanging = self._group.story.hanging
        match story.kind:
            case "title":
                self.title = text
            case "marker":
                self._marker = text
            case "author":
                self._author = text
            case "note" if text:
                hanging.append(f"Note: {text}")
            case "comment" if text:
                hanging.append(f"Comment by {self._author}: {text}" if self._author else f"Comment: {text}")
                self._author = ""
            case "box" if text:
                hanging.append(text)
            case "margin" if re.search(r"[^\W\d_]{2}", text):  # a page number alone says nothing
                self._margins[text] = None

    def _add_bytes(self, data: bytes) -> None:
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        self._bytes += data

    def _flush(self) -> None:
        if self._bytes:
            page = self._group.page
            if page == "symbol":
                text = "".join("•" if code in b"\xb7\xa7\xa8" else chr(code) for code in self._bytes)
            else:
                text = self._bytes.decode(page, "replace")
            self._bytes.clear()
            self._add(text)

    def _add(self, text: str) -> None:
        group = self._group
        if group.is_hidden or group.is_deleted or group.story.kind == "fonts":
            return
        group.story.add(text, group.height)
        if group.story is self._body and not text.isspace():
            self._written = group

    def _take_symbol(self, symbol: bytes) -> None:
        if symbol in b"\\{}":  # which may be the second byte of a sign
            self._add_bytes(symbol)
            return
        self._flush()
        if symbol == b"*":
            self._is_starred = True
        elif symbol in (b"\r", b"\n"):
            self._take_word("par", None)
        elif text := _SYMBOLS.get(symbol):
            self._add_character(text)

    def _add_character(self, text: str) -> None:
        if self._to_skip:
            self._to_skip -= 1
        else:
            self._add(text)

    def _take_word(self, word: str, number: int | None) -> None:
        self._flush()
        starred, self._is_starred = self._is_starred, False
        if (starred and word not in _STARRED) or word in _SKIPPED or (word[0] == "m" and word.endswith("Pr")):
            self._group.is_skipped = True
        elif word in _STORIES:
            self._group.story = _Story(_STORIES[word])
            self._group.is_hidden = False
            self._group.height = 0
        elif word == "u":
            self._to_skip = 0
            self._add(chr((number or 0) % 0x10000))
            self._to_skip = self._group.fallback
        elif word in _CHARACTERS:
            self._add_character(_CHARACTERS[word])
        else:
            self._to_skip = 0
            if not self._take_break(word) and not self._take_cell(word, number or 0):
                self._take_setting(word, number)

    def _take_break(self, word: str) -> bool:
        """Ends of paragraphs, cells and rows; outside of the body they are white space."""
        if word not in _ENDS and word not in ("cell", "nestcell", "row", "nestrow"):
            return False
        if self._group.is_hidden or self._group.is_deleted:
            pass  # the paragraph goes on in the next one
        elif self._group.story is not self._body:
            self._group.story.add("\n")
        elif word == "cell":
            self._end_cell_paragraph()
            self._row.append(" ".join(self._cell))
            self._cell.clear()
        elif word == "row":
            self._end_row()
        elif word in ("nestcell", "nestrow") or self._group.in_table:
            self._end_cell_paragraph()
        else:
            self._end_paragraph()
        return True

    def _take_cell(self, word: str, number: int) -> bool:
        """What is said of the cells of the next row."""
        if word == "trowd":
            self._edges = []
            self._flags.clear()
        elif word in ("clmrg", "clvmrg"):
            self._flags.add(word)
        elif word == "cellx":
            self._edges.append(Edge(number, "clmrg" in self._flags, "clvmrg" in self._flags))
            self._flags.clear()
        else:
            return False
        return True

    def _take_setting(self, word: str, number: int | None) -> None:
        group = self._group
        match word:
            case "v":
                group.is_hidden = number != 0
            case "deleted":
                group.is_deleted = number != 0
            case _ if word in _HEIGHTS:
                group.height = _HEIGHTS[word] if number != 0 else 0
            case "plain":
                group.is_hidden = group.is_deleted = False
                group.height = 0
                self._set_font(self._default_font)
            case "pard":
                group.style, group.outline, group.in_table = 0, -1, False
            case "s":
                group.style = number or 0
            case "outlinelevel":
                group.outline = number or 0
            case "intbl":
                group.in_table = True
            case "itap":
                group.in_table = bool(number)
            case "uc":
                group.fallback = min(max(0, number or 0), 100)
            case _:
                self._take_encoding(word, number or 0)

    def _take_encoding(self, word: str, number: int) -> None:
        match word:
            case "f":
                self._set_font(number)
            case "deff":
                self._default_font = number
            case "fcharset":
                self._fonts[self._group.font] = (
                    "symbol" if number == _SYMBOL_CHARSET else _CHARSETS.get(number, self._default_page)
                )
            case "cpg" | "ansicpg":
                page = _PAGES.get(number, f"cp{number}")
                try:
                    codecs.lookup(page)
                except LookupError:
                    return
                if word == "cpg":
                    self._fonts[self._group.font] = page
                else:
                    self._default_page = self._group.page = page
            case "mac" | "pc" | "pca":
                self._default_page = self._group.page = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[word]

    def _set_font(self, number: int) -> None:
        self._group.font = number
        self._group.page = self._fonts.get(number, self._default_page)

    def _end_cell_paragraph(self) -> None:
        text = self._body.take()
        marker, self._marker = self._marker, ""
        if text := " ".join(f"{marker} {text}".split()):
            self._cell.append(text)
        self._cell += [f"({hung})" for hung in self._body.hanging]
        self._body.hanging.clear()

    def _end_row(self) -> None:
        if self._cell:  # text behind the last \cell
            self._row.append(" ".join(self._cell))
            self._cell.clear()
        if self._row:
            self._table.append((self._row, self._edges))
            self._row = []

    def _end_table(self) -> None:
        if self._table:
            add_rows(self._builder, spread(cells_by_edges(self._table)))
            self._table.clear()
            self._in_list = False

    def _end_paragraph(self) -> None:
        written = self._written
        text = "\n".join(line for line in (" ".join(line.split()) for line in self._paragraph()) if line)
        marker, self._marker = self._marker, ""
        hanging, self._body.hanging = self._body.hanging, []
        if self._row or self._cell:  # a row without its end
            self._end_row()
        if not text and not hanging:
            return
        self._end_table()
        level = written.outline + 1 if 0 <= written.outline < 9 else self._levels.get(written.style)
        if level is None:  # AbiWord states the style of the paragraph where it ends
            level = self._levels.get(self._group.style)
        if text and level is not None and len(text) <= _LONGEST_HEADING:
            number = f"{marker} " if _is_number(marker) else ""
            self._builder.heading(f"{number}{text}", max(1, level))
            self.first_heading = self.first_heading or " ".join(text.split())
            self._in_list = False
        elif text and marker:
            shown = marker if _is_number(marker) else "-"
            self._builder.add(f"{shown} {text}", "list", separator="\n" if self._in_list else "\n\n")
            self._in_list = True
        else:
            self._builder.add(text)
            self._in_list = False
        for hung in hanging:
            self._builder.add(hung)

    def _paragraph(self) -> Iterator[str]:
        text = self._body.take()
        if not self._marker and (typed := _MARKER.match(text)):
            self._marker, text = typed[1], text[typed.end() :]
        yield from text.split("\n")


class _HtmlReader(_Reader):
    """Reads tags (in groups of their own) and text, and not what stands beside them for programs without HTML."""

    def __init__(self, builder: TextBuilder) -> None:
        super().__init__(builder)
        self.markup: list[str] = []

    def _take_word(self, word: str, number: int | None) -> None:
        if word == "htmlrtf":
            self._flush()
            self._group.is_hidden = number != 0
        elif word == "htmltag" and self._is_starred:
            self._flush()
            self._is_starred = False
            self._group.story = _Story("tag")
            self._group.is_hidden = False
        else:
            super()._take_word(word, number)

    def _take_break(self, word: str) -> bool:
        if word in _ENDS:
            self._add("\n")
        return word in _ENDS

    def _add(self, text: str) -> None:
        if self._group.is_hidden:
            return
        if self._group.story.kind == "tag":
            self.markup.append(text)
        elif self._group.story is self._body:
            self.markup.append(html.escape(text, quote=False))


def _is_number(marker: str) -> bool:
    return re.search(r"\w", marker) is not None and marker != "o"  # a bullet in Courier
