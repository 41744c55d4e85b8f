"""Open an index for reading: one consistent state of catalog, vectors and keywords."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import IndexBusy, IndexDamaged, IndexNotFound
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import Settings
from ragcli.index.layout import VECTORS
from ragcli.types import Chunk, Mode

if TYPE_CHECKING:
    from ragcli.index.keywords.tantivy_index import Keywords
    from ragcli.index.store import Searchable
    from ragcli.index.vectors.faiss_files import Ids, Vectors
    from ragcli.index.vectors.segments import Segments

# A reader starts over when a writer commits after it read the catalog and before it opened the files. A commit takes
# far longer than opening, so few tries fail.
_PATIENCE_SECONDS = 10.0

# The keyword index and an approximate index may still hold deleted chunks, and the keyword index chunks of a commit in
# progress: ask for this many more, and drop those.
_SPARE = 50

# Ask for this many more hits than wanted, so that those which tie with the last one are seen.
_TIE_ROOM = 8


class Index:
    """One state of an index, open for search; use as ``with open_index(folder) as index``."""

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        segments: Segments | None,
        keywords: Keywords | None,
        store: Searchable | None = None,
    ) -> None:
        self.catalog = catalog
        self.settings = settings
        self._segments = segments
        self._keywords = keywords
        self._store = store  # instead of segments, where a server has the vectors
        self._dead: Ids | None = None
        self._allowed: tuple[Sequence[int], Ids] | None = None  # the last filter and its chunk ids

    def close(self) -> None:
        """Close the connection to the server, if there is one."""
        if self._store is not None:
            self._store.close()

    def dense(self, query: Vectors, k: int, documents: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """The ``k`` chunks nearest to the unit row ``query`` (d,): (chunk id, cosine), best first, ties by place.

        With ``documents`` (ids), only their chunks count; the filter acts before the cut to ``k``.
        """
        if k <= 0:
            return []
        if self._store is not None:
            return self._by_place(self._store.search(query, k + _TIE_ROOM, documents))[:k]
        import numpy as np

        segments = self._segments
        assert segments is not None
        if self._dead is None:
            self._dead = np.array(self.catalog.ledger.dead("in_vectors"), np.int64)
        allowed = None
        if documents is not None:
            if self._allowed is None or self._allowed[0] is not documents:
                self._allowed = documents, np.array(self.catalog.chunk_ids(documents), np.int64)
            allowed = self._allowed[1]
        wanted = k + _TIE_ROOM if segments.is_exact else k + _SPARE
        while True:
            hits = segments.search(query, wanted, allowed=allowed, dead=self._dead)
            live = hits if segments.is_exact else self._known(hits)
            if _is_enough(live, k) or len(hits) < wanted:
                return self._by_place(live)[:k]
            wanted *= 4

    def keyword(
        self, terms: Sequence[str], k: int, documents: Sequence[int] | None = None, *, every: bool = False
    ) -> list[tuple[int, float]]:
        """The ``k`` chunks with the best BM25 score for ``terms``: (chunk id, score), best first, ties by place.

        With ``every``, only chunks that hold all of them.
        """
        assert self._keywords is not None
        if k <= 0:
            return []
        wanted = k + _SPARE
        while True:
            hits = self._keywords.search(terms, wanted, documents, every=every)
            live = self._known(hits)
            if _is_enough(live, k) or len(hits) < wanted:
                return self._by_place(live)[:k]
            wanted *= 4

    def frequency(self, term: str) -> int:
        """How many chunks hold ``term``, for a mode that searches keywords; chunks that are deleted may count."""
        assert self._keywords is not None
        return self._keywords.frequency(term)

    def near(self, term: str, distance: int, k: int) -> list[int]:
        """At most ``k`` ids of chunks with a term at an edit distance of at most ``distance``, 1 or 2."""
        assert self._keywords is not None
        return self._keywords.near(term, distance, k)

    def _by_place(self, hits: list[tuple[int, float]]) -> list[tuple[int, float]]:
        """``hits`` with equal scores in the order of their paths and places there: ids tell which came first."""
        counts = Counter(score for _, score in hits)
        tied = [i for i, score in hits if counts[score] > 1]
        if not tied:
            return hits
        places = self.catalog.places_in_files(tied)
        return sorted(hits, key=lambda hit: (-hit[1], *places.get(hit[0], (b"", 0)), hit[0]))

    def _known(self, hits: list[tuple[int, float]]) -> list[tuple[int, float]]:
        known = self.catalog.known_chunks([i for i, _ in hits])
        return [(i, score) for i, score in hits if i in known]

    def vectors(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The stored row (d,) of each of ``ids`` that exists, by id; none where a server has the vectors."""
        return self._segments.reconstruct(self.catalog.known_chunks(ids)) if self._segments is not None else {}

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """The chunks among ``ids`` that exist, by id."""
        return self.catalog.chunks(ids)


def _is_enough(hits: list[tuple[int, float]], k: int) -> bool:
    """Whether ``hits`` holds the best ``k``, and all that tie with the last of them."""
    return len(hits) > k > 0 and hits[k - 1][1] != hits[-1][1]


@contextmanager
def open_index(folder: Path, mode: Mode | None = "hybrid") -> Iterator[Index]:
    """Open what ``mode`` searches (None: the catalog only). Readers never wait for a writer.

    Raises IndexNotFound, IndexFormat, IndexDamaged.
    """
    catalog = Catalog.open(folder)
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            opened = _try_open(folder, catalog, mode)
            if opened is not None:
                index, commits = opened
                with catalog.snapshot():
                    if catalog.commits() == commits:
                        try:
                            yield index
                        finally:
                            index.close()
                        return
                index.close()
        raise IndexBusy(f"{folder} changes faster than it can be opened", "is a run looping? see: ragcli status")
    finally:
        catalog.close()


def _try_open(folder: Path, catalog: Catalog, mode: Mode | None) -> tuple[Index, int] | None:
    """The index and the number of its commits, or None when a writer was quicker."""
    with catalog.snapshot():
        commits = catalog.commits()
        settings = catalog.settings()
        rows, approximate = catalog.ledger.segments(), catalog.ledger.approximate()
        keywords_folder = folder / catalog.keywords_name()
    if settings is None:
        raise IndexNotFound(f"nothing has been indexed in {folder} yet", "fill it with: ragcli index PATH")
    segments = keywords = store = None
    try:
        if mode in {"hybrid", "dense"} and settings.store:
            from ragcli.index.milvus.search import MilvusSearch

            store = MilvusSearch(folder, catalog, settings)
        elif mode in {"hybrid", "dense"}:
            from ragcli.index.vectors.segments import Segments

            segments = Segments(folder / VECTORS, rows, settings.dimension, approximate)
        if mode in {"hybrid", "keyword"}:
            from ragcli.index.keywords.tantivy_index import Keywords

            keywords = Keywords(keywords_folder)
    except IndexDamaged:
        if catalog.commits() != commits:
            return None
        raise
    return Index(catalog, settings, segments, keywords, store), commits
