"""Answer in the documents' own words: sentences of the best passages, quoted letter for letter.

In each quote the phrase that the question asks for is marked: the name, the number or the date.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragcli.retrieve.engine import Searcher
from ragcli.text.sentences import sentences
from ragcli.text.terms import terms
from ragcli.types import Answer, Citation, Hit, Question, Results, Span

# Below this probability, the documents count as not holding an answer. It is low because it was fitted on unanswerable
# questions about the subject of the documents. See docs/ranking.md.
DEFAULT_THRESHOLD = 0.093

_PASSAGES = 3  # whose sentences are candidates
_QUOTES = 3
_LONGEST = 400  # characters of a quote
_SHORTEST = 15  # characters of a sentence that can answer
_COVERED = 0.5  # share of the question's words that a passage must hold when the models cannot read it
_SAME = 0.8  # share of common words at which two quotes say the same
# A sentence that begins like this needs the one before it.
_LEANS = re.compile(r"(?:He|She|It|They|This|These|Those|That|Its|His|Her|Their|Such|However|Therefore|Thus|But)\b")

# What stands between and around the words of a heading: blanks, marks of Markdown, the line drawn below.
_MARKS = re.compile(r"[\W_]+")

# The phrases that a question can ask for.
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"\b(?:{_DAY} (?:of )?)?{_MONTH} (?:{_DAY},? )?\d{{4}}\b|\b\d{{4}}-\d\d-\d\d\b|\b{_MONTH} {_DAY}\b"
    rf"|\b{_DAY} {_MONTH}(?!\w)|\b(?:1\d|20)\d\d(?:[–-](?:\d\d){{1,2}})?s?\b|\b\d{{1,2}}(?:st|nd|rd|th) century\b"
    r"|\b\d{1,2}[:.]\d\d\s?(?:[ap]\.?m\.?)?",
)
_UNIT = (
    r"(?:\s?(?:%|percent|per cent|million|billion|trillion|thousand|hundred|[kKmMGT]?B|km|kg|cm|mm|m|g|°C|°F|USD|EUR))"
)
_WORDS = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand"
_NUMBER = re.compile(
    rf"[$€£]?\d[\d,. ]*(?<=\d){_UNIT}*\b%?|\b(?:{_WORDS})\b(?:[- ](?:{_WORDS}|million|billion)\b)*", re.IGNORECASE
)
_NAME = re.compile(
    r"\b[A-ZÀ-Þ][\w'’.-]*(?:\s+(?:(?:of|the|de|la|von|van|der|and|&|for)\s+)*[A-ZÀ-Þ][\w'’.-]*)*|`[^`]+`"
)
# These have a capital at the front of a sentence and are not names.
_NOT_A_NAME = re.compile(
    "The|An?|And|But|In|On|At|It|Its|He|She|They|We|You|I|This|These|Those|That|There|When|While|After|Before|For|From"
    "|As|By|If|His|Her|Their|Our|Most|Many|Some|Each|All|Both|However|Although|Since|Because|To|With|Such|One|Other"
)
_WHEN = re.compile(
    r"when\b|(?:in|on|by|since|until|during) (?:what|which) (?:year|date|month|day|century|decade)"
    r"|what (?:year|date|time|day)\b",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(
    r".*\bhow (?:many|much|long|far|old|large|big|tall|fast|often|deep|high|heavy)\b"
    r"|.*\bwhat (?:percentage|percent|number|amount|fraction|share)\b",
    re.IGNORECASE,
)
_NAMED = "company|city|country|person|team|organi[sz]ation|river|state|university|language|author|scientist"
_WHO = re.compile(
    rf"(?:who|whom|whose|where|which|what (?:\w+ )?(?:is|was|are|were) the name|what (?:{_NAMED}))\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of a hit's chunk: offsets into the chunk's text, and how well it answers."""

    hit: Hit
    number: int  # among the sentences of its chunk
    start: int
    end: int
    score: float


