"""Lines that run from right to left, whose words pdfium gives in the order in which they stand on the page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

# Arabic digits run from left to right.
_RIGHT_TO_LEFT = re.compile("[\u0590-\u065f\u066a-\u06ef\u06fa-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_RUN = re.compile(rf"(?:{_RIGHT_TO_LEFT.pattern}){{2,}}")
_PRESENTATION_FORMS = (*range(0xFB1D, 0xFE00), *range(0xFE70, 0xFEFD))
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u0370-\u052f]")
_PUNCTUATED = re.compile(r"\A([.,:;!?]+)(\w[^.,:;!?]*|\w.*\w)\Z")
_SWAPPED = str.maketrans("()[]{}", ")(][}{")
_BRACKETS = re.compile(r"[()\[\]{}]")


def has_right_to_left(text: str) -> bool:
    """True when there is a Hebrew or Arabic letter in a text."""
    return _RIGHT_TO_LEFT.search(text) is not None


def is_right_to_left(text: str) -> bool:
    """True when most letters of a line are Hebrew or Arabic."""
    if not has_right_to_left(text):
        return False
    found = len(_RIGHT_TO_LEFT.findall(text))
    return found > 0 and found > len(_LATIN.findall(text))


def order_ligatures(text: str, is_same_glyph: Callable[[int], bool]) -> str:
    """The text of a page with the letters of each ligature in reading order, such as lam and alef.

    pdfium turns a line from right to left round letter by letter, also the letters that stand in one glyph. Only where
    it splits a presentation form itself they are in order. ``is_same_glyph`` tells whether the character at an offset
    and the one before it are one glyph; it is asked for letters in their order.
    """
    changed = list(text)
    for run in _RUN.finditer(text):
        start = run.start()
        for at in range(start + 1, run.end() + 1):
            if at < run.end() and is_same_glyph(at):
                continue
            letters = text[start:at]
            if len(letters) > 1 and letters not in _presentation_forms():
                changed[start:at] = letters[::-1]
            start = at
    return "".join(changed)


@cache
def _presentation_forms() -> frozenset[str]:
    """What pdfium splits Hebrew and Arabic ligatures of Unicode into."""
    return frozenset(unicodedata.normalize("NFKC", chr(code)) for code in _PRESENTATION_FORMS)


def logical(text: str) -> str:
    """A line from right to left in reading order: other scripts run from left to right, brackets open first."""
    words = text.split(" ")
    at = 0
    while at < len(words):
        end = at
        while end < len(words) and not _RIGHT_TO_LEFT.search(words[end]):
            end += 1
        run = words[at:end]
        if any(map(_LATIN.search, run)) and len(run) > 1:
            words[at:end] = run[::-1]
        at = max(end, at + 1)
    line = " ".join(_PUNCTUATED.sub(r"\2\1", word) if not _RIGHT_TO_LEFT.search(word) else word for word in words)
    brackets = _BRACKETS.findall(line)
    is_mirrored = bool(brackets) and brackets[0] in ")]}" and brackets[-1] in "([{"
    return line.translate(_SWAPPED) if is_mirrored else line
