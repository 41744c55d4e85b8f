"""Exact text: quoted phrases, pasted text and names as they are written, found in passages letter for letter.

A cross-encoder reads meaning, and an index of stemmed words loses signs and the order of words. What a query asks for
letter for letter is therefore looked up in the text of the candidates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from ragcli.text.definitions import KEYWORDS, definition
from ragcli.text.language import SPACELESS

Kind = Literal["question", "words", "name"]
# How exactly a passage holds what was asked for: it defines the name in the very line that was pasted, or in another,
# it holds all of the query with its signs, or whatever the signs between its words, or neither.
DEFINES_AS_WRITTEN, DEFINES, AS_WRITTEN, HOLDS, NEITHER = 4, 3, 2, 1, 0

PASTED_WORDS = 4  # a query with as many words that stands in a passage is taken for pasted text
_PASTED_CODE = 2  # the same for a query with signs of code
_CHARACTERS = 2  # of a script without spaces that count as one word
STATEMENT_WORDS = 8  # words of a query that is not a question, from which it says something
_LONGEST_NAME = (
    100  # characters; longer runs are encoded data, and the patterns of names are not linear in their length
)
_LONGEST_DEFINITION = 200  # characters of a query that asks for a definition
# Possessive, so that the text behind a quotation mark that nothing closes is read once.
_QUOTED = re.compile(
    r'(?<!\w)"([^"]++)"(?!\w)|“([^“”]++)”|«([^«»]++)»|„([^„“”]++)[“”]|「([^「」]++)」|『([^『』]++)』|(?<!\w)‘([^‘\n]+?)’(?!\w)'
)
_WORD = re.compile(r"[^\W_]+")
_GAP = r"[\W_]+"
# No letter stands before or behind a word; letters of scripts without spaces may.
_STARTS, _ENDS = r"(?<![^\W_\u0e00-\uffff])", r"(?![^\W_\u0e00-\uffff])"
_CODE_SIGN = re.compile(r"[=(){}\[\];]|->|::|\w\.\w|\s[<>+*|%]\s")
_SIGN = re.compile(r"[^\w\s]")
_BROKEN = re.compile(r"[-\u2010\u2011]\s*\n")  # a word at the end of a line
_IN_A_BROKEN_WORD = r"(?:[-\u2010\u2011]\s*\n\s*)?"
_ACCENTS = "[\u0300-\u036f\u00ad\u200b-\u200d\u2060]+"  # and what nobody sees
_TYPOGRAPHIC = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-"})
# What makes a word a name: a sign before, in or after it that prose does not put there, or capitals inside it.
_NAME = re.compile(
    r"""(?<![\w.])(?:
        [.\#$@%]\w[\w.-]*                 # .NET, .env, #include, $PATH, @media
      | --?\w[\w-]*                       # --dry-run, -v
      | <[/!?]?\w[\w.:-]*>                # <SEP>, </body>
      | \w+(?:(?:::|->|\\)\w+)+           # std::vector
      | \w+\([^\s()]*\)                   # open()
      | \w*_\w*                           # snake_case, _private, __init__
      | [A-Za-z]+\d\w*|\d+[A-Za-z]\w*     # sha256, 2D
      | [A-Za-z](?:\+\+|\#)               # C++, C#
      | \w*[a-z]\w*[A-Z]\w*               # camelCase, CamelCase
      | \w+(?:\.\w+)+                     # os.path, 2.10.1, Node.js
      | [A-Z][A-Z0-9]+(?:-[A-Z0-9]+)*     # ECONNRESET, KV-2291
    )(?!\w)""",
    re.VERBOSE,
)
_ONE_NAME = re.compile(r"[^\s\"“”«»]*\w[^\s\"“”«»]*")
# Words that declare a name in some language and stand before nouns in English: service level, table salt.
_CODE_ONLY = "def defp defn defun defmacro fn func fun struct enum impl typedef typealias"
_NOUNS_TOO = KEYWORDS - frozenset(_CODE_ONLY.split())
_DECLARED = (
    r"(?is)(?:(?:async|pub|public|private|static|export|default|const|abstract|final|local|override)\s+)*"
    r"(?:(?P<create>create\s+(?:or\s+replace\s+)?)?(?P<keyword>[#@]?\w+!?)\s+(?:if\s+not\s+exists\s+)?)"
    r"(?:\([^()]*\)\s*|self\.)?(?P<name>[^\s(\"“”«»,;:{=<]*[^\s(\"“”«»,;:{=<.?!])(?P<signs>\s*[(:{=<;].*|\s+(?:struct|interface|extends|implements)\b.*|\s*)"
)
_CALLABLES = "def defp defn defun fn func fun function sub subroutine proc procedure macro"
_CALLABLE = frozenset(_CALLABLES.split())
_SAME_KIND = {"function": _CALLABLE, "sub": _CALLABLE, "procedure": _CALLABLE}
_VARIABLES = frozenset(("const", "let", "var", "val", "static"))
_KINDS = "function|method|class|struct|type|macro|constant|variable|trait|interface|enum|module|table|setting|option"
_ASKED = (
    r"(?i)(?:(?:show|find|go\s+to|goto|jump\s+to)\s+(?:me\s+)?)?"
    r"(?:(?:where|in (?:which|what) (?:file|module))\s+(?:is|are|was|gets?|(?:do|does|did)\s+(?:we|you|i|they|it))\s+"
    r"(?:(?P<verb>define|declare|implement)\s+)?"
    r"|(?:which|what) (?:file|module|code|line) (?P<which>define|declare|implement)s\s+"
    r"|(?:the\s+)?(?P<noun>definition|declaration|implementation)\s+of\s+|(?<=find )|(?<=show )|(?<=me ))"
    rf"(?:the\s+)?(?:(?:{_KINDS})\s+)?(?P<asked>\S*\w\S*?)(?:\s+(?:{_KINDS}))?"
    r"(?P<participle>\s+(?:defined|declared|implemented))?(?:\s+in\b.*)?\s*[?.!]*"
    r"|(?P<before>\S*\w\S*?)\s+definition"
)
# What every query that asks for a definition in words begins or ends with.
_MAY_ASK = re.compile(
    r"(?i)(?:show|find|go|jump|where|in|which|what|the|definition|declaration|implementation)\b|.*definition$"
)
_INTERROGATIVES = re.compile(
    r"(?i)\s*(?:what|who|whom|whose|when|where|which|why|how|is|are|was|were|do|does|did|can|could|should|shall|will|would"
    r"|may|must|has|have|had)\b"
)


@dataclass(frozen=True, slots=True)
class Exact:
    """What a query asks for letter for letter."""

    text: str  # the query without quotation marks: what the models and the keyword index read
    kind: Kind = "words"  # a question; a name and nothing else; any other words
    phrases: tuple[str, ...] = ()  # in quotation marks: every hit must hold them
    names: tuple[str, ...] = ()  # names with signs or capitals in them
    name: str | None = None  # the one name that the query is about, whose definition comes first
    keyword: str = ""  # a word that must stand before the name where it is defined; uses of the name count nothing then
    pasted: bool = False  # long enough to be text that was copied from a passage

    @property
    def form(self) -> Literal["question", "statement", "words"]:
        """A question, a statement (a claim or an abstract, say), or a few words: each is weighed in its own way."""
        if self.kind == "question":
            return "question"
        return "statement" if len(_WORD.findall(self.text)) >= STATEMENT_WORDS else "words"

    @property
    def is_exact(self) -> bool:
        """True when passages that hold the query as it is written come before all others."""
        return self.pasted or self.name is not None


NOTHING = Exact("")


def read_exact(query: str) -> Exact:
    """Read what ``query`` asks for letter for letter."""
    quoted = [next(filter(None, match.groups())) for match in _QUOTED.finditer(query)]
    phrases = tuple(phrase for phrase in quoted if _WORD.search(phrase))
    text = query
    if phrases:
        text = " ".join(_QUOTED.sub(lambda match: f" {next(filter(None, match.groups()))} ", query).split())
    short = " ".join(word for word in text.split() if len(word) <= _LONGEST_NAME)
    names = tuple(dict.fromkeys(match.group() for match in _NAME.finditer(short)))
    stripped = text.strip()
    name, keyword = _name(stripped, names) if len(stripped) <= _LONGEST_DEFINITION else (None, "")
    if stripped.endswith(("?", "？", "؟")) or _INTERROGATIVES.match(stripped):
        kind: Kind = "question"
    else:
        kind = "name" if name else "words"
    least = _PASTED_CODE if _CODE_SIGN.search(text) else PASTED_WORDS
    pasted = not phrases and _count_words(text) >= least
    return Exact(text, kind, phrases, names, name, keyword, pasted)


def _name(text: str, names: tuple[str, ...]) -> tuple[str | None, str]:
    """Return the one name that a query is about, and the word that must stand before it where it is defined."""
    if _ONE_NAME.fullmatch(text):
        if _count_words(text) >= PASTED_WORDS and _spaceless().search(text):
            return None, ""  # a sentence of a script without spaces
        return _bare(text), ""
    if declared := re.fullmatch(_DECLARED, text) if _declares(text) else None:
        name, keyword = declared["name"], declared["keyword"]
        if keyword in KEYWORDS or keyword.lower() in KEYWORDS or keyword in _VARIABLES:
            plain = name.islower() and name not in names and not declared["signs"].strip() and not declared["create"]
            return _bare(name), keyword.lower() if plain and keyword.lower() in _NOUNS_TOO else ""
    if asked := re.fullmatch(_ASKED, text) if _MAY_ASK.match(text) else None:
        name = _bare(asked["asked"] or asked["before"])
        # "where is the cat?" is a question; "where is the cat defined?" and "where is get_cat?" ask for a name
        if name in names or asked["verb"] or asked["which"] or asked["noun"] or asked["participle"]:
            return name, ""
    return None, ""


def _declares(text: str) -> bool:
    """Whether a query has one of the words that declare a name among its first ones."""
    first = text.lower().split(maxsplit=6)[:6]
    return any(word in KEYWORDS or word in _VARIABLES for word in first)


def _bare(name: str) -> str:
    """Return a name without quotation marks around it, brackets behind it and the stop of a sentence."""
    bare = name.strip("`'‘’") if len(name.strip("`'‘’")) < len(name) - 1 else name
    bare = bare.removesuffix("()")
    shorter = bare.rstrip("?,;:!") if re.search(r"\w[?,;:!]+\Z", bare) else bare.removesuffix(".")
    return shorter if _WORD.search(shorter) else name


def _count_words(text: str) -> int:
    """Count the words of a text; two characters of a script without spaces are one."""
    if text.isascii():
        return len(_WORD.findall(text))
    alone = sum(len(run) for run in _spaceless().findall(text))
    return len(_WORD.findall(_spaceless().sub(" ", text))) + alone // _CHARACTERS


def holds_phrase(passage: str, phrase: str) -> bool:
    """True when the words of ``phrase`` stand in ``passage`` one after the other, whatever signs are between them.

    Accents and case do not count, and a word may be broken at the end of a line. A phrase that is one name with signs,
    such as C++, must stand there as it is written.
    """
    if _is_name_with_signs(phrase):
        return holds_name(passage, phrase.strip())
    folded = _folded(passage)
    return any(pattern.search(folded) is not None for pattern in _phrase_patterns(phrase, passage))


def holds_name(passage: str, name: str) -> bool:
    """True when ``passage`` holds ``name`` as it is written: by itself and with its signs and capitals.

    A name in small letters is found in any case when it has a sign: ``.net`` finds ``.NET``.
    """
    return _name_pattern(name).search(passage) is not None


def defines(passage: str, name: str) -> bool:
    """True when a line of ``passage`` defines ``name``: a declaration, an assignment or a heading."""
    return definition(passage, name) is not None


def grade(exact: Exact, passage: str) -> int:
    """Return one of the grades above; NEITHER for a query whose exact words decide nothing."""
    if exact.name is not None:
        if _defining(exact, passage) is not None:
            is_pasted = exact.pasted and _as_written(exact.text) in _as_written(passage)
            return DEFINES_AS_WRITTEN if is_pasted else DEFINES
        return HOLDS if not exact.keyword and holds_name(passage, exact.name) else NEITHER
    asked = exact.phrases or ((exact.text,) if exact.pasted else ())
    if not asked or not all(holds_phrase(passage, phrase) for phrase in asked):
        return NEITHER
    signed = [_as_written(phrase) for phrase in asked if _SIGN.search(phrase)]
    if not signed:
        return HOLDS
    written = _as_written(passage)
    return AS_WRITTEN if all(phrase in written for phrase in signed) else HOLDS


def named(exact: Exact, passage: str) -> float:
    """Return the share of the names in the query that ``passage`` holds as they are written; 0 without names."""
    return sum(holds_name(passage, name) for name in exact.names) / len(exact.names) if exact.names else 0.0


def places(exact: Exact, passage: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of ``passage`` that hold what was asked for letter for letter, the defining one first."""
    if exact.name is not None:
        found = _defining(exact, passage)
        if found is not None:
            yield found
        for match in _name_pattern(exact.name).finditer(passage):
            yield match.span()
    for phrase in exact.phrases or ((exact.text,) if exact.pasted else ()):
        if _is_name_with_signs(phrase):
            yield from (match.span() for match in _name_pattern(phrase.strip()).finditer(passage))
            continue
        if _SIGN.search(phrase):  # of several places, the one with the signs of the phrase comes first
            written = r"\s+".join(map(re.escape, _as_written(phrase).split()))
            yield from (match.span() for match in re.finditer(written, passage.translate(_TYPOGRAPHIC)))
        for pattern in _phrase_patterns(phrase, passage):
            yield from (_unfolded(passage, match.span()) for match in pattern.finditer(_folded(passage)))


def _defining(exact: Exact, passage: str) -> tuple[int, int] | None:
    """Return the span of the name in the line of ``passage`` that defines it as the query asks."""
    assert exact.name is not None
    found = definition(passage, exact.name)
    if found and exact.keyword:
        line = passage[passage.rfind("\n", 0, found[0]) + 1 : found[0]].lower()
        asked = _SAME_KIND.get(exact.keyword, frozenset((exact.keyword,)))
        return found if asked & set(line.split()) else None
    if found is None and exact.name.isalpha() and exact.name.islower():
        written = {match.group() for match in _name_pattern(exact.name).finditer(passage)}
        camel = sorted(name for name in written if name[1:] != name[1:].lower())  # typed in haste
        return next(filter(None, (definition(passage, name) for name in camel)), None)
    return found


def _is_name_with_signs(phrase: str) -> bool:
    """Whether a phrase is one name whose signs tell it from a word: C++, .NET, <SEP>."""
    name = phrase.strip()
    return _NAME.fullmatch(name) is not None and not (name[0].isalnum() and name[-1].isalnum())


def _as_written(text: str) -> str:
    """Return the text with its signs, and one blank wherever it has white space."""
    return " ".join(text.translate(_TYPOGRAPHIC).split())


def _folded(text: str) -> str:
    """Return the text without accents, soft hyphens and case; ASCII as it is, as patterns ignore the case."""
    if text.isascii():
        return text
    return re.sub(_ACCENTS, "", unicodedata.normalize("NFKD", text)).casefold()


def _unfolded(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return the span of ``text`` that a span of its folded form comes from."""
    if text.isascii():
        return span
    places = [i for i, character in enumerate(text) for _ in _folded(character)]
    return places[span[0]], places[span[1] - 1] + 1


def _phrase_patterns(phrase: str, passage: str) -> tuple[re.Pattern[str], ...]:
    """Return what finds the words of ``phrase`` in the folded ``passage``; none where it has no words."""
    strict, broken = _phrase_pattern(phrase), _BROKEN.search(passage) is not None
    if strict is None:
        return ()
    loose = _phrase_pattern(phrase, _IN_A_BROKEN_WORD) if broken else None
    return (strict, loose) if loose is not None and loose is not strict else (strict,)


@lru_cache(maxsize=64)
def _phrase_pattern(phrase: str, within: str = "") -> re.Pattern[str] | None:
    body: list[str] = []
    before = ""
    is_gap = False
    for character in _folded(phrase):
        if not character.isalnum() and unicodedata.category(character)[0] != "M":
            is_gap = bool(body)
            continue
        spaceless = [_is_spaceless(one) for one in (before, character)]
        if is_gap:
            body.append(r"[\W_]*" if any(spaceless) else _GAP)
        elif body:
            body.append(r"\s*" if all(spaceless) else within)
        body.append(re.escape(character))
        before, is_gap = character, False
    if not body:
        return None
    first = next(character for character in _folded(phrase) if character.isalnum())
    start = "" if _is_spaceless(first) else _STARTS
    end = "" if _is_spaceless(before) else _ENDS
    return re.compile(f"{start}{''.join(body)}{end}", re.IGNORECASE)


def _is_spaceless(character: str) -> bool:
    return character >= "\u0e00" and _spaceless().match(character) is not None


@cache
def _spaceless() -> re.Pattern[str]:
    return re.compile(f"[{SPACELESS}]+")  # 3 ms


@lru_cache(maxsize=64)
def _name_pattern(name: str) -> re.Pattern[str]:
    signs = re.search(r"[^\w]", name) is not None
    # a name in a script without spaces has letters beside it
    before = "" if _is_spaceless(name[0]) else r"(?<![^\W\u0e00-\uffff])"
    after = r"(?![^\W\u0e00-\uffff])" if re.search(r"\w\Z", name) and not _is_spaceless(name[-1]) else ""
    # a plain word that begins a sentence is the word, and a name with a sign in small letters is typed in haste
    plain = (name.isalpha() and name[1:] == name[1:].lower()) or (signs and name == name.lower())
    return re.compile(before + re.escape(name) + after, re.IGNORECASE if plain else 0)
