"""Lines that define a name: declarations of programming languages, settings, headings and entries of a reference.

A definition is told from a use by its form alone: no parser could read a passage, which begins and ends anywhere. In
doubt a line is a use. A declaration without a body, as in a header of C, is one too.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

_KEYWORDS = """
    def defp defn defun defmacro class fn func fun function sub subroutine proc procedure struct enum union trait
    interface protocol actor extension type typedef typealias impl module defmodule mod namespace package macro
    macro_rules! #define define record object table view message service rpc scalar resource FUNCTION PROCEDURE
    SUBROUTINE @mixin @function @interface
    """
KEYWORDS = frozenset(_KEYWORDS.split())
# These begin a line of code that is no declaration, although a name or a call follows.
_FIRST_WORDS = """
    return if elif elsif else for foreach while until unless switch match case when do new throw throws raise yield
    await delete assert print echo go defer not and or in is as with try except catch import from using select insert
    call typeof instanceof then end puts goto lock guard where SELECT INSERT UPDATE DELETE FROM WHERE CALL EXEC
    """
_STATEMENTS = frozenset(_FIRST_WORDS.split())
_MODIFIERS = (
    r"(?:(?:export|default|pub(?:\([^)\n]*\))?|public|private(?:\(set\))?|protected|internal|fileprivate|static|async"
    r"|abstract|final|sealed|virtual|override|unsafe|extern|inline|const|constexpr|data|declare|partial|readonly|delegate"
    r"|suspend|operator|infix|tailrec|open|lateinit|mutating|nonisolated|implicit|lazy|synchronized|native|volatile"
    r"|transient|local|global|create|or|replace|let|var|val|my|our|mut|rec|auto|alias|typeset|declare|-\w"
    r"|enum(?=[ \t]+class)|@\w+(?:\([^)\n]*\))?)[ \t]+)*"
)
_TYPE = r"[\w$][\w.:$]*(?:<[^;(){}\n]*>)?(?:\[\])*\??[*&]*"
_ARGUMENTS = r"\((?:[^()\n;]|\([^()\n;]*\))*\)"
_BODY = r"(?:[ \t]*(?:[a-z]+\b|->|:|=>)[^;{}()\n=]*)?[ \t]*\n?[ \t]*\{"  # also behind const, throws X, -> T, where T: X
_SQL = (
    r"(?i:create(?:[ \t]+\w+){0,3}?[ \t]+(?:table|view|function|procedure|index|trigger|type|schema|sequence|domain"
    r"|role|database|extension|policy|aggregate|macro)(?:[ \t]+if[ \t]+not[ \t]+exists)?)[ \t]+(?:\w+\.)?[\"`\[]?"
)


def definition(passage: str, name: str) -> tuple[int, int] | None:
    """Return the span of ``name`` in the first line of ``passage`` that defines it; None where no line does."""
    at = passage.find(name)
    while at >= 0:
        end = _definition_in(passage, passage.rfind("\n", 0, at) + 1, name)
        if end is not None:
            return end - len(name), end
        line_end = passage.find("\n", at)
        at = passage.find(name, line_end) if line_end >= 0 else -1
    return None


def _definition_in(passage: str, start: int, name: str) -> int | None:
    """Return where the name ends in the line that begins at ``start``; None where the line does not define it."""
    forms = _forms(name)
    begin = _end(_blanks(), passage, start)
    after = _end(_modifiers(), passage, begin)
    candidates = [(forms.setting, start), (forms.declared, start)]
    if after > begin:
        candidates += [(forms.modified, after), (forms.member, after), (forms.setting, after)]
    for at in dict.fromkeys((begin, after)):
        word = _word().match(passage, at)
        first = word.group() if word else ""
        if word and first in KEYWORDS:
            candidates.append((forms.behind_keyword, word.end()))
            if first == "type":
                candidates.append((forms.behind_type, word.end()))
        if first not in _STATEMENTS:
            candidates.append((forms.typed, at))
            if at == start or after > begin:
                candidates.append((forms.typed_open, at))
    if begin > start:
        candidates.append((forms.member, begin))
    found = (pattern.match(passage, at) for pattern, at in candidates)
    return next((match.end() for match in found if match is not None), None)


class _Forms(NamedTuple):
    """Patterns for one name; each ends where the name ends."""

    setting: re.Pattern[str]  # from the left margin, or behind modifiers
    declared: re.Pattern[str]  # from the left margin
    behind_keyword: re.Pattern[str]
    behind_type: re.Pattern[str]  # type NAME struct, type NAME int
    typed: re.Pattern[str]  # a type, the name, arguments and a body
    typed_open: re.Pattern[str]  # the same, with the end of the line among the arguments
    modified: re.Pattern[str]  # behind modifiers
    member: re.Pattern[str]  # of a class or an object: indented, or behind modifiers


@lru_cache(maxsize=16)
def _forms(name: str) -> _Forms:
    before = r"(?<!\w)" if re.match(r"\w", name) else ""
    one = rf"{before}{re.escape(name)}(?!\w)"
    declared = [
        _SQL + one,
        rf"(?:Function|Sub|Filter|Class|Module|Enum|Structure)[ \t]+{one}(?=[ \t]*(?:[({{]|$))",
        # (defun NAME, (define (NAME
        rf"[ \t]*\((?:def[\w*-]*)[ \t]+\(?{one}",
        # NAME(...) { of shell, Class::NAME(...) {
        rf"(?:[\w*&]+::)*{one}(?=[ \t]?{_ARGUMENTS}{_BODY})",
        rf"[ \t]*typedef\b[^;\n]*?[ \t*(}}]{one}(?=[ \t]*[;)\[])|\}}[ \t]*{one}(?=[ \t]*;)",
        rf"[ \t]*using[ \t]+{one}(?=[ \t]*=)",
        rf"[ \t]*\#[ \t]*define[ \t]+{one}|[-+][ \t]*\([^)\n]*\)[ \t]*{one}",
        rf"[ \t]*(?:attr_\w+|define_method|alias_method|scope)\(?[ \t]*(?::\w+,[ \t]*)*:{one}",
        # a heading that is the name, an entry of a reference or a glossary
        rf"[\#=]{{1,6}}[ \t]+(?:[\d.]+[ \t]+)?`?{one}(?=(?:\(.*\))?`?[ \t]*[\#=]*[ \t]*$)",
        rf"{one}(?=[ \t]*\n([=~^\"*+-])\1{{2,}}[ \t]*$)|\*\*`?{one}(?=`?\*\*)",
        rf"[ \t]*\.\.[ \t]+(?:\w+:)?(?!code|include|image|figure|note)\w+::[ \t]+(?:[\w. ]*[. ])?"
        rf"{one}(?=[ \t]*(?:[(\[]|$))",
        # a section of a configuration, a block of Terraform
        rf"\[{one}(?=\][ \t]*$)",
        rf"(?:resource|data)[ \t]+\"[^\"\n]+\"[ \t]+\"{one}(?=\")",
        rf"(?:variable|output|module|provider)[ \t]+\"{one}(?=\")",
    ]
    setting = [
        # NAME = ..., NAME: type = ..., NAME <- ..., NAME :: type, NAME: ..., module.exports.NAME = ...
        rf"(?:[\w$]+\.)*{one}(?=[ \t]*(?::[^=\n]{{1,80}})?(?:=(?!=)|:=|<-)|[ \t]+::[ \t]|:(?:[ \t]|$))"
    ]
    if name.isupper():  # a constant of a class, a member of an enumeration
        setting.append(rf"[ \t]+{one}(?=[ \t]*(?::[^=\n]{{1,80}})?=(?!=))")
    if name.startswith("-"):  # an option in a list of options
        setting.append(rf"[ \t]*(?:[-*][ \t]+)?`?(?:-\w,?[ \t]+)?{one}(?=[ \t]{{2}}|[ =\[<`,]|$)")
    if name.startswith((".", "$", "--")):  # a rule, a variable of a style sheet
        setting.append(rf"[ \t]*{one}(?=[ \t]*(?:\{{|:[ \t]))")
    patterns = (
        "|".join(setting),
        "|".join(declared),
        # def NAME(, func (r *T) NAME(, function* NAME(, fun <T> NAME, fun String.NAME, def self.NAME, class NAME
        r"[ \t]*(?:[*&][ \t]*)?(?:\([^)\n]*\)[ \t]*|<[^>\n]*>[ \t]*)?(?:[\w.]+\.|&)?"
        rf"{one}(?:(?=[ \t]*(?:[(\[<{{:=;]|$|->))|(?=[ \t]+(?:returns|is|as|do|where|extends|implements|for|with|of"
        r"|final|sealed)\b))",
        rf"[ \t]+{one}(?=[ \t]+[\w*\[])",
        rf"(?:template[ \t]*<[^>\n]*>[ \t]*)?(?:<[^>\n]*>[ \t]+)?(?:{_TYPE}[ \t]+){{1,3}}[*&]*(?:\w+(?:<[^>\n]*>)?::)*"
        rf"{one}(?={_ARGUMENTS}{_BODY})",
        rf"(?:{_TYPE}[ \t]+){{1,3}}[*&]*(?:\w+::)*{one}(?=[ \t]*\([^()\n]*$)",
        rf"(?:<[^>\n]*>[ \t]+)?(?:{_TYPE}[ \t]+){{0,3}}[*&]*{one}"
        r"(?=[ \t]*(?:=(?!=)|;|\{[ \t]*(?:get|set|$)|\([^()\n]*$|:[ \t]*\w)|\([^\n]*\)[ \t]*;)"
        rf"|(?<=(?:let|val|rec)[ \t]){one}(?=[ \t]+[\w ]+=)",
        rf"(?:[gs]et[ \t]+|[*#])?{one}(?={_ARGUMENTS}{_BODY}[ \t]*$)"
        rf"|[\"']?{one}[\"']?(?=[ \t]*[:=][ \t]*(?:async\b[ \t]*)?(?:function\b|(?:{_ARGUMENTS}|\w+)[ \t]*=>))",
    )
    return _Forms(*(re.compile(pattern, re.MULTILINE) for pattern in patterns))


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    assert match is not None  # these patterns match the empty string
    return match.end()


# Compiled for the first name that is looked up.
@cache
def _blanks() -> re.Pattern[str]:
    return re.compile(r"[ \t]*")


@cache
def _modifiers() -> re.Pattern[str]:
    return re.compile(_MODIFIERS)


@cache
def _word() -> re.Pattern[str]:
    return re.compile(r"[\#@]?\w+!?")
