"""Build the inverted file (IVF) of an index that is too large to read whole for every query.

k-means divides the vectors into lists, and a search reads the lists whose centres are nearest to the query. The file
holds the rows as the segments do, as float16, so the scores are those of the exact search and need no second pass. A
search can miss a neighbour only when it is in a list that was not read; the number of lists to read is measured on the
vectors of the index itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np

from ragcli.index.catalog.rows import ApproximateRow
from ragcli.index.vectors.faiss_files import (
    Ids,
    Vectors,
    check_lists_form,
    empty_lists,
    list_parameters,
    write_file,
)
from ragcli.index.vectors.segments import Segments

# The share of the ten nearest that a search must find, on average over the sampled queries.
LEAST_RECALL = 0.98
_NEAREST = 10

# Rows per list that k-means sees, and its rounds: more of either take longer and find no more.
_ROWS_A_LIST = 64
_ROUNDS = 10

# The two ways to search differ by less than this in the score of a row.
_SAME_SCORE = 1e-6


def build(folder: Path, name: str, segments: Segments, dead: Ids, queries: Vectors) -> ApproximateRow:
    """Write ``folder/name``, durably, with every live row of ``segments``, which must search exactly.

    A search will read as many lists as it takes to find LEAST_RECALL of the ten nearest of ``queries`` (n, d), n > 0.
    At least one row must be live. A million rows take minutes, and memory of their size. Raises RagcliError when the
    disk is full or fails.
    """
    ids = np.setdiff1d(segments.ids(), dead)
    with _all_cores():
        index = _trained(segments, ids, lists_for(len(ids)))
        for block, rows in segments.blocks(dead):
            index.add_with_ids(np.ascontiguousarray(rows), np.ascontiguousarray(block))
    probes, recall = _probes(index, segments, dead, queries)
    count, lists, width = index.ntotal, index.nlist, index.d
    digest = write_file(folder, name, index, lambda file: check_lists_form(file, count, lists, width))
    return ApproximateRow(name, digest, count, int(ids[-1]), lists, probes, recall, len(queries))


def lists_for(count: int) -> int:
    """The number of lists for ``count`` rows: about twice the square root, a power of two."""
    return 1 << max(0, round(np.log2(2 * np.sqrt(count)))) if count > 1 else 1


def _trained(segments: Segments, ids: Ids, lists: int) -> faiss.IndexIVFScalarQuantizer:
    """An inverted file without rows, its centres trained; fewer lists for similar rows, so that most are filled."""
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(ids, min(len(ids), _ROWS_A_LIST * lists), replace=False))
    sample = np.concatenate([rows[np.isin(block, chosen)] for block, rows in segments.blocks(np.empty(0, np.int64))])
    while True:
        index = empty_lists(sample.shape[1], lists)
        index.cp.niter, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = _ROUNDS, _ROWS_A_LIST, 1
        index.cp.spherical = True
        index.train(sample)
        used = len(np.unique(index.quantizer.assign(sample, 1)))
        if 4 * used > 3 * lists or lists == 1:
            return index
        lists //= 2


def _probes(index: faiss.IndexIVFScalarQuantizer, segments: Segments, dead: Ids, queries: Vectors) -> tuple[int, float]:
    """The number of lists to read, and the recall with it."""
    tenth = np.array([segments.search(query, _NEAREST, dead=dead)[-1][1] for query in queries])
    nearest = min(_NEAREST, index.ntotal)
    probes = 1
    while True:
        scores, _ = index.search(queries, nearest, params=list_parameters(probes, None))
        # by score, not by id: rows that tie with the tenth are as good
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
