"""The HTML tree as a flat stream of events, with the chrome of a page left out. Nothing here recurses."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ragcli.formats.equations import MathML


def tags(names: str) -> frozenset[str]:
    """The element names in a list separated by white space."""
    return frozenset(names.split())


# Text that no reader of the page sees as text.
_INVISIBLE = tags(
    """head script style noscript template iframe object embed canvas audio video map
    option optgroup datalist progress meter rp -comment"""
)
FIELDS = frozenset(("input", "select", "textarea"))
LEAVES = frozenset(("math", "svg")) | FIELDS  # their text is read as a whole
# Chrome only where they are made of links, or stand outside of the content.
_ASIDES = frozenset(("aside", "footer", "header", "menu"))
_SECTIONS = tags("body main article section blockquote figure aside")
# What opens a part of the page is called by the text on it: the question of an accordion, the name of a tab.
_OPENERS = ("aria-expanded", "aria-controls", "data-bs-toggle", "data-toggle")
_OPENER_CLASS = re.compile(r"accordion|collaps|toggle|faq|question|disclosure|expand", re.IGNORECASE)
# The formulas of Wikipedia are hidden, and shown as a picture of themselves.
_HIDDEN_FORMULA = re.compile(r"\bmwe-math-mathml|\bMJX_Assistive_MathML|\bkatex-mathml")
_FORMULA_PICTURE = "mwe-math-fallback-image"
_PERMALINK = re.compile(
    r"\b(?:headerlink|header-anchor|heading-anchor|hash-link|permalink|anchorjs-link)\b|\Aanchor\Z"
    r"|\bfootnote-?back(?:ref|link)?\b|\breversefootnote\b"  # the way back from a note
)
_LINE_NUMBERS = re.compile(r"\b(?:linenos|linenodiv|lineno|line-numbers(?:-rows)?|hljs-ln-numbers)\b|\bgutter\b")
_CHROME_ROLES = frozenset(("navigation", "banner", "contentinfo", "search", "menu", "menubar", "toolbar"))
_ARTICLE = frozenset(("main", "article"))
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_NOT_TABULAR = frozenset(("table", "pre", "hr", *_HEADINGS))  # inside a table: it was used for layout

_LONG_PERMALINK = 5  # characters; a longer one is the title itself
_LONG_CELL = 1000  # characters; a cell with more is a column of a page, not a value
_LONG_FORM = 500  # a form with more text than a search box or a login is the content of the page
_DEEP = 5_000  # levels; the parser takes quadratic time in depth: 100,000 nested divs are 27 s, 5,000 are 0.05 s
# In XHTML any element may close itself; an HTML parser would take all that follows for its content.
_SELF_CLOSED = re.compile(r"<([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>")
_CDATA = re.compile(r"(?<!/\*)<!\[CDATA\[(?!\*/)(.*?)\]\]>", re.DOTALL)  # not those in comments of scripts
_MACROS = [
    (re.compile(pattern, re.DOTALL), text)
    for pattern, text in (
        (r"<ac:parameter ac:name=\"title\">(.*?)</ac:parameter>", r" \1 "),
        (r"<(ac:parameter|ac:task-id|ac:task-uuid)\b[^<>]*>.*?</\1>", ""),
        (r"<ac:task-status>complete</ac:task-status>", "☒ "),
        (r"<ac:task-status>incomplete</ac:task-status>", "☐ "),
        (r"<(/?)ac:plain-text-body>", r"<\1pre>"),
        (r"<(/?)ac:(?:rich-text-body|task)>", r"<\1div>"),
    )
]
_ALWAYS_EMPTY = tags("area base br col embed hr img input link meta param source track wbr")
_PREFIXED = re.compile(r"<(/?)(?:m|mml|mathml):(?=m|none|semantics|annotation)")
_FRAME = re.compile(r"""<iframe\b[^<>]*?\ssrcdoc\s*=\s*(?:"([^"]*)"|'([^']*)')[^<>]*>""", re.IGNORECASE)
_NOT_A_VALUE = tags("hidden password submit reset button image file search color range")  # types of fields
_TEMPLATE = re.compile(r"<(/?)template\b([^<>]*)>", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/<>]*)[^<>]*>")
# Elements that have no end, or may do without.
_VOID = tags(
    """area base br col embed hr img input link meta param source track wbr html body p li dt dd tr td th thead tbody
    tfoot caption colgroup option optgroup rp rt"""
)


def parse(markup: str) -> LexborHTMLParser:
    """The tree of a page; tags nested deeper than in any real page are dropped, their text is kept."""
    markup = _open_shadows(markup) if "shadowroot" in markup else markup
    markup = _PREFIXED.sub(r"<\1", markup) if ":math" in markup else markup
    if "srcdoc" in markup:
        markup = _FRAME.sub(lambda frame: f"<div>{html.unescape(frame[1] or frame[2] or '')}</div>{frame[0]}", markup)
    markup = _open_macros(markup) if "<ac:" in markup else markup
    tree = LexborHTMLParser(_flatten(markup) if markup.count("<") > _DEEP else markup)
    if "math/tex" in markup:
        _show_sources(tree)
    if "hidden" in markup or "none" in markup:
        _open_panels(tree)
    return tree


