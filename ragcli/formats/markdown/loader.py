"""Markdown: a scanner over lines, because every block has to be a span of the file as it is.

It follows CommonMark (with GitHub's tables) for what cuts a document: headings, fences, indented code, lists, quotes,
HTML blocks. What is inside a list item or a quote stays in one block with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ragcli.formats.blocks import HeadingPath, LoadOptions
from ragcli.formats.decode import decode
from ragcli.formats.lines import Blocks, Line, document, indentation, split_lines
from ragcli.formats.markdown.inline import plain
from ragcli.formats.markdown.syntax import (
    CODE_INDENT,
    Fence,
    closes_fence,
    is_rule,
    is_table_separator,
    opens_fence,
    opens_html,
    opens_item,
    opens_quote,
)
from ragcli.types import Block, Document

NAME = "markdown"
VERSION = 1
SUFFIXES = (".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd")

_ATX = re.compile(r"[ ]{0,3}(#{1,6})(?=[ \t]|$)")
_SETEXT = re.compile(r"[ ]{0,3}(=+|-+)[ \t]*")
_NESTING = 20  # containers within each other; a hostile line can open any number
_DEFINITION = re.compile(r"[ ]{0,3}\[[^\]]+\]:[ \t]*\S+(?:[ \t]+(?:\"[^\"]*\"|'[^']*'|\([^)]*\)))?[ \t]*$")
_FRONT_TITLE = re.compile(r"(?i)title[ \t]*[:=][ \t]*(.+)")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The decoded file; its title is that of the front matter, else the first heading."""
    del options
    text, warnings = decode(data)
    blocks, title = markdown_blocks(text)
    return document(path, text, blocks, NAME, title=title, warnings=warnings)


def markdown_blocks(text: str, headings: HeadingPath | None = None) -> tuple[list[Block], str]:
    """The blocks of a Markdown text and its title, "" when it has none.

    ``headings`` are in force where the text begins, and are left as they are where it ends. A block stands for one
    paragraph, heading, fence, quote, table row or top-level list item with all that belongs to it.
    """
    scanner = _Scanner(split_lines(text), Blocks(headings))
    title = scanner.front_matter()
    scanner.scan()
    return scanner.blocks.found, title or scanner.blocks.title


