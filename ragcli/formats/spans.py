"""Merged cells of tables, spread out so that every value finds its header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

MAX_COLUMNS = 16_384  # of a table, Excel's own limit; a span is only a number in the file
_MAX_HEADER = 5  # rows of one header
_SAME_EDGE = 30  # twips (of 1/1440 inch) by which the edges of cells in one column may differ


class Cell(NamedTuple):
    """The text of a cell and the columns and rows that it covers."""

    text: str
    columns: int = 1
    rows: int = 1


class Edge(NamedTuple):
    """The right side of a cell in twips and what the row says of the cell."""

    right: int
    is_merged_left: bool = False
    is_merged_up: bool = False


def spread(rows: Iterable[list[Cell]]) -> Iterator[list[str]]:
    """The rows of a table with one text per column.

    ``rows`` hold only the first cell of each merged area. A header of several rows, whose first has merged cells,
    becomes one row: "Sales" above "2024" is "Sales 2024". Below it, a merged value is repeated in each row that it
    covers, and stands once in a row.
    """
    grids = _grids(rows)
    before: list[list[str]] = []
    for cells, texts, covered in grids:
        if sum(1 for text in texts if text) < 2:  # captions and empty rows stand above a header
            yield texts
            continue
        before = [_repeated(cells, texts, covered)]
        height = _header_height(cells)
        if height == 1:
            yield texts
        else:
            for below, below_texts, below_covered in grids:
                before.append(_repeated(below, below_texts, below_covered))
                if len(before) == height:
                    break
            yield _joined(before)
        break
    yield from (texts for _, texts, _ in grids)


_Grid = tuple[list[Cell], list[str], dict[int, str]]


def _grids(rows: Iterable[list[Cell]]) -> Iterator[_Grid]:
    """Each row as its own cells, one text per column, and what covers it from above, by column."""
    below: dict[int, tuple[int, str]] = {}  # column -> rows still covered from above, and by what text
    for cells in rows:
        texts: list[str] = []
        covered: dict[int, str] = {}
        following: dict[int, tuple[int, str]] = {}
        for cell in chain(cells, (None,)):
            while (above := below.pop(len(texts), None)) is not None:
                if above[0] > 1:
                    following[len(texts)] = (above[0] - 1, above[1])
                covered[len(texts)] = above[1]
                texts.append(above[1])
            if cell is None or len(texts) >= MAX_COLUMNS:
                break
            own = [cell.text, *[""] * (min(cell.columns, MAX_COLUMNS - len(texts)) - 1)]
            if cell.rows > 1:
                following |= {column: (cell.rows - 1, text) for column, text in enumerate(own, start=len(texts))}
            texts += own
        below = following | {column: (left - 1, text) for column, (left, text) in below.items() if left > 1}
        yield cells, texts, covered


def _header_height(cells: list[Cell]) -> int:
    """How many rows the header takes whose first row is ``cells``: 1 when no cell in it is merged sideways."""
    if not any(cell.columns > 1 and cell.text for cell in cells):
        return 1
    return min(_MAX_HEADER, max(2, *(cell.rows for cell in cells)))


def _repeated(cells: list[Cell], texts: list[str], covered: dict[int, str]) -> list[str]:
    """The texts of a header row, each over all the columns that it covers."""
    row = list(texts)
    column = 0
    for cell in cells:
        while column in covered:
            row[column] = ""  # the row above says it
            column += 1
        for right in range(column, min(column + cell.columns, len(row))):
            row[right] = cell.text
        column += cell.columns
    for right in covered:
        row[right] = ""
    return row


def _joined(rows: list[list[str]]) -> list[str]:
    width = max(map(len, rows))
    columns = [[row[column] for row in rows if column < len(row) and row[column]] for column in range(width)]
    return [" ".join(text for n, text in enumerate(texts) if text not in texts[:n]) for texts in columns]


def cells_by_edges(table: list[tuple[list[str], list[Edge]]]) -> list[list[Cell]]:
    """The cells of a table with the columns and rows that they cover, where a file tells them by the edges of cells."""
    columns: list[int] = []  # their right edges
    for right in sorted({edge.right for _, edges in table for edge in edges}):
        if not columns or right - columns[-1] > _SAME_EDGE:
            columns.append(right)
    grid: list[list[tuple[str, int, int, bool]]] = []  # text, first column, columns, goes on from above
    for texts, edges in table:
        cells: list[tuple[str, int, int, bool]] = []
        first = 0
        for number, text in enumerate(texts):
            edge = edges[number] if number < len(edges) else None
            last = first + 1
            if edge is not None:
                last = max(first + 1, sum(1 for right in columns if right <= edge.right + _SAME_EDGE))
            if edge is not None and edge.is_merged_left and cells:
                before = cells[-1]
                cells[-1] = (f"{before[0]} {text}".strip(), before[1], last - before[1], before[3])
            else:
                cells.append((text, first, last - first, edge is not None and edge.is_merged_up))
            first = last
        grid.append(cells)
    return [_with_heights(grid, number) for number in range(len(grid))]


def _with_heights(grid: list[list[tuple[str, int, int, bool]]], number: int) -> list[Cell]:
    cells = []
    for text, first, columns, goes_on in grid[number]:
        if goes_on:
            continue
        rows = 1
        while number + rows < len(grid) and any(cell[1] == first and cell[3] for cell in grid[number + rows]):
            rows += 1
        cells.append(Cell(text, columns, rows))
    return cells
