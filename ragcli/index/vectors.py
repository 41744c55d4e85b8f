"""Immutable FAISS segments: exact inner product over unit rows stored as float16. The only module that imports faiss.

A segment is an ``IndexIDMap`` over ``IndexScalarQuantizer(fp16)`` whose ids are chunk ids, ascending. Exact search over
fp16 finds the same top 10 as float32 at half the size and twice the speed (docs/design.md has the figures). Unit rows
make the inner product the cosine, so scores are higher-is-better as they come.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from ragcli.errors import IndexDamaged, RagcliError
from ragcli.index.durable import sync_folder
from ragcli.index.rows import SegmentRow

# A search for one query is work for one thread; a team of them only waits for one another (for 1,000 rows 38 ms
# instead of 0.6, on a busy machine of two cores).
faiss.omp_set_num_threads(1)

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

# Extra rows asked of each segment, so that rows which tie with the last one are seen and the lower id wins.
_TIE_ROOM = 8

# Rows copied at once when segments are written anew: 25 MB of float32 at 384 dimensions.
_BLOCK = 16_384

_MOST_DIMENSIONS = 1 << 16
_LARGEST = float(np.finfo(np.float16).max)


def write_segment(
    folder: Path,
    name: str,
    added: Sequence[tuple[int, Vectors]],
    swallowed: Sequence[SegmentRow],
    dead: Sequence[int],
) -> SegmentRow | None:
    """Write ``folder/name`` with the live rows of ``swallowed`` segments and ``added`` (chunk id, unit row (d,)).

    Ids must ascend through all of these in order. Durable on return. None, and no file, when nothing is left to
    write. Raises ValueError for ids out of order and for rows that are not finite, which would answer every search
    with garbage; IndexDamaged when a swallowed segment is; RagcliError when the disk does not take it.
    """
    gone = np.array(dead, np.int64)
    for row in swallowed:
        require_sound(folder, row)  # or its damage would go on under a new checksum
    blocks = _live_blocks([_open(folder / row.name, row, None) for row in swallowed], gone)
    index: faiss.IndexIDMap | None = None
    last = -1
    for ids, vectors in chain(blocks, _new_blocks(added)):
        if ids[0] <= last or not (np.diff(ids) > 0).all():
            raise ValueError("ids must ascend")
        if not (np.abs(vectors) <= _LARGEST).all():
            raise ValueError("vectors must be finite")
        if index is None:
            first, index = int(ids[0]), _empty(vectors.shape[1])
        index.add_with_ids(np.ascontiguousarray(vectors), np.ascontiguousarray(ids))
        last = int(ids[-1])
    if index is None:
        return None
    return _write(folder, name, index, first, last)


def _live_blocks(indexes: Sequence[faiss.IndexIDMap], gone: Ids) -> Iterator[tuple[Ids, Vectors]]:
    for index in indexes:
        held = faiss.vector_to_array(index.id_map)
        for start in range(0, len(held), _BLOCK):
            ids = held[start : start + _BLOCK]
            live = ~np.isin(ids, gone)
            if live.any():
                yield ids[live], index.index.reconstruct_n(start, len(ids))[live]


def _new_blocks(added: Sequence[tuple[int, Vectors]]) -> Iterator[tuple[Ids, Vectors]]:
    for start in range(0, len(added), _BLOCK):
        part = added[start : start + _BLOCK]
        yield np.array([i for i, _ in part], np.int64), np.stack([row for _, row in part])


def _empty(dimension: int) -> faiss.IndexIDMap:
    return faiss.IndexIDMap(
        faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    )


def _write(folder: Path, name: str, index: faiss.IndexIDMap, first: int, last: int) -> SegmentRow:
    temporary = folder / f"{name}.tmp"
    try:
        faiss.write_index(index, os.fspath(temporary))
        import hashlib  # 3 ms, and a search needs no digests

        with temporary.open("rb+") as file:
            # faiss reports no error of closing the file, which is when the last bytes meet a full disk
            _check_form(file.fileno(), index.ntotal, index.d)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
    except (RuntimeError, OSError, ValueError) as error:  # faiss names its own C++ source
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RagcliError(f"cannot write {temporary}", "is the disk full? free some space and run again") from error
    temporary.replace(folder / name)
    sync_folder(folder)
    return SegmentRow(name, digest, index.ntotal, first, last)


def check_segment(folder: Path, row: SegmentRow) -> str | None:
    """A sentence when the file is missing or its bytes are not those that were written, else None."""
    import hashlib

    path = folder / row.name
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if digest == row.sha256 else f"{path}: the content does not match its checksum"


def require_sound(folder: Path, row: SegmentRow) -> None:
    """Raise IndexDamaged unless the bytes of the file are those that were written."""
    fault = check_segment(folder, row)
    if fault is not None:
        raise IndexDamaged(fault, "mend it with: ragcli repair")


class Segments:
    """All segments of one state of an index, open for search."""

    def __init__(self, folder: Path, rows: Sequence[SegmentRow], dimension: int) -> None:
        """Open every segment; raises IndexDamaged when one is missing or unusable."""
        self.dimension = dimension
        self._indexes = [_open(folder / row.name, row, dimension) for row in rows]

    def search(
        self, query: Vectors, k: int, *, allowed: Ids | None = None, dead: Ids | None = None
    ) -> list[tuple[int, float]]:
        """The ``k`` best (chunk id, cosine) for one unit row (d,), best first, ties by ascending id.

        Only ids in ``allowed`` count when given, and none in ``dead``: both act before the cut to ``k``. Raises
        ValueError for a query of another dimension.
        """
        if query.shape != (self.dimension,):
            raise ValueError(f"the query has the shape {query.shape}, the index holds rows of {self.dimension}")
        if k <= 0 or not np.isfinite(query).all() or (allowed is not None and not len(allowed)):
            return []  # faiss pads such searches with id -1
        selector = _selector(allowed, dead)
        found: list[tuple[int, float]] = []
        for index in self._indexes:
            found += _search_one(index, np.ascontiguousarray(query[None], dtype=np.float32), k, selector)
        found.sort(key=lambda hit: (-hit[1], hit[0]))
        return found[:k]

    def reconstruct(self, ids: Collection[int]) -> dict[int, Vectors]:
        """The stored row (d,) of each id that some segment holds."""
        wanted = np.unique(np.fromiter(ids, np.int64, len(ids)))
        found: dict[int, Vectors] = {}
        for index in self._indexes:
            held = faiss.vector_to_array(index.id_map)
            _, places, _ = np.intersect1d(held, wanted, assume_unique=True, return_indices=True)
            found.update((int(held[place]), index.index.reconstruct(int(place))) for place in places)
        return found

    def ids(self) -> Ids:
        """Every id that some segment holds, ascending; an id held twice appears twice."""
        held = [faiss.vector_to_array(index.id_map) for index in self._indexes]
        return np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)


def as_stored(rows: Vectors) -> Vectors:
    """What a segment keeps of ``rows`` (n, d): float16, rounded as faiss rounds, which is not as numpy does."""
    index = _empty(rows.shape[1])  # in a variable: what lies in it goes with it
    kept: Vectors = index.index.sa_decode(index.index.sa_encode(np.ascontiguousarray(rows)))
    return kept


def exact_scores(query: Vectors, rows: Vectors) -> Vectors:
    """The cosine of ``query`` (d,) and each of ``rows`` (n, d), to the bit what a segment of these rows answers."""
    index = _empty(rows.shape[1])
    index.add_with_ids(np.ascontiguousarray(rows), np.arange(len(rows)))
    scores, places = index.search(np.ascontiguousarray(query[None], dtype=np.float32), len(rows))
    in_order = np.empty(len(rows), np.float32)
    in_order[places[0]] = scores[0]
    return in_order


def _open(path: Path, row: SegmentRow, dimension: int | None) -> faiss.IndexIDMap:
    try:
        with path.open("rb") as file:
            _check_form(file.fileno(), row.count, dimension)
            _read_ahead(file.fileno())
        # IO_FLAG_MMAP does not map a flat index; IO_FLAG_MMAP_IFC does
        index = faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP_IFC)
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise _damaged(path, error.strerror or "it cannot be read") from error
    except RuntimeError as error:
        raise _damaged(path, "faiss cannot read it") from error
    assert isinstance(index, faiss.IndexIDMap)  # the header says so
    return index


def _check_form(file: int, row_count: int, dimension: int | None) -> None:
    """Raise ValueError unless the open ``file`` is laid out as a segment of so many rows.

    faiss believes what a file says of itself, and may allocate or crash on what it says.
    """
    if dimension is None:
        dimension = int.from_bytes(os.pread(file, 4, 4), "little")
        if not 0 < dimension <= _MOST_DIMENSIONS:
            raise ValueError("its header is not that of a segment")
    head = _head(dimension, row_count)
    rows_end = len(head) + 2 * dimension * row_count
    if os.fstat(file).st_size != rows_end + 8 + 8 * row_count:
        raise ValueError(f"its size is not that of {row_count} rows")
    if os.pread(file, len(head), 0) != head or os.pread(file, 8, rows_end) != struct.pack("<Q", row_count):
        raise ValueError(f"its header is not that of {row_count} rows of {dimension} numbers")


def _head(dimension: int, row_count: int) -> bytes:
    """What faiss writes before the rows; after them come the number of ids and the ids."""
    index = _empty(dimension)
    index.ntotal = index.index.ntotal = row_count
    without_counts: bytes = faiss.serialize_index(index).tobytes()[:-16]
    return without_counts + struct.pack("<Q", 2 * dimension * row_count)


def _read_ahead(file: int) -> None:
    # On a cold disk, mapped pages come one fault at a time, four times slower than asking for the file at once.
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)


def _damaged(path: Path, fact: str) -> IndexDamaged:
    return IndexDamaged(f"the segment {path} is damaged: {fact}", "mend it with: ragcli repair")


def _selector(allowed: Ids | None, dead: Ids | None) -> faiss.IDSelector | None:
    if allowed is not None:
        live = allowed if dead is None or not len(dead) else np.setdiff1d(allowed, dead)
        return faiss.IDSelectorBatch(live)
    return faiss.IDSelectorNot(faiss.IDSelectorBatch(dead)) if dead is not None and len(dead) else None


def _search_one(
    index: faiss.IndexIDMap, query: Vectors, k: int, selector: faiss.IDSelector | None
) -> list[tuple[int, float]]:
    parameters = None
    if selector is not None:
        parameters = faiss.SearchParameters()
        parameters.sel = selector
    count = min(k + _TIE_ROOM, index.ntotal)
    while count:
        scores, ids = index.search(query, count, params=parameters)
        hits = [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]  # -1 pads
        cut_inside_a_tie = len(hits) == count > k and hits[k - 1][1] == hits[-1][1]
        if not cut_inside_a_tie or count == index.ntotal:
            return hits
        count = min(2 * count, index.ntotal)
    return []
