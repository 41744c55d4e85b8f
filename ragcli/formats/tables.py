"""Tables as rows of text whose values are named by their columns: "Header: value | Header: value"."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ragcli.formats.blocks import TextBuilder, row_text

_MAX_SPAN = 100  # columns or rows; a hostile span is only a number
_LOOK_AHEAD = 2  # rows
_LEAST_NAMES = 4  # in a header in which some repeat
_PREAMBLE = 20  # rows that may stand above the real header, such as the account and the period of a bank export

# A year, a span of years, a month, a date: what heads the columns of a time series.
_PERIOD = re.compile(
    r"(?:1[5-9]|20|21)\d\d(?:\s?[/–-]\s?(?:\d\d){1,2})?|(?:1[5-9]|20|21)\d\d-\d\d(?:-\d\d)?|(?:0?[1-9]|1[0-2])[/.](?:19|20)\d\d"
    r"|\d{1,2}[./]\d{1,2}[./](?:19|20)?\d\d"
)
_NUMBER = re.compile(r"[^\w\s]{0,3}\s?\d[^A-Za-z]{0,24}(?:\s?\S{1,4})?\Z")
_DIGITS = re.compile(r"\d+")
_NOTHING = frozenset(("", "-", "–", "—", "..", "…", "x", "."))


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as written; ``text=None`` goes on with the cell above it."""

    text: str | None
    is_header: bool = False
    columns: int = 1
    rows: int = 1


class Row(NamedTuple):
    """One row with a text for every column.

    A cell over several columns stands in all of them in ``wide`` and only in its first in ``once``; a cell over several
    rows stands in each of them in both.
    """

    wide: list[str]
    once: list[str]
    is_head: bool = False  # marked as such in the file
    is_named: bool = False  # its first cell is marked as the name of the row
    from_above: bool = False  # a cell of the row above reaches into it


class Grid:
    """Spreads cells over the columns and rows that they cover."""

    def __init__(self) -> None:
        self._below: dict[int, tuple[int, str, str]] = {}  # column -> rows still covered, wide and once text
        self._last: Row | None = None

    def row(self, cells: Iterable[Cell], *, is_head: bool = False) -> Row:
        """The next row of the table."""
        wide: list[str] = []
        once: list[str] = []
        listed = list(cells)
        from_above = self._fill_from_above(wide, once)
        for cell in listed:
            first = len(wide)
            text = cell.text
            if text is None:
                from_above = True
                last = self._last
                text = last.wide[first] if last and first < len(last.wide) else ""
                shown = last.once[first] if last and first < len(last.once) else ""
            else:
                shown = text = " ".join(text.split())
            span = min(_MAX_SPAN, max(1, cell.columns))
            wide += [text] * span
            once += [shown] + [""] * (span - 1)
            if cell.rows > 1:
                rows = min(_MAX_SPAN, cell.rows) - 1
                self._below |= {column: (rows, wide[column], once[column]) for column in range(first, len(wide))}
            from_above = self._fill_from_above(wide, once) or from_above
        filled = [cell for cell in listed if cell.text]
        is_named = len(filled) > 1 and filled[0].is_header and not filled[1].is_header
        self._last = Row(wide, once, is_head, is_named, from_above)
        return self._last

    def _fill_from_above(self, wide: list[str], once: list[str]) -> bool:
        found = False
        while (covered := self._below.pop(len(wide), None)) is not None:
            rows, text, shown = covered
            if rows > 1:
                self._below[len(wide)] = (rows - 1, text, shown)
            wide.append(text)
            once.append(shown)
            found = True
        return found


def spread(rows: Iterable[Iterable[Cell]]) -> Iterator[Row]:
    """The rows of a table that hold only the first cell of each merged area."""
    grid = Grid()
    return map(grid.row, rows)


def plain_row(cells: list[str]) -> Row:
    """A row without merged cells."""
    return Row(cells, cells)


