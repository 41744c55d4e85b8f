"""How a loader writes a document: text first, and every block a span of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.types import Block, BlockKind, Document, Reason

# NUL ends strings in C libraries down the line, and a lone surrogate cannot be written as UTF-8 at all.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


# Every passage carries its title and heading path: a megabyte of heading over a thousand passages would be a gigabyte.
_LONGEST_NAME = 500  # characters
_DEEPEST = 32  # headings in a path


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the user decided about reading files."""

    password: str | None = None  # tried on encrypted documents
    ocr: bool = False  # read pages without a text layer with tesseract


def clean(text: str) -> str:
    """``text`` of the same length with NUL and lone surrogates replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def name_of(text: str) -> str:
    """``text`` as a title: on one line, and cut where no title is that long."""
    name = clean(" ".join(text[: 4 * _LONGEST_NAME].split()))
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1].rstrip()}…"


class HeadingPath:
    """The headings in force at one point of a document, outermost first."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def push(self, text: str, level: int) -> None:
        """Enter a section: it closes every open section of the same or a deeper level (1 is the outermost)."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        del self._open[_DEEPEST - 1 :]
        self._open.append((level, name_of(text)))

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._open)


class TextBuilder:
    """Collects the blocks of a format whose text is not the file's own (PDF, office, HTML) into one text."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._headings = HeadingPath()

    def add(
        self,
        text: str,
        kind: BlockKind = "paragraph",
        *,
        page: int | None = None,
        headings: tuple[str, ...] | None = None,
        separator: str = "\n\n",
    ) -> None:
        """Append ``text`` as one block, ``separator`` away from the block before it.

        Surrounding white space is dropped (code keeps the indentation of its first line); blank text is ignored.
        ``headings=None`` means the path in force.
        """
        text = clean(text.replace("\r\n", "\n").replace("\r", "\n")).rstrip()
        text = re.sub(r"\A(?:[^\S\n]*\n)+", "", text) if kind == "code" else text.lstrip()
        if not text.strip():
            return
        if self._blocks:
            self._parts.append(separator)
            self._length += len(separator)
        path = self._headings.path if headings is None else headings
        self._blocks.append(Block(self._length, self._length + len(text), kind, page, path))
        self._parts.append(text)
        self._length += len(text)

    def heading(self, text: str, level: int, *, page: int | None = None) -> None:
        """Append a heading of ``level`` (1 is the outermost) on one line and enter its section. Blank: ignored."""
        text = clean(" ".join(text.split()))
        if text:
            self._headings.push(text, level)
            self.add(text, "heading", page=page)

    def build(self, path: Path, title: str, loader: str, warnings: tuple[str, ...] = ()) -> Document:
        """The document so far; LoadError(EMPTY) when no block has text."""
        if not self._blocks:
            raise LoadError(Reason.EMPTY, "there is no text in it")
        return Document(path, name_of(title), "".join(self._parts), tuple(self._blocks), loader, warnings)


def row_text(header: Sequence[str] | None, cells: Sequence[str]) -> str:
    """One table row on one line: "Header: value | Header: value", or the cells alone where there is no header.

    Empty cells are left out, a cell beyond the header stands alone, and white space inside cells becomes single spaces.
    """
    parts = []
    for column, cell in enumerate(cells):
        value = " ".join(cell.split())
        name = " ".join(header[column].split()) if header and column < len(header) else ""
        if value:
            parts.append(f"{name}: {value}" if name and name != value else value)
    return " | ".join(parts)
