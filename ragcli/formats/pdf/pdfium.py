"""The first reader of PDFs, pdfium: lines with their places, the outline, page images."""

from __future__ import annotations

import ctypes
import io
import logging
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise

import pypdfium2
import pypdfium2.raw as pdfium

from ragcli.errors import LoadError
from ragcli.formats.pdf.annotations import Beside, place_fields, read_annotations
from ragcli.formats.pdf.bidi import has_right_to_left, is_right_to_left, logical, order_ligatures
from ragcli.formats.pdf.layout import Line, clean_line, merge_segments, place_marks, unweave
from ragcli.formats.pdf.outline import Entry
from ragcli.formats.pdf.rows import has_cells, join_rows, stands_beside, upright
from ragcli.formats.pdf.scripts import SMALL, has_marks, mark, may_be_script, runs, written
from ragcli.types import Reason

_LINE_END_HYPHEN = "\ufffe"  # pdfium puts it in place of a hyphen and the line break after it
_BLANK = re.compile(" +")
_DIGIT = re.compile(r"\d")
_LONG_FOR_ITS_TEXT = 1.25  # times the usual width of a character of the page
_EM_WITH_GAPS = 0.5
_SAMPLED = 4  # every so many lines is looked at where all are long
_NEAR = 4  # lines
_WIDE_GAP = 0.7  # em between two cells in a line of pdfium
_NARROW_GAP = 0.35  # em before a column: more than between the words of a line
_LIFTED = 0.12  # times the size of the line: the least by which a number is raised
_IN_SCRIPT = frozenset("0123456789+-−–,.")
_LONE_LETTER = re.compile(r"(?<!\S)[^\W\d_](?!\S)")
_SPACED = (0.06, 0.45)  # em between the letters of a line that is set with letter spacing
_WORD_GAP = 0.15  # em, the least by which the words of such a line stand further apart than its letters
_NARROW_BLANK = 0.22  # em; no font has a narrower one
_LETTERS_PER_WORD = 2  # at least; fewer are letters that stand by themselves
_PAIRS = 3
_CLOSED = "\u00ad"  # a soft hyphen, which the text of a line does not keep, in place of a blank between letters
_UNIT_SIZE = 2.0  # programs that scale all text write it in one point
_MAX_ENTRIES = 10_000
_TOP = 0.85  # of the page's height
_DPI = 300
_MAX_PIXELS = 40_000_000  # an A3 page at 300 dpi has 17 million; a page can claim to be a mile wide

# A circular outline is reported to the library's logger, which without a handler prints to stderr.
logging.getLogger("pypdfium2").addHandler(logging.NullHandler())


@contextmanager
def open_pdf(data: bytes, password: str | None) -> Iterator[pypdfium2.PdfDocument]:
    """Open a PDF for the length of a ``with``.

    Raises LoadError: ENCRYPTED when the password is missing or wrong, or the encryption is unknown; DAMAGED otherwise.
    """
    try:
        document = pypdfium2.PdfDocument(data, password=password)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise LoadError(Reason.ENCRYPTED, "wrong password" if password else "needs a password") from error
        if error.err_code == pdfium.FPDF_ERR_SECURITY:
            raise LoadError(Reason.ENCRYPTED, "an unknown kind of encryption") from error
        raise LoadError(Reason.DAMAGED, str(error)) from error
    try:
        if document.get_formtype() != pdfium.FORMTYPE_NONE:
            document.init_forms()  # before any page is loaded
        yield document
    finally:
        document.close()


