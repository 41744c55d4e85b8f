"""The rows of the catalog as the rest of the package sees them, and the conversions between the two.

A conversion checks what it reads: a catalog may be damaged, or come from anyone.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
INDEXED_STATE_COLUMNS = "path, id, size, mtime_ns, {ctime_ns}, sha256, loader, loader_version"
INDEXED_STATE_TYPES = (bytes, int, int, int, int, str, str, int)
SKIPPED_STATE_COLUMNS = "path, size, mtime_ns, loader_version, reason"
SKIPPED_COLUMNS = "path, reason, detail, files"

KEY_BYTES = 16  # of the digest of an embedded text

# In place of a ctime: none is known, as of a document that an older version indexed; or the file may have changed again
# within the same tick of the clock, so that it must be read once more.
CTIME_UNKNOWN = 0
CTIME_UNSETTLED = -1

_LARGEST = 1 << 40  # an offset, a line or a page
_LARGEST_SIZE = 1 << 20  # a dimension, a window or a passage
_MOST_ROWS = 1 << 40  # in a segment; products with it fit into 64 bits

_SURROGATE = re.compile("[\ud800-\udfff]")
_OWNER = re.compile("[0-9a-f]{32}")
_COLLECTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


class Settings(NamedTuple):
    """How an index was built: readers must agree with it, writers must keep to it."""

    model: str
    revision: str
    sha256: str  # of the model's files
    dimension: int
    window: int  # tokens, special ones included
    chunk_size: int
    chunk_overlap: int
    store: str = ""  # the address of the server that holds the vectors; "": the index holds them in files

    def to_record(self) -> dict[str, Any]:
        record = self._asdict()
        if not self.store:  # older versions knew no store and wrote none
            del record["store"]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Settings:
        """Raises KeyError, TypeError or ValueError when :meth:`to_record` did not write ``record``."""
        read = cls(
            model=str(record["model"]),
            revision=str(record["revision"]),
            sha256=str(record["sha256"]),
            dimension=int(record["dimension"]),
            window=int(record["window"]),
            chunk_size=int(record["chunk_size"]),
            chunk_overlap=int(record["chunk_overlap"]),
            store=str(record.get("store", "")),
        )
        sizes = (read.dimension, read.window, read.chunk_size)
        if not all(0 < size <= _LARGEST_SIZE for size in sizes) or not 0 <= read.chunk_overlap <= read.chunk_size:
            raise ValueError(f"invalid sizes: {record}")
        return read


class FileState(NamedTuple):
    """What the catalog knows about a file, to tell whether it changed."""

    path: Path
    document: int | None  # None: the file could not be indexed
    size: int
    mtime_ns: int
    sha256: str | None
    loader: str
    loader_version: int
    reason: Reason | None
    ctime_ns: int = CTIME_UNKNOWN


class FileStates(Mapping[Path, FileState]):
    """The state of each file by its path, indexed or not.

    It keeps rows until somebody asks for a file: a run with nothing to do compares ten thousand files by name, size and
    time, and objects for all of them would cost more than reading the folders.
    """

    def __init__(self, documents: Sequence[tuple[Any, ...]], skipped: Sequence[FileState]) -> None:
        """``documents`` are rows of INDEXED_STATE_COLUMNS; raises TypeError when one is not."""
        for column, kind in zip(zip(*documents, strict=True), INDEXED_STATE_TYPES, strict=bool(documents)):
            if set(map(type, column)) != {kind}:
                raise TypeError("a column holds a value of another type")
        encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
        self._documents = {row[0].decode(encoding, errors): row for row in documents}  # os.fsdecode, without its calls
        self._skipped = {os.fspath(state.path): state for state in skipped}

    def __getitem__(self, path: Path) -> FileState:
        name = os.fspath(path)
        row = self._documents.get(name)
        return self._skipped[name] if row is None else indexed_state_of(row)

    def __iter__(self) -> Iterator[Path]:
        return (Path(name) for name in (*self._documents, *self._skipped))

    def __len__(self) -> int:
        return len(self._documents) + len(self._skipped)

    def besides(self, names: set[str], below: Collection[Path]) -> Iterator[Path]:
        """The paths at or below these folders whose names are not in ``names``."""
        tops = {os.fspath(folder) for folder in below}
        inside = tuple(os.path.join(top, "") for top in tops)  # noqa: PTH118 (with a separator at the end)
        for known in (self._documents, self._skipped):
            yield from (Path(name) for name in known if name not in names and (name.startswith(inside) or name in tops))

    def stamps(self, version_of: Callable[[str], int]) -> dict[str, tuple[int, int, int]]:
        """Size, mtime and ctime, by name, of each document that the present version of its loader read."""
        versions = {loader: version_of(loader) for loader in {row[6] for row in self._documents.values()}}
        return {name: row[2:5] for name, row in self._documents.items() if row[7] == versions[row[6]]}

    def documents_below(self, folder: str) -> list[str]:
        """The names of the documents at or below a folder."""
        inside = os.path.join(folder, "")  # noqa: PTH118 (with a separator at the end)
        return [name for name in self._documents if name == folder or name.startswith(inside)]


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
    dated_ns: int | None = None  # when a message was sent

    @property
    def time_ns(self) -> int:
        """When it was written: a message when it was sent, any other file when it was last modified."""
        return self.mtime_ns if self.dated_ns is None else self.dated_ns


class NewDocument(NamedTuple):
    """A document to store under ids that the writer reserved; ``keys`` holds one digest per chunk."""

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
    chunks: Collection[Chunk]  # iterated over more than once; those of a large document are read from disk each time
    keys: Collection[bytes]
    dated_ns: int | None = None

    @property
    def places(self) -> str:
        """The pages, and the date behind them where there is one, as the column "pages" has them."""
        dated = [] if self.dated_ns is None else [{"dated_ns": self.dated_ns}]
        return json.dumps([*self.pages, *dated])


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
    """The FAISS file of approximate search. When it was made, it took every vector with an id of at most ``last``.

    ``recall`` is the share of the ten nearest that a search found which read ``probes`` of the ``lists``: the mean over
    ``sampled`` queries. ``is_alone``: no segment holds these vectors too, as it was in older versions. The centres are
    those of ``trained`` rows.
    """

    name: str
    sha256: str
    count: int
    last: int
    lists: int
    probes: int
    recall: float
    sampled: int
    is_alone: bool = False
    trained: int = 0


class StoreState(NamedTuple):
    """What the catalog knows about the collection that holds its vectors."""

    owner: str  # the name of this index on servers, unique; it stands in the collection too
    collection: str
    timestamp: int = 0  # of the server, after the last write that counts: a reader asks for no older state
    cleared: int = 0  # chunks that died up to this commit have left the collection

    def to_record(self) -> dict[str, Any]:
        return self._asdict()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> StoreState:
        """Raises KeyError, TypeError or ValueError when :meth:`to_record` did not write ``record``."""
        state = cls(
            owner_of(record["owner"]), str(record["collection"]), int(record["timestamp"]), int(record["cleared"])
        )
        if not is_collection_name(state.collection) or not 0 <= state.timestamp < 1 << 63 or state.cleared < 0:
            raise ValueError(f"invalid state of a store: {record}")
        return state


class Place(NamedTuple):
    """Where the content of a root was when it was last read."""

    file_system: int  # its number
    mounts: tuple[str, ...] = ()  # paths below the root where another file system was mounted
    is_away: bool = False  # the last run found another file system there, and kept the documents of this one

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Place:
        """Raises KeyError, TypeError or ValueError when ``_asdict`` did not make ``record``."""
        mounts = tuple(str(mount) for mount in record["mounts"])
        return cls(int(record["file_system"]), mounts, bool(record["is_away"]))


def owner_of(stored: object) -> str:
    """``stored``; raises ValueError unless it is a name that an index gives itself on servers."""
    if not isinstance(stored, str) or not _OWNER.fullmatch(stored):
        raise ValueError(f"invalid name of an index: {stored!r}")
    return stored


def is_collection_name(name: str) -> bool:
    """Whether a Milvus server accepts ``name`` for a collection."""
    return _COLLECTION.fullmatch(name) is not None


def chunk_key(chunk: Chunk) -> bytes:
    """The digest of the text that is embedded for ``chunk``: chunks with equal digests share one vector."""
    import hashlib  # 3 ms, and readers need no digests

    return hashlib.blake2b(storable(chunk.embedded).encode(), digest_size=KEY_BYTES).digest()


def storable(text: str) -> str:
    """``text`` with U+FFFD for lone surrogates, which UTF-8 cannot hold; its length in characters and bytes stays."""
    return _SURROGATE.sub("\ufffd", text)


@lru_cache(maxsize=1024)  # a search finds many chunks of one document
def path_of(raw: bytes) -> Path:
    """The path stored as ``raw``: bytes, because a file name need not be text."""
    return Path(os.fsdecode(raw))


def document_of(row: tuple[Any, ...]) -> DocumentRow:
    """A row of DOCUMENT_COLUMNS; raises ValueError, TypeError or KeyError when it is not."""
    _check_types(row, (int, bytes, str, str, int, str, int, int, int, str, str))
    warnings = tuple(str(warning) for warning in json.loads(row[9]))
    places = json.loads(row[10])
    dated_ns = int(places.pop()["dated_ns"]) if places and isinstance(places[-1], dict) else None
    pages = tuple((int(page), int(start)) for page, start in places)
    i, path, title, loader, version, sha256, size, mtime_ns, chunks = row[:9]
    return DocumentRow(
        i, path_of(path), title, loader, version, sha256, size, mtime_ns, chunks, warnings, pages, dated_ns
    )  # fmt: skip


def indexed_state_of(row: tuple[Any, ...]) -> FileState:
    """A row of INDEXED_STATE_COLUMNS whose values have INDEXED_STATE_TYPES."""
    path, i, size, mtime_ns, ctime_ns, sha256, loader, version = row
    return FileState(path_of(path), i, size, mtime_ns, sha256, loader, version, None, ctime_ns)


def skipped_state_of(row: tuple[Any, ...]) -> FileState:
    """A row of SKIPPED_STATE_COLUMNS; raises ValueError or TypeError when it is not."""
    _check_types(row, (bytes, int, int, int, str))
    path, size, mtime_ns, loader_version, reason = row
    return FileState(path_of(path), None, size, mtime_ns, None, "", loader_version, Reason(reason))


def skipped_of(row: tuple[Any, ...]) -> Skipped:
    """A row of SKIPPED_COLUMNS; raises ValueError or TypeError when it is not."""
    _check_types(row, (bytes, str, str, int))
    return Skipped(path_of(row[0]), Reason(row[1]), row[2], row[3])


def chunk_of(row: tuple[Any, ...]) -> Chunk:
    """A row of CHUNK_COLUMNS; raises ValueError or TypeError when it is not."""
    _check_types(row[:10], (int, bytes, str, int, int, str, int, int, int, int))
    headings, columns = context_of(row[12])
    first, last = row[10:12]
    numbers = (*row[3:5], *row[6:10], *(page for page in (first, last) if page is not None))
    if not all(isinstance(number, int) and 0 <= number <= _LARGEST for number in numbers):
        raise ValueError("invalid offset, line or page")
    return Chunk(
        id=row[0], path=path_of(row[1]), title=row[2], start=row[3], end=row[4], text=row[5], bytes=(row[6], row[7]),
        lines=(row[8], row[9]), pages=None if first is None else (int(first), int(last)), headings=headings,
        columns=columns,
    )  # fmt: skip


def context_text(chunk: Chunk) -> str:
    """The headings of a chunk as JSON; with the columns of its table, which most chunks lack, as the last element."""
    return json.dumps([*chunk.headings, {"columns": chunk.columns}] if chunk.columns else chunk.headings)


def context_of(text: str) -> tuple[tuple[str, ...], str]:
    """The headings and the columns that ``context_text`` wrote; raises ValueError or TypeError for other text."""
    if text == "[]":
        return (), ""
    *headings, last = json.loads(text)
    if isinstance(last, dict):
        return tuple(map(str, headings)), str(last.get("columns", ""))
    return (*map(str, headings), str(last)), ""


def segment_of(row: tuple[Any, ...]) -> SegmentRow:
    """(name, sha256, count, first, last); raises ValueError or TypeError when it is not."""
    _check_types(row, (str, str, int, int, int))
    segment = SegmentRow(*row)
    room = segment.last - segment.first + 1
    if not is_segment_name(segment.name) or segment.first < 0 or not 1 <= segment.count <= min(room, _MOST_ROWS):
        raise ValueError(f"invalid segment {segment.name!r}")
    return segment


def approximate_of(record: Any) -> ApproximateRow | None:  # noqa: ANN401 (JSON from anywhere)
    """The row that :func:`dataclasses.asdict` made ``record`` of, or None; raises KeyError, TypeError, ValueError."""
    if record is None:
        return None
    fields = [*(record[name] for name in ApproximateRow.__slots__[:8]), record.get("is_alone", False)]
    fields.append(record.get("trained", record["count"]))
    _check_types(tuple(fields), (str, str, int, int, int, int, float, int, bool, int))
    row = ApproximateRow(*fields)
    sizes = 0 < row.probes <= row.lists <= row.count <= row.last + 1 and row.count <= _MOST_ROWS
    if not is_approximate_name(row.name) or not sizes or not 0 <= row.recall <= 1:
        raise ValueError(f"invalid approximate index {row.name!r}")
    return row


def _check_types(row: tuple[Any, ...], types: tuple[type, ...]) -> None:
    # SQLite stores what it is given in any column, and a damaged page can hold anything
    if not all(map(isinstance, row, types)):
        raise TypeError("a column holds a value of another type")
