"""Immutable FAISS segments: exact inner product over unit rows stored as float16.

A segment is an ``IndexIDMap`` over ``IndexScalarQuantizer(fp16)`` whose ids are chunk ids, ascending. Exact search over
fp16 finds the same top 10 as float32 at half the size and twice the speed (docs/design.md has the figures). Unit rows
make the inner product the cosine, so scores are higher-is-better as they come.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path

import faiss
import numpy as np

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.rows import ApproximateRow, SegmentRow
from ragcli.index.vectors.faiss_files import Ids, Vectors, check_digest, read_file, search_file, write_file

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
    count, width = index.ntotal, index.d
    digest = write_file(folder, name, index, lambda file: _check_form(file, count, width))
    return SegmentRow(name, digest, count, first, last)


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


def check_segment(folder: Path, row: SegmentRow) -> str | None:
    """A sentence when the file is missing or its bytes are not those that were written, else None."""
    return check_digest(folder / row.name, row.sha256)


def require_sound(folder: Path, row: SegmentRow) -> None:
    """Raise IndexDamaged unless the bytes of the file are those that were written."""
    fault = check_segment(folder, row)
    if fault is not None:
        raise IndexDamaged(fault, "mend it with: ragcli repair")


class Segments:
    """All segments of one state of an index, open for search."""

    def __init__(
        self, folder: Path, rows: Sequence[SegmentRow], dimension: int, approximate: ApproximateRow | None = None
    ) -> None:
        """Open every segment, and what approximate search reads; raises IndexDamaged when one is unusable."""
        self.dimension = dimension
        self._rows = rows
        self._covered = approximate.last if approximate else -1
        # a file that approximate search stands in for is not read, but for what a filter lets through
        self._indexes = [_open(folder / row.name, row, dimension, ahead=row.last > self._covered) for row in rows]
        self._approximate = None
        if approximate is not None:
            from ragcli.index.vectors.approximate import Approximate

            self._approximate = Approximate(folder, approximate, dimension)

    def search(
        self, query: Vectors, k: int, *, allowed: Ids | None = None, dead: Ids | None = None
    ) -> list[tuple[int, float]]:
        """The ``k`` best (chunk id, cosine) for one unit row (d,), best first, ties by ascending id.

        Only ids in ``allowed`` count when given, and none in ``dead``: both act before the cut to ``k``. Exact, unless
        there is an approximate index and no ``allowed``; then ids that no segment holds any more are possible, which
        the caller drops. Raises ValueError for a query of another dimension.
        """
        if query.shape != (self.dimension,):
            raise ValueError(f"the query has the shape {query.shape}, the index holds rows of {self.dimension}")
        if k <= 0 or not np.isfinite(query).all() or (allowed is not None and not len(allowed)):
            return []  # faiss pads such searches with id -1
        row = np.ascontiguousarray(query[None], dtype=np.float32)
        found: list[tuple[int, float]] = []
        covered = -1
        if self._approximate is not None and allowed is None:
            covered = self._covered
            found += self._approximate.search(row, k, _selector(None, dead, -1))
        for segment, index in zip(self._rows, self._indexes, strict=True):
            if segment.last > covered:
                parameters = faiss.SearchParameters()
                parameters.sel = _selector(allowed, dead, covered if segment.first <= covered else -1)
                found += search_file(index, row, k, parameters)
        found.sort(key=lambda hit: (-hit[1], hit[0]))
        return found[:k]

    @property
    def is_exact(self) -> bool:
        """Whether every search is."""
        return self._approximate is None

    def blocks(self, dead: Ids) -> Iterator[tuple[Ids, Vectors]]:
        """The ids (n,) and rows (n, d) of everything but ``dead``, ids ascending, a block at a time."""
        return _live_blocks(self._indexes, dead)

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


def _open(path: Path, row: SegmentRow, dimension: int | None, *, ahead: bool = True) -> faiss.IndexIDMap:
    index = read_file(path, lambda file: _check_form(file, row.count, dimension), ahead=ahead)
    assert isinstance(index, faiss.IndexIDMap)  # the header says so
    return index


def _check_form(file: int, row_count: int, dimension: int | None) -> None:
    """Raise ValueError unless the open ``file`` is laid out as a segment of so many rows."""
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


def _selector(allowed: Ids | None, dead: Ids | None, above: int) -> faiss.IDSelector | None:
    if allowed is not None:
        live = allowed if dead is None or not len(dead) else np.setdiff1d(allowed, dead)
        return faiss.IDSelectorBatch(live)
    alive = faiss.IDSelectorNot(faiss.IDSelectorBatch(dead)) if dead is not None and len(dead) else None
    if above < 0:
        return alive
    newer = faiss.IDSelectorRange(above + 1, np.iinfo(np.int64).max)
    return newer if alive is None else faiss.IDSelectorAnd(newer, alive)
