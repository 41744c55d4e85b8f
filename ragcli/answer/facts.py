"""Look up the facts of a sentence in a passage: its numbers, names and quotations.

This is lookup, not logic: it finds a figure, a name or a quotation that the passage does not have. A sentence passes
when it reverses the meaning of the passage in the passage's own words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ragcli.text.terms import terms

# Digits in groups of three, or with points and commas, and the word after them that multiplies.
_NUMBER = re.compile(
    r"(?<![\d.,])(?P<grouped>\d{1,3}(?:[ \u00a0\u2009\u202f'’]\d{3})+)(?![\d])"
    r"|(?P<digits>\d+(?:[.,]\d+)*)"
)
_SCALE = re.compile(r"[\s-]?(thousand|million|billion|trillion)\b", re.IGNORECASE)
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_COMMAS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_POINTS = re.compile(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?")
_DECIMAL = re.compile(r"\d+(?:\.\d+|,(?!\d{3}$)\d+)")
_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_IN_WORDS = re.compile(
    rf"\b(?:({'|'.join(_TENS)})(?:[-\s]({'|'.join(_SMALL[1:10])}))?|({'|'.join(_SMALL)}))\b", re.IGNORECASE
)

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)})\b(\s+quarter\b)?", re.IGNORECASE)
_ISO_DATE = re.compile(r"\b\d{4}-(0[1-9]|1[0-2])-\d{2}")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_WORD = re.compile(r"(?<!\w)[^\W\d_]\w*(?:[-'.&]\w+)*")
# Every word has a capital at the start of a sentence and after a colon. Within one sentence a full stop belongs to an
# abbreviation, and a name follows.
_START = re.compile(r"(?:^|[:\n])[\W_]*$")
_START_IN_TEXT = re.compile(r"(?:^|[.!?:\n])[\W_]*$")
_COUNTED = re.compile(r"\d\s?$")
_BYTES = frozenset(("kb", "mb", "gb", "tb"))
_PRONOUNS = {"I", "I'm", "I've", "I'd", "I'll"}

_QUOTATION = re.compile(r'"([^"\n]{2,})"|“([^“”\n]{2,})”|„([^„“”\n]{2,})[“”]|«([^«»\n]{2,})»|`([^`\n]{2,})`')
_LEFT_OUT = re.compile(r"\s*(?:\[\s*)?(?:…|\.{3})(?:\s*\])?\s*")
_QUOTE_EDGE = " .,;:!?…"
_BLANKS = re.compile(r"\s+")
_ALIKE = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-"})
# Marks of Markdown and soft hyphens may stand in the passage and not in the quotation, or the other way round.
_NO_LETTERS = str.maketrans("", "", "*`\u00ad\u200b")

Readings = list[frozenset[str]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts of passages, for looking up."""

    numbers: frozenset[str]
    terms: frozenset[str]
    texts: tuple[str, ...]  # one per passage, for quotations


def evidence(passages: Sequence[str]) -> Evidence:
    """Return the numbers (those in words too), words and texts of all ``passages``."""
    texts = [_plain(passage) for passage in passages]
    numbers = {value for text in texts for _, readings in _numbers(text) for reading in readings for value in reading}
    numbers.update(value for text in texts for value in _number_words(text))
    words = {term for passage in passages for term in terms(passage)}
    # The two patterns cut words differently where a character is newer than one of their tables.
    words.update(part.casefold() for text in texts for word in _WORD.findall(text) for part in word.split("-"))
    for text in texts:
        words.update(_MONTHS[int(match[1]) - 1] for match in _ISO_DATE.finditer(text))
        for match in _ORDINAL.finditer(text):
            number = _ORDINALS.index(match[1].lower()) + 1
            numbers.add(str(number))
            words.update({f"q{number}"} if match[2] else ())
    return Evidence(frozenset(numbers), frozenset(words), tuple(_for_quotes(text) for text in texts))


def missing(sentence: str, found: Evidence, names: frozenset[str] = frozenset()) -> list[str]:
    """Return the numbers, names and quotations of ``sentence`` that ``found`` does not hold, as the sentence has them.

    A name is a capitalised word that does not begin the sentence, or a word with a capital further in; at the beginning
    also one of ``names``. Numbers are equal by value (1,000 and 1000), names whatever their case and ending, quotations
    letter for letter except white space, typographic quotes and dashes, and the case of the first letter.
    """
    text = _plain(sentence)
    lacking = [quote for quote in _quotations(text) if not _is_quoted(quote, found.texts)]
    rest = _QUOTATION.sub(lambda match: " " * len(match.group()), text)
    lacking += [
        shown for shown, readings in _numbers(rest) if not any(reading <= found.numbers for reading in readings)
    ]
    lacking += [name for name in _names(rest, names) if not _occurs(name, found.terms)]
    return list(dict.fromkeys(lacking))


