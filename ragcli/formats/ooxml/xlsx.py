"""Excel: sheets as pages under their names, rows with their headers, values as the sheet shows them."""

from __future__ import annotations

import datetime as dt
import io
import posixpath
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
from lxml import etree
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.ooxml.numberformats import shown_date, shown_number, shown_time
from ragcli.formats.ooxml.parts import chart_rows, drawn_paragraphs, office_package
from ragcli.formats.tables import Row, add_rows
from ragcli.formats.zip_container import ZIP_ERRORS, open_container, read_member
from ragcli.types import Document, Reason

MAX_CELLS = 1_000_000  # with a value, in the whole workbook
# 0, as openpyxl reads it under the formats of numbers, times and durations; and the empty text.
_ZERO = (0, "", dt.time(), dt.timedelta())
_MAX_ROWS = 1_048_576  # of a sheet, Excel's own limit; a row number is only a number in the file
_MAX_VISITED = 50_000_000  # cells with and without a value: one in column XFD makes a row of 16,384

# What openpyxl raises on a package whose parts are missing, of another kind or not well-formed XML (SyntaxError).
_DAMAGE = (*ZIP_ERRORS, InvalidFileException, SyntaxError, ArithmeticError, AttributeError, LookupError, TypeError)
_ERRORS = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!", "#GETTING_DATA"}