def close_elements(markup: str) -> str:
    """XHTML as HTML: elements that close themselves get an end of their own, and CDATA sections are text."""
    if "<![CDATA[" in markup:
        markup = _CDATA.sub(lambda section: html.escape(section[1]), markup)
    return _SELF_CLOSED.sub(_open_and_close, markup)


def _open_macros(markup: str) -> str:
    """The pages that Confluence stores, whose macros have their text in elements of its own, as HTML."""
    for pattern, text in _MACROS:
        markup = pattern.sub(text, markup)
    return close_elements(markup)


def _open_and_close(match: re.Match[str]) -> str:
    name, attributes = match[1], match[2]
    return match[0] if name.lower() in _ALWAYS_EMPTY else f"<{name}{attributes}></{name}>"


def _show_sources(tree: LexborHTMLParser) -> None:
    """Show the TeX of the formulas that MathJax 2 makes, in place of what it makes of them."""
    for script in tree.css('script[type^="math/tex"]'):
        made = script.prev
        for _ in range(2):
            name = (made.attributes.get("class") or "") if made is not None and made.is_element_node else ""
            if made is not None and "MathJax" in name:
                made.attrs["style"] = "display:none"
                made = made.prev
        script.insert_before(f" {(script.text() or '').strip()} ")


def _open_panels(tree: LexborHTMLParser) -> None:
    """Show what a click shows: the panels of accordions and tabs."""
    controlled = {
        name for node in tree.css("[aria-controls]") for name in (node.attributes.get("aria-controls") or "").split()
    }
    for node in tree.css('[hidden], [style*="none"]'):
        attributes = node.attributes
        is_panel = attributes.get("role") == "tabpanel" or attributes.get("hidden") == "until-found"
        if is_panel or attributes.get("id") in controlled:
            if "hidden" in attributes:
                del node.attrs["hidden"]
            if "style" in attributes:
                del node.attrs["style"]


def _open_shadows(markup: str) -> str:
    """The shadow roots that a page declares as parts of it: browsers show them, and the parser hides templates."""
    shown: list[bool] = []

    def opened(tag: re.Match[str]) -> str:
        if tag[1]:
            return "</div>" if shown and shown.pop() else tag[0]
        shown.append("shadowroot" in tag[2].lower())
        return "<div>" if shown[-1] else tag[0]

    return _TEMPLATE.sub(opened, markup)


def _flatten(markup: str) -> str:
    depth = 0

    def shallow(tag: re.Match[str]) -> str:
        nonlocal depth
        if tag[2].lower() in _VOID or tag[0].endswith("/>"):
            return tag[0]
        depth = max(0, depth - 1) if tag[1] else depth + 1
        return tag[0] if depth + (1 if tag[1] else 0) <= _DEEP else " "

    return _TAG.sub(shallow, markup)


def drawing_text(node: LexborNode) -> str:
    """The words in an ``<svg>``, one piece under the other; where it has none and stands as a picture, its name."""
    texts = [text.text() for text in node.css("text, foreignObject")]
    if node.attributes.get("role") == "img" and not any(map(str.strip, texts)):
        texts = [name.text() for name in node.css("title, desc") if name.parent == node]
        texts = texts or [node.attributes.get("aria-label") or ""]
    pieces = (" ".join(text.split()) for text in texts)
    return "\n".join(piece for piece in pieces if any(map(str.isalnum, piece)))


def field_text(node: LexborNode) -> str:
    """What somebody wrote or chose in a field of a form, "" for nothing."""
    attributes = node.attributes
    kind = (attributes.get("type") or "text").lower() if node.tag == "input" else ""
    if kind in ("checkbox", "radio"):
        return "☒" if "checked" in attributes else "☐"
    if kind in _NOT_A_VALUE:
        return ""
    if node.tag == "select":
        return ", ".join(" ".join(option.text().split()) for option in node.css("option[selected]"))
    return (attributes.get("value") or "").strip() if kind else node.text().strip()


def _children(node: LexborNode) -> list[LexborNode]:
    return [child for child in node.iter(include_text=False) if child.tag != "-comment"]