def add_rows(
    builder: TextBuilder,
    rows: Iterable[Row],
    page: int | None = None,
    headings: tuple[str, ...] | None = None,
) -> None:
    """Append the rows that have text as blocks, each on its own line, its values named by the header of the table."""
    for number, text in enumerate(named_rows(rows)):
        builder.add(text, "row", page=page, headings=headings, separator="\n" if number else "\n\n")


def named_rows(rows: Iterable[Row], *, lines_across: bool = True, is_marked: bool = False) -> Iterator[str]:
    """Each row that has text on one line, its values named by the header above it where there is one.

    A header is what the file marks as such, else a first row of names, years or dates; several rows of them are
    combined ("Sales 2024"). Rows of one cell stand alone, also above the header (captions). After an empty row another
    table may begin, with a header of its own; a wider header may also follow a few rows of another kind.
    ``lines_across=False``: the columns of such rows name them too. ``is_marked``: the format has marks for headers, so
    that a row without one is a header only above numbers.
    """
    table = _Table(lines_across, is_marked)
    for row, after_gap, below in _with_next(rows):
        yield table.line(row, after_gap, below)


def header_of(rows: Sequence[Row]) -> tuple[int, list[str]]:
    """How many of the first rows are the header of those below them, and the names that they give to the columns."""
    below = rows[1 : 1 + _LOOK_AHEAD]
    height = _header_height(rows[0], below) if rows else 0
    return height, [] if not height else rows[0].wide if height == 1 else _grouped(rows[0], below[0])


class _Table:
    def __init__(self, lines_across: bool, is_marked: bool) -> None:
        self._lines_across = lines_across
        self._only_above_numbers = is_marked
        self._names: list[str] | None = None
        self._named: list[int] = []
        self._may_begin = True
        self._marked = False  # the file says which rows are headers
        self._in_head = False  # the last row was one
        self._due = 0  # rows that still belong to the header
        self._rows = 0
        self._widest = 0

    def line(self, row: Row, after_gap: bool, below: Sequence[Row]) -> str:
        columns = _filled(row.once)
        self._rows += 1
        if self._due:
            self._due -= 1
            return row_text(None, row.once)
        if row.is_head and (len(columns) > 1 or self._in_head):
            self._names = _combined([self._names or [], row.wide]) if self._in_head else row.wide
            self._marked = self._in_head = True
            return row_text(None, row.once)
        self._in_head = False
        if not self._marked:
            wider = self._rows <= _PREAMBLE and 2 < len(columns) > self._widest and _as_wide(columns, below)
            may_begin = self._may_begin or after_gap or wider
            height = _header_height(row, below) if may_begin and _filled(row.wide) != self._named else 0
            if self._only_above_numbers and height == 1 and not _stands_above_numbers(row, below):
                height = 0
            self._widest = max(self._widest, len(columns))
            if height:
                self._names = _grouped(row, below[0]) if height > 1 else row.wide
                self._named, self._may_begin, self._due = _filled(self._names), False, height - 1
                return row_text(None, row.once)
            has_names = len(columns) == 1 or _has_names(row, below)
            self._may_begin = may_begin and has_names and not (below and _has_values(row, below))
        if self._names is None and row.is_named:
            first, *others = columns
            return f"{row.once[first]}: {row_text(None, [row.once[column] for column in others])}"
        # A line across the table belongs to no column.
        return row_text(self._names if len(columns) > 1 or not self._lines_across else None, row.once)


def _with_next(rows: Iterable[Row]) -> Iterator[tuple[Row, bool, list[Row]]]:
    """The rows with text, each with whether an empty row came before it, and the rows with text after it."""
    waiting: deque[tuple[Row, bool]] = deque()
    gap = False
    for row in rows:
        if not any(row.once):
            gap = True
            continue
        waiting.append((row, gap))
        gap = False
        if len(waiting) > _LOOK_AHEAD:
            yield *waiting.popleft(), [below for below, _ in waiting]
    while waiting:
        yield *waiting.popleft(), [below for below, _ in waiting]


def _filled(cells: Sequence[str]) -> list[int]:
    return [column for column, cell in enumerate(cells) if cell]


