"""Search in a Milvus collection: the same ids, order and scores as the exact search over a FAISS segment.

A reader asks the server for no state older than the last write in its catalog (a timestamp of the server), and drops
what the catalog does not know, so that it never shows half a commit. It scores the hits again with the arithmetic of a
segment: the same scores to the bit, and ties by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ragcli.errors import IndexBusy, IndexDamaged, UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import Settings, StoreState
from ragcli.index.milvus.client import MOST_HITS
from ragcli.index.milvus.collection import IndexCollection
from ragcli.index.vectors.faiss_files import Vectors
from ragcli.index.vectors.segments import exact_scores

# Ask for more rows than wanted, so that rows which tie with the last one are seen and the lower id wins.
_TIE_ROOM = 8

# The server adds in another order: its scores of unit rows may differ by this much, and far less was measured.
_MARGIN = 1e-5


class MilvusSearch:
    """Implements :class:`ragcli.index.store.Searchable` for one state of the catalog."""

    def __init__(self, folder: Path, catalog: Catalog, settings: Settings) -> None:
        """Connect; raises StoreUnavailable, StoreMismatch, IndexDamaged."""
        self._folder = folder
        self._catalog = catalog
        self._dimension = settings.dimension
        self._collection = IndexCollection(catalog, settings)
        self._collection.open()

    def close(self) -> None:
        self._collection.close()

    def search(self, query: Vectors, k: int, documents: Sequence[int] | None) -> list[tuple[int, float]]:
        """See the protocol; raises IndexBusy when a later commit removed what this state needs."""
        if query.shape != (self._dimension,):
            raise ValueError(f"the query has the shape {query.shape}, the index holds rows of {self._dimension}")
        if k <= 0 or not np.isfinite(query).all() or (documents is not None and not len(documents)):
            return []
        if k > MOST_HITS - _TIE_ROOM:
            k = min(k, self._catalog.count("chunks"))
        if k > MOST_HITS - _TIE_ROOM:
            raise UsageError(f"a Milvus server gives at most {MOST_HITS - _TIE_ROOM:,} hits", "ask for fewer")
        try:
            found = self._search(query, k, self._condition(documents))
        except IndexDamaged:
            now = self._state_now()
            if now is not None and now.collection == self._collection.state().collection:
                raise
            raise _outdated() from None  # a rebuild replaced the index and dropped the old collection
        now = self._state_now()
        is_same = now is not None and now.collection == self._collection.state().collection
        if now is not None and is_same and now.cleared > self._catalog.commits():
            raise _outdated()  # vectors that this state of the catalog knows may have left the collection
        return found

    def _search(self, query: Vectors, k: int, condition: str) -> list[tuple[int, float]]:
        collection, timestamp = self._collection.open(), self._collection.state().timestamp
        limit = k + _TIE_ROOM
        while True:
            ids, scores, rows = collection.search(query, limit, condition, timestamp)
            known = self._catalog.known_chunks(ids)
            exact = exact_scores(query, rows).tolist() if ids else []
            live = [(i, score) for i, score in zip(ids, exact, strict=True) if i in known]
            live.sort(key=lambda hit: (-hit[1], hit[0]))
            # the whole collection, or so much of it that nothing beyond can be among the best k
            if len(ids) < limit or (len(live) >= k and live[k - 1][1] > scores[-1] + _MARGIN):
                return live[:k]
            if limit == MOST_HITS:
                if len(live) >= k:  # thousands of passages have the same vector: the server chose among them
                    return live[:k]
                raise IndexDamaged(
                    f"the collection {collection.name} holds thousands of vectors that the index does not know",
                    "remove them with: ragcli repair",
                )
            limit = min(4 * limit, MOST_HITS)

    def _condition(self, documents: Sequence[int] | None) -> str:
        """The filter for the server: the entities that count, as far as a filter can say it."""
        ledger = self._catalog.ledger
        pending = [first for first, _ in ledger.pending()]
        conditions = [f"id < {min([*pending, ledger.next_id()])}"]  # what a writer adds meanwhile has higher ids
        dead = ledger.dead("in_vectors")
        if dead:
            conditions.append(f"id not in {dead}")
        if documents is not None:
            conditions.append(f"document in {sorted(documents)}")
        return " and ".join(conditions)

    def _state_now(self) -> StoreState | None:
        catalog = Catalog.open(self._folder)
        try:
            return catalog.ledger.store_state()
        finally:
            catalog.close()


def _outdated() -> IndexBusy:
    return IndexBusy("the index has changed since it was opened, and its server keeps one state", "ask again")
