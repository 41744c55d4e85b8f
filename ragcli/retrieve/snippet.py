"""The part of a chunk to show: its best sentence for the query, with a little company when it is short."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ragcli.text.sentences import sentences
from ragcli.text.terms import query_terms, term_spans
from ragcli.types import Chunk, Snippet, Span

SHORT = 80  # a sentence below this says too little by itself
WIDE = 200  # what a short one is extended to
LONG = 300  # what a long one is cut to
_LEAD = 60  # characters kept before the first match of a long sentence
_WORD_EDGE = 30  # how far a cut moves to fall between two words; further, there are no words to respect

_MARKER = re.compile(r"\s*(?:#{1,6}\s|(\S)\1{2,}\s*$)")
_FINAL_STOP = re.compile(r"[.!?…:;。！？।؟][\"'”’)\]」』）]*$")


class _Match(NamedTuple):
    term: str
    start: int
    end: int


def make_snippet(
    chunk: Chunk,
    query: str,
    *,
    weights: Mapping[str, float] | None = None,
    page_of: Callable[[int], int | None] | None = None,
) -> Snippet:
    """The best sentence of ``chunk`` for ``query``, about 80 to 300 characters of it.

    The best has the largest sum of ``weights`` over the distinct query terms in it (1 for a term without one); of
    equals it is the first that does not look like a heading, also where no term occurs. ``start`` and
    ``end`` are offsets into the document's text, as are those that ``page_of`` is asked for; without it, the page is
    known only when the chunk lies on one page.
    """
    wanted = dict.fromkeys(query_terms(query), 1.0)
    for term in wanted:
        wanted[term] = weights.get(term, 1.0) if weights else 1.0
    matches = [_Match(*found) for found in term_spans(chunk.text) if found[0] in wanted]
    spans = sentences(chunk.text)
    if not spans:
        start, end = 0, len(chunk.text)
    else:
        best = _best(chunk, spans, matches, wanted)
        start, end = spans[best]
        if end - start > LONG:
            start, end = _window(chunk.text, spans[best], matches, wanted)
        elif end - start < SHORT:
            start, end = _extend(chunk, spans, best)
    return Snippet(
        start=chunk.start + start,
        end=chunk.start + end,
        text=chunk.text[start:end],
        line=chunk.lines[0] + chunk.text.count("\n", 0, start),
        page=_page(chunk, page_of, chunk.start + start),
        matches=_merge([(m.start - start, m.end - start) for m in matches if start <= m.start and m.end <= end]),
    )


def _page(chunk: Chunk, page_of: Callable[[int], int | None] | None, offset: int) -> int | None:
    if page_of is not None:
        return page_of(offset)
    return chunk.pages[0] if chunk.pages and chunk.pages[0] == chunk.pages[1] else None


def _best(chunk: Chunk, spans: Sequence[Span], matches: Sequence[_Match], wanted: Mapping[str, float]) -> int:
    """The index of the best sentence."""
    scores = [0.0] * len(spans)
    at = 0
    seen: set[str] = set()
    for match in matches:  # both are in order: one walk
        while spans[at][1] <= match.start:
            at, seen = at + 1, set()
        if match.term not in seen:
            seen.add(match.term)
            scores[at] += wanted[match.term]
    equals = [i for i, score in enumerate(scores) if score == max(scores)]
    return next((i for i in equals if not _is_heading(chunk, spans[i])), equals[0])


def _is_heading(chunk: Chunk, span: Span) -> bool:
    text = chunk.text[span[0] : span[1]]
    if _MARKER.match(text) or text in chunk.headings or text == chunk.title:
        return True
    # A short line that stops without a stop, with something below it.
    ends_line = chunk.text[span[1] : span[1] + 1] in ("\n", "\r")
    return len(text) < SHORT and ends_line and "\n" not in text and not _FINAL_STOP.search(text)


def _extend(chunk: Chunk, spans: Sequence[Span], best: int) -> Span:
    """The sentence and its neighbours, first those after it, to about WIDE characters."""
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


def _window(text: str, span: Span, matches: Sequence[_Match], wanted: Mapping[str, float]) -> Span:
    """About LONG characters of a long sentence around the matches that weigh most."""
    inside = [match for match in matches if span[0] <= match.start and match.end <= span[1]]
    first = span[0]
    best = 0.0
    for i, match in enumerate(inside):
        reach = match.start + LONG - _LEAD
        weight = sum(wanted[term] for term in {other.term for other in inside[i:] if other.end <= reach})
        if weight > best:
            best, first = weight, match.start
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
    """The end of the last whole word before ``at``."""
    at = min(at, len(text))
    edge = at
    while edge < len(text) and not text[edge].isspace() and at - edge < _WORD_EDGE and edge > 0:
        edge -= 1
    edge = edge if edge == len(text) or text[edge].isspace() else _whole_character(text, at)
    return len(text[:edge].rstrip())


def _cut_after(text: str, at: int) -> int:
    """The start of the first whole word from ``at`` on."""
    edge = at
    while not text[edge - 1].isspace() and edge - at < _WORD_EDGE:
        edge += 1
    return edge if text[edge - 1].isspace() else _whole_character(text, at)


def _whole_character(text: str, at: int) -> int:
    while at > 0 and unicodedata.combining(text[at]):
        at -= 1
    return at


def _merge(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The union of spans, disjoint and in order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)
