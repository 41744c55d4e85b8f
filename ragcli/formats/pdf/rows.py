"""Tables of a page, by where their pieces stand: each row becomes one line whose cells are known; no PDF library here.

Programs write a table cell by cell, each with all of its lines, or line of print by line of print. A row of the first
kind begins where the text goes back to the left and down, and its next cell where it goes to the right and up again.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial, reduce
from itertools import pairwise

from ragcli.formats.blocks import header_line
from ragcli.formats.pdf.hyphens import ends_broken, is_cjk, join_lines
from ragcli.formats.pdf.layout import (
    Cell,
    Line,
    as_script,
    is_item_mark,
    merge_segments,
    on_one_line,
    same_size,
    share_columns,
)
from ragcli.formats.tables import Row, header_of

_GAP = 0.5  # em between two cells: more than between two words or the parts of a formula
_LINE_PITCH = 1.6  # times the size: the most between two lines of one cell
_INDENT = 3.0  # times the size
_SAME_DROP = 1.15  # times the distance of two lines of a cell: the most of the next
_MOST_LINES = 20  # of a cell
_LONGEST_CELL = 150  # characters, on average, in a table of two columns: longer ones are columns of running text
_SLACK = 2  # characters by which the width of a word is guessed wrong
_NARROW = 4.0  # times the size: a column in which no text is wrapped
_MANY_CELLS = 4  # of a row: more may be the words of widely set text,
_WORD_GAP = 1.2  # em, when they are not farther apart
_ROW_PITCH = 1.2  # times the distance of the lines of a cell: the least between two rows that are written line by line
_WIDEST_UNDER = 6.0  # times the size: a cell under a turned name
_LATE_ROWS = 3  # of a table: where a cell may belong that was written before it
_SEEN_ROWS = 20  # of a table: what tells its columns


def has_cells(pieces: Sequence[Line]) -> bool:
    """True where the text goes to the right without going down at least three times, as between the cells of rows."""
    steps = 0
    for above, piece in pairwise(pieces):
        if stands_beside(above, piece):
            steps += 1
            if steps > 2:
                return True
    return False


def stands_beside(before: Line, piece: Line) -> bool:
    """True when ``piece`` stands right of ``before`` and not below it."""
    return piece.left > before.right and piece.baseline > before.baseline - 0.3 * piece.size


def upright(pieces: list[Line]) -> list[Line]:
    """The pieces of a page on which some are turned: in reading order, and names of columns as pieces of one row.

    Names that are turned to stand over narrow columns come as lines one after the other. pdfium gives lines that run
    downward from the last to the first.
    """
    found: list[Line] = []
    at = 0
    while at < len(pieces):
        end = at + 1
        while end < len(pieces) and pieces[end].quarter == pieces[at].quarter:
            end += 1
        run = pieces[at:end]
        if run[0].quarter and len(run) > 1:
            names = _turned_back(run)
            if _are_over_columns(names, pieces[end:]):
                run = sorted(names, key=lambda name: name.left)
            elif all(above.baseline < below.baseline for above, below in pairwise(run)):
                run.reverse()
        found += run
        at = end
    return found


def _turned_back(run: Sequence[Line]) -> list[Line]:
    """Pieces that run upward or downward as pieces of one line that cover the same width of the page.

    Empty where they do not stand side by side.
    """
    if run[0].quarter == 2:
        return []
    up = run[0].quarter == 1
    heights = [(piece.left, piece.right) if up else (-piece.right, -piece.left) for piece in run]
    bottom = min(low for low, _ in heights)
    if max(low for low, _ in heights) >= min(high for _, high in heights):
        return []
    names = []
    for piece in run:
        x = -piece.baseline if up else piece.baseline
        left = x - (0.8 if up else 0.2) * piece.size
        names.append(Line(piece.text, left, left + piece.size, bottom, piece.size))
    return names


def _are_over_columns(names: Sequence[Line], below: Sequence[Line]) -> bool:
    """True when each of ``names`` stands over a piece of its own of the first rows below."""
    taken = set()
    for name in names:
        middle = (name.left + name.right) / 2
        under = [
            at
            for at, piece in enumerate(below[: 3 * len(names) + 3])
            if not piece.quarter
            and piece.left - piece.size < middle < piece.right + piece.size
            and piece.right - piece.left < _WIDEST_UNDER * name.size
        ]
        if not under or under[0] in taken:
            return False
        taken.add(under[0])
    return bool(names)


def join_rows(pieces: list[Line]) -> list[Line]:
    """The pieces of a page with those of each row of a table joined to one line that knows its cells."""
    rows = [_without_mark(row) for row in _rows(_cells(pieces))]
    found: list[Line] = []
    apart: list[Line] = []  # pieces outside of tables
    at = tables = done = 0
    while at < len(rows):
        end = _end_of_table(rows, at)
        table = rows[at:end]
        if _is_table(table):
            begin = _begin_of_table(rows, done, at, table)
            for row in rows[begin:at]:
                del apart[len(apart) - sum(map(len, row)) :]
            found += merge_segments(apart)
            tables += 1
            found += [_as_line(row, tables) for row in _by_lines(table)]
            apart, done = [], end
        else:
            apart += [piece for row in table for cell in row for piece in cell]
        at = end
    return found + merge_segments(apart)


def _without_mark(row: _Row) -> _Row:
    """A row that is the item of a list, with its mark, as one cell."""
    is_item = len(row) == 2 and len(row[0]) == 1 and is_item_mark(row[0][0].text)
    return [[*row[0], *row[1]]] if is_item else row


def _begin_of_table(rows: Sequence[_Row], done: int, at: int, table: list[_Row]) -> int:
    """Put what belongs to the head of a table into it, and return the number of its first row, from ``done`` on."""
    begin = at
    if begin > done and _are_groups(rows[begin - 1], table[0]):
        begin -= 1
        table.insert(0, rows[begin])
    if begin > done and len(rows[begin - 1]) == 1 and _put_into(table, rows[begin - 1][0]):
        begin -= 1
    return begin


def _are_groups(above: _Row, below: _Row) -> bool:
    """True for a row right above the first one of a table whose cells stand over several of its columns."""
    gap = min(map(_bottom, above)) - max(map(_top, below))
    if not 1 < len(above) < len(below) or not same_size(above[0][0], below[0][0]):
        return False
    spans = [sum(_left(under) < _right(cell) and _right(under) > _left(cell) for under in below) for cell in above]
    return -0.45 < gap / below[0][0].size < 1.5 and max(spans) > 1


def _end_of_table(rows: Sequence[_Row], at: int) -> int:
    """The number of the first row after the table that begins with row ``at``, or that has that row alone."""
    end = last = at + 1
    while end < len(rows):
        if _are_of_one_table(rows[last - 1], rows[end]):
            end = last = end + 1
        elif end == last and len(rows[end]) == 1 and _goes_on(rows[at], rows[end - 1], rows[end][0]):
            end += 1  # a line of one cell, if the table goes on behind it
        else:
            break
    is_last_line = end == last + 1 and last > at + 1
    return end if is_last_line else last


def _goes_on(first: _Row, row: _Row, cell: _Cell) -> bool:
    """True for one line below a row of lines that may be the rest of one of its cells, but not in the first column."""
    drop = row[0][-1].baseline - cell[0].baseline
    if len(row) < 2 or len(cell) > 1 or not 0 < drop <= _LINE_PITCH * cell[0].size:
        return False
    place = _column_above(row, cell)
    return place is not None and len(row[place]) == 1 and _left(cell) > _right(first[0])


def _put_into(table: list[_Row], cell: _Cell) -> bool:
    """Put a cell that was written before its table, and stands left of a later row, into that row."""
    for row in table[1:_LATE_ROWS]:
        if _right(cell) < _left(row[0]) and _is_beside([cell], row[0]):
            row.insert(0, cell)
            return True
    return False


_Cell = list[Line]  # its pieces in the order of the file
_Row = list[_Cell]


def _cells(pieces: Sequence[Line]) -> list[_Cell]:
    cells: list[_Cell] = []
    drop = 0.0  # from the line before the last one of the cell to it
    for piece in pieces:
        last = cells[-1][-1] if cells else None
        if (
            last is not None
            and on_one_line(last, piece)
            and piece.left - last.right <= _GAP * max(last.size, piece.size)
        ):
            cells[-1].append(piece)
            continue
        if last is not None and piece.quarter == last.quarter and same_size(piece, last):
            below = last.baseline - piece.baseline
            most = _SAME_DROP * drop if drop else _LINE_PITCH * piece.size
            if 0.3 * piece.size < below <= most and _is_under(last, piece) and len(cells[-1]) < _MOST_LINES:
                cells[-1].append(piece)
                drop = below
                continue
        cells.append([piece])
        drop = 0.0
    return cells


def _is_under(last: Line, piece: Line) -> bool:
    """True when two lines begin, end or have their middle at about the same place; one may be indented."""
    near = 0.8 * piece.size
    return (
        (abs(piece.left - last.left) < _INDENT * piece.size and piece.left < last.right and piece.right > last.left)
        or abs(piece.right - last.right) < near
        or abs(piece.left + piece.right - last.left - last.right) < near
    )


def _rows(cells: Sequence[_Cell]) -> list[_Row]:
    rows: list[_Row] = []
    for cell in cells:
        if rows and _is_beside(rows[-1], cell):
            rows[-1].append(cell)
        else:
            rows.append([cell])
    return rows


def _is_beside(row: _Row, cell: _Cell) -> bool:
    """True when ``cell`` is right of all cells of ``row`` and at their height."""
    first = cell[0]
    before = row[-1][0]
    if first.quarter != before.quarter or not same_size(before, first):
        return False
    if _left(cell) < max(map(_right, row)) + _GAP * first.size:
        return False
    height = min(max(map(_top, row)), _top(cell)) - max(min(map(_bottom, row)), _bottom(cell))
    return height > 0.25 * first.size


def _are_of_one_table(above: _Row, below: _Row) -> bool:
    """True for two rows of which the lower one begins below the upper one, and which have a column in common."""
    if len(above) < 2 or len(below) < 2 or above[0][0].quarter != below[0][0].quarter:
        return False
    if max(map(_top, below)) > min(map(_bottom, above)) + 0.45 * below[0][0].size:
        return False
    return share_columns(_spans(above), _spans(below), above[0][0].size)


def _is_table(rows: Sequence[_Row]) -> bool:
    """True for rows of a table; two rows of two cells may be a formula, and long cells side by side running text."""
    counts = set(map(len, rows))
    if max(counts) > _MANY_CELLS and len(counts) > 1:
        gaps = [_left(right) - _right(left) for row in rows for left, right in pairwise(row)]
        if statistics.median(gaps) < _WORD_GAP * rows[0][0][0].size:
            return False
    if max(counts) > 2:
        return len(rows) > 1
    cells = [cell for row in rows for cell in row]
    return len(rows) > 2 and sum(len(line.text) for cell in cells for line in cell) <= _LONGEST_CELL * len(cells)


def _by_lines(table: list[_Row]) -> list[_Row]:
    """The rows of a table that is written line of print by line of print: cells of several lines are put together.

    Lines are of one row where they are closer to each other than rows are, and where the first word of each cell would
    not have fitted on the line above it.
    """
    if any(len(cell) > 1 for row in table for cell in row[:-1]):
        return table  # each cell was written with all of its lines
    gaps = [min(cell[-1].baseline for cell in above) - below[0][0].baseline for above, below in pairwise(table)]
    pitch = min(gaps)
    if max(gaps) < _ROW_PITCH * pitch or pitch > _LINE_PITCH * table[0][0][0].size:
        return table
    edges = [(_left(cell), _right(cell)) for row in table for cell in row]
    rows: list[_Row] = [[list(cell) for cell in table[0]]]
    for gap, row in zip(gaps, table[1:], strict=True):
        above = [_column_above(rows[-1], cell) for cell in row]
        places = [place for place in above if place is not None]
        is_rest = gap < _ROW_PITCH * pitch and len(places) == len(row)
        if is_rest and all(_is_full(rows[-1][at], cell, edges) for at, cell in zip(places, row, strict=True)):
            for at, cell in zip(places, row, strict=True):
                rows[-1][at] += cell
        else:
            rows.append([list(cell) for cell in row])
    return rows


def _column_above(row: _Row, cell: _Cell) -> int | None:
    near = 0.8 * cell[0].size
    return next((at for at, above in enumerate(row) if abs(_left(above) - _left(cell)) < near), None)


def _is_full(above: _Cell, cell: _Cell, edges: Sequence[tuple[float, float]]) -> bool:
    """True when the first word of ``cell`` has letters and would not have fitted behind the last line of ``above``."""
    line, text = above[-1], cell[0].text
    word = text.split(" ", 1)[0]
    if not any(map(str.isalpha, text)) or line.right - line.left < _NARROW * line.size:
        return False
    near = 0.8 * line.size
    edge = max(right for left, right in edges if abs(left - line.left) < near)
    em = (line.right - line.left) / len(line.text)
    return line.right + (len(word) + _SLACK) * em > edge


def _as_line(row: _Row, table: int) -> Line:
    cells = tuple(_spans(row))
    first = row[0][0]
    top = max(cell[0].baseline for cell in row)
    depth = top - min(cell[-1].baseline for cell in row)
    text = " | ".join(cell.text for cell in cells)
    left, right = min(map(_left, row)), max(map(_right, row))
    return Line(text, left, right, top, first.size, cells if len(cells) > 1 else (), first.quarter, depth, table)


def _spans(row: _Row) -> list[Cell]:
    return [Cell(_text(cell), _left(cell), _right(cell)) for cell in row]


def _text(cell: _Cell) -> str:
    """The lines of a cell as running text, but a line that ends inside a word keeps its end: see join_words."""
    text = cell[0].text
    for above, below in pairwise(cell):
        if below.baseline > above.baseline - 0.3 * below.size:
            space = "" if below.left - above.right < 0.15 * min(above.size, below.size) else " "
            text = f"{text}{space}{as_script(above, below, space)}"
        else:
            space = "\n" if ends_broken(text) else "" if is_cjk(text[-1]) and is_cjk(below.text[0]) else " "
            text = f"{text}{space}{below.text}"
    return text.rstrip("\u00ad")


def join_words(row: Line, words: frozenset[str]) -> Line:
    """A row with the broken words of its cells in one piece; ``words`` is the document's vocabulary."""
    if "\n" not in row.text:
        return row
    cells = tuple(cell._replace(text=reduce(partial(_joined, words), cell.text.split("\n"))) for cell in row.cells)
    text = reduce(partial(_joined, words), row.text.split("\n"))
    return row._replace(text=text, cells=cells)


