"""The answer in the documents' own words: sentences of the best passages, each quoted letter for letter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragcli.answer.phrase import asked_phrase
from ragcli.retrieve.engine import Searcher
from ragcli.text.sentences import sentences
from ragcli.text.terms import terms
from ragcli.types import Answer, Citation, Hit, Results, Span

# The probability below which the documents are taken not to hold an answer. It is this low because it was fitted on
# questions without an answer that are about the very subject of the documents. See docs/ranking.md.
DEFAULT_THRESHOLD = 0.12

_PASSAGES = 3  # in which sentences are looked for
_QUOTES = 3
_LONGEST = 400  # characters of a quote
_SHORTEST = 15  # of a sentence that can answer
_SAME = 0.8  # share of words from which on two quotes say the same
# A sentence that begins like this leans on the one before it.
_LEANS = re.compile(r"(?:He|She|It|They|This|These|Those|That|Its|His|Her|Their|Such|However|Therefore|Thus|But)\b")

# Between the words of a heading, and around them: marks of Markdown, the line drawn below.
_MARKS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of a hit's chunk: offsets into its text, and how well it answers."""

    hit: Hit
    place: int  # among the sentences of its chunk
    start: int
    end: int
    score: float


def extract(searcher: Searcher, results: Results, threshold: float | None = None) -> Answer:
    """At most three quotes from at most three passages, best first; none when no hit is as likely as ``threshold``.

    Every quote is a slice of its document's text.
    """
    least = DEFAULT_THRESHOLD if threshold is None else threshold
    best = max((hit.probability for hit in results.hits if hit.probability is not None), default=None)
    probability = best if results.answered is None else results.answered
    empty = Answer(results.query, "", (), grounded=True, by="extract", probability=probability, notes=results.notes)
    if not results.hits or (probability is not None and probability < least):
        return empty
    hits = results.hits[:_PASSAGES]
    scored = [sentence for hit in hits for sentence in _scored(searcher, results.query, hit)]
    quotes: list[tuple[Hit, Span]] = []
    for sentence in sorted(scored, key=lambda sentence: -sentence.score):
        if len(quotes) == _QUOTES:
            break
        if any(hit is sentence.hit for hit, _ in quotes) or not _worth(sentence.hit, best, first=not quotes):
            continue
        span = _joined(sentence, [other for other in scored if other.hit is sentence.hit])
        if not any(_same(sentence.hit, span, hit, other) for hit, other in quotes):
            quotes.append((sentence.hit, span))
    if not quotes:
        return empty
    citations = tuple(
        _citation(searcher, results.query, number, hit, span) for number, (hit, span) in enumerate(quotes, 1)
    )
    text = " ".join(f"{citation.quote} [{citation.number}]" for citation in citations)
    return Answer(results.query, text, citations, True, "extract", probability, (), results.notes)


def _scored(searcher: Searcher, question: str, hit: Hit) -> list[_Sentence]:
    text, headings = hit.chunk.text, {_bare(one) for one in (hit.chunk.title, *hit.chunk.headings)}
    spans = [(start, end) for start, end in sentences(text) if end - start >= _SHORTEST]
    # a heading has the words of the question, and says nothing
    spans = [(start, end) for start, end in spans if _bare(text[start:end]) not in headings] or spans
    fits = searcher.fits(question, hit.chunk, spans)
    return [
        _Sentence(hit, place, start, end, fit + (hit.probability or 0.0))
        for place, ((start, end), fit) in enumerate(zip(spans, fits, strict=True))
    ]


def _bare(heading: str) -> str:
    return _MARKS.sub(" ", heading).strip().casefold()


def _worth(hit: Hit, best: float | None, *, first: bool) -> bool:
    """A second quote comes from a passage that is not much less likely to answer than the best."""
    return first or best is None or hit.probability is None or hit.probability >= best / 2


def _joined(best: _Sentence, others: Sequence[_Sentence]) -> Span:
    """The sentence with the neighbour that it leans on, or that is the next best in its passage."""
    by_place = {other.place: other for other in others}
    text = best.hit.chunk.text
    start, end = best.start, best.end
    before, after = by_place.get(best.place - 1), by_place.get(best.place + 1)
    if before and _LEANS.match(text[start:end]) and end - before.start <= _LONGEST:
        start = before.start
    second = max((other for other in others if other is not best), key=lambda other: other.score, default=None)
    if second is not None and second is after and after.end - start <= _LONGEST:
        end = after.end
    elif second is not None and second is before and end - before.start <= _LONGEST:
        start = before.start
    return start, end


def _same(hit: Hit, span: Span, other: Hit, other_span: Span) -> bool:
    one, two = (set(terms(h.chunk.text[s:e])) for h, (s, e) in ((hit, span), (other, other_span)))
    return len(one & two) >= _SAME * max(1, min(len(one), len(two)))


def _citation(searcher: Searcher, question: str, number: int, hit: Hit, span: Span) -> Citation:
    chunk = hit.chunk
    start, end = span
    quote = chunk.text[start:end]
    line = chunk.lines[0] + chunk.text.count("\n", 0, start)
    page = searcher.page_of(chunk)(chunk.start + start)
    return Citation(
        number, chunk, quote, chunk.start + start, chunk.start + end, line, page, asked_phrase(question, quote)
    )
