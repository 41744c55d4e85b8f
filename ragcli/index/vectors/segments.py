"""Search over the vectors of an index in FAISS files, and the writing of a segment.

Segments are immutable and hold unit rows as float16; a search reads all of them. Exact search over float16 finds the
same top 10 as float32 at half the size and twice the speed (docs/design.md has the figures). The inner product of unit
rows is the cosine, so higher scores are better.

A large index has an inverted file too, which holds the rows of the segments once more: a search then reads the lists
whose centres are nearest to the query, and the segments only for rows that are newer than that file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.rows import ApproximateRow, SegmentRow
from ragcli.index.vectors.faiss_files import (
    Ids,
    Vectors,
    check_digest,
    check_lists_form,
    check_segment_form,
    empty_segment,
    list_parameters,
    read_file,
    search_file,
    write_file,
)

# Rows that are copied at once to a new segment: 3 MB of float32 at 384 dimensions.
_BLOCK = 2_048

_LARGEST = float(np.finfo(np.float16).max)


def write_segment(
    folder: Path,
    name: str,
    added: Collection[tuple[int, Vectors]],
    swallowed: Sequence[SegmentRow],
    dead: Sequence[int],
) -> SegmentRow | None:
    """Write ``folder/name`` with the live rows of ``swallowed`` segments and ``added`` (chunk id, unit row (d,)).

    The ids must ascend through all of these in order. Durable on return. Returns None, and writes no file, when no row
    is left. Raises ValueError for ids out of order and for rows that are not finite, which would answer every search
    with garbage; IndexDamaged when a swallowed segment is damaged; RagcliError when the disk is full or fails.
    """
    gone = np.array(dead, np.int64)
    for row in swallowed:
        require_sound(folder, row)  # or its damage would continue under a new checksum
    blocks = _live_blocks([_open(folder / row.name, row, None) for row in swallowed], gone)
    index: faiss.IndexIDMap | None = None
    last = -1
    for ids, vectors in chain(blocks, _new_blocks(added)):
        if ids[0] <= last or not (np.diff(ids) > 0).all():
            raise ValueError("ids must ascend")
        if not (np.abs(vectors) <= _LARGEST).all():
            raise ValueError("vectors must be finite")
        if index is None:
            first, index = int(ids[0]), empty_segment(vectors.shape[1])
            # faiss would double its memory whenever that is full, and hold both; the next call gives up no memory
            rows: Any = faiss.downcast_index(index.index)
            rows.codes.resize((len(added) + sum(row.count for row in swallowed)) * rows.code_size)
        index.add_with_ids(np.ascontiguousarray(vectors), np.ascontiguousarray(ids))
        last = int(ids[-1])
    if index is None:
        return None
    count, width = index.ntotal, index.d
    digest = write_file(folder, name, index, lambda file: check_segment_form(file, count, width))
    return SegmentRow(name, digest, count, first, last)


def _live_blocks(indexes: Sequence[faiss.IndexIDMap], gone: Ids) -> Iterator[tuple[Ids, Vectors]]:
    for index in indexes:
        held = faiss.vector_to_array(index.id_map)
        for start in range(0, len(held), _BLOCK):
            ids = held[start : start + _BLOCK]
            live = ~np.isin(ids, gone)
            if live.any():
                yield ids[live], index.index.reconstruct_n(start, len(ids))[live]


def _new_blocks(added: Iterable[tuple[int, Vectors]]) -> Iterator[tuple[Ids, Vectors]]:
    from ragcli.index.store import batched  # what a question does not load

    for part in batched(added, _BLOCK):
        yield np.array([i for i, _ in part], np.int64), np.stack([row for _, row in part])


def check_segment(folder: Path, row: SegmentRow) -> str | None:
    """A sentence when the file of a segment is missing or its bytes are not what was written, else None."""
    return check_digest(folder / row.name, row.sha256)


def require_sound(folder: Path, row: SegmentRow) -> None:
    """Raise IndexDamaged unless the bytes of a segment are what was written."""
    fault = check_segment(folder, row)
    if fault is not None:
        raise IndexDamaged(fault, "repair it with: ragcli repair")


class Segments:
    """All files of vectors of one state of an index, open for search."""

    def __init__(
        self, folder: Path, rows: Sequence[SegmentRow], dimension: int, approximate: ApproximateRow | None = None
    ) -> None:
        """Open every segment, and the inverted file where there is one; raises IndexDamaged when one is unusable."""
        self.dimension = dimension
        self._rows = rows
        self._covered = approximate.last if approximate else -1
        # where approximate search reads the inverted file, only a search with a filter reads the segment
        self._indexes = [_open(folder / row.name, row, dimension, ahead=row.last > self._covered) for row in rows]
        self._lists: tuple[faiss.IndexIVFScalarQuantizer, int] | None = None  # and how many of them to read
        if approximate is not None:
            self._lists = _open_lists(folder / approximate.name, approximate, dimension), approximate.probes

    def search(
        self, query: Vectors, k: int, *, allowed: Ids | None = None, dead: Ids | None = None
    ) -> list[tuple[int, float]]:
        """The ``k`` best (chunk id, cosine) for one unit row (d,), best first, ties by ascending id.

        Only ids in ``allowed`` count when given, and none in ``dead``: both act before the cut to ``k``. Exact, unless
        there is an inverted file and no ``allowed``; then ids that no segment holds any more are possible, and the
        caller drops them. Raises ValueError for a query of another dimension.
        """
        if query.shape != (self.dimension,):
            raise ValueError(f"the query has the shape {query.shape}, the index holds rows of {self.dimension}")
        if k <= 0 or not np.isfinite(query).all() or (allowed is not None and not len(allowed)):
            return []  # faiss pads such searches with id -1
        row = np.ascontiguousarray(query[None], dtype=np.float32)
        found: list[tuple[int, float]] = []
        covered = -1
        if self._lists is not None and allowed is None:
            covered = self._covered
            lists, probes = self._lists
            found += search_file(lists, row, k, list_parameters(probes, _selector(None, dead, -1)))
        for segment, index in zip(self._rows, self._indexes, strict=True):
            if segment.last > covered:
                parameters = faiss.SearchParameters()
                parameters.sel = _selector(allowed, dead, covered if segment.first <= covered else -1)
                found += search_file(index, row, k, parameters)
        found.sort(key=lambda hit: (-hit[1], hit[0]))
        return found[:k]

    @property
    def is_exact(self) -> bool:
        """Whether every search is exact."""
        return self._lists is None

    def blocks(self, dead: Ids) -> Iterator[tuple[Ids, Vectors]]:
        """The ids (n,) and rows (n, d) of everything but ``dead``, in blocks, ids ascending."""
        return _live_blocks(self._indexes, dead)

    def reconstruct(self, ids: Collection[int]) -> dict[int, Vectors]:
        """The stored row (d,) of each of ``ids`` that a segment holds."""
        wanted = np.unique(np.fromiter(ids, np.int64, len(ids)))
        found: dict[int, Vectors] = {}
        for index in self._indexes:
            held = faiss.vector_to_array(index.id_map)
            _, places, _ = np.intersect1d(held, wanted, assume_unique=True, return_indices=True)
            found.update((int(held[place]), index.index.reconstruct(int(place))) for place in places)
        return found

    def ids(self) -> Ids:
        """Every id in the segments, ascending; an id in two segments appears twice."""
        held = [faiss.vector_to_array(index.id_map) for index in self._indexes]
        return np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)


def as_stored(rows: Vectors) -> Vectors:
    """``rows`` (n, d) as a segment keeps them: as float16, rounded as faiss rounds, which differs from numpy."""
    index = empty_segment(rows.shape[1])  # a variable, because index.index lives only as long as index
    kept: Vectors = index.index.sa_decode(index.index.sa_encode(np.ascontiguousarray(rows)))
    return kept


def exact_scores(query: Vectors, rows: Vectors) -> Vectors:
    """The cosine of ``query`` (d,) and each of ``rows`` (n, d), to the bit as a segment of these rows answers."""
    index = empty_segment(rows.shape[1])
    index.add_with_ids(np.ascontiguousarray(rows), np.arange(len(rows)))
    scores, places = index.search(np.ascontiguousarray(query[None], dtype=np.float32), len(rows))
    in_order = np.empty(len(rows), np.float32)
    in_order[places[0]] = scores[0]
    return in_order


def _open(path: Path, row: SegmentRow, dimension: int | None, *, ahead: bool = True) -> faiss.IndexIDMap:
    index = read_file(path, lambda file: check_segment_form(file, row.count, dimension), ahead=ahead)
    assert isinstance(index, faiss.IndexIDMap)  # the header says so
    return index


def _open_lists(path: Path, row: ApproximateRow, dimension: int) -> faiss.IndexIVFScalarQuantizer:
    index = read_file(path, lambda file: check_lists_form(file, row.count, row.lists, dimension), ahead=False)
    assert isinstance(index, faiss.IndexIVFScalarQuantizer)  # the header says so
    return index


def _selector(allowed: Ids | None, dead: Ids | None, above: int) -> faiss.IDSelector | None:
    if allowed is not None:
        live = allowed if dead is None or not len(dead) else np.setdiff1d(allowed, dead)
        return faiss.IDSelectorBatch(live)
    alive = faiss.IDSelectorNot(faiss.IDSelectorBatch(dead)) if dead is not None and len(dead) else None
    if above < 0:
        return alive
    newer = faiss.IDSelectorRange(above + 1, np.iinfo(np.int64).max)
    return newer if alive is None else faiss.IDSelectorAnd(newer, alive)
