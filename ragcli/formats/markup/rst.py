"""reStructuredText: sections, literal blocks, lists and tables, each a span of the file as it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from ragcli.formats.blocks import LoadOptions, header_line
from ragcli.formats.decode import decode
from ragcli.formats.lines import Blocks, Line, document, indentation, split_lines
from ragcli.types import BlockKind, Document

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*")
_SHORT = 4  # signs; a line of fewer is an underline only when it is as long as the title
_BULLET = re.compile(r"[-*+•‣⁃](?:[ \t]+|$)")
_ENUMERATOR = re.compile(r"\(?(?:\d+|[A-Za-z]|#|[ivxlcdm]+|[IVXLCDM]+)[.)](?:[ \t]+|$)")
_EXPLICIT = re.compile(r"(?:\.\.|__)(?:[ \t]|$)")
_CODE = re.compile(
    r"\.\.[ \t]+(?:code-block|code|sourcecode|parsed-literal|math|raw|doctest|testcode|testoutput|highlight)::"
)
_GRID = re.compile(r"\+(?:[-=]+\+)+[ \t]*")
_SIMPLE = re.compile(r"=+(?:[ \t]+=+)+[ \t]*")
_SIMPLE_BORDERS = 3  # above and below the header, and at the end

_TABLE = re.compile(r"\.\.[ \t]+(list-table|csv-table)::")
_OPTION = re.compile(r"(?m)^[ \t]*:([\w-]+):[ \t]*(.*)$")
_LIST_ROW = re.compile(r"[ \t]+\*[ \t]+-")

_LONG = 500  # characters of a title that are read
_LITERAL = re.compile(r"``(.+?)``")
_ROLE = re.compile(r"(?::[\w:+.-]+:)?`([^`<]*[^`<\s])(?:\s*<[^`]*>)?`_{0,2}")
_EMPHASIS = re.compile(r"(\*{1,2})(?=\S)(.+?)(?<=\S)\1")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The decoded file; its title is the first section title."""
    del options
    text, warnings = decode(data)
    scanner = _Scanner(split_lines(text))
    scanner.scan()
    blocks = scanner.blocks
    return document(path, text, blocks.found, title=blocks.title, warnings=warnings)


