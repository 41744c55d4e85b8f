"""Approximate search for indexes too large to read whole for every query: an inverted file (IVF) by FAISS.

k-means cuts the vectors into lists, and a search reads the lists whose centres are nearest to the query. Rows are
stored as in the segments, as float16, so that scores are those of the exact search and nothing needs refining; what can
go wrong is that a neighbour stands in a list that was not read. How many are read is chosen by measuring that, on the
vectors of this very index.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np

from ragcli.index.catalog.rows import ApproximateRow
from ragcli.index.vectors.faiss_files import Ids, Vectors, read_file, search_file, write_file

if TYPE_CHECKING:
    from ragcli.index.vectors.segments import Segments

# The share of the ten nearest that a search must find, on average over the sampled queries.
LEAST_RECALL = 0.98
_NEAREST = 10

# Rows that k-means sees for each list, and its rounds: more of either take longer and find no more.
_ROWS_A_LIST = 64
_ROUNDS = 10

# Scores of the same row agree to this between the two ways to search.
_SAME_SCORE = 1e-6


class Approximate:
    """The open index of one :class:`ApproximateRow`."""

    def __init__(self, folder: Path, row: ApproximateRow, dimension: int) -> None:
        """Map it; raises IndexDamaged."""
        self._index = read_file(
            folder / row.name, lambda file: _check_form(file, row.count, row.lists, dimension), ahead=False
        )
        self._probes = row.probes

    def search(self, query: Vectors, k: int, selector: faiss.IDSelector | None) -> list[tuple[int, float]]:
        """The ``k`` best (chunk id, cosine) for one row (1, d) in the lists that are read, and all ties of the last."""
        return search_file(self._index, query, k, _reading(self._probes, selector))


def build(folder: Path, name: str, segments: Segments, dead: Ids, queries: Vectors) -> ApproximateRow:
    """Write ``folder/name``, durably, with every live row of ``segments``, which search exactly.

    The lists to read are as many as it takes to find LEAST_RECALL of the ten nearest of ``queries`` (n, d), n > 0.
    At least one row must be live. Takes minutes for a million rows, and their size in memory. Raises RagcliError when
    the disk does not take it.
    """
    ids = np.setdiff1d(segments.ids(), dead)
    with _all_cores():
        index = _trained(segments, ids, lists_for(len(ids)))
        for block, rows in segments.blocks(dead):
            index.add_with_ids(np.ascontiguousarray(rows), np.ascontiguousarray(block))
    probes, recall = _probes(index, segments, dead, queries)
    count, lists, width = index.ntotal, index.nlist, index.d
    digest = write_file(folder, name, index, lambda file: _check_form(file, count, lists, width))
    return ApproximateRow(name, digest, count, int(ids[-1]), lists, probes, recall, len(queries))


def lists_for(count: int) -> int:
    """Into how many lists ``count`` rows are cut: about twice the square root, a power of two."""
    return 1 << max(0, round(np.log2(2 * np.sqrt(count)))) if count > 1 else 1


def _trained(segments: Segments, ids: Ids, lists: int) -> faiss.IndexIVFScalarQuantizer:
    """An empty index whose centres fit the rows; of rows that are much alike fewer lists, so that most are filled."""
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(ids, min(len(ids), _ROWS_A_LIST * lists), replace=False))
    sample = np.concatenate([rows[np.isin(block, chosen)] for block, rows in segments.blocks(np.empty(0, np.int64))])
    while True:
        index = _empty(sample.shape[1], lists)
        index.cp.niter, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = _ROUNDS, _ROWS_A_LIST, 1
        index.cp.spherical = True
        index.train(sample)
        used = len(np.unique(index.quantizer.assign(sample, 1)))
        if 4 * used > 3 * lists or lists == 1:
            return index
        lists //= 2


def _empty(dimension: int, lists: int) -> faiss.IndexIVFScalarQuantizer:
    return faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension), dimension, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
    )


def _reading(probes: int, selector: faiss.IDSelector | None) -> faiss.SearchParametersIVF:
    parameters = faiss.SearchParametersIVF()
    parameters.nprobe, parameters.sel = probes, selector
    return parameters


def _probes(index: faiss.IndexIVFScalarQuantizer, segments: Segments, dead: Ids, queries: Vectors) -> tuple[int, float]:
    """How many lists to read, and the recall at that."""
    tenth = np.array([segments.search(query, _NEAREST, dead=dead)[-1][1] for query in queries])
    nearest = min(_NEAREST, index.ntotal)
    probes = 1
    while True:
        scores, _ = index.search(queries, nearest, params=_reading(probes, None))
        # by score and not by id: rows that tie with the tenth are as good
        recall = float((scores >= tenth[:, None] - _SAME_SCORE).sum(axis=1).mean()) / nearest
        if recall >= LEAST_RECALL or probes == index.nlist:
            return probes, min(1.0, recall)
        probes = min(index.nlist, max(probes + 1, round(probes * 1.5)))


@contextmanager
def _all_cores() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _check_form(file: int, count: int, lists: int, dimension: int) -> None:
    """Raise ValueError unless the open ``file`` is laid out as an index of so many rows in so many lists.

    That is: a header, the centres, a second header, the length of each list, and the rows and ids of each.
    """
    first, second = _heads(dimension, lists, count)
    lengths_at = len(first) + 4 * dimension * lists + len(second)
    if os.fstat(file).st_size != lengths_at + 8 * lists + count * (2 * dimension + 8):
        raise ValueError(f"its size is not that of {count} rows in {lists} lists")
    found = os.pread(file, len(first), 0), os.pread(file, len(second), lengths_at - len(second))
    if found != (first, second):
        raise ValueError(f"its header is not that of {count} rows of {dimension} numbers in {lists} lists")
    lengths = np.frombuffer(os.pread(file, 8 * lists, lengths_at), "<u8")
    if lengths.max() > count or int(lengths.sum()) != count:
        raise ValueError(f"its lists do not hold {count} rows")


def _heads(dimension: int, lists: int, count: int) -> tuple[bytes, bytes]:
    """What faiss writes before the centres, and between them and the lengths of the lists."""
    template = _empty(dimension, lists)
    template.quantizer.add(np.zeros((lists, dimension), np.float32))
    template.is_trained, template.ntotal = True, count
    written = faiss.serialize_index(template).tobytes()
    centres = faiss.serialize_index(template.quantizer).tobytes()
    centres_end = written.index(centres) + len(centres)
    centres_start = centres_end - 4 * dimension * lists
    no_rows = b"sprs" + struct.pack("<Q", 0)  # how it tells the lengths of lists that are empty
    return written[:centres_start], written[centres_end : -len(no_rows)] + b"full" + struct.pack("<Q", lists)
