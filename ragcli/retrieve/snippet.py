"""Choose the part of a chunk to show: its best sentence for the question, with its neighbours when it is short."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from ragcli.text.sentences import sentences
from ragcli.text.terms import term_spans
from ragcli.types import Chunk, Question, Snippet, Span

# All in characters.
SHORT = 80  # a shorter sentence says too little by itself
WIDE = 200  # a short sentence is extended to this length
LONG = 300  # a long sentence is cut to this length
_LEAD = 60  # kept before the first match of a long sentence
_WORD_EDGE = 30  # how far a cut moves to fall between two words; a longer run is taken for a text without words

_MARKER = re.compile(r"\s*(?:#{1,6}\s|(\S)\1{2,}\s*$)")
_FINAL_STOP = re.compile(r"[.!?…:;。！？।؟][\"'”’)\]」』）]*$")


class _Match(NamedTuple):
    term: str
    start: int
    end: int


def make_snippet(chunk: Chunk, question: Question, *, page_of: Callable[[int], int | None] | None = None) -> Snippet:
    """Return the best sentence of ``chunk`` for ``question``, about 80 to 300 characters of it.

    The best sentence holds the most distinct terms of the question. Of equals it is the first that does not look like a
    heading, also where no term occurs. ``start`` and ``end`` are offsets into the document's text, and so are the
    offsets that ``page_of`` is called with. Without ``page_of`` the page is known only for a chunk that lies on one
    page.
    """
    wanted = frozenset(question.terms)
    matches = [_Match(*found) for found in term_spans(chunk.text) if found[0] in wanted]
    spans = sentences(chunk.text)
    if not spans:
        start, end = 0, len(chunk.text)
    else:
        best = _best(chunk, spans, matches)
        start, end = spans[best]
        if end - start > LONG:
            start, end = _window(chunk.text, spans[best], matches)
        elif end - start < SHORT:
            start, end = _extend(chunk, spans, best)
    return Snippet(
        start=chunk.start + start,
        end=chunk.start + end,
        text=chunk.text[start:end],
        line=chunk.lines[0] + chunk.text.count("\n", 0, start),
        page=_page(chunk, page_of, chunk.start + start),
        matches=_merge([(m.start - start, m.end - start) for m in matches if start <= m.start and m.end <= end]),
        cut=(_inside(start, spans), _inside(end, spans)),
    )


def _inside(at: int, spans: Collection[Span]) -> bool:
    return any(start < at < end for start, end in spans)


def _page(chunk: Chunk, page_of: Callable[[int], int | None] | None, offset: int) -> int | None:
    if page_of is not None:
        return page_of(offset)
    return chunk.pages[0] if chunk.pages and chunk.pages[0] == chunk.pages[1] else None


def _best(chunk: Chunk, spans: Sequence[Span], matches: Sequence[_Match]) -> int:
    """Return the index of the best sentence."""
    found: list[set[str]] = [set() for _ in spans]
    at = 0
    for match in matches:  # both are in order: one walk
        while spans[at][1] <= match.start:
            at += 1
        found[at].add(match.term)
    most = max(map(len, found))
    equals = [i for i, terms in enumerate(found) if len(terms) == most]
    return next((i for i in equals if not _is_heading(chunk, spans[i])), equals[0])


def _is_heading(chunk: Chunk, span: Span) -> bool:
    text = chunk.text[span[0] : span[1]]
    if _MARKER.match(text) or text in chunk.headings or text == chunk.title:
        return True
    # A short line without a final stop, with text below it.
    ends_line = chunk.text[span[1] : span[1] + 1] in ("\n", "\r")
    return len(text) < SHORT and ends_line and "\n" not in text and not _FINAL_STOP.search(text)


def _extend(chunk: Chunk, spans: Sequence[Span], best: int) -> Span:
    """Return the sentence with its neighbours, first those after it, to about WIDE characters."""
    start, end = spans[best]
    after = best + 1
    while after < len(spans) and spans[after][1] - start <= WIDE:
        end = spans[after][1]
        after += 1
    for first, last in reversed(spans[:best]):
        if end - first > WIDE or _is_heading(chunk, (first, last)):
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
