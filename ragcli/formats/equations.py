"""Equations as one line of text that keeps their structure: ``(a+b)/(2c)``, ``x^2``, ``sqrt(p)``, ``sum_(i=1)^n``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_MAX_DEPTH = 40  # of parts in parts; what is deeper is text without structure

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+['′]*|.?", re.DOTALL)
_OPERATORS = {"∑": "sum", "∏": "prod", "∐": "coprod", "∫": "int", "∬": "iint", "∭": "iiint", "∮": "oint"}
_OPERATORS |= {"⋃": "union", "⋂": "intersection"}
_INVISIBLE = dict.fromkeys(map(ord, "\u2061\u2062\u2063\u2064\u200b"))
_ACCENTS = frozenset("ˆ^̂¯‾̄~˜̃→⃗˙̇¨̈⏞⏟_︷︸")

# Where raised text is an exponent and not the number of a note: after a digit, a bracket, or a letter or two.
_BASE = re.compile(r"(?:[\d)\]}′’']|(?<![^\W\d_])[^\W\d_]{1,2})\Z")
_NEGATIVE = re.compile(r"[-−–]\d+\Z")
# Behind the end of a clause a number is that of a note.
_CLAUSE_END = re.compile(r"(?:[^\W\d_]|[)\]%”\"»])[.,;:!?…]+[”\"»]?\Z|[^\W\d_][”\"»]\Z")
_NOTE = re.compile(r"\d{1,3}(?:[,–-] ?\d{1,3})*\Z")
_INDEXED = re.compile(r"[^\W_]\Z|[)\]}′’']\Z")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|re|ère|e|o|a|º|ª|os|as|ème|de|ste|TM|SM|®|™|©)\Z")
_MATHS = re.compile(r"[-+−–]?(?:\d+(?:[.,/]\d+)*|[^\W\d_]{1,3}|[∞∗*†′]|[\w+\-−*/=,. ()]{1,20})\Z")
_SYMBOLS = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb
    Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Sm Eu Gd Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po Rn Ra Th U
    Pu"""
_ELEMENTS = frozenset(_SYMBOLS.split())
_LAST_SYMBOL = re.compile(r"(?:[A-Z][a-z]?|[)\]])\Z")


def raised(before: str, text: str) -> str:
    """What superscript ``text`` is written as behind ``before``.

    ``^2`` for an exponent, ``[2]`` for the number of a note behind the end of a clause, else as it is.
    """
    bare = text.strip()
    if _NEGATIVE.match(bare) and before[-1:].isalnum():
        return f"^{bare}"
    if _CLAUSE_END.search(before) and _NOTE.match(bare):
        return f"[{bare}]"
    if not bare or _ORDINAL.match(bare) or not _BASE.search(before) or not _MATHS.match(bare):
        return text
    # Ions: Ca2+ and SO4 2- are written so
    if bare[-1] in "+-−–" and not before[-1:].isdigit():
        return text
    return f"^{_wrapped(bare)}"


def lowered(before: str, text: str) -> str:
    """What subscript ``text`` is written as behind ``before``: ``_1`` for an index, as it is in H2O."""
    bare = text.strip()
    symbol = _LAST_SYMBOL.search(before)
    is_formula = symbol is not None and (symbol[0] in _ELEMENTS or symbol[0] in ")]")
    if not bare or (is_formula and bare.isdigit() and bare not in "01") or not _INDEXED.search(before):
        return text
    return f"_{_wrapped(bare)}"


def fraction(above: str, below: str) -> str:
    return f"{_wrapped(above)}/{_wrapped(below)}"


def scripts(base: str, below: str = "", above: str = "") -> str:
    """A base with its indices or bounds."""
    base = _OPERATORS.get(base.strip(), base)
    if below.strip() or above.strip():
        base = _wrapped(base)
    line = base + (f"_{_wrapped(below)}" if below.strip() else "") + (f"^{_wrapped(above)}" if above.strip() else "")
    return f"{line} " if base in _OPERATORS.values() else line


def root(inside: str, degree: str = "") -> str:
    return f"root({degree.strip()}, {inside.strip()})" if degree.strip() else f"sqrt({inside.strip()})"


def joined(parts: Iterable[str]) -> str:
    """Parts side by side; a blank keeps names of several letters apart from what is beside them."""
    line = ""
    for part in parts:
        if line and part and line[-1].isalnum() and part[0].isalnum() and (_ends_word(line) or _begins_word(part)):
            line += " "
        line += part
    return line


def matrix(rows: Iterable[Iterable[str]]) -> str:
    return f"[{'; '.join(', '.join(cell.strip() for cell in row) for row in rows)}]"


def _wrapped(text: str) -> str:
    text = text.strip()
    if _TOKEN.fullmatch(text) or _is_bracketed(text) or re.fullmatch(r"(?:sqrt|root)\([^()]*\)|[-−]\d+", text):
        return text
    return f"({text})"


def _is_bracketed(text: str) -> bool:
    if not text.startswith("(") or not text.endswith(")"):
        return False
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return position == len(text) - 1
    return False


def _ends_word(line: str) -> bool:
    return re.search(r"[^\W\d_]{2}\Z", line) is not None


def _begins_word(part: str) -> bool:
    return re.match(r"[^\W\d_]{2}", part) is not None


