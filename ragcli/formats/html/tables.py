"""Tables of a page as rows of text, with spans spread out so that every cell finds its header."""

from __future__ import annotations

from dataclasses import dataclass, field

from ragcli.formats.blocks import row_text

_MAX_SPAN = 100  # columns or rows; a hostile colspan is only a number


@dataclass(slots=True)
class _Cell:
    parts: list[str] = field(default_factory=list)
    is_header: bool = False
    colspan: int = 1
    rowspan: int = 1

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.parts).split())


class Table:
    """Takes a table cell by cell and gives it back row by row."""

    def __init__(self) -> None:
        self._header: list[str] | None = None
        self._row: list[_Cell] = []
        self._below: dict[int, tuple[int, str]] = {}  # column -> rows still covered from above, and by what text
        self._body = False  # a row of values has been seen: rows of <th> after it are not the table's header
        self.cell: _Cell | None = None
        self.in_head = False

    def open_cell(self, is_header: bool, colspan: str | None, rowspan: str | None) -> None:
        """Begin a cell; text goes to ``self.cell.parts`` until ``close_cell``."""
        self.cell = _Cell([], is_header, _span(colspan), _span(rowspan))

    def close_cell(self) -> None:
        if self.cell:
            self._row.append(self.cell)
        self.cell = None

    def close_row(self) -> str:
        """The row as one line, "" when it is empty: "Header: value | ..." below a header row, cells alone elsewhere."""
        row, self._row = self._row, []
        texts = self._spread(row)
        filled = [cell for cell in row if cell.text]
        if not filled:
            return ""
        if self.in_head or (not self._body and len(filled) > 1 and all(cell.is_header for cell in filled)):
            self._header = texts
            return row_text(None, [cell.text for cell in row])
        self._body = True
        if self._header is None and len(filled) > 1 and filled[0].is_header and not filled[1].is_header:
            return f"{filled[0].text}: {row_text(None, [cell.text for cell in filled[1:]])}"
        if len(filled) == 1 or self._header is None:  # a line across the table belongs to no column
            return row_text(None, [cell.text for cell in filled])
        return row_text(self._header, texts)

    def _spread(self, row: list[_Cell]) -> list[str]:
        texts: list[str] = []
        for cell in row:
            self._fill_from_above(texts)
            first = len(texts)
            # The value of a wide cell is said once, but a wide header names all its columns.
            repeated = cell.text if cell.is_header else ""
            texts += [cell.text] + [repeated] * (cell.colspan - 1)
            if cell.rowspan > 1:
                self._below |= {column: (cell.rowspan - 1, texts[column]) for column in range(first, len(texts))}
        self._fill_from_above(texts)
        return texts

    def _fill_from_above(self, texts: list[str]) -> None:
        while (covered := self._below.pop(len(texts), None)) is not None:
            rows, text = covered
            if rows > 1:
                self._below[len(texts)] = (rows - 1, text)
            texts.append(text)


def _span(value: str | None) -> int:
    return min(_MAX_SPAN, max(1, int(value))) if value and value.isascii() and value.isdigit() and len(value) < 9 else 1
