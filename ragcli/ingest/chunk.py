"""Cut a document into chunks that the embedding model can read whole.

A chunk never crosses a heading. It holds whole paragraphs, list items, table rows and code blocks where they fit; a
longer one is cut at sentences and lines, then at words, then inside a word. Every chunk is a slice of
``Document.text``; together the chunks cover every letter and digit of it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice

from ragcli.ingest.options import SMALLEST_CHUNK, ChunkOptions
from ragcli.ingest.pack import Packer, TokenCounter
from ragcli.types import Block, Chunk, Document, embedding_context

__all__ = ["ChunkOptions", "TokenCounter", "chunk"]

_ALPHANUMERIC = re.compile(r"[^\W_]")
_BROKEN_WORD = re.compile(r"(?<![\w-])([^\W\d_]{2,})-\n[ \t]*([^\W\d_]{2,})(?![\w-])")
_MOST_BROKEN = 20  # of a passage


def chunk(document: Document, tokenizer: TokenCounter, window: int, options: ChunkOptions) -> list[Chunk]:
    """Cut ``document`` into chunks of at most ``min(options.size, window - special - context)`` tokens.

    ``window`` is the model's input length in tokens, special ones included; a window that leaves less than 16 tokens
    beside the context counts as leaving 16. Ids are ordinals within the document until the index assigns its own.
    Starts increase; neighbours in one section share up to ``options.overlap`` tokens of whole sentences. Text without a
    letter or digit becomes no chunk.
    """
    sections = list(_sections(document))
    contexts = [
        [embedding_context(document.title, headings), max((block.columns for block in blocks), key=len, default="")]
        for headings, blocks in sections
    ]
    # With the line ends that Chunk.embedded puts behind them, which are tokens to some tokenizers.
    used = tokenizer.count(["".join(f"{part}\n" for part in context if part) for context in contexts])
    places = _Places(document)
    found: list[Chunk] = []
    for (headings, blocks), tokens in zip(sections, used, strict=True):
        limit = max(SMALLEST_CHUNK, min(options.size, window - tokenizer.special - tokens))
        for start, end in Packer(document.text, tokenizer, limit, options.overlap).pack(blocks):
            if _ALPHANUMERIC.search(document.text, start, end):
                columns = _columns(blocks, start)
                if not columns:
                    room = window - tokenizer.special - tokens
                    columns = _broken_words(document.text[start:end], tokenizer, room)
                found.append(places.chunk(len(found), start, end, headings, columns))
    return found


def _broken_words(text: str, tokenizer: TokenCounter, room: int) -> str:
    """The words that ``text`` hyphenates at line ends, in one piece, as many as fit beside it into ``room`` tokens.

    The parts alone would not be found.
    """
    if "-\n" not in text:
        return ""
    words = list(dict.fromkeys("".join(match.groups()) for match in islice(_BROKEN_WORD.finditer(text), _MOST_BROKEN)))
    while words and tokenizer.count([f"{' '.join(words)}\n{text}"])[0] > room:
        words.pop()
    return " ".join(words)


def _sections(document: Document) -> Iterator[tuple[tuple[str, ...], list[Block]]]:
    """Runs of blocks under one heading path; headings that open deeper and deeper levels belong to the same run."""
    section: list[Block] = []
    path: tuple[str, ...] = ()
    for block in _covering(document):
        is_heading = block.kind == "heading"
        if block.kind == "record" or (section and section[-1].kind == "record"):
            goes_on = False
        elif section and section[-1].kind == "heading":
            # "# A", "## B", text: one section that starts with both lines; "# A", "# B": the first one is empty
            goes_on = block.headings[: len(path)] == path and not (is_heading and len(block.headings) == len(path))
        else:
            goes_on = not is_heading and block.headings == path
        if section and not goes_on:
            yield path, section
            section = []
        path = block.headings
        section.append(block)
    if section:
        yield path, section


def _covering(document: Document) -> Iterator[Block]:
    """The document's blocks, and the text between them as paragraphs, so that nothing is lost."""
    text, position = document.text, 0
    headings: tuple[str, ...] = ()
    for block in document.blocks:
        if text[position : block.start].strip():
            yield Block(position, block.start, "paragraph", headings=headings)
        yield block
        position, headings = block.end, block.headings
    if text[position:].strip():
        yield Block(position, len(text), "paragraph", headings=headings)


def _columns(blocks: Sequence[Block], start: int) -> str:
    """The header of the table in which a passage begins, "" when it begins with the header or elsewhere."""
    at = bisect_right(blocks, start, key=lambda block: block.start) - 1
    return blocks[max(0, at)].columns


class _Places:
    """The line, byte and page of every offset of one document. Chunks must be asked for by rising start."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._offset, self._byte, self._line = 0, 0, 1  # one position, moved forward from chunk to chunk
        paged = [(block.start, block.page) for block in document.blocks if block.page is not None]
        self._page_starts = [start for start, _ in paged]
        self._pages = [page for _, page in paged]

    def chunk(self, ordinal: int, start: int, end: int, headings: tuple[str, ...], columns: str) -> Chunk:
        document = self._document
        self._advance(start)
        text = document.text[start:end]
        return Chunk(
            id=ordinal,
            path=document.path,
            title=document.title,
            start=start,
            end=end,
            text=text,
            bytes=(self._byte, self._byte + _utf8_length(text)),
            lines=(self._line, self._line + text.count("\n")),
            pages=(self._page(start), self._page(end - 1)) if self._pages else None,
            headings=headings,
            columns=columns,
        )

    def _advance(self, offset: int) -> None:
        passed = self._document.text[self._offset : offset]
        self._offset = offset
        self._byte += _utf8_length(passed)
        self._line += passed.count("\n")

    def _page(self, offset: int) -> int:
        return self._pages[max(0, bisect_right(self._page_starts, offset) - 1)]


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
