"""Words that a question excludes: ``cats -dogs``, ``pets NOT dogs``.

``-word`` is a flag of a program as often as an exclusion, and ``NOT word`` stands in SQL. They count as such where a
document holds them as written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ragcli.text.exact import holds_phrase
from ragcli.text.terms import terms

if TYPE_CHECKING:
    from ragcli.index.reader import Index
    from ragcli.types import Chunk

_MINUS = r"(?<!\S)[-–−](?:\"(?P<phrase>[^\"]+)\"|(?P<word>[^\W\d_]\w*))(?!\S)"
_NOT = r"(?<!\S)NOT\s+(?:\"(?P<phrase>[^\"]+)\"|(?P<word>\w[\w.+#-]*))"
_PASSAGES = 50  # that hold the word and are searched for the flag


class Exclusions(NamedTuple):
    """What a question leaves when its exclusions are taken out."""

    text: str  # the question without them
    words: tuple[str, ...] = ()  # what no hit may hold

    def allow(self, chunk: Chunk) -> bool:
        """Whether the passage holds none of the words, by their terms, and none of the phrases."""
        held = set(terms(chunk.embedded)) if self.words else set()
        return not any(
            held.issuperset(terms(word)) and (" " not in word or holds_phrase(chunk.embedded, word))
            for word in self.words
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """A note that names the words; none without one."""
        words = ", ".join(repr(word) for word in self.words)
        return (f'left out what holds {words}; quote the sign to search for it: "-{self.words[0]}"',) if words else ()


def read_exclusions(text: str, index: Index | None) -> Exclusions:
    """Take the exclusions out of a question, unless nothing else would be left of it.

    ``index`` None: what the documents hold is not looked up, and every ``-word`` is an exclusion.
    """
    found: list[re.Match[str]] = []
    if any(sign in text for sign in "-–−"):
        found += [
            match
            for match in re.finditer(_MINUS, text)
            if match["phrase"] or index is None or not _is_flag(match["word"], index)
        ]
    if "NOT" in text and any(character.islower() for character in text):
        found += [
            match
            for match in re.finditer(_NOT, text)
            if match["phrase"]
            or index is None
            or not _is_held(rf"\bNOT\s+{re.escape(match['word'])}", match["word"], index)
        ]
    found = [match for match in found if text.count('"', 0, match.start()) % 2 == 0]
    found.sort(key=lambda match: match.start())
    rest, at = "", 0
    for match in found:
        rest += text[at : match.start()]
        at = match.end()
    rest = f"{rest}{text[at:]}".strip()
    words = tuple(word for match in found if terms(word := match["phrase"] or match["word"]))
    return Exclusions(rest, words) if words and terms(rest) else Exclusions(text)


def _is_flag(word: str, index: Index) -> bool:
    """Whether a document holds ``-word`` as written."""
    return _is_held(rf"(?<![\w-])-{re.escape(word)}", word, index)


def _is_held(pattern: str, word: str, index: Index) -> bool:
    """Whether a document that holds ``word`` has a place for ``pattern``, and no more letters behind it."""
    written = re.compile(rf"{pattern}(?![\w-])")
    found = index.chunks([i for i, _ in index.keyword(terms(word), _PASSAGES)])
    return any(written.search(chunk.text) for chunk in found.values())