FORMULA = MathML(
    lambda node: (node.tag or "").rpartition(":")[2],
    _children,
    lambda node: node.text(),
    lambda node, name: node.attributes.get(name) or "",
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look over a page tells: where its text is and what its tables and forms are for."""

    root: LexborNode  # the part that holds the text of the page
    chrome: frozenset[int]  # mem_id of the forms, asides, headers and footers that are not content
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
        self.links = 0  # of them in links
        self.forms: dict[int, int] = {}  # mem_id -> characters
        self.headers: list[tuple[int, bool]] = []  # mem_id of the headers of the page, and whether the title is in it
        self.chrome: set[int] = set()  # mem_id of asides, headers, footers and menus
        self.layout: set[int] = set()
        self.candidates: list[tuple[int, LexborNode]] = []  # elements that may be the root, and their characters
        self._before: list[tuple[int, int]] = []  # size and links at the start of each open element
        self._sections: list[str] = []
        self._tables: list[_Table] = []

    def enter(self, tag: str) -> None:
        self._before.append((self.size, self.links))
        if tag in _SECTIONS:
            self._sections.append(tag)
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
        size, links = self._before.pop()
        length = self.size - size
        if tag in _SECTIONS:
            self._sections.pop()
        if tag in _ASIDES:
            self._leave_aside(node, tag, size, links)
        elif tag == "a":
            self.links = links + length
        elif tag == "table":
            table = self._tables.pop()
            if not table.tabular or table.columns < 2 or node.attributes.get("role") == "presentation":
                self.layout.add(node.mem_id)
        elif tag in ("td", "th") and self._tables and length > _LONG_CELL:
            self._tables[-1].tabular = False
        elif tag == "form":
            if not any(field_text(field) not in ("", "☐") for field in node.css("input, select, textarea")):
                self.forms[node.mem_id] = length
        elif tag in _ARTICLE or (tag != "body" and node.attributes.get("role") == "main"):
            self.candidates.append((length, node))

    def _leave_aside(self, node: LexborNode, tag: str, size: int, links: int) -> None:
        inside = self._sections[-1] if self._sections else "body"
        if tag == "header" and not _ARTICLE & set(self._sections):
            self.headers.append((node.mem_id, node.css_first("h1") is not None))
        has_links = self.links > links
        is_footer = tag == "footer" and (inside == "body" or (inside == "main" and has_links))
        if is_footer or 2 * (self.links - links) > self.size - size:
            self.chrome.add(node.mem_id)
            self.size, self.links = size, links


def survey(tree: LexborHTMLParser) -> Survey | None:
    """Look over a parsed page; None when it has no body.

    ``<main>``, ``<article>`` or ``role=main`` is the root when it holds most of the text, else the body is.
    """
    body = tree.body
    if body is None:
        return None
    seen = _Surveyor()
    for node, tag, entering in visit(body, frozenset()):
        if tag == "-text":
            seen.size += len(" ".join(text_of(node).split()))
        elif tag in FIELDS:
            seen.size += len(field_text(node))
        elif tag in LEAVES:
            continue
        elif entering:
            seen.enter(tag)
        else:
            seen.leave(node, tag)
    length, root = max(seen.candidates, key=lambda candidate: candidate[0], default=(0, body))
    # The title of a page that marks no part as its content may stand in its header.
    headers = {header for header, has_title in seen.headers if seen.candidates or not has_title}
    forms = {form for form, size in seen.forms.items() if size <= min(_LONG_FORM, seen.size / 2)}
    chrome = frozenset(seen.chrome | forms | headers)
    return Survey(root if length > seen.size / 2 else body, chrome, frozenset(seen.layout))


def text_of(node: LexborNode) -> str:
    """The characters of a text node."""
    return node.text_content or ""


def visit(
    root: LexborNode, left_out: frozenset[int], *, chrome: bool = False
) -> Iterator[tuple[LexborNode, str, bool]]:
    """(node, tag, entering) in document order, ``root`` included; text nodes ("-text") and LEAVES come once.

    Invisible elements are left out. So is the chrome unless ``chrome`` asks for it; ``left_out`` is the mem_id of
    elements that are chrome in this page.
    """
    end = root.mem_id
    articles = 0  # open <main> and <article>
    node, tag = root, root.tag or ""
    while True:
        child = None
        if tag == "-text":
            yield node, tag, True
        elif tag in _INVISIBLE or (node.mem_id != end and _is_hidden(node, chrome)):
            pass
        elif tag in LEAVES:
            yield node, tag, True
        elif chrome or node.mem_id == end or _is_content(node, tag, left_out, articles > 0):
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


def _is_hidden(node: LexborNode, chrome: bool) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    name = attributes.get("class") or ""
    if _HIDDEN_FORMULA.search(name):
        return False
    if _FORMULA_PICTURE in name:  # Wikipedia with pictures only has no other
        return node.parent is not None and node.parent.css_first("math") is not None
    if node.tag == "a" and name and _PERMALINK.search(name) and len(node.text()) < _LONG_PERMALINK:
        return True
    if name and _LINE_NUMBERS.search(name) and not node.text().strip("0123456789 \n\t\r."):
        return True
    style = attributes.get("style")
    is_hidden = "hidden" in attributes or bool(style and re.search(r"display\s*:\s*none", style))
    return is_hidden or (attributes.get("aria-hidden") == "true" and not chrome)


def _is_content(node: LexborNode, tag: str, left_out: frozenset[int], in_article: bool) -> bool:
    if tag == "nav" or node.mem_id in left_out:
        return False
    if tag == "dialog":
        return in_article and "open" in node.attributes
    if tag == "button":
        return _opens_text(node)
    return node.attributes.get("role") not in _CHROME_ROLES


def _opens_text(button: LexborNode) -> bool:
    attributes = button.attributes
    if any(name in attributes for name in _OPENERS) or attributes.get("role") == "tab":
        return True
    parent = button.parent
    inside = (parent.tag or "") if parent is not None else ""
    return inside in (*_HEADINGS, "dt", "summary") or bool(_OPENER_CLASS.search(attributes.get("class") or ""))