def _joined(words: frozenset[str], above: str, below: str) -> str:
    return join_lines(above, below, words)


def _left(cell: _Cell) -> float:
    return min(line.left for line in cell)


def _right(cell: _Cell) -> float:
    return max(line.right for line in cell)


def _top(cell: _Cell) -> float:
    return cell[0].baseline + 0.7 * cell[0].size


def _bottom(cell: _Cell) -> float:
    return cell[-1].baseline - 0.2 * cell[-1].size


# -- what the rows of a document know of their columns ----------------------------------------------------------------


class Tables:
    """The names of the columns of the tables of a document, whose rows come page by page."""

    def __init__(self) -> None:
        self._names = ""
        self._header: list[str] = []  # the texts of its rows
        self._columns: list[Cell] = []
        self._goes_on = False

    def end(self) -> None:
        """Something else follows: the next rows are a table of their own unless they have the same columns."""
        self._goes_on = False

    def columns(self, rows: Sequence[Line]) -> list[str]:
        """The names of the columns for each of ``rows``, which stand below one another; "" for rows of a header."""
        height, names = 0, self._names
        texts = [row.text for row in rows]
        if self._header and texts[: len(self._header)] == self._header:
            height = len(self._header)
        elif not (self._goes_on and names and self._fits(rows[0])):
            columns = _columns(rows[:_SEEN_ROWS])
            height, found = header_of([_in_columns(row.cells, columns) for row in rows[:_SEEN_ROWS]])
            if height or not (names and self._fits(rows[0])):
                self._columns, self._header, names = columns, texts[:height], header_line(found)
        self._names, self._goes_on = names, True
        return [""] * height + [names] * (len(rows) - height)

    def _fits(self, row: Line) -> bool:
        """True when each cell of ``row`` stands in a column of its own of the table before."""
        places = [_places(cell, self._columns) for cell in row.cells]
        return (
            bool(places)
            and all(len(place) == 1 for place in places)
            and len({place[0] for place in places}) == len(places)
        )