def page_lines(document: pypdfium2.PdfDocument, index: int) -> tuple[list[Line], bool, Beside]:
    """The lines of a page (0-based) in reading order, whether anything is drawn on it at all, and what it has beside.

    The values of a form stand in the lines.

    Raises LoadError(DAMAGED) when the page cannot be read.
    """
    try:
        page = document[index]
    except pypdfium2.PdfiumError as error:
        raise LoadError(Reason.DAMAGED, str(error)) from error
    try:
        text_page = page.get_textpage()
        pieces = _segments(text_page)
        if any(piece.quarter for piece in pieces):
            pieces = upright(pieces)
        pieces = place_marks(pieces)
        lines = join_rows(unweave(pieces)) if has_cells(pieces) else merge_segments(pieces)
        if any(has_marks(line.text) for line in lines):
            lines = [_written(line) for line in lines]
        beside = read_annotations(document, page)
        if beside.fields:
            lines = place_fields(lines, beside.fields)
        return lines, bool(lines) or pdfium.FPDFPage_CountObjects(page) > 0, beside
    except pypdfium2.PdfiumError as error:
        raise LoadError(Reason.DAMAGED, str(error)) from error
    finally:
        page.close()


def _written(line: Line) -> Line:
    if not has_marks(line.text):
        return line
    cells = tuple(cell._replace(text=written(cell.text)) for cell in line.cells)
    return line._replace(text=" | ".join(map(written, line.text.split(" | "))), cells=cells)


def outline(document: pypdfium2.PdfDocument) -> list[Entry]:
    """The outline entries that have a title and point to a page, in their own order; at most 10,000."""
    entries = []
    for number, bookmark in enumerate(document.get_toc()):
        if number == _MAX_ENTRIES:
            break
        target = bookmark.get_dest()
        index = target.get_index() if target else None
        title = _read_text(bookmark.get_title)
        if title and index is not None and index < len(document):
            entries.append(Entry(title, bookmark.level + 1, index + 1, _points_to_top(document, target, index)))
    return entries


def metadata_title(document: pypdfium2.PdfDocument) -> str:
    """The title in the document's metadata, "" when there is none."""
    return _read_text(lambda: document.get_metadata_value("Title"))


def page_image(document: pypdfium2.PdfDocument, index: int) -> bytes:
    """A page (0-based) as a grey PNG at 300 dpi, or less where that would be more than 40 million pixels.

    Raises LoadError(DAMAGED) when the page cannot be drawn.
    """
    try:
        page = document[index]
        width, height = page.get_size()
        scale = min(_DPI / 72, math.sqrt(_MAX_PIXELS / max(1.0, width * height)))
        image = page.render(scale=scale, grayscale=True).to_pil()
        page.close()
    except (pypdfium2.PdfiumError, ValueError, OSError) as error:
        raise LoadError(Reason.DAMAGED, f"the page cannot be drawn: {error}") from error
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _read_text(read: Callable[[], str]) -> str:
    try:
        return clean_line(read())
    except UnicodeDecodeError:  # pypdfium2 decodes strictly what a file may hold in any form
        return ""


def _points_to_top(document: pypdfium2.PdfDocument, target: pypdfium2.PdfDest, index: int) -> bool:
    mode, position = target.get_view()
    if mode == pdfium.PDFDEST_VIEW_XYZ and len(position) > 1:
        height = position[1]
    elif mode == pdfium.PDFDEST_VIEW_FITH and position:
        height = position[0]
    else:  # the whole page
        return True
    return bool(height > _TOP * document.get_page_size(index)[1])