def _as_wide(columns: list[int], below: Sequence[Row]) -> bool:
    return bool(below) and all(len(columns) - 1 <= len(_filled(row.once)) <= len(columns) for row in below)


def _header_height(row: Row, below: Sequence[Row]) -> int:
    """How many rows from ``row`` on are the header of those below; 0 when it is not one."""
    if not below:
        return 0
    if _is_group_row(row, below):
        return 2
    columns = _filled(row.wide)
    if _has_values(row, below):
        return 0
    # A header names every column of its table, except that of the row names before it.
    is_header = _has_names(row, below) and set(_filled(below[0].wide)) <= {columns[0] - 1, *columns}
    return 1 if is_header and _heads_values(row, below[0]) else 0


def _has_values(row: Row, below: Sequence[Row]) -> bool:
    """True for a first row that plainly has values: like the row below, or a label and its value."""
    return _is_like(row, below[0]) or (len(_filled(row.wide)) == 2 and _is_form(row, below))


def _is_like(row: Row, below: Row) -> bool:
    """True for two rows of values: "Pump 1" above "Pump 2", "7 bar" above "14 bar"."""
    columns = _filled(row.wide)
    alike = 0
    for column in columns:
        cell = row.wide[column]
        other = below.wide[column] if column < len(below.wide) else ""
        alike += _is_value(cell) and not _is_period(cell) and _DIGITS.sub("0", cell) == _DIGITS.sub("0", other)
    return 0 < len(columns) <= 2 * alike


def _is_form(row: Row, below: Sequence[Row]) -> bool:
    """True for the first of rows of a label and its value: values of two columns are numbers or words, not both."""
    rows = [row, *below]
    pairs, wider = below[:1], below[1:]  # what an export says about itself, above its table
    if all(len(_filled(other.wide)) == 2 for other in pairs) and any(_is_wider_header(other) for other in wider):
        return True
    if all(len(_filled(other.wide)) == 2 and other.wide[_filled(other.wide)[0]].endswith(":") for other in rows):
        return True
    label, place = _filled(row.wide)
    values = [other.wide[place] for other in below if place < len(other.wide) and other.wide[place]]
    kinds = {_NUMBER.match(value) is not None for value in values}
    is_named = _is_value(row.wide[place]) and not _is_period(row.wide[place]) and not any(map(_is_value, values))
    return not _is_period(row.wide[label]) and (len(kinds) > 1 or is_named)


def _is_wider_header(row: Row) -> bool:
    return len(_filled(row.wide)) > 2 and _has_names(row)


def _is_group_row(row: Row, below: Sequence[Row]) -> bool:
    """True when ``row`` names groups of the columns that the row below it names."""
    under = below[0]
    columns = _filled(under.wide)
    if len(below) < _LOOK_AHEAD or len(columns) < 2 or not all(_is_name(under.wide[c]) for c in columns):
        return False
    above = _above(row, under)
    if len(set(filter(None, row.once))) < 2 and not _repeats(under.once):
        return False  # a caption
    if not all(map(_is_name, filter(None, above))):
        return False
    combined = _grouped(row, under)
    names, named = [name for name in combined if name], _filled(combined)
    if len(set(names)) != len(names) or not set(_filled(below[1].wide)) <= {named[0] - 1, *named}:
        return False
    if not _is_spread(row):
        # A column before those of ``row`` has the names of the rows, and its corner is often empty.
        own = _filled(row.wide)
        has_new = any(column != own[0] - 1 and (column >= len(row.wide) or not row.wide[column]) for column in columns)
        is_part = columns[0] > 0 and bool(row.wide[0]) and bool(below[1].wide[0])
        return has_new and (_repeats(under.once) or is_part)
    if not set(_filled(above)) <= set(columns):
        return False
    grouped = [c for c in columns if c < len(row.once) and row.wide[c] and _shares(row, c)]
    values = below[1].wide
    are_values = any(c < len(values) and _is_value(values[c]) and not _is_value(under.wide[c]) for c in grouped)
    return under.from_above or _repeats(under.once) or are_values or any(_is_period(under.wide[c]) for c in grouped)


