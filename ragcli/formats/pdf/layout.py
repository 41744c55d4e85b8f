"""From the lines of a page to its paragraphs, by where the lines stand; no PDF library in here."""

from __future__ import annotations

import math
import re
import statistics
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ragcli.formats.pdf.hyphens import ends_broken, is_cjk, join_lines
from ragcli.formats.pdf.scripts import SMALL, mark
from ragcli.types import BlockKind

_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
# typst, and LaTeX with unicode-math, write formulas in letters of their own that nobody types and no model knows.
_MATH_LETTERS = {code: unicodedata.normalize("NFKC", chr(code)) for code in (0x210E, *range(0x1D400, 0x1D800))}
_NOTHING = dict.fromkeys([*range(9), *range(14, 32), 0x7F, 0x200B, 0xFEFF, 0xFFFE, *range(0xD800, 0xE000)])
_CLEAN = {**_NOTHING, **_LIGATURES, **_MATH_LETTERS}
_LEADERS = re.compile(r"(?: ?[.…]){5,}")  # the dots between a table of contents entry and its page number
_INNER_SOFT_HYPHEN = re.compile("\u00ad(?=.)")

_SENTENCE_ENDS = frozenset(".!?:;。！？")
_CLOSERS = "\"'”’)]"
_BULLET = re.compile(r"[•●▪■◦‣⁃∙○◆➢✓*–-] |[•●▪■◦‣∙○◆➢✓]")
_NUMBERED = re.compile(r"\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)] ")

_SCRIPT = re.compile(r"[-−–+]?\d+(?:[.,]\d+)*[-−–+]?")

# What stands before the items of a list, set apart by a gap as cells are.
_ITEM_MARK = re.compile(r"[•●▪■◦‣⁃∙○◆➢✓*–—-]\Z|\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)]\Z")

_EM_PER_CHARACTER = 0.55  # running text has 0.4 to 0.5, typewriter text 0.6
_EM_OF_SPREAD = 0.75
_NEIGHBOURS = 5  # lines above and below that tell the edge of a column
_COLUMN_LINES = 3
_COLUMN_TEXT = 20  # characters of a line of a column
_FILLED = 0.8  # share of the longest line of a column that its lines have
_TIGHT = 1.4  # times the size: the most between lines of running text in narrow columns
_LONGEST_MARK = 6
_DASHES = frozenset("-–—*")
_MARK_GAP = 2.0  # em from a mark to its item
_MOST_MARKS = 500  # on a page; each is compared with all pieces
_LEAST_TYPED = 4  # characters
_LONG_CODE = 50  # characters; a longer typed line may be one of running text
_SHORT_CELL = 25  # characters
CELL_GAP = 0.9  # em between the cells of a row


class Cell(NamedTuple):
    """One cell of a row of a table, or a piece of a line that wide gaps set apart."""

    text: str
    left: float
    right: float