class _Scanner:
    def __init__(self, lines: Sequence[Line]) -> None:
        self.blocks = Blocks()
        self._lines = lines
        self._at = 0  # the next line to read
        self._styles: list[tuple[str, bool]] = []  # (sign, with a line above) in order of first use: the levels
        self._literal = False  # the last paragraph ended with ::

    def scan(self) -> None:
        """Read one block after the other."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            literal, self._literal = self._literal, False
            if line.is_blank:
                self._at += 1
                self._literal = literal
            elif indentation(line.content):
                self._take(self._end_of_body(self._at + 1, 1), "code" if literal else "paragraph")
            elif not (self._title(line) or self._table(line) or self._explicit(line) or self._item(line)):
                self._paragraph()

    def _take(self, end: int, kind: BlockKind, columns: str = "") -> None:
        self.blocks.add(self._lines[self._at : end], kind, columns=columns)
        self._at = end

    def _content(self, number: int) -> str:
        return self._lines[number].content if number < len(self._lines) else ""

    def _end_of_body(self, start: int, width: int) -> int:
        """The first line from ``start`` on that is neither blank nor indented to ``width``."""
        end = start
        while end < len(self._lines) and (self._lines[end].is_blank or indentation(self._lines[end].content) >= width):
            end += 1
        return end

    def _title(self, line: Line) -> bool:
        """A section title, or a transition, which is a line of signs between blank ones."""
        over = _sign(line.content)
        text, under = (self._content(self._at + number + bool(over)) for number in range(2))
        sign = _sign(under)
        if over and not text.strip():
            if len(line.content.rstrip()) >= _SHORT:
                self._take(self._at + 1, "paragraph")
                return True
            return False
        is_title = sign and not _BULLET.match(text) and _fits(text.strip(), under)
        if not is_title or (over and (_sign(text) or line.content.rstrip() != under.rstrip())):
            return False
        style = (sign, bool(over))
        if style not in self._styles:
            self._styles.append(style)
        end = self._at + (3 if over else 2)
        self.blocks.heading(self._lines[self._at : end], _plain(text), self._styles.index(style) + 1)
        self._at = end
        return True

    def _table(self, line: Line) -> bool:
        head = range(0)
        if _GRID.fullmatch(line.content):
            end = self._at
            while self._content(end).startswith(("+", "|")):
                end += 1
            rows = [number for number in range(self._at + 2, end) if _GRID.fullmatch(self._content(number - 1))]
            body = next((number for number in range(self._at, end) if self._content(number).startswith("+=")), None)
            head = range(self._at + 1, body) if body else head
        elif _SIMPLE.fullmatch(line.content):
            end, borders = self._end_of_simple_table()
            if not end:
                return False
            body = borders[1] + 1 if len(borders) == _SIMPLE_BORDERS else self._at + 2
            head = range(self._at + 1, borders[1]) if len(borders) == _SIMPLE_BORDERS else head
            # A row that leaves the first column empty goes on with the row above it.
            rows = [number for number in range(body, end - 1) if self._content(number)[:1].strip()]
        else:
            return False
        columns = self._columns(line.content, head)
        first = self._at
        for number in [*(row for row in rows if row > self._at), end]:
            self._take(number, "row", "" if self._at in (first, *head) else columns)
        return True

    def _columns(self, border: str, head: range) -> str:
        """The names of the columns in the lines ``head`` below ``border``, which has them apart."""
        spans = [match.span() for match in re.finditer(r"[-=]+", border)]
        lines = [self._content(number) for number in head if not _GRID.fullmatch(self._content(number))]
        # The last column of a simple table may be wider than its border.
        ends = [*(end for _, end in spans[:-1]), None if border.startswith("=") else spans[-1][1]]
        return header_line(
            _plain(" ".join(line[start:end].strip(" |") for line in lines))
            for (start, _), end in zip(spans, ends, strict=True)
        )

    def _end_of_simple_table(self) -> tuple[int, list[int]]:
        """The line after the table and the numbers of its borders; 0 when it has no end."""
        borders: list[int] = []
        for number in range(self._at, len(self._lines)):
            if _SIMPLE.fullmatch(self._content(number)):
                borders.append(number)
                is_last = not self._content(number + 1).strip() or len(borders) == _SIMPLE_BORDERS
                if len(borders) > 1 and is_last:
                    return number + 1, borders
        return 0, []

    def _explicit(self, line: Line) -> bool:
        """A directive, comment, footnote or target with its body."""
        if not _EXPLICIT.match(line.content):
            return False
        if match := _TABLE.match(line.content):
            self._table_directive(match[1])
            return True
        self._take(self._end_of_body(self._at + 1, 1), "code" if _CODE.match(line.content) else "paragraph")
        return True

    def _table_directive(self, name: str) -> None:
        """A list-table or csv-table: its options and header are one block, then every row is one."""
        first, end = self._at, self._end_of_body(self._at + 1, 1)
        body = first + 1
        while body < end and self._content(body).strip().startswith(":"):
            body += 1
        options = dict(_OPTION.findall("\n".join(self._content(number) for number in range(first + 1, body))))
        is_row = _LIST_ROW.match if name == "list-table" else str.strip
        starts = [number for number in range(body, end) if is_row(self._content(number))]
        count = options.get("header-rows", "0").strip()
        heads = int(count) if count.isdigit() and len(count) < _SHORT else 0
        head_end = starts[heads] if heads < len(starts) else end
        head = "\n".join(self._content(number) for number in range(starts[0], head_end)) if heads and starts else ""
        if name == "list-table":
            cells = [" ".join(cell.split()) for cell in re.split(r"(?m)^[ \t]*(?:\*[ \t]+)?-[ \t]+", head)]
        else:
            cells = re.split(r"[,;]", options.get("header", "").strip() or head)
        columns = header_line(_plain(cell.strip().strip('"')) for cell in cells)
        self._take(head_end, "row")
        for number in [*(start for start in starts if start > head_end), end]:
            self._take(number, "row", columns)

    def _item(self, line: Line) -> bool:
        """A list item with all that is indented below it."""
        is_item = _BULLET.match(line.content) is not None
        if not is_item and _ENUMERATOR.match(line.content):  # "A. Smith wrote\nthat ..." is a paragraph
            following = self._content(self._at + 1)
            is_item = not following or following[0].isspace() or _ENUMERATOR.match(following) is not None
        if is_item:
            self._take(self._end_of_body(self._at + 1, 1), "list")
        return is_item

    def _paragraph(self) -> None:
        end = self._at
        while self._content(end).strip():
            end += 1
        is_code = self._content(self._at).startswith(">>> ")
        self._literal = self._content(end - 1).rstrip().endswith("::")
        self._take(end, "code" if is_code else "paragraph")


def _sign(content: str) -> str:
    """The sign that all of a line consists of, "" for other lines."""
    match = _ADORNMENT.fullmatch(content)
    return match[1] if match else ""


def _fits(title: str, underline: str) -> bool:
    length = len(underline.rstrip())
    return bool(title) and (length >= _SHORT or length >= _columns(title))


def _columns(text: str) -> int:
    wide = sum(1 for character in text if unicodedata.east_asian_width(character) in "WF")
    return len(text) + wide - sum(1 for character in text if unicodedata.combining(character))


def _plain(markup: str) -> str:
    text = _LITERAL.sub(r"\1", markup[:_LONG])
    text = _EMPHASIS.sub(r"\2", _ROLE.sub(r"\1", text))
    return " ".join(re.sub(r"\\(.)", r"\1", text).split())
