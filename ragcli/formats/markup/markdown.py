"""Markdown: markdown-it-py finds the blocks (CommonMark with GitHub's tables), each a span of the file as it is.

What is inside a list item or a quote stays in one block with it: only headings at the top level open sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice, takewhile
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.utils import EnvType

from ragcli.formats.blocks import HeadingPath, LoadOptions, header_line
from ragcli.formats.decode import decode
from ragcli.formats.lines import Blocks, Line, document, paragraphs, split_lines
from ragcli.types import Block, BlockKind, Document

# The rest of what stands at the top level is a paragraph: paragraphs, quotes, rules, HTML.
_KINDS: dict[str, BlockKind] = {"fence": "code", "code_block": "code", "list_item_open": "list"}

_FRONT_TITLE = re.compile(r"(?i)title[ \t]*[:=][ \t]*(.+)")
_ATTRIBUTES = re.compile(r"\s*\{[#.:][^{}]*\}\s*$")
_LONG = 500  # characters of a heading that are read


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The decoded file; its title is that of the front matter, else the first heading."""
    del options
    text, warnings = decode(data)
    blocks, title = markdown_blocks(text)
    return document(path, text, blocks, title=title, warnings=warnings)


def markdown_blocks(text: str, headings: HeadingPath | None = None) -> tuple[list[Block], str]:
    """The blocks of a Markdown text and its title, "" when it has none.

    ``headings`` are in force where the text begins, and those in force where it ends are left in them. A block stands
    for one paragraph, heading, fence, quote, table row or top-level list item with all that belongs to it.
    """
    lines = split_lines(text)
    blocks = Blocks(headings)
    first, title = _front_matter(lines)
    blocks.add(lines[:first], "code")
    references: EnvType = {}
    tokens = _parser().parse(text[lines[first].start :] if first < len(lines) else "", references)
    done = first
    for at, token in _top_level(tokens):
        start, end = (first + number for number in token.map or (0, 0))
        _add_rest(blocks, lines[done:start])
        if token.type == "heading_open":
            blocks.heading(lines[start:end], plain(tokens[at + 1].content, references), int(token.tag[1:]))
        elif token.type == "table_open":
            head = takewhile(lambda inside: inside.type != "thead_close", islice(tokens, at, None))
            cells = (plain(inside.content, references) for inside in head if inside.type == "inline")
            columns = header_line(cells)
            blocks.add(lines[start : start + 2], "row")
            for line in lines[start + 2 : end]:
                blocks.add([line], "row", columns=columns)
        else:
            blocks.add(lines[start:end], _KINDS.get(token.type, "paragraph"))
        done = end
    _add_rest(blocks, lines[done:])
    return blocks.found, title or blocks.title


def plain(markup: str, references: EnvType | None = None, *, longest: int = _LONG) -> str:
    """The text that a reader sees of a heading, on one line: no emphasis, links, images, tags, escapes or {#anchors}.

    ``references`` are the link definitions of the document. What is longer than ``longest`` characters is cut there.
    """
    tokens: list[Token] = []
    parser = _parser()
    parser.inline.parse(markup[:longest], parser, {} if references is None else references, tokens)
    return " ".join(_ATTRIBUTES.sub("", "".join(_texts(tokens))).split())


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.core.ruler.enableOnly(["normalize", "block"])  # what is inline is read in headings only
    return parser


def _top_level(tokens: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """What stands at the top level of a document, list items one by one, each with its place among the tokens."""
    for at, token in enumerate(tokens):
        is_list = token.type in ("bullet_list_open", "ordered_list_open")
        if token.map and ((token.level == 0 and not is_list) or (token.level == 1 and token.type == "list_item_open")):
            yield at, token


def _add_rest(blocks: Blocks, lines: Sequence[Line]) -> None:
    """What the parser gives no token: definitions of links."""
    for paragraph in paragraphs(lines):
        blocks.add(paragraph, "paragraph")


def _texts(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "image":
            yield from _texts(token.children or [])
        elif token.type in ("softbreak", "hardbreak"):
            yield " "
        elif token.type != "html_inline":
            yield token.content


def _front_matter(lines: Sequence[Line]) -> tuple[int, str]:
    """How many lines the metadata between --- or +++ at the top takes, and the title in it."""
    fence = lines[0].content.rstrip()
    if fence not in ("---", "+++"):
        return 0, ""
    ends = (fence, "...") if fence == "---" else (fence,)
    end = next((number for number, line in enumerate(lines) if number and line.content.rstrip() in ends), 0)
    inside = lines[1:end]
    # A document may also begin with a rule; metadata begins with a key.
    first = next((line.content for line in inside if not line.is_blank and not line.content.startswith("#")), "")
    if not re.match(r"[\w-]+[ \t]*[:=]", first):
        return 0, ""
    titles = (match[1].strip() for line in inside if (match := _FRONT_TITLE.match(line.content)))
    return end + 1, next((_unquote(title) for title in titles), "")


def _unquote(title: str) -> str:
    title = title.strip()
    if title in (">", "|", ">-", "|-"):  # a block of YAML: not worth a parser
        return ""
    return title[1:-1] if len(title) > 1 and title[0] == title[-1] and title[0] in "\"'" else title
