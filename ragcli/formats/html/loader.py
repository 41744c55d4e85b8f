"""HTML: the main text of a page, without scripts, navigation and other chrome."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from selectolax.lexbor import LexborNode

from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.formats.decode import declared_encoding, decode, normalise
from ragcli.formats.html.tree import Survey, parse, survey, tags, text_of, visit
from ragcli.formats.tables import Cell, Grid, Row, named_rows
from ragcli.types import BlockKind, Document

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = tags(
    """address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form
    header hgroup hr legend li main ol p pre search section summary table tbody td tfoot th thead tr ul xmp listing
    h1 h2 h3 h4 h5 h6"""
)
_PRE = frozenset(("pre", "xmp", "listing"))
_LONG_PRE = 10_000  # characters; a longer <pre> is a plain text document in an HTML wrapper
_LISTS = frozenset(("ul", "ol"))

_PRESCAN = 4096  # bytes searched for a declared charset; browsers look at 1,024
_DECLARED = re.compile(rb"""(?i)<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""")
# What browsers read for these labels: pages that claim them are Windows-1252 in truth.
_LABELS = {"iso-8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The text of the page, with its title; LoadError(EMPTY) when nothing but chrome is there."""
    del options
    markup, warnings = _decode(data)
    builder = TextBuilder()
    title = html_blocks(builder, markup)
    return builder.build(path, title, warnings)


def html_blocks(builder: TextBuilder, markup: str, page: int | None = None) -> str:
    """Append the main text of ``markup`` (a page or a fragment) and return its title, "" when it has none."""
    tree = parse(markup)
    found = survey(tree)
    if found is None:
        return ""
    writer = _Writer(builder, found, page)
    writer.write(chrome=False)
    if not writer.blocks:  # a page that is all form or all header: better its text than nothing
        writer.write(chrome=True)
    title = tree.css_first("head > title")
    return (" ".join(title.text().split()) if title else "") or writer.title


def _decode(data: bytes) -> tuple[str, tuple[str, ...]]:
    declared = None if declared_encoding(data) else _DECLARED.search(data[:_PRESCAN])
    if declared:
        label = (declared[1] or declared[2]).decode("ascii").lower()
        try:
            text = data.decode(_LABELS.get(label, label))
        except (LookupError, UnicodeError):  # an unknown or a wrong label: the bytes decide
            return decode(data)
        return normalise(text), ()
    return decode(data)


class _Table:
    """Takes a table cell by cell."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.parts: list[str] | None = None  # text of the open cell
        self.in_head = False
        self._cells: list[Cell] = []
        self._cell = Cell("")
        self._grid = Grid()
        self._has_body = False  # rows of <th> after a row of values are not the table's header

    def open_cell(self, is_header: bool, columns: str | None, rows: str | None) -> None:
        """Begin a cell; text goes to ``parts`` until ``close_cell``."""
        self.parts = []
        self._cell = Cell("", is_header, _span(columns), _span(rows))

    def leave(self, tag: str) -> None:
        if tag == "thead":
            self.in_head = False
        elif tag in ("td", "th"):
            self.close_cell()
        elif tag == "tr":
            self.close_row()

    def close_cell(self) -> None:
        if self.parts is not None:
            self._cells.append(replace(self._cell, text="".join(f" {part}" for part in self.parts)))
        self.parts = None

    def close_row(self) -> None:
        cells, self._cells = self._cells, []
        filled = [cell for cell in cells if cell.text and not cell.text.isspace()]
        all_headers = not self._has_body and len(filled) > 1 and all(cell.is_header for cell in filled)
        is_head = self.in_head or all_headers
        self._has_body = self._has_body or (bool(filled) and not is_head)
        self.rows.append(self._grid.row(cells, is_head=is_head))


def _span(value: str | None) -> int:
    return max(1, int(value)) if value and value.isascii() and value.isdigit() and len(value) < 9 else 1


class _Writer:
    """Turns the events of a page into blocks; text gathers until a block element begins or ends."""

    def __init__(self, builder: TextBuilder, found: Survey, page: int | None) -> None:
        self.blocks = 0
        self.title = ""  # the first <h1>
        self._builder = builder
        self._found = found
        self._page = page
        self._inline: list[str] = []
        self._heading: int | None = None
        self._pre = 0
        self._lists: list[int | None] = []  # number of the last item; None in a list without numbers
        self._marker = ""
        self._items = 0  # open <li>
        self._tables: list[_Table | None] = []  # None: a table that only arranges the page
        self._follows: BlockKind | None = None  # kind of the last block when the next one of its kind goes right below

    def write(self, *, chrome: bool) -> None:
        for node, tag, entering in visit(self._found.root, self._found.forms, chrome=chrome):
            if tag == "-text":
                text = text_of(node)
                self._inline.append(text if self._pre else re.sub(r"[ \t\n\r\f]+", " ", text))
            elif tag == "br":
                if entering:
                    self._inline.append("\n")
            elif tag in _BLOCKS:
                self._flush()
                if entering:
                    self._enter(node, tag)
                else:
                    self._leave(tag)
        self._flush()

    def _enter(self, node: LexborNode, tag: str) -> None:
        if tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag in _PRE:
            self._pre += 1
        elif tag in _LISTS:
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._open_item()
        elif tag == "table":
            self._tables.append(None if node.mem_id in self._found.layout else _Table())
            self._follows = None
        elif self._tables and (table := self._tables[-1]):
            if tag == "thead":
                table.in_head = True
            elif tag in ("td", "th"):
                attributes = node.attributes
                table.open_cell(tag == "th", attributes.get("colspan"), attributes.get("rowspan"))

    def _leave(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._heading = None
        elif tag in _PRE:
            self._pre -= 1
        elif tag in _LISTS:
            self._lists.pop()
            if not self._lists:
                self._follows = None
        elif tag == "li":
            self._items -= 1
            self._marker = ""
        elif tag == "table":
            table = self._tables.pop()
            for row in named_rows(table.rows if table else ()):
                self._add(row, "row")
        elif self._tables and (table := self._tables[-1]):
            table.leave(tag)

    def _open_item(self) -> None:
        self._items += 1
        number = self._lists[-1] if self._lists else None
        if number is None:
            self._marker = "- "
        else:
            self._lists[-1] = number + 1
            self._marker = f"{number + 1}. "

    def _flush(self) -> None:
        text = "".join(self._inline).replace("\u00ad", "")  # soft hyphens only say where a line may break
        self._inline.clear()
        if not text or text.isspace():
            return
        table = self._tables[-1] if self._tables else None
        if table and table.parts is not None:
            table.parts.append(text)
        elif self._heading is not None:
            text = " ".join(text.split()).removesuffix("¶").rstrip()
            self._builder.heading(text, self._heading, page=self._page)
            self.title = self.title or (text if self._heading == 1 else "")
            self.blocks += 1
            self._follows = None
        elif self._pre and len(text) > _LONG_PRE:
            for paragraph in re.split(r"\n[ \t]*\n", text):
                self._add(paragraph.strip("\n"), "paragraph")
        elif self._pre:
            self._add(text, "code")
        else:
            text = "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()
            for paragraph in re.split(r"\n{2,}", text):  # <br><br>
                self._add(self._marker + paragraph, "list" if self._items else "paragraph")
                self._marker = ""

    def _add(self, text: str, kind: BlockKind) -> None:
        if text:
            separator = "\n" if kind == self._follows else "\n\n"
            self._builder.add(text, kind, page=self._page, separator=separator)
            self.blocks += 1
            self._follows = kind if kind in ("row", "list") else None
