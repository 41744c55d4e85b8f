"""Words of a question that no document holds: search for the word of the documents that is spelled almost alike.

A word that the index lacks is compared with the words of passages that hold one at a small edit distance. The keyword
index finds those in under 1 ms, over 146,000 different words too; reading its list of words would take 20 ms and more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ragcli.text.terms import term_spans

if TYPE_CHECKING:
    from ragcli.index.reader import Index
    from ragcli.types import Question

_SHORTEST = 3  # letters
_ONE_EDIT = 4  # letters from which any edit is allowed; in a shorter word, neighbours may have changed places
_TWO_EDITS = 6  # letters from which two edits are allowed
_PASSAGES = 40  # that are read for each word: frequent words stand in the first ones
_MOST_WORDS = 4  # of a question that are corrected: more unknown words are another language

# English makes words of words, more than a vocabulary holds: "callable" is spelled right where "call" is.
_SUFFIX = re.compile(
    "s|es|ed|ers?|ors?|ings?|al|ally|ly|ic|ically|ive|ful|fully|less|like|wise|ish|hood|ship|ness|ments?|ations?"
    "|ab(?:le|ly|ility)|ible|ism|ists?|ity|ities|i[sz](?:e|ed|es|ers?|ing|ation)"
)
_PREFIXES = ("anti", "de", "dis", "inter", "mis", "multi", "non", "over", "pre", "re", "sub", "un", "under")
_BASE = 3  # letters of a word before a suffix
_PART = 4  # letters of each word of a compound
_AFTER_PREFIX = 5  # letters of a word behind a prefix: "presure" is none
_BEGINNING = 3  # letters behind a prefix that another word must share


class Correction(NamedTuple):
    """A word of a question that no document holds, and the one that is searched for as well."""

    start: int  # offsets into the question
    end: int
    word: str
    instead: str


def corrections(question: Question, index: Index, is_word: Callable[[str], bool]) -> list[Correction]:
    """Return the words of a question that the keyword index lacks, each with the likeliest word that it holds.

    ``is_word`` tells whether a word is known to be spelled right; such a word is left as it is, and so are words with
    digits and names in quotation marks. The first letter is taken to be right, or to have changed places with the
    second. What is made of a known word is only taken for another word that is made of it.
    """
    if all(map(index.frequency, question.terms)):
        return []
    text = question.text
    unknown = [
        (term, start, end)
        for term, start, end in _words(text)
        if end - start >= _SHORTEST and not index.frequency(term) and not is_word(text[start:end].lower())
    ]
    if not unknown or len(unknown) > _MOST_WORDS:
        return []
    found = []
    for term, start, end in unknown:
        word = text[start:end].lower()
        instead = _nearest(word, term, index, _beginning(word, is_word))
        if instead:
            found.append(Correction(start, end, text[start:end], instead))
    return found


def replaced(text: str, found: Sequence[Correction]) -> str:
    """Return ``text`` with the corrections in place."""
    for one in sorted(found, reverse=True):
        text = text[: one.start] + one.instead + text[one.end :]
    return text


def spelling_notes(found: Sequence[Correction]) -> tuple[str, ...]:
    """Return a note that names the corrections; none without one."""
    if not found:
        return ()
    words = ", ".join(f"'{one.word}'" for one in found)
    return (f"no document holds {words}: searched for " + ", ".join(f"'{one.instead}'" for one in found),)


def _words(text: str) -> list[tuple[str, int, int]]:
    """Return (term, start, end) of the words outside quotation marks, parts of compounds each by itself."""
    spans = [
        (term, start, end)
        for term, start, end in term_spans(text)
        if text[start:end].isalpha() and text.count('"', 0, start) % 2 == 0
    ]
    return [one for one in spans if not any(one[1] <= s and e <= one[2] and (s, e) != one[1:] for _, s, e in spans)]


def _beginning(word: str, is_word: Callable[[str], bool]) -> str:
    """Return what a word begins with that ``word`` may be taken for, where it is made of a known word; "" for anything.

    The last letter of the known word may have doubled or gone: "run", "running"; "cache", "caching".
    """
    for cut in range(len(word) - 1, _BASE - 1, -1):
        base, rest = word[:cut], word[cut:]
        known = is_word(base) or (rest[0] in "aeiy" and is_word(base + "e"))
        if known and (_SUFFIX.fullmatch(rest) or (min(len(base), len(rest)) >= _PART and is_word(rest))):
            return base[:-1]
    for prefix in _PREFIXES:
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) >= _AFTER_PREFIX and is_word(rest):
            return prefix + rest[:_BEGINNING]
    return ""


def _nearest(word: str, term: str, index: Index, beginning: str) -> str:
    """Return the word of the documents that is likeliest meant by ``word``, whose term is ``term``; "" for none.

    It starts with ``beginning``.

    Words are compared as they are written, because the stems of two words that are alike may differ by more.
    """
    most = 2 if len(word) >= _TWO_EDITS else 1
    near: dict[str, tuple[int, int]] = {}
    for distance in (1, 2):
        for chunk in index.chunks(index.near(term, distance, _PASSAGES)).values():
            for other, start, end in term_spans(chunk.embedded):
                written = chunk.embedded[start:end].lower()
                if written not in near and written.startswith(beginning) and (edits := _edits(word, written, most)):
                    near[written] = edits, -index.frequency(other)
        if any(edits == 1 for edits, _ in near.values()):
            break
    return min(near, key=lambda written: (near[written], written), default="")


def _edits(word: str, other: str, most: int) -> int:
    """Return the edit distance where ``other`` may be meant by ``word``; 0 where it may not."""
    if abs(len(word) - len(other)) > most or not other.isalpha():
        return 0
    swapped = word[:1] == other[1:2] and word[1:2] == other[:1]
    if word[0] != other[0] and not swapped:
        return 0
    if len(word) < _ONE_EDIT and (len(word) != len(other) or sorted(word) != sorted(other)):
        return 0
    edits = edit_distance(word, other)
    return edits if edits <= most else 0


def edit_distance(one: str, two: str) -> int:
    """Count the letters to insert, delete, change or swap with their neighbour (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(two, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]
