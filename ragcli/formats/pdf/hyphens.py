"""Words broken over two lines: which hyphens belong to the word and which only to the line break."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BROKEN = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)*)-\Z")
_REST = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SOFT_HYPHEN = "\u00ad"
_LINE_HYPHENS = ("-", "\u2010", _SOFT_HYPHEN)

# "short-\nand long-term": the hyphen stands for a part of the word that comes later.
_SUSPENDED = {"and", "or", "to", "und", "oder", "bis", "et", "ou", "y", "o"}

# Two words of the document that stand on their own, such as "large" and "scale", make a compound; shorter ones are
# too often the syllables of a longer word ("to-gether", "in-put").
_MIN_COMPOUND_PART = 4


def ends_broken(line: str) -> bool:
    """True when the last word of ``line`` goes on in the next line: a hyphen right after a letter or digit."""
    return len(line) > 1 and line.endswith(_LINE_HYPHENS) and line[-2].isalnum()


def vocabulary(lines: Iterable[str]) -> frozenset[str]:
    """The lower-case words of ``lines``, without the pieces of broken words.

    Hyphenated words are in it whole and in parts, the parts once bare and once with the hyphen where they had it.
    """
    words: set[str] = set()
    plain: list[str] = []  # most lines: they are split all at once
    broken = False
    for line in lines:
        if not broken and "-" not in line and not line.endswith(_LINE_HYPHENS):
            plain.append(line)
            continue
        found = _WORD.findall(line.lower())
        whole = found[1:] if broken else found
        broken = ends_broken(line)
        if broken:
            whole = whole[:-1]
        words.update(whole)
        for word in whole:
            if "-" in word:
                first, *others = word.split("-")
                words.update((first, f"{first}-", *others, *(f"-{part}" for part in others)))
    words.update(_WORD.findall("\n".join(plain).lower()))
    return frozenset(words)


def join_lines(above: str, below: str, words: frozenset[str]) -> str:
    """``above`` and ``below`` as running text; ``words`` is the document's vocabulary, which decides about hyphens."""
    if not ends_broken(above):
        return above + ("" if is_cjk(above[-1]) and is_cjk(below[0]) else " ") + below
    if above.endswith(_SOFT_HYPHEN):
        return above[:-1] + below
    above = above[:-1] + "-"
    left, right = _BROKEN.search(above), _REST.match(below)
    if left is None or right is None:
        return above + below
    if right[0].lower() in _SUSPENDED and f"{left[1]}{right[0]}".lower() not in words:
        return f"{above} {below}"
    return above[:-1] + below if _is_one_word(left[1], right[0], words) else above + below


def _is_one_word(left: str, right: str, words: frozenset[str]) -> bool:
    """Whether "left-" at a line end and "right" on the next line are one word without the hyphen."""
    tail, head = left.rsplit("-", 1)[-1], right.split("-", 1)[0]
    if tail[-1].islower() != head[0].islower():
        return False  # "Navier-Stokes"
    if (tail + head).lower() in words:
        return True
    if not head[0].islower() or len(tail) == 1:
        return False  # "VITAMIN-DEFICIENT", "d-dimensional"
    if f"{left}-{right}".lower() in words or f"{tail}-{head}".lower() in words or "-" in left or "-" in right:
        return False
    first, second = tail.lower(), head
    if min(len(first), len(second)) < _MIN_COMPOUND_PART:
        return True
    return f"{first}-" not in words and f"-{second}" not in words and not (first in words and second in words)


def is_cjk(character: str) -> bool:
    """True for scripts written without spaces (Chinese, Japanese); Korean has them."""
    return "\u3000" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff"
