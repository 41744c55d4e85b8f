"""What the styles of a Word file say about a paragraph: heading of which level, or list item."""

from __future__ import annotations

import re
from dataclasses import dataclass

from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement as Element

_HEADING = re.compile(r"heading ?([1-9])\Z", re.IGNORECASE)
_LIST = re.compile(r"list(?: (?:bullet|number)(?: \d)?)?\Z", re.IGNORECASE)
_MAX_DEPTH = 20  # of styles based on styles, which may go round in a circle
_OUTLINE_LEVELS = "012345678"  # 9 is body text


@dataclass(frozen=True, slots=True)
class Style:
    """``level`` is 1 to 9 for headings, 0 for the title, None for everything else."""

    level: int | None = None
    is_list: bool = False


def read_styles(element: Element) -> dict[str, Style]:
    """The styles below a ``w:styles`` element by their id, each with what it takes from those it is based on."""
    own = {str(style.get(qn("w:styleId"))): style for style in element.iter(qn("w:style"))}
    return {name: _resolve(name, own, 0) for name in own}


def paragraph_style(paragraph: Element, styles: dict[str, Style]) -> Style:
    """The role of a ``w:p`` element: its own properties first, then those of its style."""
    properties = paragraph.find(qn("w:pPr"))
    if properties is None:
        return Style()
    style = styles.get(_value(properties, "w:pStyle"), Style())
    return Style(_outline_level(properties, style.level), _is_numbered(properties, style.is_list))


def _resolve(name: str, own: dict[str, Element], depth: int) -> Style:
    element = own.get(name)
    if element is None or depth > _MAX_DEPTH:
        return Style()
    shown = _value(element, "w:name")
    heading = _HEADING.match(shown)
    if heading:
        return Style(int(heading[1]))
    if shown.casefold() == "title":
        return Style(0)
    if _LIST.match(shown):
        return Style(None, is_list=True)
    base = _resolve(_value(element, "w:basedOn"), own, depth + 1)
    properties = element.find(qn("w:pPr"))
    if properties is None:
        return base
    return Style(_outline_level(properties, base.level), _is_numbered(properties, base.is_list))


def _outline_level(properties: Element, inherited: int | None) -> int | None:
    value = _value(properties, "w:outlineLvl")
    if not value:
        return inherited
    return int(value) + 1 if value in _OUTLINE_LEVELS else None


def _is_numbered(properties: Element, inherited: bool) -> bool:
    numbering = properties.find(qn("w:numPr"))
    if numbering is None:
        return inherited
    return _value(numbering, "w:numId") != "0"  # 0 takes the numbers away again


def _value(parent: Element, tag: str) -> str:
    child = parent.find(qn(tag))
    return str(child.get(qn("w:val"), "")) if child is not None else ""