def _segments(text_page: pypdfium2.PdfTextPage) -> list[Line]:
    """The lines of pdfium, which end wherever the font's position changes, with their places."""
    count = text_page.count_chars()
    if count <= 0:
        return []
    handle = text_page.raw  # unwrapping it in each of hundreds of calls takes a tenth of the time
    text = text_of(handle, count)
    segments: list[Line] = []
    parts: list[tuple[str, int]] = []
    is_ascii = text.isascii()
    measures = _Measures(handle, len(text) if is_ascii else len(text.encode("utf-16-le", "surrogatepass")) // 2)
    position = 0
    has_turned = False
    is_mirrored = not is_ascii and has_right_to_left(text)
    if not is_ascii:
        text = text.replace(_LINE_END_HYPHEN, f"{_LINE_END_HYPHEN}\n")
    for part in text.split("\n"):
        units = len(part) if is_ascii or part.isascii() else len(part.encode("utf-16-le", "surrogatepass")) // 2
        segment = _segment(handle, part, position, units, measures)
        if segment is not None:
            if not is_mirrored and segment.quarter == 0 and _LONE_LETTER.search(part):
                closed = _close_up(handle, part, position, segment, measures)
                if closed != part:
                    segment, part = segment._replace(text=clean_line(closed.replace(_LINE_END_HYPHEN, "-"))), closed
            if not is_mirrored and segment.quarter == 0 and _DIGIT.search(part):
                marked = _with_scripts(handle, part, position, segment, measures)
                if marked != part:
                    segment, part = segment._replace(text=clean_line(marked.replace(_LINE_END_HYPHEN, "-"))), marked
            segments.append(segment)
            parts.append((part, position))
            has_turned = has_turned or segment.quarter > 0
        position += units + (is_ascii or not part.endswith(_LINE_END_HYPHEN))
    if is_mirrored:
        return _mirrored(segments)
    if has_turned:
        segments, parts = _cut_at_turns(handle, segments, parts, measures)
    return _cut_at_gaps(handle, segments, parts, measures)


def text_of(handle: pdfium.FPDF_TEXTPAGE, count: int) -> str:
    """The first ``count`` characters of a page, where pdfium counts each UTF-16 unit."""
    buffer = (ctypes.c_ushort * (count + 1))()
    length = pdfium.FPDFText_GetText(handle, 0, count, buffer)
    text = bytes(buffer)[: 2 * max(0, length - 1)].decode("utf-16-le", "surrogatepass")
    if text.isascii() or not has_right_to_left(text):
        return text
    units = list(accumulate((1 + (character > "\uffff") for character in text), initial=0))
    x, y = ctypes.c_double(), ctypes.c_double()
    into = ctypes.byref(x), ctypes.byref(y)
    seen: tuple[int, object] = (-1, None)  # the character that was looked at last, and where it is drawn

    first, last = (pdfium.FPDFText_GetCharIndexFromTextIndex(handle, end) for end in (0, units[-1] - 1))
    has_all = last - first == units[-1] - 1  # no character of the page is left out of its text

    def index(offset: int) -> int:
        unit = units[offset]
        return int(first + unit if has_all else pdfium.FPDFText_GetCharIndexFromTextIndex(handle, unit))

    def origin(offset: int) -> object:
        return (x.value, y.value) if pdfium.FPDFText_GetCharOrigin(handle, index(offset), *into) else offset

    def is_same_glyph(offset: int) -> bool:
        nonlocal seen
        before = seen[1] if seen[0] == offset - 1 else origin(offset - 1)
        seen = offset, origin(offset)
        return seen[1] == before and _box(handle, index(offset - 1)) == _box(handle, index(offset))

    return order_ligatures(text, is_same_glyph)


def _box(handle: pdfium.FPDF_TEXTPAGE, index: int) -> object:
    """Where a character has its ink; equal to no other where it has none."""
    left, right, low, high = (ctypes.c_double() for _ in range(4))
    is_read = pdfium.FPDFText_GetCharBox(handle, index, left, right, low, high)
    return (left.value, right.value, low.value, high.value) if is_read and left.value < right.value else object()


def _cut_at_turns(
    handle: pdfium.FPDF_TEXTPAGE, segments: list[Line], parts: list[tuple[str, int]], measures: _Measures
) -> tuple[list[Line], list[tuple[str, int]]]:
    """The lines cut before a last word that is turned otherwise: pdfium puts what begins nearby into one line."""
    found: list[Line] = []
    texts: list[tuple[str, int]] = []
    for line, (part, position) in zip(segments, parts, strict=True):
        body = part.rstrip()
        at = body.rfind(" ") + 1
        pieces = [(part, position)]
        if at and body.isascii() and _quarter(handle, measures.index(position + at), measures) != line.quarter:
            pieces = [(part[: at - 1], position), (part[at:], position + at)]
        for text, place in pieces:
            segment = line if len(pieces) == 1 else _segment(handle, text, place, len(text), measures)
            if segment is not None:
                found.append(segment)
                texts.append((text, place))
    return found, texts


def _cut_at_gaps(
    handle: pdfium.FPDF_TEXTPAGE, segments: list[Line], parts: list[tuple[str, int]], measures: _Measures
) -> list[Line]:
    """The lines cut where a gap shows that they are the cells of a row, or lines of columns side by side.

    pdfium puts a blank there. Only lines that are long for their number of characters are looked at, and those that run
    over the place where a line near them begins to the right of another.
    """
    widths = [(line.right - line.left) / (len(line.text) * line.size) for line in segments]
    usual = sorted(widths)[len(widths) // 4] if widths else 0.0
    waiting = [number for number, width in enumerate(widths) if width > _LONG_FOR_ITS_TEXT * usual]
    if usual > _EM_WITH_GAPS:  # wide letters, or a page of rows
        waiting += range(0, len(segments), _SAMPLED)
    cut: dict[int, list[Line]] = {}
    seen: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number in seen or not 0 <= number < len(segments):
            continue
        seen.add(number)
        cells = _cells(handle, segments[number], *parts[number], measures) if " " in segments[number].text else []
        if len(cells) > 1:  # a row has others beside it, which may be short
            cut[number] = cells
            waiting += (number - 2, number - 1, number + 1, number + 2)
    pieces = [piece for number, line in enumerate(segments) for piece in cut.get(number, [line])] if cut else segments
    if not has_cells(pieces):
        return pieces
    lefts = Counter(round(piece.left) for before, piece in pairwise(pieces) if stands_beside(before, piece))
    columns = {left for left, count in lefts.items() if count > 2}
    begun = [
        [round(piece.left) for piece in cut.get(number, [line]) if round(piece.left) in columns]
        for number, line in enumerate(segments)
    ]
    for number, line in enumerate(segments):
        if number in cut or " " not in line.text:
            continue
        near = {left for lefts in begun[max(0, number - _NEAR) : number + _NEAR + 1] for left in lefts}
        crossed = [left for left in near if line.left + line.size < left < line.right - line.size]
        if crossed:
            cells = _cells(handle, line, *parts[number], measures, crossed)
            if len(cells) > 1:
                cut[number] = cells
    return [piece for number, line in enumerate(segments) for piece in cut.get(number, [line])]


def _cells(
    handle: pdfium.FPDF_TEXTPAGE,
    line: Line,
    part: str,
    position: int,
    measures: _Measures,
    columns: Sequence[float] = (),
) -> list[Line]:
    """The pieces of a line between wide gaps; before the place where a column begins a narrow one will do."""
    before, after = measures.into[2:4]
    box = measures.start
    cells: list[Line] = []
    begin, left, end = 0, line.left, len(part.rstrip())
    lead = end - len(part.strip())
    baseline, quarter = line.baseline, line.quarter
    # Words stand further apart where letters do, by the spacing behind the word and behind the blank.
    spread = 2 * _SPACED[1] * line.size if _CLOSED in part else 0.0
    wide, narrow = _WIDE_GAP * line.size + spread, _NARROW_GAP * line.size + spread
    get_box = pdfium.FPDFText_GetLooseCharBox
    for match in _BLANK.finditer(part, lead, end):
        # pdfium's own blanks stand at the end of what is before them, or at the begin of what follows.
        get_box(handle, measures.index(position + match.start() - 1), before)
        get_box(handle, measures.index(position + match.end()), after)
        right = box.right if quarter == 0 else _extent(box, quarter)[1]
        behind = measures.end.left if quarter == 0 else _extent(measures.end, quarter)[0]
        gap = behind - right
        if gap <= wide and not (gap > narrow and any(abs(behind - column) < 2 for column in columns)):
            continue
        get_box(handle, measures.index(position + match.end() - 1), before)
        blank = _extent(box, quarter)
        if blank[1] - blank[0] > 0.01:  # a blank of the file; pdfium's own ones have no width
            continue
        if text := clean_line(part[begin : match.start()]).strip():
            cells.append(line._replace(text=text, left=left, right=right, baseline=baseline))
            begin, left = match.end(), behind
            if line.quarter == 0:  # pdfium puts cells of different heights into one line, and raised numbers too
                pdfium.FPDFText_GetCharOrigin(handle, measures.index(position + begin), *measures.into[:2])
                is_elsewhere = abs(measures.y.value - line.baseline) > 0.5 * line.size
                baseline = measures.y.value if is_elsewhere else line.baseline
    rest = clean_line(part[begin:].replace(_LINE_END_HYPHEN, "-")).strip()
    return [*cells, line._replace(text=rest, left=left, baseline=baseline)] if cells and rest else [line]


def _extent(box: pdfium.FS_RECTF, quarter: int) -> tuple[float, float]:
    """Where a character begins and ends on a line with ``quarter`` left turns, as if the line ran to the right."""
    if quarter == 0:
        return box.left, box.right
    if quarter == 1:
        return box.bottom, box.top
    return (-box.right, -box.left) if quarter == 2 else (-box.top, -box.bottom)


def _mirrored(segments: list[Line]) -> list[Line]:
    """The lines from right to left turned round, as layout knows lines from left to right."""
    width = max(line.right for line in segments) + min(line.left for line in segments)
    return [
        line._replace(text=logical(line.text), left=width - line.right, right=width - line.left)
        if is_right_to_left(line.text)
        else line
        for line in segments
    ]


class _Measures:
    """What pdfium writes the place of a character into, made once a page; and the characters of places in the text."""

    __slots__ = ("_handle", "_is_whole", "end", "font_size", "into", "matrix", "start", "x", "y")

    def __init__(self, handle: pdfium.FPDF_TEXTPAGE, length: int) -> None:
        self._handle = handle
        # Characters that pdfium leaves out of its text move all that follow: where the last has not moved, none has.
        self._is_whole = pdfium.FPDFText_GetCharIndexFromTextIndex(handle, length - 1) == length - 1
        self.font_size = 1.0  # of the last line, before it is scaled
        self.x, self.y = ctypes.c_double(), ctypes.c_double()
        self.start, self.end, self.matrix = pdfium.FS_RECTF(), pdfium.FS_RECTF(), pdfium.FS_MATRIX()
        self.into = tuple(ctypes.byref(part) for part in (self.x, self.y, self.start, self.end, self.matrix))

    def index(self, place: int) -> int:
        """The number of the character at a place in the text."""
        return place if self._is_whole else int(pdfium.FPDFText_GetCharIndexFromTextIndex(self._handle, place))


def _segment(handle: pdfium.FPDF_TEXTPAGE, part: str, position: int, units: int, measures: _Measures) -> Line | None:
    text = clean_line(part.replace(_LINE_END_HYPHEN, "-"))
    if not text:
        return None
    lead = len(part) - len(part.lstrip())
    first = measures.index(position + lead)
    last = measures.index(position + units - (len(part) - len(part.rstrip("\r\n\t \u00a0"))) - 1)
    x, y, start, end, into = measures.into
    pdfium.FPDFText_GetCharOrigin(handle, first, x, y)
    pdfium.FPDFText_GetLooseCharBox(handle, first, start)
    pdfium.FPDFText_GetLooseCharBox(handle, last, end)
    pdfium.FPDFText_GetMatrix(handle, first, into)
    # A line that begins with a raised number is as high as its last character.
    size = max(pdfium.FPDFText_GetFontSize(handle, first), pdfium.FPDFText_GetFontSize(handle, last))
    turned, box, last_box = measures.matrix, measures.start, measures.end
    measures.font_size = size
    size = size * math.hypot(turned.c, turned.d) or 1.0
    if not turned.b and turned.a >= 0:
        left, right = box.left, box.right
        last_left, last_right = last_box.left, last_box.right
        return Line(
            text,
            last_left if last_left < left else left,
            last_right if last_right > right else right,
            measures.y.value,
            size,
        )
    quarter = round(math.atan2(turned.b, turned.a) / (math.pi / 2)) % 4
    return _upright(text, size, (measures.x.value, measures.y.value), (box, last_box), quarter)


def _close_up(handle: pdfium.FPDF_TEXTPAGE, part: str, position: int, line: Line, measures: _Measures) -> str:
    """``part`` with soft hyphens in place of the blanks that pdfium puts between letters that are set apart.

    It compares the gap with the width of a blank, so that "Winter times" with letter spacing is "W in te r t ime s".
    Here a gap counts as that of a word when it is wider than the gaps between letters, or when the file draws a blank.
    """
    if max(part) > "\uffff" or any(unicodedata.category(sign) == "Sm" for sign in part if not sign.isalnum()):
        return part  # letters of formulas are set apart too
    gaps = _letter_gaps(handle, part.rstrip(), position, line, measures)
    spacing = sorted(gap for gap, _ in gaps)[len(gaps) // 3] if gaps else 0.0  # kerning makes some gaps narrower
    if not _SPACED[0] * line.size <= spacing <= _SPACED[1] * line.size:
        return part
    closed = [blank for gap, blank in gaps if gap <= spacing + _WORD_GAP * line.size]
    characters = sum(map(str.isalnum, part))
    words = len(part.split()) - sum(blank >= 0 for blank in closed)
    if characters < _LETTERS_PER_WORD * words or (words == 1 and spacing >= _NARROW_BLANK * line.size):
        return part  # "A B C" without letter spacing
    letters = list(part)
    for blank in closed:
        if blank >= 0:
            letters[blank] = _CLOSED
    return "".join(letters)


def _letter_gaps(
    handle: pdfium.FPDF_TEXTPAGE, part: str, position: int, line: Line, measures: _Measures
) -> list[tuple[float, int]]:
    """The width of each gap between two characters, and the place of pdfium's blank in it, -1 where there is none.

    Gaps with a blank of the file are left out. No gaps for a line that has no letter spacing.
    """
    into, box = measures.into[2], measures.start
    gaps: list[tuple[float, int]] = []
    before, right = -1, 0.0  # the place of the last character, and where it ends
    pairs, widest = 0, 0.0
    for place, character in enumerate(part):
        if character.isspace():
            continue
        pdfium.FPDFText_GetLooseCharBox(handle, measures.index(position + place), into)
        gap, right = box.left - right, box.right
        distance = place - before
        is_first, before = before < 0, place
        if is_first:
            continue
        if distance == 1:
            gaps.append((gap, -1))
            pairs, widest = pairs + 1, max(widest, gap)
            if pairs == _PAIRS and widest < _SPACED[0] * line.size:  # nearly always, for a line with the word "a"
                return []
        elif distance == 2:
            pdfium.FPDFText_GetLooseCharBox(handle, measures.index(position + place - 1), into)
            if box.right - box.left < 0.01:
                gaps.append((gap, place - 1))
    return gaps


def _with_scripts(handle: pdfium.FPDF_TEXTPAGE, part: str, position: int, line: Line, measures: _Measures) -> str:
    """``part``, the text of ``line``, with marks for its raised and lowered numbers."""
    characters: _Characters | None = None
    small = SMALL * measures.font_size
    is_plain = part.isascii() and measures.font_size > _UNIT_SIZE
    for start, end in runs(part):
        if not may_be_script(part, start, end):
            continue
        if is_plain and pdfium.FPDFText_GetFontSize(handle, measures.index(position + end - 1)) > small:
            continue  # nearly always
        characters = characters or _Characters(handle, part, position, line, measures)
        size = characters.size(end - 1)
        if size > characters.small:
            continue
        if part[end : end + 1] in ("+", "-", "−", "–") and characters.size(end) <= characters.small:
            end += 1
        at = end - 1
        while at and part[at - 1] in _IN_SCRIPT and abs(characters.size(at - 1) - size) < 0.01 * size:
            at -= 1
        base = line.baseline if has_marks(part[at - 1 : at]) else characters.base(at, end)
        shift = (characters.height(end - 1) - base) / line.size
        if shift > _LIFTED or shift < -_LIFTED / 2:
            part = part[:at] + mark(part[at:end], is_raised=shift > 0 or part[at] in "-−–") + part[end:]
    return part


class _Characters:
    """The characters of a line: how large each is, and how high it stands; sizes are those that the file scales."""

    def __init__(self, handle: pdfium.FPDF_TEXTPAGE, part: str, position: int, line: Line, measures: _Measures) -> None:
        self._handle, self._part, self._position, self._line, self._measures = handle, part, position, line, measures
        self._is_bmp = part.isascii() or max(part) < "\U00010000"
        self._is_scaled = measures.font_size <= _UNIT_SIZE
        # A line that begins with a raised number is as high as its last character.
        self.small = SMALL * (
            max(line.size, self.size(len(part.rstrip()) - 1)) if self._is_scaled else measures.font_size
        )

    def _index(self, place: int) -> int:
        before = place if self._is_bmp else len(self._part[:place].encode("utf-16-le", "surrogatepass")) // 2
        return self._measures.index(self._position + before)

    def size(self, place: int) -> float:
        index, measures = self._index(place), self._measures
        size = float(pdfium.FPDFText_GetFontSize(self._handle, index))
        if self._is_scaled:
            pdfium.FPDFText_GetMatrix(self._handle, index, measures.into[4])
            size *= math.hypot(measures.matrix.c, measures.matrix.d)
        return size

    def height(self, place: int) -> float:
        pdfium.FPDFText_GetCharOrigin(self._handle, self._index(place), *self._measures.into[:2])
        return self._measures.y.value

    def base(self, start: int, end: int) -> float:
        """The height of what stands beside ``part[start:end]``: before it, or behind it at the begin of the line."""
        if start and not self._part[start - 1].isspace():
            return self.height(start - 1)
        if self._part[:start].strip():
            return self._line.baseline
        rest = self._part[end:].lstrip()
        return self.height(len(self._part) - len(rest)) if rest else self.height(end - 1)


def _quarter(handle: pdfium.FPDF_TEXTPAGE, index: int, measures: _Measures) -> int:
    """The left turns of a character, whose matrix is in ``measures`` then."""
    pdfium.FPDFText_GetMatrix(handle, index, measures.into[4])
    slant, across = measures.matrix.b, measures.matrix.a
    return round(math.atan2(slant, across) / (math.pi / 2)) % 4 if slant or across < 0 else 0


def _upright(
    text: str,
    size: float,
    origin: tuple[float, float],
    boxes: tuple[pdfium.FS_RECTF, pdfium.FS_RECTF],
    quarter: int,
) -> Line:
    """A line as if it ran from left to right; ``boxes``: its first and last character, ``quarter``: its left turns."""
    (x, y), (start, end) = origin, boxes
    if quarter == 0:
        left, right, last_left, last_right = start.left, start.right, end.left, end.right
        return Line(text, min(left, last_left), max(right, last_right), y, size)
    first, last = _extent(start, quarter), _extent(end, quarter)
    baseline = (y, -x, -y, x)[quarter]
    return Line(text, min(first[0], last[0]), max(first[1], last[1]), baseline, size, (), quarter)
