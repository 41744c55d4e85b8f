"""What one line of Markdown begins or ends, as CommonMark has it. Lines come without their line ends."""

from __future__ import annotations

import re
from typing import NamedTuple

from ragcli.formats.lines import indentation

CODE_INDENT = 4  # columns that make a line code, or the continuation of a paragraph

_RULE = re.compile(r"([-*_])[ \t]*(?:\1[ \t]*){2,}")
_FENCE = re.compile(r"(`{3,})[^`]*|(~{3,}).*")
_ITEM = re.compile(r"(?:[-+*]|(\d{1,9})[.)])([ \t]+|$)")
_TABLE_SEPARATOR = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")

_HTML_BLOCKS = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|"
    "fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|"
    "menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|"
    "track|ul"
)
_ATTRIBUTE = r"""[ \t]+[a-zA-Z_:][\w:.-]*(?:[ \t]*=[ \t]*(?:[^\s"'=<>`]+|'[^']*'|"[^"]*"))?"""
_BLANK = re.compile(r"^[ \t]*$")
_HTML_STARTS = (
    (re.compile(r"(?i)<(?:script|pre|style|textarea)(?:[\s>]|$)"), re.compile(r"(?i)</(?:script|pre|style|textarea)>")),
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"<\?"), re.compile(r"\?>")),
    (re.compile(r"<![A-Za-z]"), re.compile(r">")),
    (re.compile(r"<!\[CDATA\["), re.compile(r"\]\]>")),
    (re.compile(rf"(?i)</?(?:{_HTML_BLOCKS})(?:[\s>]|/>|$)"), _BLANK),
)
# Any other tag that has a line to itself, but not in the middle of a paragraph.
_LONE_TAG = re.compile(rf"(?:<[A-Za-z][\w-]*(?:{_ATTRIBUTE})*[ \t]*/?>|</[A-Za-z][\w-]*[ \t]*>)[ \t]*$")


class Fence(NamedTuple):
    """The sign and the length of an opening fence; the closing one has as many at least."""

    sign: str
    length: int


def _start(content: str) -> str | None:
    """The line without its indentation, None when that makes it code."""
    return None if indentation(content) >= CODE_INDENT else content.lstrip(" \t")


def is_rule(content: str) -> bool:
    """True for a thematic break: three or more of - * or _ and nothing else."""
    start = _start(content)
    return start is not None and _RULE.fullmatch(start) is not None


def opens_fence(content: str) -> Fence | None:
    """The fence of a code block that begins here."""
    start = _start(content)
    match = _FENCE.fullmatch(start) if start else None
    if match is None:
        return None
    signs = match[1] or match[2]
    return Fence(signs[0], len(signs))


def closes_fence(content: str, fence: Fence) -> bool:
    """True when the code block that ``fence`` began ends with this line."""
    start = (_start(content) or "").rstrip(" \t")
    return len(start) >= fence.length and not start.strip(fence.sign)


def opens_quote(content: str) -> bool:
    """True for a line of a block quote."""
    return (_start(content) or "").startswith(">")


def opens_item(content: str, *, in_paragraph: bool) -> int:
    """Columns to which the further lines of the list item that begins here are indented; 0 when none begins.

    A paragraph is interrupted only by an item with text, and if it is numbered, by number 1.
    """
    start = _start(content)
    match = _ITEM.match(start) if start else None
    if start is None or match is None:
        return 0
    is_empty = not start[match.end() :].strip()
    if in_paragraph and (is_empty or (match[1] is not None and int(match[1]) != 1)):
        return 0
    marker = indentation(content) + match.start(2)
    # Tabs count from the beginning of the line, so the marker is made blank rather than cut off.
    text = indentation(" " * marker + start[match.start(2) :])
    return marker + 1 if is_empty or text - marker > CODE_INDENT else text


def opens_html(content: str, *, in_paragraph: bool) -> re.Pattern[str] | None:
    """What ends the HTML block that begins here: it is searched for in this line and the ones below."""
    start = _start(content)
    if not start or start[0] != "<":
        return None
    for begins, ends in _HTML_STARTS:
        if begins.match(start):
            return ends
    return _BLANK if not in_paragraph and _LONE_TAG.match(start) else None


def is_table_separator(header: str, content: str) -> bool:
    """True when ``content`` is the line of dashes below the cells of ``header``, and there are as many."""
    if "|" not in header + content or _start(content) is None or _start(header) is None:
        return False
    return _TABLE_SEPARATOR.fullmatch(content) is not None and _columns(header) == _columns(content)


def _columns(row: str) -> int:
    inside = row.strip()
    inside = inside.removeprefix("|")
    if inside.endswith("|") and not inside.endswith("\\|"):
        inside = inside[:-1]
    return len(re.findall(r"(?<!\\)\|", inside)) + 1
