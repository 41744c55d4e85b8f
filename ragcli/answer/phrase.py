"""The phrase that a question asks for: the name, the number, the date in a sentence that answers it."""

from __future__ import annotations

import re

from ragcli.text.terms import query_terms, terms
from ragcli.types import Span

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
# Capital at the front of a sentence, and nobody's name.
_NO_NAME = re.compile(
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


def asked_phrase(question: str, sentence: str) -> Span | None:
    """Where in ``sentence`` the phrase stands that ``question`` asks for; None when it asks for no such thing.

    Among the dates, numbers or names of the sentence the one is taken that is nearest to the words of the question and
    holds none of them.
    """
    pattern = _pattern(question.strip())
    if pattern is None:
        return None
    asked = set(query_terms(question))
    words = [(m.start(), m.end()) for m in re.finditer(r"\w+", sentence) if asked & set(terms(m[0]))]
    found: list[tuple[float, int, int]] = []
    for match in pattern.finditer(sentence):
        start, end = match.start(), match.start() + len(match[0].rstrip(" ,."))
        own = set(terms(sentence[start:end]))
        if start == end or own <= asked or _NO_NAME.fullmatch(sentence, start, end):
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
