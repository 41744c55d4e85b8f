"""Excel 2 to 2003: sheets as pages under their names, rows with their headers, values as last calculated."""

from __future__ import annotations

import datetime as dt
import io
import re
import struct
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import xlrd
from xlrd.book import Book
from xlrd.formula import FormulaError
from xlrd.sheet import Sheet

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.ole.container import Container
from ragcli.formats.ooxml.numberformats import plain_number, shown_date, shown_number, shown_time
from ragcli.formats.tables import Cell, add_rows, spread
from ragcli.types import Document, Reason

MAX_CELLS = 1_000_000  # with a value, in the whole workbook
_MAX_COVERED = 1_000_000  # rows of merged cells, in a sheet
_STREAMS = ("Workbook", "Book")
_BEGINNINGS = (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08")  # of a file of Excel 2 to 5 without a container

_BEGIN, _END, _SHEET, _OBJECT, _TEXT, _CONTINUE = 0x0809, 0x000A, 0x0085, 0x005D, 0x01B6, 0x003C
_COMMENT_BOX = 0x19

# What xlrd raises on a file that is cut or altered.
_DAMAGE = (
    *(xlrd.XLRDError, FormulaError, struct.error, ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(AssertionError, OSError, RecursionError, NotImplementedError),
)


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a workbook; a block's page is its sheet's number, hidden sheets included.

    At most a million values are read, and a warning says when there are more. Raises LoadError: EMPTY, ENCRYPTED or
    DAMAGED.
    """
    del options
    stream, title = _workbook(data)
    builder = TextBuilder()
    try:
        book = xlrd.open_workbook(file_contents=stream, formatting_info=True, logfile=io.StringIO(), ragged_rows=True)
        budget = MAX_CELLS
        boxes = _text_boxes(stream, book.nsheets)
        for number, sheet in enumerate(book.sheets(), start=1):
            budget = _add_sheet(builder, book, sheet, number, budget, boxes.get(number, []))
    except _DAMAGE as error:
        if "encrypted" in str(error):
            raise LoadError(Reason.ENCRYPTED, "an Excel file with a password") from error
        raise LoadError(Reason.DAMAGED, f"not an old Excel file that can be read: {error}") from error
    cut = (f"only the first {MAX_CELLS:,} cells were read",) if budget < 0 else ()
    return builder.build(path, title if is_title(title, path) else "", cut)


def _workbook(data: bytes) -> tuple[bytes, str]:
    """The stream with the sheets, and the title of the file."""
    if data.startswith(_BEGINNINGS):
        return data, ""
    container = Container(data, "an old Excel file")
    # xlrd reads containers as well, and goes round in a circle with a chain of sectors that does.
    stream = next((found for name in _STREAMS if (found := container.read(name))), None)
    if stream is None:
        raise LoadError(Reason.DAMAGED, "there is no Excel workbook in it")
    return stream, container.title()


def _add_sheet(builder: TextBuilder, book: Book, sheet: Sheet, number: int, budget: int, boxes: Sequence[str]) -> int:
    """Append a sheet with its text boxes; returns how many cells may still be read, below zero when it was cut."""
    merged = {(first, left): (last - first, right - left) for first, last, left, right in sheet.merged_cells}
    covered = _covered(sheet)
    rows: list[list[Cell]] = []
    for row in range(sheet.nrows):
        texts = _texts(book, sheet, row)
        budget -= sum(1 for text in texts if text)
        if budget < 0:
            break
        rows.append(list(_cells(texts, row, merged, covered.get(row, ()))))
    filled = spread(rows)
    first = next((row for row in filled if any(row.once)), None)
    if first is not None or boxes:  # the name of an empty sheet says nothing
        builder.heading(sheet.name, 1, page=number)
    if first is not None:
        add_rows(builder, chain([first], filled), number)
    for box in boxes:
        builder.add(box, page=number)
    return budget


def _text_boxes(stream: bytes, count: int) -> dict[int, list[str]]:
    """The texts of the boxes of each sheet by its number ([MS-XLS] 2.4.329); xlrd reads those of comments only."""
    if _TEXT.to_bytes(2, "little") not in stream:  # most files
        return {}
    sheets = [data for kind, data in _records(stream, 0) if kind == _SHEET and len(data) > 5 and data[5] == 0]
    if len(sheets) != count:
        return {}
    found: dict[int, list[str]] = {}
    for number, sheet in enumerate(sheets, start=1):
        shape, length, text = 0, 0, ""
        for kind, data in _records(stream, int.from_bytes(sheet[:4], "little")):
            if kind == _OBJECT:
                shape = int.from_bytes(data[4:6], "little")
            elif kind == _TEXT:
                length, text = int.from_bytes(data[10:12], "little"), ""
            elif kind == _CONTINUE and length:
                part = data[1:].decode("utf-16-le", "replace") if data[:1] == b"\1" else data[1:].decode("latin-1")
                text += part[:length]
                length -= min(length, max(1, len(part)))
                if not length and shape != _COMMENT_BOX and (text := " ".join(text.split())):
                    found.setdefault(number, []).append(text)
            else:
                length = 0
    return found


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """The records from a place in the stream to the end of what begins there, with what is in it."""
    depth = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<2H", stream, at)
        depth += (kind == _BEGIN) - (kind == _END)
        if depth <= 0 and kind != _BEGIN:
            return
        yield kind, stream[at + 4 : at + 4 + length]
        at += 4 + length


def _covered(sheet: Sheet) -> dict[int, list[tuple[int, int]]]:
    """The columns of each row that merged cells cover, as (first, end), but for the first cell of each."""
    found: dict[int, list[tuple[int, int]]] = {}
    left_over = _MAX_COVERED
    for first, last, left, right in sheet.merged_cells:
        for row in range(first, min(last, sheet.nrows, first + left_over)):
            found.setdefault(row, []).append((left + (row == first), right))
        left_over -= max(0, min(last, sheet.nrows) - first)
        if left_over <= 0:
            break
    return found


def _cells(
    texts: list[str], row: int, merged: dict[tuple[int, int], tuple[int, int]], covered: Sequence[tuple[int, int]]
) -> Iterator[Cell]:
    for column, text in enumerate(texts):
        if not any(first <= column < end for first, end in covered):
            rows, columns = merged.get((row, column), (1, 1))
            yield Cell(text, columns=max(1, columns), rows=max(1, rows))


def _texts(book: Book, sheet: Sheet, row: int) -> list[str]:
    texts = [_text(book, cell) for cell in sheet.row(row)]
    for column in range(len(texts)):
        note = sheet.cell_note_map.get((row, column))
        if note is not None and (said := " ".join(note.text.split())):
            author = " ".join(note.author.split())
            comment = f"(Comment by {author}: {said})" if author else f"(Comment: {said})"
            texts[column] = f"{texts[column]} {comment}".lstrip()
    return texts


def _text(book: Book, cell: xlrd.sheet.Cell) -> str:
    """A value as the sheet shows it: dates in ISO form, numbers by their format, no error codes."""
    value = cell.value
    if cell.ctype == xlrd.XL_CELL_TEXT:
        return " ".join(str(value).split())
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return "TRUE" if value else "FALSE"
    if cell.ctype == xlrd.XL_CELL_DATE:
        return _date(book, value, _format(book, cell))
    if cell.ctype != xlrd.XL_CELL_NUMBER:
        return ""
    return shown_number(value, _format(book, cell))


def _date(book: Book, value: float, code: str) -> str:
    try:
        if re.search(r"\[[hms]+\]", code, re.IGNORECASE):
            return shown_time(dt.timedelta(days=value), code)
        moment = xlrd.xldate_as_datetime(value, book.datemode)
    except (xlrd.XLDateError, OverflowError, ValueError):
        return plain_number(value)
    return shown_date(moment.time() if value < 1 else moment, code)


def _format(book: Book, cell: xlrd.sheet.Cell) -> str:
    if cell.xf_index is None or cell.xf_index >= len(book.xf_list):
        return ""
    found = book.format_map.get(book.xf_list[cell.xf_index].format_key)
    return str(found.format_str) if found is not None else ""
