"""Find the passage that a reference names: a chunk id, ``path:line`` or ``path#page=N``, as hits are printed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import IndexDamaged, RagcliError, UsageError
from ragcli.index.catalog.rows import DocumentRow
from ragcli.index.reader import Index
from ragcli.types import Chunk

_PLACE = re.compile(r"(?s)(?P<path>.+?)(?:#page=(?P<page>\d{1,18})|:(?P<line>\d{1,18})(?::\d+)?)?:?")
_LONGEST_GAP = 1 << 26  # characters between two passages; an index from elsewhere may claim any number


@dataclass(frozen=True, slots=True)
class Place:
    """The chunk that a reference names, and the line or page in it."""

    chunk: Chunk
    line: int
    page: int | None


def find_reference(index: Index, reference: str, base: Path | None = None) -> Place:
    """Return the chunk behind ``reference``, whose path is relative to ``base`` (None: the current folder).

    A path that is not there names the one document whose path ends with it. Raises UsageError when there is none.
    """
    if reference.isdecimal() and len(reference) <= 18:
        found = index.chunks([int(reference)]).get(int(reference))
        if found is None:
            raise UsageError(f"there is no chunk {reference}", "ids change when a file changes; query again")
        return Place(found, found.lines[0], found.pages[0] if found.pages else None)
    match = _PLACE.fullmatch(reference)
    if match is None:  # the path part matches anything
        raise UsageError("the reference is empty", "write a chunk id, path:line or path#page=3")
    path = Path(os.path.abspath((base or Path()) / match["path"]))  # noqa: PTH100 (as indexed: links are not followed)
    row = index.catalog.document(path) or _document_named(index, match["path"])
    if row is None:
        raise UsageError(f"{match['path']} is not in the index", "see what is: ragcli list")
    chunks = index.catalog.document_chunks(row.id)
    page, line = _number(match["page"]), _number(match["line"])
    if not chunks:
        raise UsageError(f"{match['path']} has no text of its own", "name a file in it; see: ragcli list")
    chosen = [c for c in chunks if _holds(c, page, line)] if page or line else chunks
    if not chosen:
        raise UsageError(f"{reference} is past the end of the text", f"the last line is {chunks[-1].lines[1]}")
    first = chosen[0]
    return Place(first, line or first.lines[0], page or (first.pages[0] if first.pages else None))


def _document_named(index: Index, name: str) -> DocumentRow | None:
    """Return the one document whose path ends with ``name``; None where there is none. UsageError for several."""
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        return None
    found = [row for row in index.catalog.documents() if row.path.parts[-len(parts) :] == parts]
    if len(found) > 1:
        first, second = (str(row.path) for row in found[:2])
        rest = f" and {len(found) - 2} more" if len(found) > 2 else ""
        raise UsageError(f"{name} names {len(found)} documents", f"name one: {first}, {second}{rest}")
    return found[0] if found else None


def text_around(index: Index, place: Place, lines: int) -> tuple[str, int]:
    """Return the chunk with ``lines`` lines of its document before and after, and the number of its first line.

    The text comes from the stored chunks, so it is what was indexed even when the file is gone or has changed. Raises
    RagcliError when the document is no longer in the index, and IndexDamaged.
    """
    row = index.catalog.document(place.chunk.path)
    if row is None:
        raise RagcliError(f"{place.chunk.path} is no longer in the index", "query again")
    text, offset = _stitched(index.catalog.document_chunks(row.id))
    start, end = place.chunk.start - offset, place.chunk.end - offset
    first = text.rfind("\n", 0, start) + 1
    for _ in range(lines):
        first = text.rfind("\n", 0, max(0, first - 1)) + 1
    stop = text.find("\n", end)
    for _ in range(lines):
        stop = text.find("\n", stop + 1) if stop >= 0 else stop
    shown = text[first : stop if stop >= 0 else len(text)]
    return shown, place.chunk.lines[0] - text.count("\n", first, start)


def _stitched(chunks: list[Chunk]) -> tuple[str, int]:
    """Return the text that the chunks cover, and its offset.

    What no chunk covers is white space or punctuation; line breaks and blanks stand for it.
    """
    parts: list[str] = []
    position, line = chunks[0].start, chunks[0].lines[0]
    for chunk in chunks:
        if chunk.start > position:
            missing = max(0, chunk.lines[0] - line)
            if max(missing, chunk.start - position) > _LONGEST_GAP:
                raise IndexDamaged(f"the passages of {chunk.path} do not hang together", "see: ragcli verify")
            parts.append("\n" * missing + " " * max(0, chunk.start - position - missing))
            position = chunk.start
        parts.append(chunk.text[position - chunk.start :])
        position, line = max(position, chunk.end), chunk.lines[1]
    return "".join(parts), chunks[0].start


def _holds(chunk: Chunk, page: int | None, line: int | None) -> bool:
    if page is not None:
        return chunk.pages is not None and chunk.pages[0] <= page <= chunk.pages[1]
    return line is not None and chunk.lines[1] >= line


def _number(text: str | None) -> int | None:
    return int(text) if text else None
