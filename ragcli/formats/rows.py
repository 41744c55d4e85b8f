"""Tables of office documents as row blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ragcli.formats.blocks import TextBuilder, row_text


def add_rows(
    builder: TextBuilder,
    rows: Iterable[list[str]],
    page: int | None = None,
    headings: tuple[str, ...] | None = None,
) -> None:
    """Append the rows that have text as blocks, each on its own line.

    When the first of them looks like a header, it names the values of the rows below: "Header: value | Header: value".
    Rows of one cell stand alone, also above the header (captions). After an empty row another table may begin, with a
    header of its own.
    """
    for number, text in enumerate(_render(rows)):
        builder.add(text, "row", page=page, headings=headings, separator="\n" if number else "\n\n")


def _render(rows: Iterable[list[str]]) -> Iterator[str]:
    header: list[str] | None = None
    named: list[int] = []
    may_be_header = True
    for cells, after_gap, below in _with_next(rows):
        columns = _filled(cells)
        may_be_header = may_be_header or after_gap
        is_name_row = may_be_header and columns != named and _has_names(cells, columns)
        # A header names every column of its table, except that of the row names before it.
        if is_name_row and set(_filled(below)) <= {columns[0] - 1, *columns}:
            header, named, may_be_header = cells, columns, False
            yield row_text(None, cells)
        else:
            may_be_header = may_be_header and (is_name_row or len(columns) == 1)
            yield row_text(header if len(columns) > 1 else None, cells)


def _with_next(rows: Iterable[list[str]]) -> Iterator[tuple[list[str], bool, list[str]]]:
    """The rows with text, each with whether an empty row came before it, and the row with text after it."""
    waiting: list[str] | None = None
    waiting_after_gap = gap = False
    for cells in rows:
        if not any(cells):
            gap = True
            continue
        if waiting is not None:
            yield waiting, waiting_after_gap, cells
        waiting, waiting_after_gap, gap = cells, gap, False
    if waiting is not None:
        yield waiting, waiting_after_gap, []


def _filled(cells: list[str]) -> list[int]:
    return [column for column, cell in enumerate(cells) if cell]


def _has_names(cells: list[str], columns: list[int]) -> bool:
    """True for at least two different texts side by side, none of them a number."""
    names = {cells[column] for column in columns}
    side_by_side = columns[-1] - columns[0] + 1 == len(columns)
    return len(columns) > 1 and len(names) == len(columns) and side_by_side and all(map(_is_name, names))


def _is_name(cell: str) -> bool:
    return any(character.isalpha() for character in cell)
