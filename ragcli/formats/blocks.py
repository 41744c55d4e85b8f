"""How a loader writes a document: text first, and every block a span of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.types import Block, BlockKind, Document, Reason

# NUL ends strings in C libraries down the line, and a lone surrogate cannot be written as UTF-8 at all.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


# Every passage carries its title and heading path: a megabyte of heading over a thousand passages would be a gigabyte.
_LONGEST_NAME = 500  # characters
_DEEPEST = 32  # headings in a path
_LONGEST_COLUMNS = 200  # characters

_LONGEST_TITLE = 200
_LETTERS = re.compile(r"[^\W\d_]{2}|[\u3040-\u30ff\u3400-\u9fff]")

# What programs put there on their own: the name of the file or of the template, their own name.
_NO_TITLE = re.compile(
    r"untitled|unbenannt|sans titre|arxiv:\d|microsoft (?:office )?(?:word|excel|powerpoint)\b|\S*[/\\]\S*\Z"
    r"|(?:power ?point |word )?(?:presentation|document|slide|dokument|präsentation) ?\d*\Z"
    r"|\(?(?:anonymous|unspecified|none|null|title)\)?\Z"
    r"|.*\.(?:pdf|docx?|pptx?|xlsx?|odt|odp|rtf|txt|tex|dvi|ps|eps|indd|qxd|pmd|fm|html?|wpd|pub|md)\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the user decided about reading files."""

    password: str | None = None  # tried on encrypted documents
    ocr: bool = False  # read pictures, and pages without a text layer, with tesseract
    ocr_languages: str = "eng"  # as tesseract names them, joined by "+"
    office: bool = False  # read what only LibreOffice opens
    cache: str = ""  # the folder in which text that took long to read is kept; "": nowhere
    depth: int = 0  # files that the file stands in, such as the mail that it is attached to


def clean(text: str) -> str:
    """``text`` of the same length with NUL and lone surrogates replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def name_of(text: str) -> str:
    """``text`` as a title: on one line, and cut where no title is that long."""
    name = clean(" ".join(text[: 4 * _LONGEST_NAME].split()))
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1].rstrip()}…"


def is_title(text: str, path: Path) -> bool:
    """True when ``text`` can be the title of the document in ``path``; not so the name of a file or a program."""
    if not 3 <= len(text) <= _LONGEST_TITLE or text.casefold() == path.stem.casefold():
        return False
    return _NO_TITLE.match(text) is None and _LETTERS.search(text) is not None


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
        columns: str = "",
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
        self._blocks.append(Block(self._length, self._length + len(text), kind, page, path, columns))
        self._parts.append(text)
        self._length += len(text)

    def heading(self, text: str, level: int, *, page: int | None = None) -> None:
        """Append a heading of ``level`` (1 is the outermost) on one line and enter its section. Blank: ignored."""
        text = clean(" ".join(text.split()))
        if text:
            self._headings.push(text, level)
            self.add(text, "heading", page=page)

    @property
    def headings(self) -> tuple[str, ...]:
        """The path in force."""
        return self._headings.path

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._length

    @property
    def is_empty(self) -> bool:
        """True until a block has text."""
        return not self._blocks

    def build(self, path: Path, title: str, warnings: tuple[str, ...] = ()) -> Document:
        """The document so far, its loader still to be named; LoadError(EMPTY) when no block has text."""
        if not self._blocks:
            raise LoadError(Reason.EMPTY, "there is no text in it")
        return Document(path, name_of(title), "".join(self._parts), tuple(self._blocks), "", warnings)


def header_line(names: Iterable[str]) -> str:
    """The header of a table on one line, as ``Block.columns`` has it: cut where it would crowd out the rows."""
    line = clean(" | ".join(cell for name in names if (cell := " ".join(name.split()))))
    return line if len(line) <= _LONGEST_COLUMNS else f"{line[: _LONGEST_COLUMNS - 1].rstrip()}…"


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