def _columns(rows: Sequence[Line]) -> list[Cell]:
    """The columns of some rows from left to right: what each of them covers."""
    columns = list(max(rows, key=lambda row: len(row.cells)).cells)
    for row in rows:
        for cell in row.cells:
            places = [at for at, column in enumerate(columns) if cell.left < column.right and cell.right > column.left]
            if not places:
                columns = sorted([*columns, cell], key=lambda one: one.left)
            elif len(places) == 1:
                column = columns[places[0]]
                columns[places[0]] = Cell("", min(column.left, cell.left), max(column.right, cell.right))
    return columns


def _places(cell: Cell, columns: Sequence[Cell]) -> list[int]:
    """The columns over which a cell stands; the nearest where it stands between them."""
    over = [at for at, column in enumerate(columns) if cell.left < column.right and cell.right > column.left]
    if over or not columns:
        return over
    middle = cell.left + cell.right
    return [min(range(len(columns)), key=lambda at: abs(columns[at].left + columns[at].right - middle))]


def _in_columns(cells: Sequence[Cell], columns: Sequence[Cell]) -> Row:
    wide = [""] * len(columns)
    once = wide.copy()
    for cell in cells:
        places = _places(cell, columns)
        for place in places:
            wide[place] = f"{wide[place]} {cell.text}".strip()
        once[places[0]] = f"{once[places[0]]} {cell.text}".strip()
    return Row(wide, once)
