"""Excel: sheets as pages under their names, rows with their headers, values as last calculated."""

from __future__ import annotations

import datetime as dt
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from ragcli.errors import LoadError
from ragcli.formats.archive import ZIP_ERRORS, open_archive
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.tables import add_rows, plain_row
from ragcli.types import Document, Reason

MAX_CELLS = 1_000_000  # with a value, in the whole workbook
_MAX_ROWS = 1_048_576  # of a sheet, Excel's own limit; a row number is only a number in the file
_MAX_VISITED = 50_000_000  # cells with and without a value: one in column XFD makes a row of 16,384

# What openpyxl raises on a package whose parts are missing, of another kind or not well-formed XML (SyntaxError).
_DAMAGE = (*ZIP_ERRORS, InvalidFileException, SyntaxError, ArithmeticError, AttributeError, LookupError, TypeError)
_ERRORS = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!", "#GETTING_DATA"}


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a workbook; a block's page is its sheet's number, hidden sheets included.

    At most a million values are read, and a warning says when there are more. Raises LoadError: EMPTY, ENCRYPTED or
    DAMAGED.
    """
    del options
    open_archive(data, ".xlsx").close()
    builder = TextBuilder()
    budget = _Budget()
    try:
        with warnings.catch_warnings():
            # openpyxl warns of each feature that it would lose on saving.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            title = " ".join((book.properties.title or "").split())
            for number, sheet in enumerate(book.worksheets, start=1):
                _add_sheet(builder, sheet, number, budget)
            book.close()
    except _DAMAGE as error:
        raise LoadError(Reason.DAMAGED, f"not a readable Excel file: {error}") from error
    cut = (f"only the first {MAX_CELLS:,} cells were read",) if budget.is_spent else ()
    return builder.build(path, title if is_title(title, path) else "", cut)


class _Budget:
    """How many cells may still be read."""

    def __init__(self) -> None:
        self._values = MAX_CELLS
        self._visited = _MAX_VISITED
        self.is_spent = False

    def take(self, cells: list[str]) -> None:
        self._visited -= len(cells) + 1
        self._values -= sum(1 for cell in cells if cell)
        self.is_spent = self._values < 0 or self._visited < 0


def _add_sheet(builder: TextBuilder, sheet: ReadOnlyWorksheet, number: int, budget: _Budget) -> None:
    sheet.reset_dimensions()  # what the file says about its size may be wrong, and would cut the sheet
    rows = _rows(sheet, budget)
    first = next((cells for cells in rows if any(cells)), None)
    if first is None:
        return  # an empty sheet's name says nothing
    builder.heading(sheet.title, 1, page=number)
    add_rows(builder, map(plain_row, _chain(first, rows)), number)


def _chain(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _rows(sheet: ReadOnlyWorksheet, budget: _Budget) -> Iterator[list[str]]:
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = [_cell_text(value) for value in values]
        budget.take(cells)
        if budget.is_spent or number > _MAX_ROWS:
            budget.is_spent = True
            return
        yield cells


def _cell_text(value: object) -> str:
    """A value as people write it: dates in ISO form, numbers without binary noise, no error codes."""
    if value is None or value in _ERRORS:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
    if isinstance(value, dt.time):
        return value.isoformat("seconds")
    return " ".join(str(value).split())