class Line(NamedTuple):
    """One line of a page, or one row of a table; lengths in points, ``baseline`` grows upward."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    cells: tuple[Cell, ...] = ()  # none, or at least two
    quarter: int = 0  # left turns of its text; the lengths are those of the page turned right as often
    depth: float = 0.0  # from the baseline down to that of the last line of a row
    table: int = 0  # the number of the table on the page to which a row belongs


class Paragraph(NamedTuple):
    """Text that reads on; ``size`` is that of its first line."""

    text: str
    kind: BlockKind
    size: float
    rows: tuple[Line, ...] = ()  # of a table, each of which is a line of the text


def clean_line(text: str) -> str:
    """``text`` with ligatures and the letters of formulas as they are typed, no control characters, single spaces.

    A soft hyphen stays at the end only.
    """
    text = text.strip()
    if not (text.isascii() and text.isprintable()):  # most lines are, and have nothing to clean
        text = _INNER_SOFT_HYPHEN.sub("", " ".join(text.translate(_CLEAN).split()))
    elif "  " in text:
        text = " ".join(text.split())
    return _LEADERS.sub(" ...", text) if ".." in text or ". ." in text or "…" in text else text


def plain_lines(text: str) -> list[Line]:
    """Lines for text that comes without positions: each character half as wide as it is high, blank lines kept open."""
    lines = []
    baseline = 0.0
    for raw in text.splitlines():
        cleaned = clean_line(raw)
        baseline -= 1.2 if cleaned else 2.4
        if cleaned:
            left = 0.5 * (len(raw) - len(raw.lstrip()))
            lines.append(Line(cleaned, left, left + 0.5 * len(cleaned), baseline, 1.0))
    return lines


def merge_segments(segments: list[Line]) -> list[Line]:
    """Put pieces of one printed line together (a raised number, a change of font), in reading order."""
    lines: list[Line] = []
    for piece in segments:
        if lines and on_one_line(lines[-1], piece):
            before = lines[-1]
            space = "" if piece.left - before.right < 0.15 * min(before.size, piece.size) else " "
            # A raised number does not set the height of the line.
            main = piece if piece.size > before.size else before
            text = before.text + space + as_script(before, piece, space)
            right = max(before.right, piece.right)
            cells = _with_piece(before, piece, space)
            lines[-1] = Line(text, before.left, right, main.baseline, main.size, cells, before.quarter)
        else:
            lines.append(piece)
    return lines


def as_script(before: Line, piece: Line, space: str) -> str:
    """The text of a piece, as marks where it is a number raised or lowered beside its line."""
    shift = (piece.baseline - before.baseline) / before.size
    is_number = not space and piece.size <= SMALL * before.size and _SCRIPT.fullmatch(piece.text) is not None
    if not is_number or abs(shift) <= 0.1:
        return piece.text
    return mark(piece.text, is_raised=shift > 0 or piece.text[0] in "-−–")  # x^-1 far more often than x_-1


def _with_piece(before: Line, piece: Line, space: str) -> tuple[Cell, ...]:
    """The cells of a line with those of a piece behind it."""
    cell = Cell(piece.text, piece.left, piece.right)
    if not before.cells and is_item_mark(before.text):
        return ()
    if piece.left - before.right > CELL_GAP * max(before.size, piece.size):
        return (*(before.cells or (Cell(before.text, before.left, before.right),)), cell)
    if not before.cells:
        return ()
    last = before.cells[-1]
    return (*before.cells[:-1], Cell(f"{last.text}{space}{piece.text}", last.left, max(last.right, piece.right)))


def is_item_mark(text: str) -> bool:
    """True for a bullet, or for a number such as "1." and "(a)", and nothing else."""
    return len(text) <= _LONGEST_MARK and _ITEM_MARK.match(text) is not None


def place_marks(segments: list[Line]) -> list[Line]:
    """Bring bullets and numbers of items before their items where the file draws them elsewhere.

    WeasyPrint draws the marks of all lists of a page behind its text.
    """
    moved: dict[int, int] = {}  # the mark that goes before each piece
    alone = [
        number
        for number, mark in enumerate(segments)
        if is_item_mark(mark.text)
        and mark.text not in _DASHES  # a dash is an empty cell as often
        and not (number + 1 < len(segments) and on_one_line(mark, segments[number + 1]))
    ]
    for number in alone[:_MOST_MARKS]:
        mark = segments[number]
        gaps = [
            (piece.left - mark.right, at)
            for at, piece in enumerate(segments)
            if abs(piece.baseline - mark.baseline) < 0.3 * mark.size and piece.quarter == mark.quarter and at != number
        ]
        gap, at = min(((gap, at) for gap, at in gaps if gap > -0.3 * mark.size), default=(math.inf, -1))
        if gap < _MARK_GAP * mark.size and not is_item_mark(segments[at].text):
            moved[at] = number
    if not moved:
        return segments
    gone = set(moved.values())
    return [
        piece
        for at, line in enumerate(segments)
        if at not in gone
        for piece in ((segments[moved[at]], line) if at in moved else (line,))
    ]


def unweave(segments: list[Line]) -> list[Line]:
    """Put columns side by side one after the other where the file has them line by line.

    Columns are three or more lines in a row of the same number of long pieces, which begin at the same places and fill
    their columns: running text, and not a table. Below them columns may go on alone.
    """
    rows: list[list[Line]] = []
    for piece in segments:
        if rows and on_one_line(rows[-1][-1], piece):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    ordered: list[Line] = []
    at = 0
    while at < len(rows):
        end = at
        while end < len(rows) and len(rows[at]) > 1 and len(rows[end]) == len(rows[at]):
            if not _side_by_side(rows[at], rows[end]):
                break
            end += 1
        if end - at >= _COLUMN_LINES and _are_columns(rows[at:end]):
            columns = [list(column) for column in zip(*rows[at:end], strict=True)]
            while end < len(rows) and _put_below(columns, rows[end]):
                end += 1
            ordered += [piece for column in columns for piece in column]
            at = end
        else:
            ordered += rows[at]
            at += 1
    return ordered


def _side_by_side(first: list[Line], row: list[Line]) -> bool:
    near = 0.8 * first[0].size
    return all(abs(one.left - other.left) < near for one, other in zip(first, row, strict=True))


def _put_below(columns: list[list[Line]], row: list[Line]) -> bool:
    """Put the pieces of a line below the columns in which they stand, if that is where each stands."""
    places = []
    for piece in row:
        near = 0.8 * piece.size
        place = next((at for at, column in enumerate(columns) if abs(column[0].left - piece.left) < near), None)
        if place is None or not 0 < columns[place][-1].baseline - piece.baseline < 1.6 * piece.size:
            return False
        ends_before = place + 1 == len(columns) or piece.right < columns[place + 1][0].left
        if not ends_before or len(row) == len(columns):
            return False
        places.append(place)
    for place, piece in zip(places, row, strict=True):
        columns[place].append(piece)
    return True


def _are_columns(run: list[list[Line]]) -> bool:
    pitch = (run[0][0].baseline - run[-1][0].baseline) / (len(run) - 1)
    if len(run[0]) > 2 and pitch > _TIGHT * run[0][0].size:
        return False  # three long cells side by side are a row more often than two
    for column in zip(*run, strict=True):
        if statistics.fmean(len(piece.text) for piece in column) <= _COLUMN_TEXT:
            return False
    for column in list(zip(*run, strict=True))[:-1]:
        widths = sorted(piece.right - piece.left for piece in column)[1:]  # one may be the last of a paragraph
        if statistics.fmean(widths) <= _FILLED * max(1.0, *widths):
            return False
    return True


def paragraphs(lines: list[Line], words: frozenset[str]) -> list[Paragraph]:
    """Group the lines of a page (or of a part of it) into paragraphs of running text.

    A line that had room for the next word and still ended there keeps its line break: an address, verse. Rows of a
    table are of kind "row", one per line.
    ``words`` is the document's vocabulary for words broken over lines.
    """
    pitch = _pitches(lines)
    edges = _right_edges(lines)
    rows: set[int] = set()
    if any(line.cells or line.table for line in lines):
        joined = (at for at, (above, below) in enumerate(pairwise(lines)) if are_rows(above, below))
        rows = {number for at in joined for number in (at, at + 1)}
    groups: list[list[int]] = []
    for number in range(len(lines)):
        before = groups[-1][-1] if groups else -1
        goes_on = before >= 0 and (number in rows) == (before in rows) and lines[number].table == lines[before].table
        if goes_on and (lines[number].table or not _starts_paragraph(lines, edges, groups[-1], number, pitch)):
            groups[-1].append(number)
        else:
            groups.append([number])
    found = []
    for group in groups:
        first = lines[group[0]]
        if group[0] not in rows:
            text = first.text
            for above, below in pairwise(group):
                text = _append(text, lines[above], lines[below], edges[above], words)
            kind: BlockKind = "list" if _is_item(first.text) else "paragraph"
            found.append(Paragraph(text.rstrip("\u00ad"), kind, first.size))
            continue
        table = [first]  # each row with the lines that read on from it
        for above, below in pairwise(group):
            if are_rows(lines[above], lines[below]):
                table.append(lines[below])
            else:
                text = _append(table[-1].text, lines[above], lines[below], edges[above], words)
                table[-1] = table[-1]._replace(text=text)
        found.append(Paragraph("\n".join(row.text for row in table), "row", first.size, tuple(table)))
    return found


def reads_on(above: str, below: str) -> bool:
    """True when ``below`` goes on with the sentence that ``above`` broke off."""
    return ends_broken(above) or (below[:1].islower() and not _ends_sentence(above))


def _ends_sentence(text: str) -> bool:
    return text.rstrip(_CLOSERS)[-1:] in _SENTENCE_ENDS


def on_one_line(line: Line, piece: Line) -> bool:
    """True when ``piece`` stands behind ``line`` at its height, raised and lowered numbers included."""
    size = max(line.size, piece.size)
    if line.quarter != piece.quarter:
        return False
    height = abs(line.baseline - piece.baseline)
    # A lower index stands under the upper one before it, so it begins left of where the line has come to.
    overlap = 1.2 if height > 0.1 * size else 0.3
    return height < 0.6 * size and piece.left >= line.right - overlap * size


def _pitches(lines: list[Line]) -> dict[int, float]:
    """The usual distance of two lines for each font size (rounded)."""
    gaps: dict[int, list[float]] = {}
    for above, below in pairwise(lines):
        gap = above.baseline - below.baseline
        if 0 < gap < 3 * below.size and same_size(above, below):
            gaps.setdefault(round(below.size), []).append(gap)
    return {size: statistics.median(found) for size, found in gaps.items()}


def _right_edges(lines: list[Line]) -> list[float]:
    """For each line the right edge of its column, judged by its neighbours that start near the same place."""
    rights = [line.right for line in lines]
    edges = []
    for number, line in enumerate(lines):
        low = max(0, number - _NEIGHBOURS)
        near = rights[low : number + _NEIGHBOURS + 1]
        edge = max(near)
        # Nearly always the one that reaches farthest is of the column.
        if edge > line.right and not _is_of_column(line, lines[low + near.index(edge)]):
            others = lines[low : number + _NEIGHBOURS + 1]
            edge = max(other.right for other in others if other is line or _is_of_column(line, other))
        edges.append(edge)
    return edges


def _is_of_column(line: Line, near: Line) -> bool:
    return abs(near.left - line.left) < 3 * line.size and same_size(near, line)


def same_size(one: Line, other: Line) -> bool:
    """True for print of nearly one size."""
    return abs(one.size - other.size) <= 0.15 * max(one.size, other.size)


def _starts_paragraph(
    lines: list[Line], edges: list[float], group: list[int], number: int, pitch: dict[int, float]
) -> bool:
    above, below = lines[group[-1]], lines[number]
    if not same_size(above, below) or _BULLET.match(below.text):
        return not ends_broken(above.text)
    gap = above.baseline - above.depth - below.baseline
    if gap <= 0.3 * below.size:  # another column, or a box elsewhere on the page
        return not reads_on(above.text, below.text)
    if gap > 1.35 * pitch.get(round(below.size), 1.3 * below.size):
        return gap > 3 * below.size or not reads_on(above.text, below.text)
    ended = _ends_sentence(above.text)
    if _NUMBERED.match(below.text) and (ended or _is_item(lines[group[0]].text)):
        return True
    if not ended:
        return False
    indented = below.left > above.left + 0.7 * below.size and not (_is_item(above.text) and len(group) == 1)
    dedented = len(group) > 1 and below.left < above.left - 0.7 * below.size
    return indented or dedented or _has_room(above, below, edges[group[-1]])


def _has_room(above: Line, below: Line, edge: float) -> bool:
    """True when the first word of ``below`` would have fitted on ``above``: the line was ended on purpose."""
    if is_cjk(below.text[0]):
        return edge - above.right > 2 * above.size
    word = len(below.text.split(" ", 1)[0]) + 1
    return edge - above.right > word * _EM_PER_CHARACTER * above.size


def _is_spread(line: Line) -> bool:
    """True for the cells of a table row, whose gaps make the line far longer than its text."""
    width = (line.right - line.left) / len(line.text)
    return len(line.text) > 3 and width > _EM_OF_SPREAD * line.size and not any(map(is_cjk, line.text))


def _append(text: str, above: Line, below: Line, edge: float, words: frozenset[str]) -> str:
    if ends_broken(above.text) or (below.text[0].islower() and not _are_typed(above, below)):
        return join_lines(text, below.text, words)
    is_code = below.text[0].islower() and len(above.text) < _LONG_CODE
    on_purpose = is_code or _is_spread(above) or (below.baseline < above.baseline and _has_room(above, below, edge))
    return f"{text}\n{below.text}" if on_purpose else join_lines(text, below.text, words)


def _are_typed(above: Line, below: Line) -> bool:
    """True for two lines of typewriter text: their characters are equally wide."""
    shortest = min(len(above.text), len(below.text))
    one, other = (line.right - line.left for line in (above, below))
    width = one / len(above.text)
    is_wide = 0.5 * above.size < width < 0.7 * above.size
    return is_wide and shortest >= _LEAST_TYPED and abs(width - other / len(below.text)) < 0.005 * width


def are_rows(above: Line, below: Line) -> bool:
    """True for two rows of one table: both have a cell in the same column."""
    if above.table or below.table:
        return above.table == below.table
    if not above.cells or not below.cells:
        return False
    return share_columns(above.cells, below.cells, max(above.size, below.size))


def share_columns(above: Sequence[Cell], below: Sequence[Cell], size: float) -> bool:
    """True when half of the cells of the shorter of two rows stand in the columns of the other, the first ones apart.

    The words of widely set text stand in columns now and then.
    """
    fewer, more = sorted((above[1:], below[1:]), key=len)
    shared = sum(any(_in_one_column(cell, other, size) for other in more) for cell in fewer)
    return shared > 0 and 2 * shared >= len(fewer)


def _in_one_column(one: Cell, other: Cell, size: float) -> bool:
    """True when both begin at one place, or end there and have digits, or are short and have their middle there.

    The last pieces of two lines of justified text end at one place too.
    """
    near = 0.8 * size
    if abs(one.left - other.left) < near:
        return True
    if abs(one.right - other.right) < near and _has_digit(one.text) and _has_digit(other.text):
        return True
    is_middle = abs(one.left + one.right - other.left - other.right) < near
    return is_middle and max(len(one.text), len(other.text)) < _SHORT_CELL


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _is_item(text: str) -> bool:
    return _BULLET.match(text) is not None or _NUMBERED.match(text) is not None