def _above(row: Row, under: Row) -> list[str]:
    """The names of the groups over each column; where cells are not merged a group goes on until the next one."""
    if _is_spread(row):
        return row.wide
    padded = [*row.wide, *[""] * (len(under.wide) - len(row.wide))]
    # What stands over a column that has no other name belongs to it alone, such as the unit in the corner.
    carried = _carried([name if under.wide[column : column + 1] != [""] else "" for column, name in enumerate(padded)])
    return [
        name if column < len(under.wide) and under.wide[column] else own
        for column, (name, own) in enumerate(zip(carried, [*row.wide, *[""] * len(carried)], strict=False))
    ]


def _grouped(row: Row, under: Row) -> list[str]:
    return _combined([_above(row, under), under.wide])


def _stands_above_numbers(row: Row, below: Sequence[Row]) -> bool:
    columns = [
        column for column in _filled(row.wide) if not _is_value(row.wide[column]) or _is_period(row.wide[column])
    ]
    return bool(below) and any(
        all(c < len(other.wide) and _NUMBER.match(other.wide[c]) for other in below) for c in columns
    )


def _shares(row: Row, column: int) -> bool:
    """True when the cell of ``row`` in ``column`` covers other columns too."""
    following = column + 1 < len(row.once) and not row.once[column + 1] and bool(row.wide[column + 1])
    return following or not row.once[column]


def _is_spread(row: Row) -> bool:
    return len(_filled(row.wide)) > len(_filled(row.once))


def _repeats(cells: Sequence[str]) -> bool:
    texts = [cell for cell in cells if cell]
    return len(set(texts)) < len(texts)


def _carried(cells: Sequence[str]) -> list[str]:
    """Group names that stand over the first of their columns only, written over all of them."""
    carried: list[str] = []
    for cell in cells:
        carried.append(cell or (carried[-1] if carried else ""))
    return carried


def _combined(rows: Sequence[Sequence[str]]) -> list[str]:
    width = max(map(len, rows))
    parts = ([row[column] for row in rows if column < len(row) and row[column]] for column in range(width))
    return [" ".join(dict.fromkeys(part)) for part in parts]


def _has_names(row: Row, below: Sequence[Row] = ()) -> bool:
    """True for at least two names side by side, which differ but for columns of one name next to each other."""
    texts = [row.once[column] for column in _filled(row.once)]
    columns = _filled(row.wide)
    if len(texts) < 2 or columns[-1] - columns[0] + 1 != len(columns) or not all(map(_is_name, texts)):
        return False
    distinct = len(set(texts))
    if distinct == len(texts):
        return True
    # Jira writes one column for each of several comments; values that repeat do so in the rows below too.
    runs = 1 + sum(one != other for one, other in pairwise(texts))
    is_value = any(cell in texts for other in below for cell in other.once if cell)
    return runs == distinct >= _LEAST_NAMES and bool(below) and not is_value


def _heads_values(row: Row, below: Row) -> bool:
    """True unless the years and dates among the names may be values: each heads a number, and not all head periods."""
    periods = [column for column in _filled(row.once) if _is_period(row.once[column])]
    if not periods:
        return True
    under = [below.wide[column] if column < len(below.wide) else "" for column in periods]
    if all(map(_is_period, filter(None, under))) or not all(text in _NOTHING or _is_value(text) for text in under):
        return False
    first = _filled(row.once)[0]
    # A first row of years alone is a header when they count up or down, or beside a column of names.
    steps = {one < other for one, other in pairwise(row.once[column] for column in periods)}
    return first not in periods or first > 0 or len(steps) == 1


def _is_name(cell: str) -> bool:
    if "@" in cell or "://" in cell:
        return False
    return any(character.isalpha() for character in cell) or _is_period(cell)


def _is_period(cell: str) -> bool:
    return _PERIOD.fullmatch(cell.strip()) is not None


def _is_value(cell: str) -> bool:
    return any(character.isdigit() for character in cell)
