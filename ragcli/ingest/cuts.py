"""Where a text may be cut: ever smaller pieces, each without white space around it, in time linear in the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from ragcli.text.sentences import sentences
from ragcli.types import Span

# Words are taken in runs of this many characters, about 20 tokens; short ones are for scripts with tokens smaller than
# a character.
_RUN = 80
_SHORT_RUN = 4

_BLANK_LINES = re.compile(r"(?:[^\S\n]*+\n)*+")


def trim(text: str, start: int, end: int) -> Span:
    """Without blank lines in front and white space behind; the indentation of the first line stays."""
    blank = _BLANK_LINES.match(text, start, end)
    start = blank.end() if blank else start
    return start, start + len(text[start:end].rstrip())


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    return ((start + first, start + last) for first, last in sentences(text[start:end]))


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    """Lines that are not blank, with their indentation."""
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        first, last = trim(text, start, stop)
        if first < last:
            yield first, last
        start = stop + 1


def runs(text: str, start: int, end: int, size: int = _RUN) -> Iterator[Span]:
    """Words in runs of at most ``size`` characters; a longer word is cut inside."""
    return (match.span() for match in _run_pattern(size).finditer(text, start, end))


def _short_runs(text: str, start: int, end: int) -> Iterator[Span]:
    return runs(text, start, end, _SHORT_RUN)


@lru_cache(maxsize=8)
def _run_pattern(size: int) -> re.Pattern[str]:
    whole_words = rf"\S(?:.{{0,{size - 2}}}\S)?(?!\S)|" if size > 1 else ""
    # An endless word in half-runs: the time that WordPiece takes grows with the square of a word's length.
    return re.compile(rf"{whole_words}\S{{1,{max(1, size // 2)}}}", re.DOTALL)


Cut = Callable[[str, int, int], Iterator[Span]]
CUTS: tuple[Cut, ...] = (_lines, _sentences, runs, _short_runs)
PROSE_CUTS: tuple[Cut, ...] = (_sentences, _lines, runs, _short_runs)
