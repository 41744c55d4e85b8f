"""Find what readers of a document do not read: marks of quotations, comments, tags, include lines, tables of links.

Snippets begin behind it and are shown without it. It stays in the text: offsets and quotations are those of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

Span = tuple[int, int]

# In files of these kinds, markup stands between sentences. In source code, XML and tables it is the content.
_SUFFIXES = frozenset(
    (
        "",
        ".md",
        ".markdown",
        ".mdown",
        ".mkd",
        ".mdx",
        ".qmd",
        ".rmd",
        ".txt",
        ".text",
        ".rst",
        ".adoc",
        ".eml",
        ".ipynb",
    )
)

# Compiled when a text has their signs: many searches show none.
_FENCE = r"(?m)^[ \t>]*(?:```|~~~)"
_COMMENT = r"(?s)<!--.*?-->"
# Not >>>, which begins an example of Python.
_QUOTE_MARK = r"(?m)^ {0,3}(?!>>> )(?:> ?)+"
_INCLUDE = r"(?m)^[ \t]*\{\{#[^{}\n]*\}\}[ \t]*$"
# mdBook replaces these before it reads Markdown, so they count in a fence too, where they mostly stand.
_BOOK_INCLUDE = re.compile(r"[ \t]*\{\{#(?:include|rustdoc_include|playground)\s")
_LINK_TABLE = r"(?m)^ {0,3}\[[^\]\n]+\]:[ \t]*\S+(?:[ \t]+[\"'(][^\n]*)?[ \t]*$"
_TAG = (
    r"<(?P<close>/?)(?P<name>[A-Za-z][\w-]*)"
    r"(?P<attributes>(?:\s+[A-Za-z_:@][\w:.-]*(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>`]+))?)*)\s*/?>"
)
_NAMES = """
a abbr article aside b blockquote body button center cite code col dd del details div dl dt em figcaption figure font
footer h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd li link main mark meta nav ol p picture pre q s
samp script section small source span strike strong style sub summary sup svg table tbody td tfoot th thead title tr tt
u ul var video
"""


def markup(text: str, path: Path) -> list[Span]:
    """Return the spans of ``text``, a part of the document ``path``, that are markup: in order, not overlapping."""
    if path.suffix.lower() not in _SUFFIXES:
        return []
    fenced = _fenced(text)
    spans: list[Span] = []
    for start, end in sorted(_found(text)):
        if not any(first <= start < last for first, last in fenced) or _BOOK_INCLUDE.match(text, start):
            spans.append((max(start, spans[-1][1] if spans else 0), end))
    return [(start, end) for start, end in spans if start < end]


def visible_parts(spans: Sequence[Span], start: int, end: int) -> list[Span]:
    """Return the parts of ``[start, end)`` that lie in none of ``spans``, which are in order."""
    parts: list[Span] = []
    for first, last in spans:
        if last <= start or first >= end:
            continue
        if start < first:
            parts.append((start, first))
        start = max(start, last)
    return [*parts, (start, end)] if start < end else parts


def _found(text: str) -> Iterator[Span]:
    names = _NAMES.split()
    for sign, pattern in ((">", _QUOTE_MARK), ("<!--", _COMMENT), ("{{#", _INCLUDE), ("]:", _LINK_TABLE)):
        if sign in text:
            yield from (match.span() for match in re.finditer(pattern, text))
    for tag in re.finditer(_TAG, text) if "<" in text else ():
        is_generic = not tag["close"] and text[tag.start() - 1 : tag.start()].isalnum()  # Vec<a>
        is_bare = not tag["attributes"] and tag["name"].lower() in names
        is_known = is_bare or tag["close"] or "=" in tag["attributes"]
        line = text.rfind("\n", 0, tag.start()) + 1
        if is_known and not is_generic and text.count("`", line, tag.start()) % 2 == 0:
            yield tag.span()


def _fenced(text: str) -> list[Span]:
    """Return the blocks of code between fences; none where the text begins or ends in one."""
    fences = [match.start() for match in re.finditer(_FENCE, text)] if "```" in text or "~~~" in text else []
    return list(zip(fences[::2], fences[1::2], strict=True)) if len(fences) % 2 == 0 else []
