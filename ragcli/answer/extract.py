"""Answer in the documents' own words: sentences of the best passages, quoted letter for letter.

In each quote the phrase that the question asks for is marked: the name, the number or the date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ragcli.retrieve.engine import Searcher
from ragcli.text.markup import markup, visible_parts
from ragcli.text.sentences import sentences
from ragcli.text.source import is_source
from ragcli.text.terms import terms
from ragcli.types import Answer, Chunk, Citation, Hit, Question, Results, Span

# Below this probability, the documents count as not holding an answer. It is low because it was fitted on unanswerable
# questions about the subject of the documents. See docs/ranking.md.
DEFAULT_THRESHOLD = 0.131

# Below this one, the answer says that it may be none. On questions of SQuAD's train articles 3 % of the answers lie
# below, and 60 % of what is quoted where the paragraph with the answer is missing.
SURE = 0.3

_PASSAGES = 3  # whose sentences are candidates
_MOST_QUOTES = 3
_MOST_OF_ONE = 2  # quotes of one passage: the second where its sentence is scored ...
_NEAR = 0.2  # ... this close to the best
_LONGEST = 400  # characters of a quote
_SHORTEST = 15  # characters of a sentence that can answer
_COVERED = 0.5  # share of the question's words that a passage must hold when the models cannot read it
_SAME = 0.8  # share of common words at which two quotes say the same
_DEFINES = 1.0  # what is added to the score of a sentence that defines what the question asks for
_OPENS = 0.5  # and of the first sentence below a heading that names it
_DECLARED = 2.0  # and, where a question asks where code does something, of a declaration that has all words of it
_STEMS_OF_A_NAME = 4  # words that "what is X" may ask for; a longer X is a description
_DEFINITION = re.compile(
    r"(?:what(?:'s| is| are| was| were)|who (?:is|was)|define|explain what)\s+(?:(?:an?|the)\s+)?(?P<name>[^?]+?)"
    r"(?:\s+(?:mean|means|in [\w ]+))?\s*[?.]?\s*|what does (?:(?:an?|the)\s+)?(?P<meant>[^?]+?) mean\s*\??\s*",
    re.IGNORECASE,
)
_IS = re.compile(
    r"\s*[*_`]*\s*(?:\([^()]*\)\s*)?,?\s*(?:is|are|was|were|means?|refers? to|describes?|denotes?|stands? for)\b"
    r"(?!\s+(?:therefore|thus|hence|then|now|not|also|often|typically|usually|always|never|still|only|just|\d))"
    r"|(?:[.:][*_`]*|[*_`]*(?::| [–—-]))\s+\w",  # an entry of a glossary
    re.IGNORECASE,
)
_CALLED = re.compile(r"\b(?:called|known as|termed)\s+(?:(?:an?|the)\s+)?[\W_]*", re.IGNORECASE)
_TERM = re.compile(r"(\*\*|__)[^*_\n]{1,60}\1[.:]?")
_HEAD = re.compile(r"[\W_]*(?:(?:an?|the|in [\w ]{1,20},|[\w-]+['’]s)\s+)?[\W_]*", re.IGNORECASE)
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)]|\|)\s*\S")
_LONGEST_LIST = 700  # characters of a quote that is a lead with its list
_FEW_ROWS = 3  # lines of a table
_BLANK_LINE = re.compile(r"\n[^\w\n]*\n")
_DIGITS = re.compile(r"\d+")
_RULE = re.compile(r"\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*")
_WHERE = re.compile(r"where\b|(?:which|what) (?:function|method|class|module|code)\b", re.IGNORECASE)
_DECLARES = re.compile(
    r"(?:@[^\n]*\s+)*(?:(?:export|default|public|private|protected|static|final|abstract|async|pub|inline)\s+)*"
    r"(?:def|class|fn|func|function|struct|enum|trait|impl|interface|type|module|sub)\b"
)
_QUOTES = re.compile(r'"""|\'\'\'')
_COMMENT = re.compile(r"\s*(?:#+!?|//+!?|--|;+|\*(?!/)|/\*+)\s?(?P<text>.*?)\s*(?:\*/)?\s*")
_PROSE = re.compile(r"(?:[^\W\d_]{2,}\W+){3}")
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
    """Answer with at most three quotes, at most two of them from one passage, best first.

    The answer has no text when the probability that the documents hold one is below ``threshold`` (in [0, 1]; None:
    DEFAULT_THRESHOLD). Below SURE, a note says that the quotes may not answer. Every quote is a slice of its document's
    text.
    """
    least = DEFAULT_THRESHOLD if threshold is None else threshold
    best = max((hit.probability for hit in results.hits if hit.probability is not None), default=None)
    probability = results.likely
    empty = Answer(results.query, "", (), grounded=True, by="extract", probability=probability, notes=results.notes)
    if not results.hits or (probability is not None and probability < least):
        return empty
    readable = [hit for hit in results.hits if hit.readable or hit.signals.get("coverage", 0.0) >= _COVERED]
    hits = readable[:_PASSAGES]
    name = defined_name(results.query)
    if name:  # the passage that defines it may be ranked below those that use it
        hits += [hit for hit in readable[_PASSAGES:] if _defines_somewhere(hit, name)]
    scored = [sentence for hit in hits for sentence in _scored(searcher, results.question, hit, name)]
    quotes: list[tuple[Hit, Span]] = []
    top = max((sentence.score for sentence in scored), default=0.0)
    for sentence in sorted(scored, key=lambda sentence: -sentence.score):
        if len(quotes) == _MOST_QUOTES:
            break
        taken = [span for hit, span in quotes if hit is sentence.hit]
        if len(taken) == _MOST_OF_ONE or (taken and sentence.score < top - _NEAR):
            continue
        if not _worth(sentence.hit, best, first=not quotes):
            continue
        span = _joined(sentence, [other for other in scored if other.hit is sentence.hit])
        if any(span[0] < end and start < span[1] for start, end in taken):
            continue
        if not any(_same(sentence.hit, span, hit, other) for hit, other in quotes):
            quotes.append((sentence.hit, span))
    if not quotes:
        return empty
    citations = tuple(
        _citation(searcher, results.question, number, hit, span) for number, (hit, span) in enumerate(quotes, 1)
    )
    text = " ".join(f"{citation.quote} [{citation.number}]" for citation in citations)
    notes = results.notes
    if probability is not None and probability < SURE:
        doubt = f"the quotes may not answer the question: the probability that they do is {probability:.0%}"
        notes = (*notes, doubt)
    return Answer(results.query, text, citations, True, "extract", probability, (), notes)


