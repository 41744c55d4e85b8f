"""Raised and lowered numbers of a line: exponents, indices and the numbers of notes.

pdfium gives them as plain digits, which makes 10⁶ another number. They are small, and higher or lower than their line.
In the text of a page they stand as marks, one per character so that places in the text stay what they are, until the
lines are whole: what a number means depends on what stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragcli.formats.equations import lowered, raised

SMALL = 0.93  # times the size of the line: what may be raised or lowered

_SIGNS = "0123456789+-,."
_RAISED = {ord(sign): 0xEFE0 + number for number, sign in enumerate(_SIGNS)}
_LOWERED = {ord(sign): 0xEFC0 + number for number, sign in enumerate(_SIGNS)}
for _dash in "−–":
    _RAISED[ord(_dash)], _LOWERED[ord(_dash)] = _RAISED[ord("-")], _LOWERED[ord("-")]
_PLAIN = {mark: sign for marks in (_RAISED, _LOWERED) for sign, mark in zip(_SIGNS, marks.values(), strict=False)}
_MARKED = re.compile("([\uefe0-\uefed]+)|([\uefc0-\uefcd]+)")

_RUN = re.compile(r"\d+")
_BEHIND = frozenset(")]}”\"’'%°")
_ENDS_CLAUSE = frozenset(".,;:?!")
_SIGNS_BEFORE = frozenset("-−–+")
_LONG = 5  # digits; the last of a long number may be raised

_PRICE = re.compile(r"[$€£¥]\s?\d[\d,.]*\Z")
_UNIT = re.compile(
    r"(?:inch|feet|foot|mile|yard|met(?:er|re)|cell|sec|min|mol|log|sin|cos|tan|exp)(?:e?s)?\Z", re.IGNORECASE
)
_NAME = re.compile(r"(?<![^\W\d_])(?!Hz|Pa|Gy|Sv|Wb)[A-Z][a-z]\Z")
_AMOUNT = re.compile(r"(?:\d[.,’' ]\d{3}|(?<!\d)[12]\d{3}|\d{5})\Z")
_NOTE = re.compile(r"\d{1,3}(?:[,-]\d{1,3})*,?\Z")
_WORD = re.compile(r"[^\W\d_]{3}")


def may_be_script(text: str, start: int, end: int) -> bool:
    """Whether the digits ``text[start:end]`` may be raised or lowered, or end with digits that are.

    So may those behind a letter, a bracket, the end of a clause, a year or a ten, the last ones of a long number, and
    those at the begin of a line.
    """
    before = text[start - 1] if start else " "
    if before.isalpha() or before in _BEHIND:
        return True
    if before in _SIGNS_BEFORE:
        return start > 1 and (
            text[start - 2].isalpha() or text[start - 3 : start - 1] == "10" or _is_mark(text[start - 2])
        )
    length = end - start
    if before in _ENDS_CLAUSE and start > 1:
        two = text[start - 2]
        if two.isalpha() or two in _BEHIND or _is_mark(two):
            return True
        return two.isdigit() and (length > 3 or text[max(0, start - 5) : start - 1].isdigit())
    return length >= _LONG or (length > 2 and text.startswith("10", start)) or not text[:start].strip()


def _is_mark(character: str) -> bool:
    return "\uefc0" <= character <= "\uefed"


def runs(text: str) -> Iterator[tuple[int, int]]:
    """The runs of digits that may be raised or lowered; marks made meanwhile are not seen."""
    return (match.span() for match in _RUN.finditer(text))


def mark(text: str, *, is_raised: bool) -> str:
    """``text`` as marks; of the same length."""
    return text.translate(_RAISED if is_raised else _LOWERED)


def has_marks(text: str) -> bool:
    return not text.isascii() and _MARKED.search(text) is not None


def written(text: str) -> str:
    """``text`` with its marks as people type them: ``10^6``, ``H2O``, ``x_1``, ``the lock[3]``."""
    found = ""
    end = 0
    for match in _MARKED.finditer(text):
        found += text[end : match.start()]
        end = match.end()
        bare = match[0].translate(_PLAIN)
        found += _raised(found, bare, text[end:]) if match[1] else _lowered(found, bare)
    return found + text[end:]


def _raised(before: str, bare: str, after: str) -> str:
    if not before or before[-1].isspace():
        return f"{bare} " if _WORD.match(after) else bare  # the number before the text of a note; or an isotope
    if _PRICE.search(before):
        return bare
    if _UNIT.search(before):
        return f"^{bare}"
    text = bare if _NAME.search(before) or _AMOUNT.search(before) else raised(before, bare)
    if text == bare and _NOTE.match(bare) and (before[-1].isalnum() or before[-1] in ".,;:?!)]”\"’'%"):
        return f"[{bare.rstrip(',')}]"
    return text


def _lowered(before: str, bare: str) -> str:
    return lowered(before, bare) if before and not before[-1].isspace() else bare
