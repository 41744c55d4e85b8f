"""Exact text: quoted phrases, pasted text and names as they are written, found in passages letter for letter.

A cross-encoder reads meaning, and an index of stemmed words loses signs and the order of words. What a query asks for
letter for letter is therefore looked up in the text of the candidates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["question", "words", "name"]
# How exactly a passage holds what was asked for: it defines the name, it holds all of the query, or neither.
DEFINES, HOLDS, NEITHER = 2, 1, 0

PASTED_WORDS = 4  # a query with as many words that stands in a passage is taken for pasted text
STATEMENT_WORDS = 8  # words of a query that is not a question, from which it says something
_LONGEST_NAME = (
    100  # characters; longer runs are encoded data, and the patterns of names are not linear in their length
)
_LONGEST_DEFINITION = 200  # characters of a query that asks for a definition
# Possessive, so that the text behind a quotation mark that nothing closes is read once.
_QUOTED = re.compile(r'(?<!\w)"([^"]++)"(?!\w)|“([^“”]++)”|«([^«»]++)»|„([^„“”]++)[“”]')
_WORD = re.compile(r"[^\W_]+")
_GAP = r"[\W_]+"
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
_KEYWORDS = (
    "def|class|fn|func|fun|function|sub|struct|enum|union|trait|interface|protocol|type|typedef|typealias|impl|module|mod"
    "|namespace|package|macro|macro_rules!|#define|define|record|object|table|view|procedure|message|service|resource"
)
_MODIFIERS = (
    r"export|default|pub(?:\([^)\n]*\))?|public|private|protected|internal|static|async|abstract|final|sealed|virtual"
    r"|override|unsafe|extern|inline|const|data|create|or|replace|declare|partial|readonly"
)
_DEFINITION_QUERY = re.compile(
    rf"(?:(?:async\s+)?(?:{_KEYWORDS}|const|let|var|val|static)\s+(?P<declared>[^\s(]*\w)\s*\(?\)?:?"
    r"|(?:where\s+(?:is|are)|definition\s+of|find)\s+(?:the\s+)?(?:(?:function|class|method|struct|type|macro|constant)\s+)?"
    r"(?P<asked>\S*\w\S*?)(?:\(\))?(?:\s+(?:defined|declared|implemented))?\s*\?*)",
    re.IGNORECASE,
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
    may_define = len(stripped) <= _LONGEST_DEFINITION
    declared = _DEFINITION_QUERY.fullmatch(stripped) if may_define else None
    name = None
    if may_define and _ONE_NAME.fullmatch(stripped):
        name = stripped.removesuffix("()") or stripped
    elif declared:
        # "where is the cat?" is a question; "where is the cat defined?" and "where is get_cat?" ask for a name
        asked = declared["asked"]
        if declared["declared"] or asked in names or (asked and re.search(r"(?i)\b(?:defin|declar)\w+", stripped)):
            name = (declared["declared"] or asked).removesuffix("()")
    if stripped.endswith("?") or _INTERROGATIVES.match(stripped):
        kind: Kind = "question"
    else:
        kind = "name" if name else "words"
    pasted = not phrases and len(_WORD.findall(text)) >= PASTED_WORDS
    return Exact(text, kind, phrases, names, name, pasted)


def holds_phrase(passage: str, phrase: str) -> bool:
    """True when the words of ``phrase`` stand in ``passage`` one after the other, whatever signs are between them."""
    pattern = _phrase_pattern(phrase)
    return pattern is None or pattern.search(passage) is not None


def holds_name(passage: str, name: str) -> bool:
    """True when ``passage`` holds ``name`` as it is written: by itself and with its signs and capitals.

    A name in small letters is found in any case when it has a sign: ``.net`` finds ``.NET``.
    """
    return _name_pattern(name).search(passage) is not None


def defines(passage: str, name: str) -> bool:
    """True when a line of ``passage`` defines ``name``: a declaration, an assignment or a heading."""
    return name in passage and _definition_pattern(name).search(passage) is not None


def grade(exact: Exact, passage: str) -> int:
    """Return DEFINES, HOLDS or NEITHER; NEITHER for a query whose exact words decide nothing."""
    if exact.name is not None:
        if defines(passage, exact.name):
            return DEFINES
        return HOLDS if holds_name(passage, exact.name) else NEITHER
    return HOLDS if exact.pasted and holds_phrase(passage, exact.text) else NEITHER


def named(exact: Exact, passage: str) -> float:
    """Return the share of the names in the query that ``passage`` holds as they are written; 0 without names."""
    return sum(holds_name(passage, name) for name in exact.names) / len(exact.names) if exact.names else 0.0


def places(exact: Exact, passage: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of ``passage`` that hold what was asked for letter for letter, the defining one first."""
    if exact.name is not None:
        found = _definition_pattern(exact.name).search(passage)
        if found is not None:
            line = passage[: found.end()].rindex(exact.name)
            yield line, line + len(exact.name)
        for match in _name_pattern(exact.name).finditer(passage):
            yield match.span()
    for phrase in exact.phrases or ((exact.text,) if exact.pasted else ()):
        pattern = _phrase_pattern(phrase)
        for match in pattern.finditer(passage) if pattern else ():
            yield match.span()


@lru_cache(maxsize=64)
def _phrase_pattern(phrase: str) -> re.Pattern[str] | None:
    words = _WORD.findall(phrase)
    if not words:
        return None
    body = _GAP.join(re.escape(word) for word in words)
    return re.compile(rf"(?<![^\W_]){body}(?![^\W_])", re.IGNORECASE)


@lru_cache(maxsize=64)
def _name_pattern(name: str) -> re.Pattern[str]:
    signs = re.search(r"[^\w]", name) is not None
    before = r"(?<![\w])" if re.match(r"[\w]", name) else r"(?<!\w)"
    after = r"(?!\w)" if re.search(r"\w\Z", name) else ""
    # a plain word that begins a sentence is the word, and a name with a sign in small letters is typed in haste
    plain = (name.isalpha() and name[1:] == name[1:].lower()) or (signs and name == name.lower())
    return re.compile(before + re.escape(name) + after, re.IGNORECASE if plain else 0)


@lru_cache(maxsize=16)
def _definition_pattern(name: str) -> re.Pattern[str]:
    one = rf"(?<!\w){re.escape(name)}(?!\w)" if re.match(r"\w", name) else rf"{re.escape(name)}(?!\w)"
    return re.compile(
        "(?m)^(?:"
        # def NAME, pub async fn NAME, func (r *T) NAME, #define NAME, create table NAME
        rf"[ \t]*(?:(?i:{_MODIFIERS})[ \t]+)*(?i:{_KEYWORDS})[ \t]+(?:\([^)\n]*\)[ \t]*)?(?:[\w.]+\.)?{one}"
        # NAME = ..., NAME: type = ..., const NAME = ... at the left margin
        rf"|(?:(?:{_MODIFIERS}|let|var|val)[ \t]+)*{one}[ \t]*(?::[^=\n]{{1,80}})?(?:=(?!=)|:=)"
        # NAME() { in shell, and after a type in C, at the left margin
        rf"|(?:[\w*&<>:]+[ \t]+)*[*&]?{one}\([^;\n]*\)[ \t]*(?:\{{|$)"
        # a heading that is the name, or a section or a key at the left margin of a configuration
        rf"|[\#=]{{1,6}}[ \t]+(?:[\d.]+[ \t]+)?`?{one}`?(?:\(.*\))?[ \t]*[\#=]*[ \t]*$"
        rf"|\[{one}\][ \t]*$|{one}:(?:[ \t]|$)"
        ")"
    )