class _Scanner:
    def __init__(self, lines: Sequence[Line], blocks: Blocks) -> None:
        self.blocks = blocks
        self._lines = lines
        self._at = 0  # the next line to read

    def front_matter(self) -> str:
        """Take the metadata between --- or +++ lines at the top, if any, and return the title in it."""
        fence = self._lines[0].content.rstrip()
        if fence not in ("---", "+++"):
            return ""
        ends = (fence, "...") if fence == "---" else (fence,)
        for number, line in enumerate(self._lines[1:], start=1):
            if line.content.rstrip() in ends:
                inside = self._lines[1:number]
                break
        else:
            return ""
        # A document may also begin with a rule; metadata begins with a key.
        first = next((line.content for line in inside if not line.is_blank and not line.content.startswith("#")), "")
        if not re.match(r"[\w-]+[ \t]*[:=]", first):
            return ""
        self._at = len(inside) + 2
        self.blocks.add(self._lines[: self._at], "code")
        titles = (match[1].strip() for line in inside if (match := _FRONT_TITLE.match(line.content)))
        return next((_unquote(title) for title in titles), "")

    def scan(self) -> None:
        """Read one block after the other."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.is_blank:
                self._at += 1
            elif indentation(line.content) >= CODE_INDENT:
                self._indented_code()
            elif not (self._heading(line) or self._fence(line) or self._container(line) or self._html(line)):
                self._paragraph()

    def _take(self, end: int) -> Sequence[Line]:
        taken, self._at = self._lines[self._at : end], end
        return taken

    def _indented_code(self) -> None:
        end = self._at
        while end < len(self._lines):
            line = self._lines[end]
            if not line.is_blank and indentation(line.content) < CODE_INDENT:
                break
            end += 1
        self.blocks.add(self._take(end), "code")

    def _heading(self, line: Line) -> bool:
        match = _ATX.match(line.content)
        if match:
            title = _without_closing(line.content[match.end() :].strip())
            self.blocks.heading(self._take(self._at + 1), plain(title), len(match[1]))
        return match is not None

    def _fence(self, line: Line) -> bool:
        fence = opens_fence(line.content)
        if fence:
            end = self._at + 1
            while end < len(self._lines) and not closes_fence(self._lines[end].content, fence):
                end += 1
            self.blocks.add(self._take(min(end + 1, len(self._lines))), "code")
        return bool(fence)

    def _html(self, line: Line) -> bool:
        ends = opens_html(line.content, in_paragraph=False)
        if ends:
            end = self._at
            while end < len(self._lines) and not ends.search(self._lines[end].content):
                end += 1
            self.blocks.add(self._take(min(end + 1, len(self._lines))), "paragraph")
        return ends is not None

    def _container(self, line: Line) -> bool:
        """A rule, a list item or a quote."""
        if is_rule(line.content):
            self.blocks.add(self._take(self._at + 1), "paragraph")
        elif width := opens_item(line.content, in_paragraph=False):
            self.blocks.add(self._take(self._end_of_item(width)), "list")
        elif opens_quote(line.content):
            self.blocks.add(self._take(self._end_of_quote()), "paragraph")
        else:
            return False
        return True

    def _end_of_item(self, width: int) -> int:
        """The line after the item: what belongs to it is indented to ``width``, or goes on with its last paragraph."""
        inside = _Inside()
        inside.read(_dedent(self._lines[self._at].content, width))
        if not self._lines[self._at].content.strip(" \t-+*.)0123456789") and self._is_blank(self._at + 1):
            return self._at + 1  # an item may begin with one blank line, not with two
        end = self._at + 1
        while end < len(self._lines):
            content = self._lines[end].content
            if self._is_blank(end) or indentation(content) >= width:
                inside.read(_dedent(content, width))
            elif not inside.in_paragraph or _ends_container(content):
                break
            end += 1
        return end

    def _end_of_quote(self) -> int:
        inside = _Inside()
        end = self._at
        while end < len(self._lines):
            content = self._lines[end].content
            if opens_quote(content):
                inside.read(content.lstrip()[1:].removeprefix(" "))
            elif self._is_blank(end) or not inside.in_paragraph or _ends_container(content):
                break
            end += 1
        return end

    def _is_blank(self, number: int) -> bool:
        return number >= len(self._lines) or self._lines[number].is_blank

    def _paragraph(self) -> None:
        if self._is_table(self._at):
            self._table()
            return
        end = self._at + 1
        while not self._is_blank(end):
            content = self._lines[end].content
            setext = _SETEXT.fullmatch(content)
            if setext and (title := _setext_title(self._lines[self._at : end])):
                self.blocks.heading(self._take(end + 1), title, 1 if "=" in setext[1] else 2)
                return
            if _interrupts(content) or self._is_table(end):
                break
            end += 1
        self.blocks.add(self._take(end), "paragraph")

    def _is_table(self, number: int) -> bool:
        following = self._lines[number + 1 : number + 2]
        return bool(following) and is_table_separator(self._lines[number].content, following[0].content)

    def _table(self) -> None:
        self.blocks.add(self._take(self._at + 2), "row")
        while not self._is_blank(self._at):
            content = self._lines[self._at].content
            if _ends_container(content) or indentation(content) >= CODE_INDENT:
                break
            self.blocks.add(self._take(self._at + 1), "row")


class _Inside:
    """What is open at the end of a list item or a quote: only a paragraph goes on without its indentation or sign."""

    def __init__(self) -> None:
        self.in_paragraph = False
        self._fence: Fence | None = None

    def read(self, content: str) -> None:
        """Take one more line, without what makes it part of the container."""
        for _ in range(_NESTING):  # containers in containers: the innermost decides
            if self._fence:
                if closes_fence(content, self._fence):
                    self._fence = None
                return
            if width := opens_item(content, in_paragraph=self.in_paragraph):
                content = _dedent(content, width)
            elif opens_quote(content):
                content = content.lstrip()[1:].removeprefix(" ")
            else:
                break
            self.in_paragraph = False
        self._fence = opens_fence(content)
        is_text = bool(content.strip()) and not _interrupts(content)
        is_underline = self.in_paragraph and _SETEXT.fullmatch(content) is not None
        is_code = not self.in_paragraph and indentation(content) >= CODE_INDENT
        self.in_paragraph = is_text and not is_underline and not is_code


def _ends_container(content: str) -> bool:
    """True when a line cannot go on with the item, quote or table above it, which any list item ends."""
    return _interrupts(content) or opens_item(content, in_paragraph=False) > 0


def _interrupts(content: str) -> bool:
    """True when a paragraph ends before this line."""
    return bool(
        _ATX.match(content)
        or opens_fence(content)
        or is_rule(content)
        or opens_quote(content)
        or opens_item(content, in_paragraph=True)
        or opens_html(content, in_paragraph=True)
    )


def _dedent(content: str, width: int) -> str:
    """The line without its first ``width`` columns, markers among them."""
    column = 0
    for position, character in enumerate(content):
        if column >= width:
            return " " * (column - width) + content[position:]
        column += 4 - column % 4 if character == "\t" else 1
    return ""


def _without_closing(title: str) -> str:
    """``Title ##`` is closed by its last signs, ``C#`` is not."""
    opened = title.rstrip("#")
    return opened.rstrip() if not opened or opened[-1] in " \t" else title


def _setext_title(lines: Sequence[Line]) -> str:
    """The text of an underlined heading, "" when there is none because all of it defines links."""
    first = next((number for number, line in enumerate(lines) if not _DEFINITION.match(line.content)), len(lines))
    return plain(" ".join(line.content.strip() for line in lines[first:]))


def _unquote(title: str) -> str:
    title = title.strip()
    if title in (">", "|", ">-", "|-"):  # a block of YAML: not worth a parser
        return ""
    return title[1:-1] if len(title) > 1 and title[0] == title[-1] and title[0] in "\"'" else title