# Built-in formats of East Asian and Thai dates and times (ECMA-376 part 1, 18.8.30). Their codes depend on the language
# of the program and stand in no file. openpyxl knows none of them.
_LOCAL_DATES = frozenset((*range(27, 37), *range(50, 59), *range(71, 82)))
_NEW_FUNCTION = re.compile(r"\b_xl(?:fn|ws|pm|udf)\.")  # prefixes in the file that no program shows

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z]+\d+:[A-Z]+\d+)\"")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
_UNCACHED = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f(?:\s[^>]*)?/>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></|</(?:\w+:)?c>)"
)
_RECALCULATED = re.compile(rb"<(?:\w+:)?calcPr[^>]*fullCalcOnLoad=\"(?:1|true)\"")
_AREA = re.compile(r"[A-Z]{1,3}[1-9]\d{0,6}:[A-Z]{1,3}[1-9]\d{0,6}")
_MAX_ARRAYS = 100  # areas of one formula that are open at once
_MAX_MERGED = 50_000  # ranges of a sheet
_MAX_MERGED_COLUMNS = 1000
_THREADED = "[Threaded comment]"  # what old programs show in place of one


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a workbook; a block's page is its sheet's number, hidden sheets included.

    At most a million values are read, and a warning says when there are more. Raises LoadError: EMPTY, ENCRYPTED or
    DAMAGED.
    """
    del options
    data = office_package(data, ".xlsx")
    builder = TextBuilder()
    budget = _Budget()
    try:
        with warnings.catch_warnings(), open_container(data, ".xlsx") as archive:
            # openpyxl warns of each feature that it would lose on saving.
            warnings.simplefilter("ignore")
            parts = _Parts(archive)
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            styles = enumerate(book._cell_styles)
            book._date_formats.update(number for number, style in styles if style.numFmtId in _LOCAL_DATES)
            formulas = None
            if any(parts.lacks_values(sheet.title) for sheet in book.worksheets):
                formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
            title = " ".join((book.properties.title or "").split())
            for number, sheet in enumerate(book.worksheets, start=1):
                _add_sheet(builder, sheet, formulas[sheet.title] if formulas else None, parts, number, budget)
            book.close()
            if formulas:
                formulas.close()
    except _DAMAGE as error:
        raise LoadError(Reason.DAMAGED, f"not a readable Excel file: {error}") from error
    found = [f"only the first {MAX_CELLS:,} cells were read"] if budget.is_spent else []
    if budget.formulas:
        found.append(f"{budget.formulas:,} formulas have no stored value: the formulas are shown")
    return builder.build(path, title if is_title(title, path) else "", tuple(found))


@dataclass(slots=True)
class _Budget:
    """How many cells may still be read, and how many formulas stand for a value."""

    values: int = field(default_factory=lambda: MAX_CELLS)
    visited: int = _MAX_VISITED
    is_spent: bool = False
    formulas: int = 0

    def take(self, cells: list[str]) -> None:
        self.visited -= len(cells) + 1
        self.values -= sum(1 for cell in cells if cell)
        self.is_spent = self.values < 0 or self.visited < 0


class _Parts:
    """The files of a workbook beside its cells: merged areas, notes, drawings."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._names = frozenset(archive.namelist())
        workbook = next(iter(self._related("", "officeDocument")), "xl/workbook.xml")
        source = self._read(workbook)
        self.is_recalculated = _RECALCULATED.search(source) is not None
        targets = {key: target for key, _, target in self._relations(workbook)}
        self._sheets: dict[str, str] = {}
        root = _xml(source)
        for sheet in root.iter(f"{_S}sheet") if root is not None else ():
            key = next((value for name, value in sheet.items() if name.endswith("}id")), "")
            self._sheets[sheet.get("name", "")] = targets.get(key, "")
        self._sources: dict[str, bytes] = {}

    def lacks_values(self, title: str) -> bool:
        """True when a formula of the sheet has no value, or one that may be false."""
        source = self._source(title)
        if not _FORMULA.search(source):
            return False
        return self.is_recalculated or _UNCACHED.search(source) is not None

    def merged(self, title: str) -> list[tuple[int, int, int, int]]:
        """The merged areas of a sheet: first column and row, last column and row, from 1."""
        source = self._source(title)
        refs = _MERGED.findall(source, max(0, source.rfind(b"</sheetData>")))[:_MAX_MERGED]
        return sorted((range_boundaries(ref.decode()) for ref in refs), key=lambda area: area[1])

    def notes(self, title: str) -> Iterator[str]:
        """The comments on the cells of a sheet."""
        yield from (
            f"Comment on {note.get('ref', '')}: {text}"
            for root in self._roots(self._sheets.get(title, ""), "threadedComment")
            for note in root.iter()
            if str(note.tag).endswith("}threadedComment") and (text := _joined(note))
        )
        for root in self._roots(self._sheets.get(title, ""), "comments"):
            for note in root.iter(f"{_S}comment"):
                text = " ".join("".join(note.itertext(f"{_S}t")).split())
                if text and not text.startswith(_THREADED):
                    yield f"Comment on {note.get('ref', '')}: {text}"

    def drawn(self, title: str) -> Iterator[str]:
        """Text boxes, the names of pictures, and the titles of charts."""
        for drawing in self._related(self._sheets.get(title, ""), "drawing"):
            root = _xml(self._read(drawing))
            if root is not None:
                yield from drawn_paragraphs(root)
                yield from (text for node in root.iter() if (text := " ".join((node.get("descr") or "").split())))
            for chart in self._related(drawing, "chart"):
                chart_title, rows = chart_rows(self._read(chart))
                names = ", ".join(name for name in (rows[0] if rows else []) if name)
                yield (
                    f"Chart: {': '.join(part for part in (chart_title, names) if part)}" if chart_title or names else ""
                )

    def _source(self, title: str) -> bytes:
        if title not in self._sources:
            self._sources = {title: self._read(self._sheets.get(title, ""))}
        return self._sources[title]

    def _roots(self, part: str, kind: str) -> Iterator[Any]:
        for name in self._related(part, kind):
            root = _xml(self._read(name))
            if root is not None:
                yield root

    def _related(self, part: str, kind: str) -> list[str]:
        return [target for _, found, target in self._relations(part) if found.rpartition("/")[2] == kind]

    def _relations(self, part: str) -> Iterator[tuple[str, str, str]]:
        folder, name = posixpath.split(part)
        root = _xml(self._read(posixpath.join(folder, "_rels", f"{name}.rels")))
        for relation in root if root is not None else ():
            target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target", "")))
            yield relation.get("Id", ""), relation.get("Type", ""), target.lstrip("/")

    def _read(self, name: str) -> bytes:
        return read_member(self._archive, name) if name in self._names else b""


def _xml(source: bytes) -> Any:  # noqa: ANN401 (an lxml element, None when it is damaged)
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        return etree.fromstring(source, parser=parser) if source else None
    except etree.XMLSyntaxError:
        return None


def _joined(node: Any) -> str:  # noqa: ANN401
    return " ".join("".join(node.itertext()).split())