def _scored(searcher: Searcher, question: Question, hit: Hit, name: frozenset[str]) -> list[_Sentence]:
    text, headings = hit.chunk.text, {_bare(one) for one in (hit.chunk.title, *hit.chunk.headings)}
    hidden = markup(text, hit.chunk.path)
    every = [span for start, end in quotable(hit.chunk) for span in _without_markup(text, hidden, start, end)]
    spans = [(start, end) for start, end in every if end - start >= _SHORTEST]
    # a heading has the words of the question and does not answer it
    spans = [span for span in spans if _bare(text[slice(*span)]) not in headings and not _is_title(text, span)] or spans
    fits = searcher.fits(question, hit.chunk, spans)
    asked = set(question.terms)
    wants_place = bool(asked) and is_source(hit.chunk.path) and _WHERE.match(question.text.strip()) is not None
    found = []
    for number, ((start, end), fit) in enumerate(zip(spans, fits, strict=True)):
        bonus = _DEFINES * (bool(name) and _defines(text[start:end], name))
        if not bonus and name and (_begins_with(text[start:end], name) or _is_called(text[start:end], name)):
            bonus = _OPENS
        if not bonus and number == 0 and name and any(name == _stems(heading) for heading in hit.chunk.headings[-1:]):
            bonus = _OPENS
        if wants_place and _DECLARES.match(text, start):
            bonus = _DECLARED * len(asked & set(terms(text[start:end]))) / len(asked)
        found.append(_Sentence(hit, number, start, end, fit + bonus + (hit.probability or 0.0)))
    return found


def _is_title(text: str, span: Span) -> bool:
    """Whether a line stands alone in capitals, as the title of a text without markup."""
    line = text[slice(*span)]
    alone = text[: span[0]].rstrip(" ")[-1:] in {"", "\n"} and text[span[1] :].lstrip(" ")[:1] in {"", "\n"}
    return alone and line.isupper() and " " in line and "\n" not in line


