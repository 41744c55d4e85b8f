"""What the styles of an OpenDocument file say: which paragraphs are headings, which text is hidden, how lists count."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from lxml.etree import _Element as Element

from ragcli.formats.numbering import numeral

_NAMESPACES = {
    name: f"urn:oasis:names:tc:opendocument:xmlns:{urn}:1.0"
    for name, urn in (
        *(("office", "office"), ("style", "style"), ("text", "text"), ("table", "table"), ("draw", "drawing")),
        *(("presentation", "presentation"), ("svg", "svg-compatible"), ("manifest", "manifest"), ("meta", "meta")),
        ("chart", "chart"),
    )
} | {"xlink": "http://www.w3.org/1999/xlink", "math": "http://www.w3.org/1998/Math/MathML"}
_NAMESPACES |= {"dc": "http://purl.org/dc/elements/1.1/", "xml": "http://www.w3.org/XML/1998/namespace"}

_MAX_DEPTH = 20  # of styles based on styles, which may go round in a circle
_LEVELS = 10  # of lists
_LARGEST = 1_000_000  # number of a list item; a start value is only a number in the file
_HEADING = re.compile(r"heading ?([1-9])\Z", re.IGNORECASE)
_ESCAPED = re.compile(r"_([0-9a-f]{2,4})_")


def q(name: str) -> str:
    """``prefix:local`` with the namespace written out, as lxml names elements and attributes."""
    prefix, _, local = name.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"


def number_of(element: Element, attribute: str, default: int = 1) -> int:
    """A whole number in an attribute; ``default`` when it is missing or is no such number."""
    value = element.get(attribute)
    if value is None:
        return default
    return min(int(value), _LARGEST) if value.isascii() and value.isdigit() and len(value) < 12 else default


class Level(NamedTuple):
    """How the items of one level of a list are numbered; ``format`` is "" for bullets and for no number."""

    format: str = ""
    prefix: str = ""
    suffix: str = ""
    start: int = 1
    shown: int = 1  # levels whose numbers are shown: 2 gives "2.1"
    is_bullet: bool = True


_BULLET = Level()
_STYLE, _NAME, _SHOWN_NAME = q("style:style"), q("style:name"), q("style:display-name")
_PARENT, _FAMILY, _OUTLINE = q("style:parent-style-name"), q("style:family"), q("style:default-outline-level")
_LIST_STYLE, _OUTLINE_STYLE, _LEVEL = q("text:list-style"), q("text:outline-style"), q("text:level")
_NUMBERED = (q("text:list-level-style-number"), q("text:outline-level-style"))
_BULLETS = (q("text:list-level-style-bullet"), q("text:list-level-style-image"))
OUTLINE = ""  # the list style by which headings are numbered


class Styles:
    """The styles below the given elements (``office:styles``, ``office:automatic-styles``); later ones win."""

    def __init__(self, groups: Iterable[Element]) -> None:
        self._own: dict[tuple[str, str], Element] = {}
        self._lists: dict[str, dict[int, Level]] = {}
        self._levels: dict[str, int | None] = {}
        self._heights: dict[str, int] = {}
        for group in groups:
            for style in group.iter(_STYLE, _LIST_STYLE, _OUTLINE_STYLE):
                if style.tag == _STYLE:
                    self._own[style.get(_FAMILY, ""), style.get(_NAME, "")] = style
                else:
                    name = OUTLINE if style.tag == _OUTLINE_STYLE else style.get(_NAME, "")
                    self._lists[name] = _read_levels(style)

    def level_of(self, name: str) -> int | None:
        """The level of the headings in the paragraph style ``name``, 0 for the title, None for other paragraphs."""
        if name not in self._levels:
            self._levels[name] = self._find_level(name)
        return self._levels[name]

    def is_hidden(self, family: str, name: str) -> bool:
        """True when text in this style is not shown."""
        for style in self._line(family, name):
            for properties in style.iterchildren(q("style:text-properties"), q("style:section-properties")):
                shown = properties.get(q("text:display"))
                if shown is not None:
                    return bool(shown == "none")
        return False

    def height_of(self, name: str) -> int:
        """1 for text in this style that is raised, -1 for lowered text, 0 for text on the line."""
        if name not in self._heights:
            self._heights[name] = self._find_height(name)
        return self._heights[name]

    def list_of(self, name: str) -> str:
        """The list style that the paragraph style ``name`` brings, "" when it brings none."""
        for style in self._line("paragraph", name):
            if (found := style.get(q("style:list-style-name"))) is not None:
                return str(found)
        return ""

    def list_level(self, name: str, level: int) -> Level:
        """How the list style ``name`` numbers ``level`` (1 is the outermost)."""
        return self._lists.get(name, {}).get(level, _BULLET)

    def _line(self, family: str, name: str) -> Iterable[Element]:
        """The style, that which it is based on, and so on."""
        for _ in range(_MAX_DEPTH):
            style = self._own.get((family, name))
            if style is None:
                return
            yield style
            name = style.get(_PARENT, "")

    def _find_height(self, name: str) -> int:
        for style in self._line("text", name):
            for properties in style.iterchildren(q("style:text-properties")):
                position = properties.get(q("style:text-position"), "").split()
                if position:
                    share = position[0].rstrip("%")
                    return 0 if share in ("0", "-0") else -1 if share == "sub" or share.startswith("-") else 1
        return 0

    def _find_level(self, name: str) -> int | None:
        for style in self._line("paragraph", name):
            shown = style.get(_SHOWN_NAME) or _unescaped(style.get(_NAME, ""))
            if shown.casefold() == "title":
                return 0
            if (outline := style.get(_OUTLINE)) is not None:
                return number_of(style, _OUTLINE, 0) or None if outline else None
            if heading := _HEADING.match(shown):
                return int(heading[1])
        return 0 if _unescaped(name).casefold() == "title" else None


def _unescaped(name: str) -> str:
    """The name as people see it: in files "Heading 1" is "Heading_20_1"."""
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), name)


def _read_levels(style: Element) -> dict[int, Level]:
    levels = {}
    for element in style.iterchildren(*_NUMBERED, *_BULLETS):
        numbering = element.get(q("style:num-format"), "") if element.tag in _NUMBERED else ""
        levels[number_of(element, _LEVEL)] = Level(
            numbering,
            element.get(q("style:num-prefix"), ""),
            element.get(q("style:num-suffix"), ""),
            number_of(element, q("text:start-value")),
            min(_LEVELS, number_of(element, q("text:display-levels"))),
            element.tag in _BULLETS,
        )
    return levels


@dataclass
class Counters:
    """The numbers that a list has come to, by level."""

    numbers: dict[int, int] = field(default_factory=dict)

    def next_label(self, styles: Styles, name: str, level: int, start: int | None = None) -> str:
        """Count one item of ``level`` and return what stands before its text: "2.1 ", "- ", or "" for nothing."""
        own = styles.list_level(name, level)
        if own.is_bullet:
            return "- "
        self.numbers[level] = self.numbers.get(level, own.start - 1) + 1 if start is None else start
        for deeper in [other for other in self.numbers if other > level]:
            del self.numbers[deeper]
        if not own.format:
            return ""
        parts = []
        for other in range(max(1, level - own.shown + 1), level + 1):
            shape = styles.list_level(name, other)
            if shape.format:
                parts.append(numeral(self.numbers.get(other, shape.start), shape.format))
        return f"{own.prefix}{'.'.join(parts)}{own.suffix}".strip() + " "
