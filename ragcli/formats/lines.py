"""Lines of a text as spans: the formats whose text is the file itself are read with these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import LoadError
from ragcli.formats.blocks import HeadingPath, name_of
from ragcli.types import Block, BlockKind, Document, Reason

_TAB = 4


class Line(NamedTuple):
    """One line without its line end: ``text[start:end]``."""

    start: int
    end: int
    content: str

    @property
    def is_blank(self) -> bool:
        return not self.content or self.content.isspace()


def split_lines(text: str) -> list[Line]:
    r"""The lines of ``text``. Only ``\n`` ends one (``str.splitlines`` knows ten more)."""
    return list(each_line(text))


def each_line(text: str, start: int = 0, end: int | None = None) -> Iterator[Line]:
    """The lines of ``text[start:end]``, one at a time: those of a large file take more memory than the file."""
    end = len(text) if end is None else end
    while start <= end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        yield Line(start, stop, text[start:stop])
        start = stop + 1


def indentation(content: str) -> int:
    """Columns of white space before the first character, tabs to multiples of four."""
    column = 0
    for character in content:
        if character == " ":
            column += 1
        elif character == "\t":
            column += _TAB - column % _TAB
        else:
            break
    return column


def paragraphs(lines: Iterable[Line]) -> Iterator[Sequence[Line]]:
    """The runs of lines between blank lines."""
    run: list[Line] = []
    for line in lines:
        if not line.is_blank:
            run.append(line)
        elif run:
            yield run
            run = []
    if run:
        yield run


def span(
    lines: Sequence[Line],
    kind: BlockKind,
    headings: tuple[str, ...] = (),
    page: int | None = None,
    columns: str = "",
) -> Block:
    """The block from the first line that is not blank to the last; there must be one."""
    filled = [line for line in lines if not line.is_blank]
    return Block(filled[0].start, filled[-1].end, kind, page, headings, columns)


class Blocks:
    """Collects blocks that are spans of a text that stands already, under the headings in force."""

    def __init__(self, headings: HeadingPath | None = None) -> None:
        self.found: list[Block] = []
        self.headings = HeadingPath() if headings is None else headings

    def add(self, lines: Sequence[Line], kind: BlockKind, page: int | None = None, *, columns: str = "") -> None:
        """One block over ``lines``; blank lines around it are left out, and nothing happens when all are blank."""
        if any(not line.is_blank for line in lines):
            self.found.append(span(lines, kind, self.headings.path, page, columns))

    def heading(self, lines: Sequence[Line], title: str, level: int, page: int | None = None) -> None:
        """A heading over ``lines`` (its title and what underlines it); a title without text opens no section."""
        if title:
            self.headings.push(title, level)
        self.add(lines, "heading", page)

    @property
    def title(self) -> str:
        """The text of the first heading, "" when there is none."""
        return next((block.headings[-1] for block in self.found if block.kind == "heading" and block.headings), "")


def document(
    path: Path, text: str, blocks: Sequence[Block], *, title: str = "", warnings: tuple[str, ...] = ()
) -> Document:
    """The document whose text is the file's own, its loader still to be named; LoadError(EMPTY) without blocks."""
    if not blocks:
        raise LoadError(Reason.EMPTY, "there is no text in it")
    return Document(path, name_of(title), text, tuple(blocks), "", warnings)
