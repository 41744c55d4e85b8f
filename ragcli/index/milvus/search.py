"""Search in a Milvus collection: the same ids, order and scores as the exact search over a FAISS segment.

A reader asks the server for no state older than the last write that its catalog counts (a timestamp of the server's),
and leaves out what the catalog does not know, so that it never sees half a commit. What is found is scored again here,
by the arithmetic of a segment: to the bit the same scores, and ties by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ragcli.errors import IndexBusy, IndexDamaged, UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.settings import Settings
from ragcli.index.milvus.client import MOST_HITS
from ragcli.index.milvus.collection import Place
from ragcli.index.store import StoreState
from ragcli.index.vectors.faiss_files import Vectors
from ragcli.index.vectors.segments import exact_scores

# More is asked for than wanted, so that rows which tie with the last one are seen and the lower id wins.
_TIE_ROOM = 8

# The server adds in another order: by this much its scores of unit rows may differ from ours, and far less was seen.
_MARGIN = 1e-5


class MilvusSearch:
    """Implements :class:`ragcli.index.store.Searchable` for one state of the catalog."""

    def __init__(self, folder: Path, catalog: Catalog, settings: Settings) -> None:
        """Connect; raises StoreUnavailable, StoreMismatch, IndexDamaged."""
        self._folder = folder
        self._catalog = catalog
        self._dimension = settings.dimension
        self._place = Place(catalog, settings)
        self._place.open()

    def close(self) -> None:
        self._place.close()

    def search(self, query: Vectors, k: int, documents: Sequence[int] | None) -> list[tuple[int, float]]:
        """As the protocol says; raises IndexBusy when the index has since changed so that this state is gone."""
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
            if now is not None and now.collection == self._place.state().collection:
                raise
            raise _outdated() from None  # the index was built anew, and nothing needed the old collection any more
        now = self._state_now()
        is_same = now is not None and now.collection == self._place.state().collection
        if now is not None and is_same and now.cleared > self._catalog.commits():
            raise _outdated()  # what this state of the catalog knows may have left the collection
        return found

    def _search(self, query: Vectors, k: int, condition: str) -> list[tuple[int, float]]:
        collection, timestamp = self._place.open(), self._place.state().timestamp
        limit = k + _TIE_ROOM
        while True:
            ids, scores, rows = collection.search(query, limit, condition, timestamp)
            known = self._catalog.known_chunks(ids)
            exact = exact_scores(query, rows).tolist() if ids else []
            live = [(i, score) for i, score in zip(ids, exact, strict=True) if i in known]
            live.sort(key=lambda hit: (-hit[1], hit[0]))
            # all there is, or so much that nothing left out can belong to the best k
            if len(ids) < limit or (len(live) >= k and live[k - 1][1] > scores[-1] + _MARGIN):
                return live[:k]
            if limit == MOST_HITS:
                if len(live) >= k:  # thousands of passages with the same vector: the server chose among them
                    return live[:k]
                raise IndexDamaged(
                    f"the collection {collection.name} holds thousands of vectors that the index does not know",
                    "remove them with: ragcli repair",
                )
            limit = min(4 * limit, MOST_HITS)

    def _condition(self, documents: Sequence[int] | None) -> str:
        """What an entity that counts must satisfy, as far as it is worth telling the server."""
        ledger = self._catalog.ledger
        pending = [first for first, _ in ledger.pending()]
        conditions = [f"id < {min([*pending, ledger.next_id()])}"]  # what is written while we look has higher ids
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