def known_names(texts: Sequence[str]) -> frozenset[str]:
    """Return the names in ``texts``, case-folded: words with a capital within sentences, never written small."""
    capital: set[str] = set()
    small: set[str] = set()
    for text in map(_plain, texts):
        for match in _WORD.finditer(text):
            word = match.group()
            if not word[0].isupper():
                small.add(word.casefold())
            elif not _START_IN_TEXT.search(text, max(0, match.start() - 8), match.start()):
                capital.add(word.casefold())
    return frozenset(capital - small)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_ALIKE)


def _numbers(text: str) -> Iterator[tuple[str, Readings]]:
    """Yield each number as written, with the ways to read it; a reading holds when all of its values are known."""
    for match in _NUMBER.finditer(text):
        shown = match.group()
        readings = _grouped(shown) if match["grouped"] else _pointed(shown)
        if scale := _SCALE.match(text, match.end()):
            power = _SCALES[scale[1].lower()]
            readings += [
                frozenset({_scaled(value, power)}) for one in list(readings) for value in one if _is_number(value)
            ]
        yield shown, readings


def _grouped(shown: str) -> Readings:
    """Read 12 500 as one number, or as two that stand side by side."""
    parts = re.split(r"\D", shown)
    return [frozenset({_value("".join(parts))}), frozenset(map(_value, parts))]


def _pointed(shown: str) -> Readings:
    if shown.isdecimal():
        return [frozenset({_value(shown)})]
    readings = []
    if _COMMAS.fullmatch(shown):
        readings.append(frozenset({_value(shown.replace(",", ""))}))
    if _POINTS.fullmatch(shown):
        readings.append(frozenset({_value(shown.replace(".", "").replace(",", "."))}))
    if _DECIMAL.fullmatch(shown):
        readings.append(frozenset({_value(shown.replace(",", "."))}))
    if readings:
        return readings
    # A version (1.2.3) is known as a whole, a list without blanks (1,2,3) by its members.
    return [frozenset({shown}), frozenset(map(_value, shown.split(",")))]


def _value(digits: str) -> str:
    """Return the number without leading zeros and without zeros at the end of a fraction."""
    if digits.count(".") > 1:
        return digits
    whole, point, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (point + fraction if fraction else "")


def _is_number(value: str) -> bool:
    return value.count(".") <= 1 and "," not in value


def _scaled(value: str, power: int) -> str:
    return _value(f"{Decimal(value).scaleb(power):f}")


def _number_words(text: str) -> Iterator[str]:
    for match in _IN_WORDS.finditer(text):
        tens, ones, small = (word.lower() if word else "" for word in match.groups())
        if small:
            yield str(_SMALL.index(small))
            continue
        ten = 10 * (_TENS.index(tens) + 2)
        yield str(ten)
        if ones:
            yield str(ten + _SMALL.index(ones))


def _names(text: str, known: frozenset[str]) -> Iterator[str]:
    for match in _WORD.finditer(text):
        word = match.group()
        if word in _PRONOUNS or not any(letter.isupper() for letter in word):
            continue
        if word.casefold() in _BYTES and _COUNTED.search(text, max(0, match.start() - 3), match.start()):
            continue  # 650 MB for 650M
        begins = _START.search(text, 0, match.start()) is not None
        if not begins or word.casefold() in known or any(letter.isupper() for letter in word[1:]):
            yield word


def _occurs(name: str, known: frozenset[str]) -> bool:
    """Whether each capitalised part of a name is among the words, as a whole or by its own parts."""
    for part in name.split("-"):
        if part.casefold() in known or not any(letter.isupper() for letter in part):
            continue
        found = terms(part)  # the parts of a compound, then the whole
        # LLMs has the part LLM, which is enough; iPhone has the part phone, which is not
        parts = found[:-1] if len(found) > 2 or (len(found) == 2 and part[-1] == "s") else found
        if found and found[-1] not in known and not known.issuperset(parts):
            return False
    return True


def _quotations(text: str) -> Iterator[str]:
    for match in _QUOTATION.finditer(text):
        quote = next(group for group in match.groups() if group is not None)
        if any(letter.isalnum() for letter in quote):
            yield match.group()


def _is_quoted(quotation: str, texts: Sequence[str]) -> bool:
    """Whether one of the texts holds the quotation: all its pieces in their order, where it leaves something out."""
    pieces = [_for_quotes(piece.strip(_QUOTE_EDGE)) for piece in _LEFT_OUT.split(quotation[1:-1])]
    pieces = [piece for piece in pieces if piece]
    return any(_holds(text, pieces) for text in texts)


def _holds(text: str, pieces: Sequence[str]) -> bool:
    at = 0
    for piece in pieces:
        places = [text.find(first + piece[1:], at) for first in {piece[0], piece[0].swapcase()}]
        found = min((place for place in places if place >= 0), default=-1)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _for_quotes(text: str) -> str:
    return _BLANKS.sub(" ", _plain(text).translate(_NO_LETTERS)).strip()