def _add_sheet(
    builder: TextBuilder,
    sheet: ReadOnlyWorksheet,
    formulas: ReadOnlyWorksheet | None,
    parts: _Parts,
    number: int,
    budget: _Budget,
) -> None:
    sheet.reset_dimensions()  # what the file says about its size may be wrong, and would cut the sheet
    rows = enumerate(_rows(sheet, formulas, budget, is_recalculated=parts.is_recalculated), start=1)
    first = next(((number, cells) for number, cells in rows if any(cells)), None)
    beside = [text for text in chain(parts.drawn(sheet.title), parts.notes(sheet.title)) if text]
    if first is None and not beside:
        return  # an empty sheet's name says nothing
    builder.heading(sheet.title, 1, page=number)
    if first is not None:
        merged = _Merged(parts.merged(sheet.title))
        add_rows(builder, (merged.row(place, cells) for place, cells in chain([first], rows)), number)
    for text in beside:
        builder.add(text, page=number)


class _Merged:
    """Spreads the text of merged cells over the area that they cover; rows must come in order."""

    def __init__(self, areas: list[tuple[int, int, int, int]]) -> None:
        self._waiting = areas[::-1]  # the topmost last
        self._open: list[tuple[tuple[int, int, int, int], str]] = []

    def row(self, number: int, cells: list[str]) -> Row:
        while self._waiting and self._waiting[-1][1] <= number:
            area = self._waiting.pop()
            text = cells[area[0] - 1] if area[1] == number and area[0] <= len(cells) else ""
            if text and area[2] - area[0] < _MAX_MERGED_COLUMNS:
                self._open.append((area, text))
        self._open = [(area, text) for area, text in self._open if area[3] >= number]
        if not self._open:
            return Row(cells, cells)
        width = max(len(cells), *(area[2] for area, _ in self._open))
        wide = [*cells, *[""] * (width - len(cells))]
        once = wide.copy()
        for (first, top, last, _), text in self._open:
            wide[first - 1 : last] = [text] * (last - first + 1)
            once[first - 1 : last] = [text, *[""] * (last - first)]
            del top
        return Row(wide, once, from_above=any(area[1] < number for area, _ in self._open))


def _rows(
    sheet: ReadOnlyWorksheet, formulas: ReadOnlyWorksheet | None, budget: _Budget, *, is_recalculated: bool
) -> Iterator[list[str]]:
    if formulas is not None:
        formulas.reset_dimensions()
    written: Iterable[Any] = formulas.iter_rows(values_only=True) if formulas is not None else ()
    arrays: list[tuple[int, int, int, int]] = []  # areas of one formula: first column and row, last column and row
    for number, (row, sources) in enumerate(zip_longest(sheet.iter_rows(), written, fillvalue=()), start=1):
        cells = [_cell_text(cell) for cell in row]
        for column, source in enumerate(sources):
            stored = row[column].value if column < len(row) else None
            is_false = is_recalculated and stored in _ZERO  # XlsxWriter's value of every formula
            if is_recalculated and (found := _AREA.fullmatch(str(getattr(source, "ref", "")))):
                arrays = [area for area in arrays[-_MAX_ARRAYS:] if area[3] >= number]
                arrays.append(range_boundaries(found[0]))
            source = getattr(source, "text", source)
            if is_false and source == stored and any(_is_in(area, column + 1, number) for area in arrays):
                cells[column] = ""  # and of the other cells of its area
            if isinstance(source, str) and source.startswith("=") and (stored is None or is_false):
                cells += [""] * (column + 1 - len(cells))
                cells[column] = " ".join(_NEW_FUNCTION.sub("", source).split())
                budget.formulas += 1
        budget.take(cells)
        if budget.is_spent or number > _MAX_ROWS:
            budget.is_spent = True
            return
        yield cells


def _is_in(area: tuple[int, int, int, int], column: int, row: int) -> bool:
    return area[0] <= column <= area[2] and area[1] <= row <= area[3]


def _cell_text(cell: Any) -> str:  # noqa: ANN401 (openpyxl has several classes of cells)
    """A value as the sheet shows it, but dates in ISO form and no error codes."""
    value = cell.value
    if value is None or value in _ERRORS:
        return ""
    if isinstance(value, str):
        return " ".join(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), value).split())
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    code = cell.number_format or ""
    if isinstance(value, int | float):
        return shown_number(value, code)
    if isinstance(value, dt.timedelta):
        return shown_time(value, code)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return shown_date(value, code)
    return " ".join(str(value).split())
