"""Choose the part of a chunk to show: its best sentence for the question, with its neighbours when it is short."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ragcli.text.exact import places
from ragcli.text.markup import markup, visible_parts
from ragcli.text.sentences import sentences
from ragcli.text.terms import term_spans
from ragcli.types import Chunk, Question, Snippet, Span

if TYPE_CHECKING:
    from ragcli.index.reader import Index

# All in characters.
SHORT = 80  # a shorter sentence says too little by itself
WIDE = 200  # a short sentence is extended to this length
LONG = 300  # a long sentence is cut to this length
_LEAD = 60  # kept before the first match of a long sentence
_WORD_EDGE = 30  # how far a cut moves to fall between two words; a longer run is taken for a text without words

_MOST_BEFORE = 100  # passages that are looked at for the start of a line; longer lines count from there

_READABLE = re.compile(r"\w")
_MARKER = re.compile(r"\s*(?:#{1,6}\s|(\S)\1{2,}\s*$)")
_FINAL_STOP = re.compile(r"[.!?…:;。！？।؟][\"'”’)\]」』）]*$")


class _Match(NamedTuple):
    term: str
    start: int
    end: int


def make_snippet(
    chunk: Chunk,
    question: Question,
    *,
    page_of: Callable[[int], int | None] | None = None,
    line_start: Callable[[], int] | None = None,
    closest: str = "",
) -> Snippet:
    """Return the best sentence of ``chunk`` for ``question``, about 80 to 300 characters of it.

    The best sentence holds what the question asks for letter for letter (the line that defines a name first), else the
    most distinct terms of the question; with ``closest``, it is the one that begins with this text. Of equals it is the
    first that does not look like a heading, also where no term occurs. Markup (see ragcli.text.markup) is not chosen,
    and no snippet begins or ends with it. ``start`` and ``end`` are offsets into the document's text, and so are the
    offsets that ``page_of`` is called with. Without ``page_of`` the page is known only for a chunk that lies on one
    page. ``line_start`` returns the offset, in bytes of the document's text, of the line in which the chunk starts;
    without it the chunk counts as the start of that line.
    """
    wanted = frozenset(question.terms)
    hidden = markup(chunk.text, chunk.path)
    matches = [_Match(*found) for found in term_spans(chunk.text) if found[0] in wanted]
    read = [m for m in matches if not any(start <= m.start < end for start, end in hidden)] if hidden else matches
    spans = sentences(chunk.text)
    exact = next(places(question.exact, chunk.text), None)
    # a heading says less than what stands below it
    if exact and not any(spans[i][0] <= exact[0] < spans[i][1] for i in _headings(chunk, spans)):
        read = [m for m in matches if exact[0] <= m.start and m.end <= exact[1]] or [_Match("", *exact)]
    told, begins = None, 0
    if not spans:
        start, end = 0, len(chunk.text)
    else:
        shown = [_trimmed(chunk.text, span, hidden) for span in spans] if hidden else spans
        begins = chunk.text.find(closest) if closest and exact is None else -1
        told = next((i for i, (first, last) in enumerate(spans) if first <= begins < last), None)
        best = told if told is not None else _best(chunk, spans, read or matches, _empty(shown))
        start, end = shown[best] if shown[best][0] < shown[best][1] else spans[best]
        if end - start > LONG:
            start, end = _window(chunk.text, (start, end), read or matches)
        elif end - start < SHORT:
            start, end = _extend(chunk, spans, best)
            trimmed = _trimmed(chunk.text, (start, end), hidden)
            start, end = trimmed if trimmed[0] < trimmed[1] else (start, end)
    inside = [m for m in read if start <= m.start and m.end <= end] or matches
    kept = _merge([(m.start - start, m.end - start) for m in inside if start <= m.start and m.end <= end])
    at = max(start, begins) if told is not None else start + (kept[0][0] if kept else 0)
    return Snippet(
        start=chunk.start + start,
        end=chunk.start + end,
        text=chunk.text[start:end],
        line=chunk.lines[0] + chunk.text.count("\n", 0, at),
        page=_page(chunk, page_of, chunk.start + at),
        matches=kept,
        cut=(_inside(start, spans) and not _follows(start, hidden), _inside(end, spans) and not _leads(end, hidden)),
        column=_column(chunk, at, line_start),
    )


def line_start(index: Index, chunk: Chunk) -> int:
    """Return where the line in which ``chunk`` starts begins: its offset in bytes of the document's text.

    It is read off the passages before. Between two passages there is only white space, whose line breaks are taken to
    stand before its blanks.
    """
    byte, line = chunk.bytes[0], chunk.lines[0]
    if line == 1:
        return 0
    at = chunk.start
    for before in index.catalog.chunks_before(chunk, _MOST_BEFORE):
        text = before.text[: max(0, at - before.start)]
        gap_lines = line - before.lines[0] - text.count("\n")
        if gap_lines > 0:
            return min(byte, before.bytes[0] + len(_utf8(text)) + gap_lines)
        if "\n" in text:
            return before.bytes[0] + len(_utf8(text[: text.rindex("\n") + 1]))
        byte, line, at = before.bytes[0], before.lines[0], before.start
    return byte


def _column(chunk: Chunk, at: int, line_start: Callable[[], int] | None) -> int:
    before = chunk.text[:at].rpartition("\n")
    if before[1] or line_start is None:
        return len(_utf8(before[2])) + 1
    return chunk.bytes[0] - line_start() + len(_utf8(before[2])) + 1


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _empty(spans: Sequence[Span]) -> set[int]:
    return {i for i, (start, end) in enumerate(spans) if start == end}


def _trimmed(text: str, span: Span, hidden: Sequence[Span]) -> Span:
    """Return ``span`` without markup and blanks at both ends; an empty span where it holds nothing else."""
    parts = [part for part in visible_parts(hidden, *span) if _READABLE.search(text, *part)]
    if not parts:
        return span[0], span[0]
    start, end = parts[0][0], parts[-1][1]
    start += len(text[start:end]) - len(text[start:end].lstrip())
    return start, start + len(text[start:end].rstrip())


def _follows(at: int, hidden: Sequence[Span]) -> bool:
    return any(end <= at <= end + 1 for _, end in hidden)


def _leads(at: int, hidden: Sequence[Span]) -> bool:
    return any(start - 1 <= at <= start for start, _ in hidden)


def _inside(at: int, spans: Collection[Span]) -> bool:
    return any(start < at < end for start, end in spans)


def _page(chunk: Chunk, page_of: Callable[[int], int | None] | None, offset: int) -> int | None:
    if page_of is not None:
        return page_of(offset)
    return chunk.pages[0] if chunk.pages and chunk.pages[0] == chunk.pages[1] else None


def _best(chunk: Chunk, spans: Sequence[Span], matches: Sequence[_Match], markup_only: Collection[int]) -> int:
    """Return the index of the best sentence."""
    found: list[set[str]] = [set() for _ in spans]
    at = 0
    for match in matches:  # both are in order: one walk
        while spans[at][1] <= match.start:
            at += 1
        found[at].add(match.term)
    most = max(map(len, found))
    equals = [i for i, terms in enumerate(found) if len(terms) == most]
    equals = [i for i in equals if i not in markup_only] or equals
    headings = _headings(chunk, spans)
    return next((i for i in equals if i not in headings), equals[0])


def _headings(chunk: Chunk, spans: Sequence[Span]) -> set[int]:
    """Return the indexes of the sentences that look like headings.

    A short line without a final stop, with text below it, is one, unless the next is just such a line: those are notes.
    """
    bare = [_is_bare_line(chunk.text[start:end]) for start, end in spans]
    return {
        i
        for i, (start, end) in enumerate(spans)
        if _is_heading(chunk, (start, end))
        or (bare[i] and chunk.text[end : end + 1] in ("\n", "\r") and not (i + 1 < len(spans) and bare[i + 1]))
    }


def _is_heading(chunk: Chunk, span: Span) -> bool:
    text = chunk.text[span[0] : span[1]]
    return _MARKER.match(text) is not None or text in chunk.headings or text == chunk.title


def _is_bare_line(text: str) -> bool:
    return len(text) < SHORT and "\n" not in text and not _FINAL_STOP.search(text)


def _extend(chunk: Chunk, spans: Sequence[Span], best: int) -> Span:
    """Return the sentence with those after it, to about WIDE characters; where they are short, with those before it."""
    start, end = spans[best]
    after = best + 1
    while after < len(spans) and spans[after][1] - start <= WIDE:
        end = spans[after][1]
        after += 1
    for first, last in reversed(spans[:best]):
        is_enough = end - start >= SHORT or end - first > WIDE  # a snippet begins where the answer is
        if is_enough or _is_heading(chunk, (first, last)) or _is_bare_line(chunk.text[first:last]):
            break
        start = first
    if end - start < SHORT and after < len(spans):
        cut = _cut_before(chunk.text, start + WIDE)
        end = cut if cut - spans[after][0] >= _WORD_EDGE else end  # fewer characters are not worth their ellipsis
    return start, end


def _window(text: str, span: Span, matches: Sequence[_Match]) -> Span:
    """Return about LONG characters of a long sentence around the most distinct terms."""
    inside = [match for match in matches if span[0] <= match.start and match.end <= span[1]]
    first, most = span[0], 0
    for i, match in enumerate(inside):
        reach = match.start + LONG - _LEAD
        terms = {other.term for other in inside[i:] if other.end <= reach}
        if len(terms) > most:
            first, most = match.start, len(terms)
    start = first - _LEAD if first - _LEAD >= span[0] + _LEAD else span[0]  # the same for a cut at the front
    end = start + LONG
    if span[1] - end < _WORD_EDGE:
        end = span[1]
        start = min(start, max(span[0], end - LONG))
    if start > span[0]:
        start = _cut_after(text, start)
    if end < span[1]:
        end = _cut_before(text, end)
    return start, end


def _cut_before(text: str, at: int) -> int:
    """Return the end of the last whole word before ``at``."""
    at = min(at, len(text))
    edge = at
    while edge < len(text) and not text[edge].isspace() and at - edge < _WORD_EDGE and edge > 0:
        edge -= 1
    edge = edge if edge == len(text) or text[edge].isspace() else _whole_character(text, at)
    return len(text[:edge].rstrip())


def _cut_after(text: str, at: int) -> int:
    """Return the start of the first whole word from ``at`` on."""
    edge = at
    while not text[edge - 1].isspace() and edge - at < _WORD_EDGE:
        edge += 1
    return edge if text[edge - 1].isspace() else _whole_character(text, at)


def _whole_character(text: str, at: int) -> int:
    while at > 0 and unicodedata.combining(text[at]):
        at -= 1
    return at


def _merge(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return the union of the spans, disjoint and in order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)
