"""Sheets and other tables of an OpenDocument file. A sheet is read row by row: its tree would not fit into memory."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from lxml import etree
from lxml.etree import _Element as Element

from ragcli.formats.blocks import TextBuilder
from ragcli.formats.odf.styles import Styles, number_of, q
from ragcli.formats.odf.text import P, flat_text
from ragcli.formats.tables import Cell, add_rows, spread

_MAX_COLUMNS = 16_384  # of a table, Excel's own limit
MAX_CELLS = 1_000_000  # with a value, in the whole document
_MAX_VISITED = 50_000_000  # cells with and without a value
_MAX_REPEATED = 100  # times that one row is repeated

TABLE, ROW = q("table:table"), q("table:table-row")
_SHAPES, _NAME = q("table:shapes"), q("table:name")
_CELL, _COVERED = q("table:table-cell"), q("table:covered-table-cell")
_COLUMNS, _ROWS = q("table:number-columns-spanned"), q("table:number-rows-spanned")
_COLUMNS_REPEATED, _ROWS_REPEATED = q("table:number-columns-repeated"), q("table:number-rows-repeated")
_VALUES = tuple(map(q, ("office:string-value", "office:date-value", "office:time-value", "office:value")))
_ERROR = re.compile(r"#[A-Z0-9/]+[!?]?\Z|Err:\d{3}\Z")
_LINKED = "'file:"  # begins the name of a hidden sheet that holds what the document reads from another file


def cells_of(row: Element, styles: Styles) -> list[Cell]:
    """The cells of a row without those that are covered by others, cut behind the last one with text."""
    cells: list[Cell] = []
    filled = width = 0
    for element in row.iterchildren(_CELL, _COVERED):
        repeated = number_of(element, _COLUMNS_REPEATED)
        if element.tag == _COVERED:
            continue
        text = _value(element, styles)
        columns, rows = number_of(element, _COLUMNS), number_of(element, _ROWS)
        if not text and columns == rows == 1:  # a gap
            columns, repeated = repeated, 1
        for _ in range(min(repeated, _MAX_COLUMNS - width)):
            cells.append(Cell(text, columns=columns, rows=rows))
            width += columns
        if text or rows > 1:
            filled = len(cells)
        if width >= _MAX_COLUMNS:
            break
    return cells[:filled]


def _value(cell: Element, styles: Styles) -> str:
    """What the cell shows; the value itself where the file does not say how it is shown."""
    # Most cells are a paragraph and nothing else, and read in half the time.
    is_plain = len(cell) == 1 and cell[0].tag == P and len(cell[0]) == 0
    text = " ".join((cell[0].text or "").split()) if is_plain else flat_text(cell, styles)
    if not text:
        text = next((" ".join(value.split()) for name in _VALUES if (value := cell.get(name))), "")
    return "" if _ERROR.match(text) else text


def add_sheets(builder: TextBuilder, data: bytes, styles: Styles) -> tuple[str, ...]:
    """Append the sheets of the document whose XML is ``data``, as pages under their names; returns the warnings."""
    budget = _Budget()
    # huge_tree stays off: libxml2 then refuses elements in elements without end.
    events = etree.iterparse(
        io.BytesIO(data), ("start", "end"), tag=(TABLE, ROW, _SHAPES), resolve_entities=False, no_network=True
    )
    number = 0
    for event, element in events:
        if event == "start" and element.tag == TABLE:
            number += 1
            boxes: list[str] = []
            rows = spread(_rows(events, element, styles, budget, boxes))
            first = next((row for row in rows if any(row.once)), None)
            if element.get(_NAME, "").startswith(_LINKED):
                for _ in rows:
                    pass
            elif first is not None:
                builder.heading(element.get(_NAME, ""), 1, page=number)
                add_rows(builder, chain([first], rows), number)
            elif boxes:
                builder.heading(element.get(_NAME, ""), 1, page=number)
            for text in boxes:
                builder.add(text, page=number)
            element.clear()
        if budget.is_spent:
            return (f"only the first {MAX_CELLS:,} cells were read",)
    return ()


class _Budget:
    """How many cells may still be read."""

    def __init__(self) -> None:
        self._values = MAX_CELLS
        self._visited = _MAX_VISITED
        self.is_spent = False

    def take(self, cells: Iterable[Cell]) -> None:
        for cell in cells:
            self._visited -= cell.columns
            self._values -= bool(cell.text)
        self._visited -= 1
        self.is_spent = self._values < 0 or self._visited < 0


def _rows(
    events: Iterator[tuple[str, Element]], sheet: Element, styles: Styles, budget: _Budget, boxes: list[str]
) -> Iterator[list[Cell]]:
    depth = 0  # of tables in cells
    for event, element in events:
        if element is sheet:
            return
        if element.tag == TABLE:
            depth += 1 if event == "start" else -1
        elif event == "end" and depth == 0 and element.tag == _SHAPES:
            boxes += [text for shape in element if isinstance(shape.tag, str) and (text := flat_text(shape, styles))]
        elif event == "end" and depth == 0 and element.tag == ROW:
            cells = cells_of(element, styles)
            for _ in range(min(number_of(element, _ROWS_REPEATED), _MAX_REPEATED) if cells else 1):
                budget.take(cells)
                if budget.is_spent:
                    return
                yield cells
            _forget(element)


def _forget(row: Element) -> None:
    """Give back the memory of the row and of what stands before it."""
    parent = row.getparent()
    row.clear()
    while parent is not None and row.getprevious() is not None:
        del parent[0]
