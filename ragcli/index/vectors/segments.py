"""Search over the vectors of an index in FAISS files, and the writing of a segment.

Segments are immutable and hold unit rows as float16; a search reads all of them. Exact search over float16 finds the
same top 10 as float32 at half the size and twice the speed (docs/design.md has the figures). The inner product of unit
rows is the cosine, so higher scores are better.

A large index has an inverted file instead (:mod:`ragcli.index.vectors.lists`): a search then reads the lists whose
centres are nearest to the query, and the segments for rows that are newer than that file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from ragcli.errors import IndexDamaged, refuse_environment
from ragcli.index.catalog.rows import ApproximateRow, SegmentRow
from ragcli.index.vectors.faiss_files import (
    Codes,
    Draft,
    Ids,
    Vectors,
    check_digest,
    check_segment_form,
    empty_segment,
    read_file,
    search_file,
    segment_head,
    write_all,
)

if TYPE_CHECKING:
    from ragcli.index.vectors.lists import Lists

# Rows that are copied at once to a new segment: 6 MB at 384 dimensions.
_BLOCK = 8_192

_LARGEST = float(np.finfo(np.float16).max)
_NOT_FINITE = 0x7C00  # the bits of the exponent of a float16


def write_segment(
    folder: Path,
    name: str,
    added: Collection[tuple[int, Vectors]],
    swallowed: Sequence[SegmentRow],
    dead: Sequence[int],
) -> SegmentRow | None:
    """Write ``folder/name`` with the live rows of ``swallowed`` segments and ``added`` (chunk id, unit row (d,)).

    The ids must ascend through all of these in order. Durable on return. Rows go from file to file in blocks. Returns
    None, and writes no file, when no row is left. Raises ValueError for ids out of order and for rows that are not
    finite, which would answer every search with garbage; IndexDamaged when a swallowed segment is damaged; RagcliError
    when the disk is full or fails.
    """
    gone = np.array(dead, np.int64)
    for row in swallowed:
        require_sound(folder, row)  # or its damage would continue under a new checksum
    files = [SegmentFile(folder / row.name, row) for row in swallowed]
    live = [np.isin(file.ids, gone, invert=True) for file in files]
    count = len(added) + sum(int(one.sum()) for one in live)
    old = (
        (file.ids[start : start + _BLOCK][mask], file.codes(start, start + _BLOCK)[mask])
        for file, one in zip(files, live, strict=True)
        for start in range(0, file.count, _BLOCK)
        if (mask := one[start : start + _BLOCK]).any()
    )
    return write_rows(folder, name, count, chain(old, _new_blocks(added)))


def write_rows(folder: Path, name: str, count: int, blocks: Iterable[tuple[Ids, Codes]]) -> SegmentRow | None:
    """Write a segment with the ``count`` rows of ``blocks``, whose ids ascend; as :func:`write_segment`."""
    if not count:
        return None
    import hashlib  # 3 ms, and a search needs no digests

    draft, digest = Draft(folder, name), hashlib.sha256()
    held: list[Ids] = []
    last, at, width = -1, 0, 0
    with draft.open() as file:
        for ids, codes in blocks:
            if ids[0] <= last or not (np.diff(ids) > 0).all():
                raise ValueError("ids must ascend")
            if ((codes.view("<u2") & _NOT_FINITE) == _NOT_FINITE).any():
                raise ValueError("vectors must be finite")
            if not held:
                width = codes.shape[1] // 2
                head = segment_head(width, count)
                digest.update(head)
                at = write_all(file, head, at)
            digest.update(codes.tobytes())
            at = write_all(file, codes, at)
            held.append(ids)
            last = int(ids[-1])
        every = np.concatenate(held)
        for data in (struct.pack("<Q", len(every)), every.astype("<i8").tobytes()):
            digest.update(data)
            at = write_all(file, data, at)
        check_segment_form(file.fileno(), count, width)
    return SegmentRow(name, digest.hexdigest(), count, int(every[0]), last)


class SegmentFile:
    """The rows of a segment as they lie in its file, read block by block: nothing of it stays in memory but the ids."""

    def __init__(self, path: Path, row: SegmentRow, dimension: int | None = None) -> None:
        """Raises IndexDamaged when the file is not what ``row`` says."""
        self.count = row.count
        self._path = path
        try:
            with path.open("rb") as file:
                check_segment_form(file.fileno(), row.count, dimension)
                self.dimension = int.from_bytes(os.pread(file.fileno(), 4, 4), "little")
                self._start = len(segment_head(self.dimension, row.count))
                file.seek(self._start + 2 * self.dimension * row.count + 8)
                self.ids: Ids = np.fromfile(file, "<i8", row.count)
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error

    def codes(self, start: int, end: int) -> Codes:
        """The rows from ``start`` to ``end``, as float16 in bytes (n, 2 * d)."""
        size = 2 * self.dimension
        count = min(end, self.count) - start
        try:
            codes = np.fromfile(self._path, np.uint8, count * size, offset=self._start + start * size)
        except OSError as error:
            raise _damaged(self._path, error) from error
        return codes.reshape(count, size)


def _damaged(path: Path, error: Exception) -> IndexDamaged:
    refuse_environment(path, error)
    return IndexDamaged(f"the segment {path} is damaged: {error}", "repair it with: ragcli repair")


def _new_blocks(added: Iterable[tuple[int, Vectors]]) -> Iterator[tuple[Ids, Codes]]:
    from ragcli.index.store import batched  # what a question does not load

    for part in batched(added, _BLOCK):
        rows = np.stack([row for _, row in part])
        if not (np.abs(rows) <= _LARGEST).all():
            raise ValueError("vectors must be finite")
        yield np.array([i for i, _ in part], np.int64), coded(rows)


def merged(
    file: SegmentFile, kept: Sequence[int], vectors: Mapping[int, Vectors]
) -> tuple[int, Iterator[tuple[Ids, Codes]]]:
    """The number, and blocks for :func:`write_rows`, of the rows ``kept`` of a segment and of ``vectors`` by id."""
    places = np.searchsorted(file.ids, np.array(kept, np.int64))
    new = np.array(sorted(vectors), np.int64)
    ids = np.concatenate([file.ids[places], new])
    order = np.argsort(ids)

    def blocks() -> Iterator[tuple[Ids, Codes]]:
        for start in range(0, len(order), _BLOCK):
            chosen = order[start : start + _BLOCK]
            is_old = chosen < len(places)
            codes = np.empty((len(chosen), 2 * file.dimension), np.uint8)
            if is_old.any():
                old = places[chosen[is_old]]  # ascending
                codes[is_old] = file.codes(int(old[0]), int(old[-1]) + 1)[old - old[0]]
            if not is_old.all():
                codes[~is_old] = coded(np.stack([vectors[i] for i in ids[chosen[~is_old]].tolist()]))
            yield ids[chosen], codes

    return len(order), blocks()


def check_segment(folder: Path, row: SegmentRow | ApproximateRow) -> str | None:
    """A sentence when the file of a segment is missing or its bytes are not what was written, else None."""
    return check_digest(folder / row.name, row.sha256)


def require_sound(folder: Path, row: SegmentRow | ApproximateRow) -> None:
    """Raise IndexDamaged unless the bytes of a segment are what was written."""
    fault = check_segment(folder, row)
    if fault is not None:
        raise IndexDamaged(fault, "repair it with: ragcli repair")


class Segments:
    """The open vectors of an index. Costs little to make: files are mapped, not read."""

    def __init__(
        self, folder: Path, rows: Sequence[SegmentRow], dimension: int, approximate: ApproximateRow | None = None
    ) -> None:
        """Open every segment, and the inverted file where there is one; raises IndexDamaged when one is unusable."""
        self.dimension = dimension
        self._rows = rows
        self._covered = approximate.last if approximate else -1
        # where approximate search reads the inverted file, only a search with a filter reads the segment
        self._indexes = [_open(folder / row.name, row, dimension, ahead=row.last > self._covered) for row in rows]
        self.lists: Lists | None = None
        if approximate is not None:
            from ragcli.index.vectors.lists import Lists  # a small index needs none

            self.lists = Lists(folder, approximate, dimension)

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
        if self.lists is not None and (allowed is None or self.lists.row.is_alone):
            covered = self._covered
            selector = _selector(allowed, dead, -1)
            found += self.lists.search(row, k, selector, every=allowed is not None)
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
        return self.lists is None

    def reconstruct(self, ids: Collection[int]) -> dict[int, Vectors]:
        """The stored row (d,) of each of ``ids`` that is here. Raises IndexDamaged for a list that is not sound."""
        wanted = np.unique(np.fromiter(ids, np.int64, len(ids)))
        alone = self.lists is not None and self.lists.row.is_alone
        found: dict[int, Vectors] = {}
        if self.lists is not None and alone and len(wanted) and wanted[0] <= self._covered:
            found = self.lists.rows(wanted)
        for index in self._indexes:
            held = faiss.vector_to_array(index.id_map)
            _, places, _ = np.intersect1d(held, wanted, assume_unique=True, return_indices=True)
            found.update((int(held[place]), index.index.reconstruct(int(place))) for place in places)
        return found

    def ids(self) -> Ids:
        """Every id that is here, ascending; an id that is here twice appears twice."""
        held = [faiss.vector_to_array(index.id_map) for index in self._indexes]
        if self.lists is not None and self.lists.row.is_alone:
            held.append(self.lists.ids())
        return np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)


def coded(rows: Vectors) -> Codes:
    """The bytes (n, 2 * d) of ``rows`` (n, d) in a segment: rounded as faiss rounds, which differs from numpy."""
    index = empty_segment(rows.shape[1])  # a variable, because index.index lives only as long as index
    codes: Codes = index.index.sa_encode(np.ascontiguousarray(rows, dtype=np.float32))
    return codes


def as_stored(rows: Vectors) -> Vectors:
    """``rows`` (n, d) as float16 in a segment leaves them."""
    index = empty_segment(rows.shape[1])
    kept: Vectors = index.index.sa_decode(coded(rows))
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


def _selector(allowed: Ids | None, dead: Ids | None, above: int) -> faiss.IDSelector | None:
    if allowed is not None:
        live = allowed if dead is None or not len(dead) else np.setdiff1d(allowed, dead)
        return _among(live)
    alive = faiss.IDSelectorNot(_among(dead)) if dead is not None and len(dead) else None
    if above < 0:
        return alive
    newer = faiss.IDSelectorRange(above + 1, np.iinfo(np.int64).max)
    return newer if alive is None else faiss.IDSelectorAnd(newer, alive)


def _among(ids: Collection[int]) -> faiss.IDSelector:
    """A selector of ``ids``: bits where they are many and their numbers close together, else a hash table."""
    chosen = np.asarray(ids, np.int64)
    if len(chosen) > 1_000 and chosen.min() >= 0 and chosen.max() < 64 * len(chosen) + (1 << 24):
        bits = np.zeros(int(chosen.max()) + 1, bool)
        bits[chosen] = True
        bitmap: Any = faiss.IDSelectorBitmap  # takes an array, whatever its types say
        selector: faiss.IDSelector = bitmap(np.packbits(bits, bitorder="little"))
        return selector
    return faiss.IDSelectorBatch(chosen)