def extract(searcher: Searcher, results: Results, threshold: float | None = None) -> Answer:
    """Answer with at most three quotes from at most three passages, best first.

    The answer has no text when the probability that the documents hold one is below ``threshold`` (in [0, 1]; None:
    DEFAULT_THRESHOLD). Every quote is a slice of its document's text.
    """
    least = DEFAULT_THRESHOLD if threshold is None else threshold
    best = max((hit.probability for hit in results.hits if hit.probability is not None), default=None)
    probability = best if results.answered is None else results.answered
    empty = Answer(results.query, "", (), grounded=True, by="extract", probability=probability, notes=results.notes)
    if not results.hits or (probability is not None and probability < least):
        return empty
    hits = [hit for hit in results.hits if hit.readable or hit.signals.get("coverage", 0.0) >= _COVERED][:_PASSAGES]
    scored = [sentence for hit in hits for sentence in _scored(searcher, results.question, hit)]
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
        _citation(searcher, results.question, number, hit, span) for number, (hit, span) in enumerate(quotes, 1)
    )
    text = " ".join(f"{citation.quote} [{citation.number}]" for citation in citations)
    return Answer(results.query, text, citations, True, "extract", probability, (), results.notes)


def _scored(searcher: Searcher, question: Question, hit: Hit) -> list[_Sentence]:
    text, headings = hit.chunk.text, {_bare(one) for one in (hit.chunk.title, *hit.chunk.headings)}
    spans = [(start, end) for start, end in sentences(text) if end - start >= _SHORTEST]
    # a heading has the words of the question and does not answer it
    spans = [(start, end) for start, end in spans if _bare(text[start:end]) not in headings] or spans
    fits = searcher.fits(question, hit.chunk, spans)
    return [
        _Sentence(hit, number, start, end, fit + (hit.probability or 0.0))
        for number, ((start, end), fit) in enumerate(zip(spans, fits, strict=True))
    ]


def _bare(heading: str) -> str:
    return _MARKS.sub(" ", heading).strip().casefold()


def _worth(hit: Hit, best: float | None, *, first: bool) -> bool:
    """Whether the passage is at least half as likely to answer as the best; the first quote needs no such passage."""
    return first or best is None or hit.probability is None or hit.probability >= best / 2


def _joined(best: _Sentence, others: Sequence[_Sentence]) -> Span:
    """Join the sentence with the neighbour that it needs, or that is the next best in its passage."""
    by_number = {other.number: other for other in others}
    text = best.hit.chunk.text
    start, end = best.start, best.end
    before, after = by_number.get(best.number - 1), by_number.get(best.number + 1)
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


def _citation(searcher: Searcher, question: Question, number: int, hit: Hit, span: Span) -> Citation:
    chunk = hit.chunk
    start, end = span
    quote = chunk.text[start:end]
    line = chunk.lines[0] + chunk.text.count("\n", 0, start)
    page = searcher.page_of(chunk)(chunk.start + start)
    return Citation(
        number,
        chunk,
        quote,
        chunk.start + start,
        chunk.start + end,
        line,
        page,
        asked_phrase(question, quote),
        hit.fresh,
    )


def asked_phrase(question: Question, sentence: str) -> Span | None:
    """Return the span of ``sentence`` that ``question`` asks for; None when it does not ask for a phrase.

    It is the date, number or name of the sentence that stands nearest to the words of the question and holds none of
    them.
    """
    pattern = _pattern(question.text.strip())
    if pattern is None:
        return None
    asked = set(question.terms)
    words = [(m.start(), m.end()) for m in re.finditer(r"\w+", sentence) if asked & set(terms(m[0]))]
    found: list[tuple[float, int, int]] = []
    for match in pattern.finditer(sentence):
        start, end = match.start(), match.start() + len(match[0].rstrip(" ,."))
        own = set(terms(sentence[start:end]))
        if start == end or own <= asked or _NOT_A_NAME.fullmatch(sentence, start, end):
            continue
        distance = sum(min(abs(start - e), abs(s - end)) for s, e in words) / len(words) if words else start
        found.append((distance, start, end))
    return min(found)[1:] if found else None


def _pattern(question: str) -> re.Pattern[str] | None:
    if _WHEN.match(question):
        return _DATE
    if _HOW_MANY.match(question):
        return _NUMBER
    return _NAME if _WHO.match(question) else None
