"""Build the inverted file (IVF) of an index that is too large to read whole for every query.

k-means divides the vectors into lists, and a search reads the lists whose centres are nearest to the query. The file
holds the rows as segments do, as float16, so the scores are those of the exact search and need no second pass. A search
can miss a neighbour only when it is in a list that was not read; the number of lists to read is measured on the vectors
of the index itself.

Rows go from the old files to the new one in blocks, so that memory does not grow with the index. Later rows join the
lists that are there; only when the index has doubled are new centres computed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import faiss
import numpy as np
import numpy.typing as npt

from ragcli.index.catalog.rows import ApproximateRow, SegmentRow
from ragcli.index.vectors.faiss_files import (
    Codes,
    Draft,
    Ids,
    Vectors,
    check_lists_form,
    empty_lists,
    list_parameters,
    lists_heads,
    write_all,
)
from ragcli.index.vectors.lists import Lists, decoded, digest_of
from ragcli.index.vectors.segments import SegmentFile, write_rows

# The share of the ten nearest that a search must find, on average over the sampled queries.
LEAST_RECALL = 0.98
_NEAREST = 10

# Rows per list that k-means sees, and its rounds: more of either take longer and find no more.
_ROWS_A_LIST = 64
_MOST_SAMPLED = 1 << 19  # rows in all: 800 MB at 384 dimensions
_ROUNDS = 10

# Beyond so many rows, shorter lists: there the rows of the lists that are read cost more than comparing the centres.
_MANY = 2_000_000

# New centres are due when there are so many times the rows that the present ones were made for, or their inverse.
_GROWN = 2

# Rows that are moved at once, and that are compared with all centres at once: 100 and 25 MB at 384 dimensions.
_BLOCK = 1 << 17
_COMPARED = 1 << 14

Numbers = npt.NDArray[np.int32]  # of the lists of rows

# The two ways to search differ by less than this in the score of a row.
_SAME_SCORE = 1e-6


class _Source(Protocol):
    """Rows to put into lists."""

    ids: Ids

    def blocks(self) -> Iterator[tuple[Ids, Codes]]: ...


class _Flat:
    """The live rows of a segment."""

    def __init__(self, file: SegmentFile, dead: Ids, above: int) -> None:
        self._file = file
        self._live = (file.ids > above) & np.isin(file.ids, dead, invert=True)
        self.ids: Ids = file.ids[self._live]

    def blocks(self) -> Iterator[tuple[Ids, Codes]]:
        for start in range(0, self._file.count, _BLOCK):
            live = self._live[start : start + _BLOCK]
            if live.any():
                yield self._file.ids[start : start + _BLOCK][live], self._file.codes(start, start + _BLOCK)[live]


class _Listed:
    """The live rows of an inverted file, list after list."""

    def __init__(self, lists: Lists, dead: Ids) -> None:
        self._lists = lists
        self._dead = dead
        self.row = lists.row
        self.centres = lists.centres
        self.ids: Ids = np.setdiff1d(lists.ids(), dead, assume_unique=True)

    def lengths(self) -> Ids:
        """The number of live rows of each list."""
        return np.array([len(ids) for ids, _ in self.lists()])

    def lists(self) -> Iterator[tuple[Ids, Codes]]:
        for number in range(self._lists.row.lists):
            ids, codes = self._lists.part(number)
            live = np.isin(ids, self._dead, invert=True)
            yield ids[live], codes[live]

    def blocks(self) -> Iterator[tuple[Ids, Codes]]:
        waiting: list[tuple[Ids, Codes]] = []
        for part in self.lists():
            waiting.append(part)
            if sum(len(ids) for ids, _ in waiting) >= _BLOCK:
                yield _joined(waiting)
                waiting = []
        if waiting and sum(len(ids) for ids, _ in waiting):
            yield _joined(waiting)


def build(
    folder: Path,
    name: str,
    old: Lists | None,
    segments: Sequence[SegmentRow],
    dimension: int,
    dead: Ids,
    queries: Vectors,
) -> ApproximateRow:
    """Write ``folder/name``, durably, with every live row of ``old`` and of ``segments``.

    A search will read as many lists as it takes to find LEAST_RECALL of the ten nearest of ``queries`` (n, d), n > 0.
    At least one row must be live. Memory is that of the sample for k-means, 800 MB at most, and of some blocks. Raises
    IndexDamaged, and RagcliError when the disk is full or fails.
    """
    listed = _Listed(old, dead) if old is not None and old.row.is_alone else None
    flat = [_Flat(SegmentFile(folder / row.name, row, dimension), dead, -1) for row in segments]
    sources: list[_Source] = [*([listed] if listed else []), *flat]
    count = sum(len(source.ids) for source in sources)
    last = max(int(source.ids.max()) for source in sources if len(source.ids))
    nearest, most = min(_NEAREST, count), _GROWN * listed.row.trained if listed else 0
    with _all_cores(count):
        if listed is not None and listed.row.lists <= count and listed.row.trained / _GROWN <= count <= most:
            index, trained, stays = _with_centres(listed.centres()), listed.row.trained, listed
        else:
            index, trained, stays = _trained(sources, count, dimension), count, None
        truth = _Truth(queries, nearest)
        numbers = [_numbers(source, None if source is stays else index, truth) for source in sources]
        digest = _write(folder, name, index, sources, numbers)
        row = ApproximateRow(name, digest, count, last, index.nlist, 1, 1.0, len(queries), True, trained)
        probes, recall = _probes(Lists(folder, row, dimension), queries, truth.last())
    return replace(row, probes=probes, recall=recall)


def lists_for(count: int) -> int:
    """The number of lists for ``count`` rows: about twice the square root, three times that of many; a power of two."""
    wanted = (2 if count <= _MANY else 3) * np.sqrt(count)
    return 1 << max(0, round(np.log2(wanted))) if count > 1 else 1


def flatten(folder: Path, name: str, lists: Lists, dead: Ids, *, sound_only: bool = False) -> SegmentRow | None:
    """Write a segment ``folder/name`` of the live rows of ``lists``; with ``sound_only``, of the lists that are sound.

    Returns None when no row is left. Raises RagcliError when the disk is full or fails.
    """
    ids, offsets = lists.places(sound_only=sound_only)
    order = np.argsort(ids, kind="stable")
    order = order[np.isin(ids[order], dead, invert=True)]
    blocks = (
        (ids[chosen], lists.codes_at(offsets[chosen]))
        for start in range(0, len(order), _COMPARED)
        if len(chosen := order[start : start + _COMPARED])
    )
    return write_rows(folder, name, len(order), blocks)


def _with_centres(centres: Vectors) -> faiss.IndexIVFScalarQuantizer:
    index = empty_lists(centres.shape[1], len(centres))
    index.quantizer.add(centres)
    index.is_trained = True
    return index


def _trained(sources: Sequence[_Source], count: int, dimension: int) -> faiss.IndexIVFScalarQuantizer:
    """An inverted file without rows, its centres trained; fewer lists for similar rows, so that most are filled."""
    lists = lists_for(count)
    rng = np.random.default_rng(0)
    chosen = np.zeros(count, bool)
    chosen[rng.choice(count, min(count, _ROWS_A_LIST * lists, _MOST_SAMPLED), replace=False)] = True
    sample = np.empty((int(chosen.sum()), dimension), np.float32)
    seen = filled = 0
    for _, codes in (block for source in sources for block in source.blocks()):
        picked = codes[chosen[seen : seen + len(codes)]]
        sample[filled : filled + len(picked)] = decoded(picked)
        seen, filled = seen + len(codes), filled + len(picked)
    while True:
        index = empty_lists(dimension, lists)
        index.cp.niter, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = _ROUNDS, _ROWS_A_LIST, 1
        index.cp.spherical = True
        index.train(sample)
        used = len(np.unique(index.quantizer.assign(sample, 1)))
        if 4 * used > 3 * lists or lists == 1:
            return index
        lists //= 2


class _Truth:
    """The scores of the nearest rows of each query, by brute force over the blocks that pass by."""

    def __init__(self, queries: Vectors, nearest: int) -> None:
        self._queries = queries
        self._best = np.full((len(queries), nearest), -np.inf, np.float32)

    def see(self, rows: Vectors) -> None:
        """Take rows (n, d) into account."""
        every = np.concatenate([self._best, self._queries @ rows.T], axis=1)
        kept = self._best.shape[1]
        self._best = np.partition(every, every.shape[1] - kept, axis=1)[:, -kept:]

    def last(self) -> Vectors:
        """The score of the last of the nearest of each query (n,)."""
        worst: Vectors = self._best.min(axis=1)
        return worst


def _numbers(source: _Source, index: faiss.IndexIVFScalarQuantizer | None, truth: _Truth) -> Numbers | None:
    """The list of each row of ``source``, in its order; None without ``index``, and only ``truth`` sees the rows."""
    found: list[Numbers] = []
    for _, codes in source.blocks():
        for start in range(0, len(codes), _COMPARED):
            rows = decoded(codes[start : start + _COMPARED])
            truth.see(rows)
            if index is not None:
                found.append(index.quantizer.assign(rows, 1)[:, 0].astype(np.int32))
    if index is None:
        return None
    return np.concatenate(found) if found else np.empty(0, np.int32)


def _write(
    folder: Path,
    name: str,
    index: faiss.IndexIVFScalarQuantizer,
    sources: Sequence[_Source],
    numbers: Sequence[Numbers | None],
) -> str:
    """Write the file with the rows of ``sources`` in the lists with these ``numbers``; returns its digest.

    None is for rows that are in lists and stay there.
    """
    import hashlib

    lists, width = index.nlist, index.d
    lengths = np.zeros(lists, np.int64)
    for source, ours in zip(sources, numbers, strict=True):
        if ours is not None:
            lengths += np.bincount(ours, minlength=lists)
        elif isinstance(source, _Listed):
            lengths += source.lengths()
    count, row_size = int(lengths.sum()), 2 * width + 8
    first, second = lists_heads(width, lists, count)
    centres = faiss.downcast_index(index.quantizer).reconstruct_n(0, lists)
    head = first + centres.astype("<f4").tobytes() + second + lengths.astype("<i8").tobytes()
    starts = len(head) + row_size * np.concatenate([[0], np.cumsum(lengths)])
    codes_at, ids_at = starts[:-1].copy(), starts[:-1] + 2 * width * lengths
    whole = hashlib.sha256()
    with Draft(folder, name).open() as file:
        write_all(file, head, 0)

        def put(number: int, ids: Ids, codes: Codes) -> None:
            codes_at[number] = write_all(file, codes, int(codes_at[number]))
            ids_at[number] = write_all(file, ids.astype("<i8", copy=False), int(ids_at[number]))

        for source, ours in zip(sources, numbers, strict=True):
            if ours is None:
                if isinstance(source, _Listed):
                    for number, (ids, codes) in enumerate(source.lists()):
                        put(number, ids, codes)
                continue
            seen = 0
            for ids, codes in source.blocks():
                mine = ours[seen : seen + len(ids)]
                seen += len(ids)
                order = np.argsort(mine, kind="stable")
                mine, ids, codes = mine[order], ids[order], codes[order]
                edges = np.flatnonzero(np.diff(mine, prepend=-1, append=lists))
                for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                    put(int(mine[start]), ids[start:end], codes[start:end])
        digests = [digest_of(head)]
        whole.update(head)
        for number in range(lists):
            data = os.pread(file.fileno(), int(starts[number + 1] - starts[number]), int(starts[number]))
            digests.append(digest_of(data))
            whole.update(data)
        trailer = b"".join(digests)
        whole.update(trailer)
        write_all(file, trailer, int(starts[-1]))
        check_lists_form(file.fileno(), count, lists, width, len(trailer))
    return whole.hexdigest()


def _probes(lists: Lists, queries: Vectors, last: Vectors) -> tuple[int, float]:
    """The least number of lists to read, nearly, and the recall with it; ``last`` is the score to reach by query."""
    nearest, most = min(_NEAREST, lists.row.count), lists.row.lists

    def recall(probes: int) -> float:
        scores, _ = lists.index.search(queries, nearest, params=list_parameters(probes, None))
        lists.note_read(probes * len(queries))
        # by score, not by id: rows that tie with the last are as good
        return min(1.0, float((scores >= last[:, None] - _SAME_SCORE).sum(axis=1).mean()) / nearest)

    low, high = 0, 1
    while (found := recall(high)) < LEAST_RECALL and high < most:
        low, high = high, min(most, 2 * high)
    while high - low > max(1, high // 16):
        middle = (low + high) // 2
        if (here := recall(middle)) >= LEAST_RECALL:
            high, found = middle, here
        else:
            low = middle
    return high, found


def _joined(parts: Sequence[tuple[Ids, Codes]]) -> tuple[Ids, Codes]:
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([codes for _, codes in parts])


@contextmanager
def _all_cores(count: int) -> Iterator[None]:
    """Several threads for so many rows, if they are many: for few, threads wait for one another."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads((os.cpu_count() or 1) if count >= _BLOCK else 1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
