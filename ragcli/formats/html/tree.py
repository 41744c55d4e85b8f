"""The HTML tree as a flat stream of events, with the chrome of a page left out. Nothing here recurses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode


def tags(names: str) -> frozenset[str]:
    """The element names in a list separated by white space."""
    return frozenset(names.split())


# Text that no reader of the page sees as text.
_INVISIBLE = tags(
    """head script style noscript template svg iframe object embed canvas audio video map
    button select option optgroup datalist textarea input progress meter -comment"""
)
_CHROME = frozenset(("nav", "aside", "footer", "dialog", "menu"))
_CHROME_ROLES = frozenset(("navigation", "banner", "contentinfo", "search", "menu", "menubar", "toolbar"))
_ARTICLE = frozenset(("main", "article"))
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_NOT_TABULAR = frozenset(("table", "pre", "hr", *_HEADINGS))  # inside a table: it was used for layout

_LONG_CELL = 1000  # characters; a cell with more is a column of a page, not a value
_LONG_FORM = 500  # a form with more text than a search box or a login is the content of the page
_DEEP = 5_000  # levels; the parser takes quadratic time in depth: 100,000 nested divs are 27 s, 5,000 are 0.05 s
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/<>]*)[^<>]*>")
# Elements that have no end, or may do without.
_VOID = tags(
    """area base br col embed hr img input link meta param source track wbr html body p li dt dd tr td th thead tbody
    tfoot caption colgroup option optgroup rp rt"""
)


def parse(markup: str) -> LexborHTMLParser:
    """The tree of a page; tags nested deeper than in any real page are dropped, their text is kept."""
    return LexborHTMLParser(_flatten(markup) if markup.count("<") > _DEEP else markup)


def _flatten(markup: str) -> str:
    depth = 0

    def shallow(tag: re.Match[str]) -> str:
        nonlocal depth
        if tag[2].lower() in _VOID or tag[0].endswith("/>"):
            return tag[0]
        depth = max(0, depth - 1) if tag[1] else depth + 1
        return tag[0] if depth + (1 if tag[1] else 0) <= _DEEP else " "

    return _TAG.sub(shallow, markup)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look over a page tells: where its text is and what its tables and forms are for."""

    root: LexborNode  # the part that holds the text of the page
    forms: frozenset[int]  # mem_id of the forms that are content
    layout: frozenset[int]  # mem_id of the tables that only arrange the page


@dataclass(slots=True)
class _Table:
    tabular: bool = True
    cells: int = 0  # of the row at hand
    columns: int = 0  # of the widest row so far


class _Surveyor:
    """Measures the text of the elements that matter, in one pass over the page."""

    def __init__(self) -> None:
        self.size = 0  # characters of text so far
        self.forms: dict[int, int] = {}  # mem_id -> characters
        self.layout: set[int] = set()
        self.candidates: list[tuple[int, LexborNode]] = []  # elements that may be the root, and their characters
        self._before: list[int] = []  # size at the start of each open element
        self._tables: list[_Table] = []

    def enter(self, tag: str) -> None:
        self._before.append(self.size)
        if self._tables:
            table = self._tables[-1]
            table.tabular = table.tabular and tag not in _NOT_TABULAR
            if tag == "tr":
                table.cells = 0
            elif tag in ("td", "th"):
                table.cells += 1
                table.columns = max(table.columns, table.cells)
        if tag == "table":
            self._tables.append(_Table())

    def leave(self, node: LexborNode, tag: str) -> None:
        length = self.size - self._before.pop()
        if tag == "table":
            table = self._tables.pop()
            if not table.tabular or table.columns < 2 or node.attributes.get("role") == "presentation":
                self.layout.add(node.mem_id)
        elif tag in ("td", "th") and self._tables and length > _LONG_CELL:
            self._tables[-1].tabular = False
        elif tag == "form":
            self.forms[node.mem_id] = length
        elif tag in _ARTICLE or (tag != "body" and node.attributes.get("role") == "main"):
            self.candidates.append((length, node))


def survey(tree: LexborHTMLParser) -> Survey | None:
    """Look over a parsed page; None when it has no body.

    ``<main>``, ``<article>`` or ``role=main`` is the root when it holds most of the text, else the body is.
    """
    body = tree.body
    if body is None:
        return None
    seen = _Surveyor()
    for node, tag, entering in visit(body, None):
        if tag == "-text":
            seen.size += len(" ".join(text_of(node).split()))
        elif entering:
            seen.enter(tag)
        else:
            seen.leave(node, tag)
    length, root = max(seen.candidates, key=lambda candidate: candidate[0], default=(0, body))
    content = frozenset(form for form, size in seen.forms.items() if size > min(_LONG_FORM, seen.size / 2))
    return Survey(root if length > seen.size / 2 else body, content, frozenset(seen.layout))


def text_of(node: LexborNode) -> str:
    """The characters of a text node."""
    return node.text_content or ""


def visit(
    root: LexborNode, forms: frozenset[int] | None, *, chrome: bool = False
) -> Iterator[tuple[LexborNode, str, bool]]:
    """(node, tag, entering) in document order, ``root`` included; text nodes ("-text") come once.

    Invisible elements are left out. So is the chrome unless ``chrome`` asks for it; ``forms`` names the forms that
    are content, None says that all are.
    """
    end = root.mem_id
    articles = 0  # open <main> and <article>
    node, tag = root, root.tag or ""
    while True:
        child = None
        if tag == "-text":
            yield node, tag, True
        elif tag not in _INVISIBLE and (chrome or node.mem_id == end or _is_content(node, tag, forms, articles > 0)):
            yield node, tag, True
            child = node.child
            if child is None:
                yield node, tag, False
            articles += child is not None and tag in _ARTICLE
        if child is not None:
            node = child
        else:
            while (following := node.next) is None or node.mem_id == end:
                if node.mem_id == end or (parent := node.parent) is None:
                    return
                node, tag = parent, parent.tag or ""
                articles -= tag in _ARTICLE
                yield node, tag, False
            node = following
        tag = node.tag or ""


def _is_content(node: LexborNode, tag: str, forms: frozenset[int] | None, in_article: bool) -> bool:
    if tag in _CHROME or (tag == "header" and not in_article):
        return False
    if tag == "form" and forms is not None and node.mem_id not in forms:
        return False
    attributes = node.attributes
    if not attributes:
        return True
    if "hidden" in attributes or attributes.get("aria-hidden") == "true" or attributes.get("role") in _CHROME_ROLES:
        return False
    style = attributes.get("style")
    return not (style and re.search(r"display\s*:\s*none", style))
