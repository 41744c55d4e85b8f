"""The words of a Markdown heading without its markup."""

from __future__ import annotations

import html
import re

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_HIDDEN = "\ue000"  # private use: stands before the number of a span that is not markup
_HIDDEN_SPAN = re.compile(f"{_HIDDEN}(\\d+){_HIDDEN}")
_AUTOLINK = re.compile(r"<([a-zA-Z][\w+.-]+:[^\s<>]*|[^\s<>@]+@[^\s<>]+)>")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--.*?-->")
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\((?:[^()\s]|\([^()]*\))*(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)|\[[^\[\]]*\])")
_ATTRIBUTES = re.compile(r"\s*\{[#.:][^{}]*\}\s*$")
_STARS = re.compile(r"(\*{1,3}|~~)(?=\S)(.+?)(?<=\S)\1")
_UNDERSCORES = re.compile(r"(?<!\w)(_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)")

_LONG = 500  # characters; what is longer is no heading that anyone would read


def plain(markup: str) -> str:
    """The text that a reader sees, on one line: no emphasis, links, images, tags, escapes or {#anchors}.

    A heading of more than 500 characters is cut there.
    """
    hidden: list[str] = []

    def hide(text: str) -> str:
        hidden.append(text)
        return f"{_HIDDEN}{len(hidden) - 1}{_HIDDEN}"

    text = markup[:_LONG].replace(_HIDDEN, "")
    text = _CODE.sub(lambda match: hide(match[2].strip() or match[2]), text)
    text = _ESCAPED.sub(lambda match: hide(match[1]), text)
    text = _AUTOLINK.sub(lambda match: hide(match[1]), text)
    text = _TAG.sub("", text)
    for _ in range(2):  # an image may be the text of a link
        text = _LINK.sub(r"\1", text)
    text = _ATTRIBUTES.sub("", text)
    for _ in range(2):  # emphasis within emphasis
        text = _UNDERSCORES.sub(r"\2", _STARS.sub(r"\2", text))
    text = html.unescape(text)
    return " ".join(_HIDDEN_SPAN.sub(lambda match: hidden[int(match[1])], text).split())
