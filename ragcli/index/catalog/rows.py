"""What the catalog's rows look like to the rest of the package, and the conversions between the two."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ragcli.index.layout import is_approximate_name, is_segment_name
from ragcli.types import Chunk, Reason, Skipped

CHUNK_COLUMNS = (
    'c.id, d.path, d.title, c."start", c."end", c.text, c.byte_start, c.byte_end, c.line_first, c.line_last, '
    "c.page_first, c.page_last, c.headings"
)
DOCUMENT_COLUMNS = (
    "d.id, d.path, d.title, d.loader, d.loader_version, d.sha256, d.size, d.mtime_ns, "
    "(SELECT count(*) FROM chunks WHERE document = d.id), d.warnings, d.pages"
)
INDEXED_STATE_COLUMNS = "path, id, size, mtime_ns, sha256, loader, loader_version"
INDEXED_STATE_TYPES = (bytes, int, int, int, str, str, int)
SKIPPED_STATE_COLUMNS = "path, size, mtime_ns, loader_version, reason"
SKIPPED_COLUMNS = "path, reason, detail, files"

_LARGEST = 1 << 40  # of an offset, a line or a page
_MOST_ROWS = 1 << 40  # of a segment; what is computed from it fits into 64 bits

_SURROGATE = re.compile("[\ud800-\udfff]")


class FileState(NamedTuple):
    """What the catalog remembers of a file, to tell whether it changed."""

    path: Path
    document: int | None  # None: the file could not be indexed
    size: int
    mtime_ns: int
    sha256: str | None
    loader: str
    loader_version: int
    reason: Reason | None


class DocumentRow(NamedTuple):
    """One indexed document as listed; ``pages`` holds (page number, first offset)."""

    id: int
    path: Path
    title: str
    loader: str
    loader_version: int
    sha256: str
    size: int
    mtime_ns: int
    chunks: int
    warnings: tuple[str, ...]
    pages: tuple[tuple[int, int], ...]


class NewDocument(NamedTuple):
    """A document about to be stored under ids that the writer reserved; ``keys`` holds one digest a chunk."""

    id: int
    path: Path
    sha256: str
    size: int
    mtime_ns: int
    loader: str
    loader_version: int
    title: str
    warnings: tuple[str, ...]
    pages: tuple[tuple[int, int], ...]
    chunks: tuple[Chunk, ...]
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One FAISS file; its ids lie in [first, last]."""

    name: str
    sha256: str
    count: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ApproximateRow:
    """The FAISS file of approximate search, which holds every vector whose id was at most ``last`` when it was made.

    ``recall`` is the share of the ten nearest that it found when it read ``probes`` of its ``lists``, the mean over
    ``sampled`` queries.
    """

    name: str
    sha256: str
    count: int
    last: int
    lists: int
    probes: int
    recall: float
    sampled: int


def chunk_key(chunk: Chunk) -> bytes:
    """The digest of what is embedded of ``chunk``: chunks with equal digests share one vector."""
    import hashlib  # 3 ms, and readers need no digests

    return hashlib.blake2b(storable(chunk.embedded).encode(), digest_size=16).digest()


def storable(text: str) -> str:
    """``text`` with U+FFFD for lone surrogates, which UTF-8 cannot hold; as many characters and bytes as before."""
    return _SURROGATE.sub("\ufffd", text)


@lru_cache(maxsize=1024)  # a search finds many chunks of one document
def path_of(raw: bytes) -> Path:
    """A stored path: bytes, because a file name need not be text."""
    return Path(os.fsdecode(raw))


def document_of(row: tuple[Any, ...]) -> DocumentRow:
    """A row of DOCUMENT_COLUMNS; raises ValueError or TypeError when it is none."""
    _check_types(row, (int, bytes, str, str, int, str, int, int, int, str, str))
    warnings = tuple(str(warning) for warning in json.loads(row[9]))
    pages = tuple((int(page), int(start)) for page, start in json.loads(row[10]))
    i, path, title, loader, version, sha256, size, mtime_ns, chunks = row[:9]
    return DocumentRow(
        i, path_of(path), title, loader, version, sha256, size, mtime_ns, chunks, warnings, pages
    )  # fmt: skip


def indexed_state_of(row: tuple[Any, ...]) -> FileState:
    """A row of INDEXED_STATE_COLUMNS whose values have INDEXED_STATE_TYPES."""
    path, i, size, mtime_ns, sha256, loader, version = row
    return FileState(path_of(path), i, size, mtime_ns, sha256, loader, version, None)


def skipped_state_of(row: tuple[Any, ...]) -> FileState:
    """A row of SKIPPED_STATE_COLUMNS; raises ValueError or TypeError when it is none."""
    _check_types(row, (bytes, int, int, int, str))
    path, size, mtime_ns, loader_version, reason = row
    return FileState(path_of(path), None, size, mtime_ns, None, "", loader_version, Reason(reason))


def skipped_of(row: tuple[Any, ...]) -> Skipped:
    """A row of SKIPPED_COLUMNS; raises ValueError or TypeError when it is none."""
    _check_types(row, (bytes, str, str, int))
    return Skipped(path_of(row[0]), Reason(row[1]), row[2], row[3])


def chunk_of(row: tuple[Any, ...]) -> Chunk:
    """A row of CHUNK_COLUMNS; raises ValueError or TypeError when it is none."""
    _check_types(row[:10], (int, bytes, str, int, int, str, int, int, int, int))
    headings = () if row[12] == "[]" else tuple(str(heading) for heading in json.loads(row[12]))
    first, last = row[10:12]
    numbers = (*row[3:5], *row[6:10], *(page for page in (first, last) if page is not None))
    if not all(isinstance(number, int) and 0 <= number <= _LARGEST for number in numbers):
        raise ValueError("no document has such a place")
    return Chunk(
        id=row[0], path=path_of(row[1]), title=row[2], start=row[3], end=row[4], text=row[5], bytes=(row[6], row[7]),
        lines=(row[8], row[9]), pages=None if first is None else (int(first), int(last)), headings=headings,
    )  # fmt: skip


def segment_of(row: tuple[Any, ...]) -> SegmentRow:
    """(name, sha256, count, first, last); raises ValueError or TypeError when it is none."""
    _check_types(row, (str, str, int, int, int))
    segment = SegmentRow(*row)
    room = segment.last - segment.first + 1
    if not is_segment_name(segment.name) or segment.first < 0 or not 1 <= segment.count <= min(room, _MOST_ROWS):
        raise ValueError(f"{segment.name!r} is no segment")
    return segment


def approximate_of(record: Any) -> ApproximateRow | None:  # noqa: ANN401 (JSON of a stranger)
    """``record`` as :func:`dataclasses.asdict` made it, or None; raises KeyError, TypeError or ValueError."""
    if record is None:
        return None
    fields = [record[name] for name in ApproximateRow.__slots__]
    _check_types(tuple(fields), (str, str, int, int, int, int, float, int))
    row = ApproximateRow(*fields)
    sizes = 0 < row.probes <= row.lists <= row.count <= row.last + 1 and row.count <= _MOST_ROWS
    if not is_approximate_name(row.name) or not sizes or not 0 <= row.recall <= 1:
        raise ValueError(f"{row.name!r} is no approximate index")
    return row


def _check_types(row: tuple[Any, ...], types: tuple[type, ...]) -> None:
    # SQLite stores what it is given in any column, and a damaged page can hold anything
    if not all(map(isinstance, row, types)):
        raise TypeError("a column holds a value of another type")
