"""Split text into terms. The index, the query and the highlighter all use this module, so that they agree.

A term is folded (NFKC, casefold, no accents) and stemmed with the English stemmer. A compound gives its parts and the
whole, so that ``IndexFlatIP``, ``index_flat_ip`` and ``index flat ip`` find one another. Scripts written without spaces
give overlapping pairs of characters. Terms hold no whitespace, but may hold ``.``, ``+`` and ``#``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise

import tantivy

from ragcli.text.exact import read_exact
from ragcli.text.language import SPACELESS, language, stop_words
from ragcli.types import Question

MAX_TERM = 100  # characters; longer runs are encoded data, not words
_CACHED_LENGTH = 48  # characters; longer tokens are rare and mostly unique, and would only fill the cache

Term = tuple[str, int, int]

# Vowel signs and accents are not in the word class. These are the combining marks of Unicode's first plane outside
# SPACELESS; each range includes the letters between its marks.
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u06df-\u06e8\u06ea-\u06ed\u0711-\u07f3\u07fd\u0816-\u082d\u0859-\u085b\u0898-\u08e1\u08e3-\u0963\u0981-\u09e3\u09fe-\u0a75"
    "\u0a81-\u0ae3\u0afa-\u0b63\u0b82-\u0bd7\u0c00-\u0c63\u0c81-\u0c83\u0cbc-\u0d4d\u0d57-\u0d63\u0d81-\u0df3\u0eba\u0f18-\u0f19\u0f35"
    "\u0f37\u0f39\u0f3e-\u0f84\u0f86-\u0fbc\u0fc6\u109a-\u109d\u135d-\u135f\u1712-\u1734\u1752-\u1773\u17dd\u180b-\u180d\u180f-\u193b"
    "\u1a17-\u1a1b\u1a55-\u1a7f\u1ab0-\u1b44\u1b6b-\u1b73\u1b80-\u1bf3\u1c24-\u1c37\u1cd0-\u1cd2\u1cd4-\u1dff\u20d0-\u20f0"
    "\u2cef-\u2cf1\u2d7f-\u2dff\u302a-\u302f\ua66f-\ua672\ua674-\ua67d\ua69e-\ua6f1\ua802-\ua827\ua82c\ua880-\ua8c5\ua8e0-\ua8f1"
    "\ua8ff-\ua92d\ua947-\ua953\ua980-\ua9c0\ua9e5-\uaa4d\uaa7b-\uaac1\uaaeb-\uaaef\uaaf5-\uaaf6\uabe3-\uabea\uabec-\uabed\ufb1e"
    "\ufe00-\ufe0f\ufe20-\ufe2f"
)
_LETTERS = rf"[^\W{SPACELESS}]++"
_SUFFIX = r"(?:['’](?:[sStTdDmM]|[rRvV][eE]|[lL][lL])(?!\w))?"
_LANGUAGE = r"(?<!\w)[A-Za-z](?:\+\+|\#)(?![\w+#])"  # C++, C#, F#
# Words joined by a dot or hyphen, or by a comma before three digits, are one token.
_JOIN = r"(?:[.\-\u2010\u2011]|(?<=\d),(?=\d{3}(?!\d)))"
_ASCII_TOKEN = re.compile(rf"{_LANGUAGE}|\w++(?:{_JOIN}\w++)*+{_SUFFIX}", re.ASCII)

_FIRST_SPACELESS = "\u0e01"
_HYPHEN = re.compile(r"[-\u2010\u2011]")
_NO_HYPHEN = re.compile(r"[^-\u2010\u2011]+")
_NO_UNDERSCORE = re.compile(r"[^_,]+")
_ACRONYMS = re.compile(r"[A-Z]{2,}s")
_ONE_WORD = re.compile(r"[A-Za-z]?[a-z]*")
_SUFFIX_END = re.compile(r"['’].*$")
# A seam lies between a lower-case letter and a capital; before the last capital of a run that continues in lower case,
# but not before the plural of an acronym (URLs); between three letters and a digit (sha256, not p53); and between a
# digit and two letters (10mg, not 2D and not 2nd).
_SEAM = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s(?![a-z]))[a-z])|(?<=\d)(?=[A-Z][a-z])"
    r"|(?<=[A-Za-z]{3})(?=\d)|(?<=\d)(?=[A-Za-z]{2})(?!(?:st|nd|rd|th)(?![A-Za-z]))"
)
# Accents, Hebrew points, Arabic vowel signs and stretching. Marks of other scripts stay: they change the letter.
_FOLDED_MARK = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0655\u0670]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufe00-\ufe0f]+")
_LETTER_FORMS = str.maketrans(
    {"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d", "ħ": "h"}
)

_SIGNS = re.compile(r"\W+")
_STOP_WORDS = """
a about after again all also am an and any are as at be because been before being between both but by can could did do
does doing don during each few for from further had has have having he her here hers him himself his how i if in into
is it its itself just may me might more most must my no nor not of off on once only or other our ours out over own same
shall she should so some such than that the their theirs them then there these they this those through to too under
until up upon very was we were what when where which while who whom whose why will with would you your yours
"""
_OPERATORS = {"AND", "OR", "NOT", "I"}  # capitals without meaning: search-engine habits, and the pronoun


def terms(text: str) -> list[str]:
    """Return the terms of ``text`` in reading order, with repeats and stop words; parts come before their whole."""
    found: list[str] = []
    for token in _token_pattern(text).findall(text):
        if _begins_spaceless(token):
            found += _pairs(unicodedata.normalize("NFKC", token))
        elif len(token) <= _CACHED_LENGTH:
            found += _token_terms(token)
        else:
            found += [name for name, _, _ in _token_spans(token)]
    return found


def make_question(text: str) -> Question:
    """Read a question once; its vector is left to the encoder."""
    exact = read_exact(text)
    return Question(text, tuple(query_terms(exact.text)), exact=exact, content=_content(exact.text))


def _content(text: str) -> str:
    """Return a question without its stop words where it is plainly not English, else "".

    Models that are made for English take "ist" and "der" for evidence.
    """
    name = language(text)
    if name == "English":
        return ""
    stop = stop_words(name)
    return " ".join(word for word in text.split() if _SIGNS.sub("", word).lower() not in stop)


def term_spans(text: str) -> list[Term]:
    """Return ``(term, start, end)`` for each of ``terms(text)``, in the same order; spans are offsets into ``text``."""
    return [
        (name, match.start() + start, match.start() + end)
        for match in _token_pattern(text).finditer(text)
        for name, start, end in _known_spans(match.group())
    ]


def query_terms(text: str) -> list[str]:
    """Return the distinct terms of a query in order, without stop words unless nothing else remains.

    Stop words are those of the language that the query is plainly in. A stop word in capitals among small letters
    counts as a name (WHO, IT, vitamin A). Hyphenated words give only their parts here. The index also knows
    ``pre-training`` as ``pretraining``, but a query that asks for both counts it twice (0.003 to 0.006 nDCG@10 lost on
    SciFact train).
    """
    spans = term_spans(_HYPHEN.sub(" ", text))
    has_small = any(character.islower() for character in text)
    stop = _stop_terms(language(text))

    def counts(term: str, start: int, end: int) -> bool:
        word = text[start:end]
        is_name = has_small and word.isupper() and word not in _OPERATORS and text[:start].strip() + word != "A"
        return term not in stop or is_name

    kept = [term for term, start, end in spans if counts(term, start, end)]
    return list(dict.fromkeys(kept or (term for term, _, _ in spans)))


def _token_pattern(text: str) -> re.Pattern[str]:
    """The cheapest pattern to compile that cuts ``text`` as the pattern for any script does."""
    if text.isascii():
        return _ASCII_TOKEN
    return _western_token() if _western().fullmatch(text) else _any_token()


@cache
def _western() -> re.Pattern[str]:
    """Texts of Latin, Greek and Cyrillic letters, punctuation, symbols and emoji, without marks on their own."""
    return re.compile(
        "[\x00-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u0590\u1e00-\u200b\u200e-\u20cf\u2100-\u2cee\U0001f000-\U0001faff]*+"
    )


@cache
def _western_token() -> re.Pattern[str]:
    return re.compile(rf"{_LANGUAGE}|\w++(?:{_JOIN}\w++)*+{_SUFFIX}")


@cache
def _any_token() -> re.Pattern[str]:
    """The token pattern for any script: 8 to 20 ms to compile, where the western one and its test take less than 1."""
    word = rf"{_LETTERS}(?:[{_MARKS}\u00ad\u200c\u200d]++(?:{_LETTERS})?)*+"
    return re.compile(rf"{_LANGUAGE}|{word}(?:{_JOIN}{word})*+{_SUFFIX}|[{SPACELESS}]++")


def _begins_spaceless(token: str) -> bool:
    return token[0] >= _FIRST_SPACELESS and _spaceless().match(token) is not None


@cache
def _spaceless() -> re.Pattern[str]:
    return re.compile(f"[{SPACELESS}]")  # 3 ms


@cache
def _stop_terms(name: str) -> frozenset[str]:
    """Return the terms that are no evidence in a question in this language: "die" is a word in English."""
    return frozenset(terms(_STOP_WORDS if name == "English" else " ".join(stop_words(name))))


@lru_cache(maxsize=1 << 16)
def _token_terms(token: str) -> tuple[str, ...]:
    return tuple(name for name, _, _ in _short_spans(token))


def _known_spans(token: str) -> Sequence[Term]:
    return _short_spans(token) if len(token) <= _CACHED_LENGTH else _token_spans(token)


@lru_cache(maxsize=1 << 16)
def _short_spans(token: str) -> tuple[Term, ...]:
    return tuple(_token_spans(token))


def _token_spans(token: str) -> list[Term]:
    """Return the terms of one match of the token pattern, with offsets into it."""
    if _ONE_WORD.fullmatch(token):  # nine in ten; the steps below would not change them
        return _nonempty([(_term(token), 0, len(token))])
    if _begins_spaceless(token):
        return _pair_spans(token)
    if not token.isascii():
        normal = unicodedata.normalize("NFKC", _INVISIBLE.sub("", token))
        if normal != token:
            # Offsets into the normal form are not offsets into the text, and it may be several words.
            return [(name, 0, len(token)) for name in terms(normal)]
    if token.endswith(("+", "#")):
        return [(token.lower(), 0, len(token))]
    found: list[Term] = []
    pieces = list(_NO_HYPHEN.finditer(_SUFFIX_END.sub("", token)))
    for piece in pieces:
        found += _dotted(piece.group(), piece.start())
    if len(pieces) == 2:
        whole = _term("".join(piece.group() for piece in pieces))
        found.append((whole, 0, pieces[1].end()))
    return _nonempty(found)


def _dotted(name: str, at: int) -> list[Term]:
    """Return the words of ``name``, which has no hyphens, and the whole with its dots; U.S.A. is one word."""
    words = name.split(".")
    if len(words) == 1:
        return _identifier(name, at)
    end = at + len(name)
    if all(len(word) == 1 and word.isalpha() for word in words):
        return _nonempty([(_term("".join(words)), at, end)])
    found: list[Term] = []
    for word in words:
        found += _identifier(word, at) if len(word) > 1 or word.isdigit() else []
        at += len(word) + 1
    return found + _nonempty([(_term(name), end - len(name), end)])


def _identifier(word: str, at: int) -> list[Term]:
    """Return the parts of ``word``, cut at underscores and seams, and the whole without underscores."""
    pieces = [
        (run.group()[start:end], at + run.start() + start)
        for run in _NO_UNDERSCORE.finditer(word)
        for start, end in pairwise([0, *(seam.start() for seam in _SEAM.finditer(run.group())), len(run.group())])
    ]
    found: list[Term] = []
    for piece, start in pieces:
        end = start + len(piece)
        if _ACRONYMS.fullmatch(piece) and _term(piece[:-1]) != _term(piece):
            found.append((_term(piece[:-1]), start, end - 1))  # the stemmer does not make GPUs and GPU one
        # A single letter (x_train, mRNA) matches far too much by itself; the whole carries it.
        if len(piece) > 1 or piece.isdigit() or len(pieces) == 1:
            found.append((_term(piece), start, end))
    if len(pieces) > 1:
        found.append((_term("".join(piece for piece, _ in pieces)), at, at + len(word)))
    return _nonempty(found)


def _nonempty(found: list[Term]) -> list[Term]:
    return [term for term in found if term[0]]


def _term(word: str) -> str:
    """Return the folded and stemmed form of a word in NFKC; "" when nothing is left of it or it is too long."""
    if word.isascii():
        word = word.lower()
    else:
        bare = _FOLDED_MARK.sub("", unicodedata.normalize("NFD", word.casefold()))
        word = unicodedata.normalize("NFKC", bare.translate(_LETTER_FORMS))
    if len(word) > MAX_TERM:
        return ""
    return word if "." in word else "".join(_stemmer().analyze(word))  # names and versions have no endings


@cache
def _stemmer() -> tantivy.TextAnalyzer:
    # The same Snowball stemmer in pure Python takes 50 times as long per word, and its import as long as a query.
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    return builder.filter(tantivy.Filter.stemmer("english")).build()


def _pairs(normal: str) -> list[str]:
    """Return the overlapping pairs of characters; a single character stands for itself."""
    return [normal[i : i + 2] for i in range(max(1, len(normal) - 1))]


def _pair_spans(run: str) -> list[Term]:
    places = _places(run)
    normal = unicodedata.normalize("NFKC", run)
    return [(pair, places[i][0], places[min(i + 1, len(places) - 1)][1]) for i, pair in enumerate(_pairs(normal))]


def _places(run: str) -> list[tuple[int, int]]:
    """Return, for each character of ``NFKC(run)``, the span of ``run`` that it comes from."""
    if unicodedata.is_normalized("NFKC", run):
        return [(i, i + 1) for i in range(len(run))]
    places: list[tuple[int, int]] = []
    start = 0
    for end in range(1, len(run) + 1):
        cluster = unicodedata.normalize("NFKC", run[start:end])
        alone = cluster + unicodedata.normalize("NFKC", run[end : end + 1])
        if end == len(run) or unicodedata.normalize("NFKC", run[start : end + 1]) == alone or end - start >= 32:
            places += [(start, end)] * len(cluster)
            start = end
    return places
