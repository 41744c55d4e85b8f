"""Merged cells of tables whose files tell them by the edges of cells: RTF and old Word."""

from __future__ import annotations

from typing import NamedTuple

from ragcli.formats.tables import Cell

_SAME_EDGE = 30  # twips (of 1/1440 inch) by which the edges of cells in one column may differ


class Edge(NamedTuple):
    """The right side of a cell in twips and what the row says of the cell."""

    right: int
    is_merged_left: bool = False
    is_merged_up: bool = False


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
        cells.append(Cell(text, columns=columns, rows=rows))
    return cells