class MathML:
    """Writes MathML; ``children`` and the like read a tree of whatever library."""

    def __init__(
        self,
        name: Callable[[Any], str],
        children: Callable[[Any], Sequence[Any]],
        text: Callable[[Any], str],
        attribute: Callable[[Any, str], str],
    ) -> None:
        self._name, self._children, self._text, self._attribute = name, children, text, attribute

    def line(self, node: Any) -> str:  # noqa: ANN401 (a node of any library)
        """The formula below ``node`` on one line."""
        return " ".join(self._line(node, 0).split())

    def _line(self, node: Any, depth: int) -> str:  # noqa: ANN401
        name, children = self._name(node), self._children(node)
        if depth > _MAX_DEPTH:
            return self._text(node)
        if name in ("mi", "mn", "mo", "ms", "mtext"):
            return self._leaf(name, node)
        if name in ("annotation", "annotation-xml", "mphantom", "none", "mprescripts"):
            return ""
        if name == "semantics":
            children = children[:1]
        parts = [self._line(child, depth + 1) for child in children]
        return self._structure(name, node, parts)

    def _leaf(self, name: str, node: Any) -> str:  # noqa: ANN401
        text = " ".join(self._text(node).translate(_INVISIBLE).split())
        if name == "mtext":
            return f" {text} " if len(text) > 1 else text
        return f" {text} " if text in ("≤", "≥", "≠", "≈", "∈", "→", "⇒", "∝") else text

    def _structure(self, name: str, node: Any, parts: list[str]) -> str:  # noqa: ANN401
        first, second, third = (*parts, "", "", "")[:3]
        match name:
            case "mfrac":
                return fraction(first, second)
            case "msup":
                return scripts(first, above=second)
            case "msub" | "munder":
                return scripts(first, below="" if second.strip() in _ACCENTS else second)
            case "mover":
                return scripts(first, above="" if second.strip() in _ACCENTS else second)
            case "msubsup" | "munderover":
                return scripts(first, second, third)
            case "msqrt":
                return root(joined(parts))
            case "mroot":
                return root(first, second)
            case "mfenced":
                opening, closing = (self._attribute(node, key) or sign for key, sign in (("open", "("), ("close", ")")))
                return f"{opening}{', '.join(parts)}{closing}"
            case "mtable":
                return f"[{'; '.join(part for part in parts if part)}]"
            case "mtr" | "mlabeledtr":
                return ", ".join(part.strip() for part in parts)
        return joined(parts)


_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"


def office_math(node: Any, depth: int = 0) -> str:  # noqa: ANN401, C901 (an lxml element; a case per structure)
    """An equation of Office (``m:oMath`` or a part of it) on one line."""
    if not isinstance(node.tag, str):
        return ""
    name = node.tag.removeprefix(_M)
    if depth > 3 * _MAX_DEPTH:
        return "".join(node.itertext(f"{_M}t"))
    if name == "t":
        return (node.text or "").translate(_INVISIBLE)
    if name.endswith("Pr") or name in ("ctrlPr",):
        return ""

    parts = {key: _parts(node, key, depth) for key in _PARTS.get(name, ())}
    if not parts:
        return joined(office_math(child, depth + 1) for child in node)
    one = {key: "".join(found) for key, found in parts.items()}
    match name:
        case "rad":
            return root(one["e"], one["deg"])
        case "nary":
            return f"{scripts(_setting(node, 'naryPr', 'chr', '∫'), one['sub'], one['sup'])} {one['e']}"
        case "d":
            opening, closing = _setting(node, "dPr", "begChr", "("), _setting(node, "dPr", "endChr", ")")
            return f"{opening}{_setting(node, 'dPr', 'sepChr', '|').join(parts['e'])}{closing}"
        case "m":
            return f"[{'; '.join(parts['mr'])}]"
        case "mr":
            return ", ".join(parts["e"])
        case "eqArr":
            return "; ".join(parts["e"])
        case "f":
            return fraction(one["num"], one["den"])
        case "func":
            return f"{one['fName']} {one['e']}"
        case "sPre":
            return scripts("", one["sub"], one["sup"]) + one["e"]
    return scripts(one["e"], one.get("sub", one.get("lim", "")) if name != "limUpp" else "", _above(name, one))


# The parts that each structure has.
_PARTS = {
    "f": ("num", "den"), "sSup": ("e", "sup"), "sSub": ("e", "sub"), "sSubSup": ("e", "sub", "sup"),
    "sPre": ("e", "sub", "sup"), "rad": ("e", "deg"), "nary": ("e", "sub", "sup"), "d": ("e",),
    "func": ("fName", "e"), "limLow": ("e", "lim"), "limUpp": ("e", "lim"), "m": ("mr",), "mr": ("e",), "eqArr": ("e",),
}  # fmt: skip


def _parts(node: Any, name: str, depth: int) -> list[str]:  # noqa: ANN401
    return [office_math(child, depth + 1) for child in node if child.tag == _M + name]


def _above(name: str, parts: dict[str, str]) -> str:
    return parts.get("lim", "") if name == "limUpp" else parts.get("sup", "")


def _setting(node: Any, group: str, name: str, default: str) -> str:  # noqa: ANN401
    found = node.find(f"{_M}{group}/{_M}{name}")
    return default if found is None else found.get(f"{_M}val", "")