def _without_markup(text: str, hidden: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    """Yield the span without the markup around it; nothing where it is markup alone."""
    parts = [(s, e) for s, e in visible_parts(hidden, start, end) if text[s:e].strip()]
    if parts:
        first, last = text[slice(*parts[0])], text[slice(*parts[-1])]
        yield parts[0][0] + len(first) - len(first.lstrip()), parts[-1][0] + len(last.rstrip())


def defined_name(question: str) -> frozenset[str]:
    """Return the terms of X in "what is X", "who was X" or "what does X mean"; empty for other questions."""
    match = _DEFINITION.fullmatch(question.strip())
    if match is None:
        return frozenset()
    found = _stems(match["name"] or match["meant"])
    return found if 0 < len(found) <= _STEMS_OF_A_NAME else frozenset()


def _stems(text: str) -> frozenset[str]:
    return frozenset(terms(text))


def _defines(sentence: str, name: frozenset[str]) -> bool:
    """Whether a sentence begins with the name, and a verb such as "is" or "means" follows."""
    start = _head_end(sentence)
    return any(
        _stems(sentence[start:end]) == name and _IS.match(sentence, end) is not None
        for end in (match.end() for match in re.finditer(r"[\w'’-]+", sentence[: start + 100]) if match.end() > start)
    )


def _begins_with(sentence: str, name: frozenset[str]) -> bool:
    """Whether a sentence begins with "a" or "an" and the name."""
    words = [word for word in re.findall(r"[\w'’-]+", sentence[:100]) if word]
    return (
        bool(words)
        and words[0].lower() in {"a", "an"}
        and any(_stems(" ".join(words[1:end])) == name for end in range(2, len(name) + 3))
    )


def _is_called(sentence: str, name: frozenset[str]) -> bool:
    """Whether a sentence gives something the name: this is called the residual stream."""
    return any(
        _stems(sentence[match.end() : word.end()]) == name
        for match in _CALLED.finditer(sentence)
        for word in re.finditer(r"[\w'’-]+", sentence[: match.end() + 60])
        if word.start() >= match.end()
    )


def _head_end(sentence: str) -> int:
    match = _HEAD.match(sentence)
    assert match is not None  # it matches the empty string
    return match.end()


def _defines_somewhere(hit: Hit, name: frozenset[str]) -> bool:
    return any(_defines(hit.chunk.text[start:end], name) for start, end in sentences(hit.chunk.text))


def quotable(chunk: Chunk) -> list[Span]:
    """Return the spans of a passage that can be quoted, in order: sentences; in code, whole comments and statements.

    A sentence of a comment or docstring may run over several lines, and a statement is never cut within.
    """
    if not is_source(chunk.path):
        joined = list(_with_terms(chunk.text, sentences(chunk.text)))
        return _with_lists(chunk.text, list(_with_rows(chunk.text, joined)))
    text = chunk.text
    spans: list[Span] = []
    runs = _runs(text)
    for i, (start, end, is_prose) in enumerate(runs):
        follows = runs[i + 1] if i + 1 < len(runs) and text[end : runs[i + 1][0]].count("\n") == 1 else None
        if not is_prose:
            found = [(start, end if end - start <= _LONGEST_LIST else _header_end(text, start, end))]
        else:
            # the signs of comments are blanked out, so that sentences are found across lines
            plain = "\n".join(
                " " * (match.start("text")) + match["text"] if (match := _COMMENT.fullmatch(line)) else line
                for line in text[start:end].split("\n")
            )
            flat = plain if len(plain) == end - start else text[start:end]
            found = [(start + s, start + e) for s, e in _prose_sentences(_QUOTES.sub("   ", flat))]
            is_docstring = _QUOTES.search(text, start, end) is not None
            if follows is not None and not is_docstring and follows[1] - start <= _LONGEST_LIST:
                found = [(start, end)]  # the code that a comment is about comes with it, below
        if spans and found and _belongs(text, runs, i):
            found[0] = (spans.pop()[0], found[0][1])
        spans += found
    return spans


def _belongs(text: str, runs: Sequence[tuple[int, int, bool]], i: int) -> bool:
    """Whether a run of lines is read with the one before: code with its comment, a docstring with what it describes."""
    start, end, is_prose = runs[i]
    before, stop, was_prose = runs[i - 1]
    if text[stop:start].count("\n") != 1 or is_prose == was_prose:
        return False
    if is_prose:
        opens = text[:stop].rstrip().endswith((":", "{"))
        return _QUOTES.match(text, start) is not None and opens and stop - before <= _LONGEST
    return _QUOTES.search(text, before, stop) is None and end - before <= _LONGEST_LIST


def _header_end(text: str, start: int, end: int) -> int:
    """Return where the first statement of a run of code ends: with the line that opens its body, or the first line."""
    at = first = text.find("\n", start, end)
    while 0 < at < start + _LONGEST:
        if text[at - 1] in ":{":
            return at
        at = text.find("\n", at + 1, end)
    return first if first > 0 else end


def _prose_sentences(text: str) -> list[Span]:
    """Return the sentences of indented prose, as spans of it."""
    found: list[Span] = []
    for match in re.finditer(r"(?:[^\S\n]*\S[^\n]*(?:\n|$))+", text):
        paragraph = match.group()
        flat = re.sub(r"\n\s*", lambda blank: " " * len(blank.group()), paragraph.rstrip())
        lead = len(flat) - len(flat.lstrip())
        found += [(match.start() + lead + s, match.start() + lead + e) for s, e in sentences(flat.lstrip())]
    return found


def _runs(text: str) -> list[tuple[int, int, bool]]:
    """Return runs of lines of code: a docstring or comment (True), or the code up to the next blank line (False)."""
    runs: list[tuple[int, int, bool]] = []
    marks = [match.start() for match in _QUOTES.finditer(text)]
    # With an odd number of marks, one end lies outside; prose before the first one says which.
    inside = len(marks) % 2 == 1 and _PROSE.search(text[: marks[0]].split("\n\n")[0]) is not None
    at = 0
    for line in text.splitlines(keepends=True):
        start, at = at, at + len(line)
        count = sum(start <= mark < at for mark in marks)
        is_prose = inside or count > 0 or (_COMMENT.fullmatch(line.rstrip()) is not None and bool(line.strip()))
        inside ^= count % 2 == 1
        blank = not line.strip()
        if runs and runs[-1][2] == is_prose and runs[-1][1] == start and not (blank and not is_prose):
            runs[-1] = (runs[-1][0], at, is_prose)
        elif not blank:
            runs.append((start, at, is_prose))
    trimmed = []
    for start, end, is_prose in runs:
        part = text[start:end]
        trimmed.append((start + len(part) - len(part.lstrip()), start + len(part.rstrip()), is_prose))
    return trimmed


def _with_terms(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Join a term in bold with the sentence behind it, which says what it is."""
    first: int | None = None
    for i, (start, end) in enumerate(spans):
        first = start if first is None else first
        follows = spans[i + 1][0] if i + 1 < len(spans) else end
        if first == start and _TERM.fullmatch(text, start, end) and end < follows and "\n" not in text[end:follows]:
            continue
        yield first, end
        first = None


def _with_lists(text: str, spans: Sequence[Span]) -> list[Span]:
    """Join a lead that ends with a colon with the list or table below it, up to 700 characters."""
    found: list[Span] = []
    used = -1
    for i, (start, end) in enumerate(spans):
        if i <= used:
            continue
        if text[start:end].rstrip("*_ ").endswith(":"):
            last = i
            while (
                last + 1 < len(spans)
                and _ITEM.match(text, spans[last + 1][0])
                and spans[last + 1][1] - start <= _LONGEST_LIST
            ):
                last += 1
            if last > i:
                found.append((start, spans[last][1]))
                used = last
                continue
        found.append((start, end))
    return found


def _with_rows(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Cut what is nothing but rows of a table into its rows, unless the whole of it makes a quote."""
    for start, end in spans:
        rows = [(start + match.start(), start + match.end()) for match in re.finditer(r"\S[^\n]*", text[start:end])]
        if end - start <= _LONGEST or len(rows) < _FEW_ROWS or any(" | " not in text[s:e] for s, e in rows[1:]):
            yield start, end
        else:
            yield from ((s, s + len(text[s:e].rstrip())) for s, e in rows)


def header_of(chunk: Chunk, start: int) -> str:
    """Return the columns of the table row at ``start`` in the chunk's text, on one line; "" where it is in no table."""
    lines = chunk.text[:start].split("\n")[:-1]
    row = chunk.text[start:].partition("\n")[0]
    if "|" not in row:
        return ""
    for i in range(len(lines) - 1, 0, -1):
        if "|" in lines[i] and _RULE.fullmatch(lines[i].strip()):
            return " ".join(lines[i - 1].split())
        if "|" not in lines[i]:
            break
    return chunk.columns


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
    before, after = (one if one and not _apart(text, best, one) else None for one in (before, after))
    second = max((other for other in others if other is not best), key=lambda other: other.score, default=None)
    if second is not None and second is after and after.end - start <= _LONGEST:
        end = after.end
    elif second is not None and second is before and end - before.start <= _LONGEST:
        start = before.start
    return start, end


def _apart(text: str, one: _Sentence, other: _Sentence) -> bool:
    """Whether a blank line lies between two sentences: they are of different paragraphs."""
    between = text[min(one.end, other.end) : max(one.start, other.start)]
    return _BLANK_LINE.search(between) is not None


def _same(hit: Hit, span: Span, other: Hit, other_span: Span) -> bool:
    texts = [h.chunk.text[s:e] for h, (s, e) in ((hit, span), (other, other_span))]
    if set(_DIGITS.findall(texts[0])) ^ set(_DIGITS.findall(texts[1])):
        return False
    one, two = (set(terms(text)) for text in texts)
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
        header_of(chunk, start),
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
