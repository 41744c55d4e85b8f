"""Vectors in a Milvus collection, one entity per chunk: the store of an index made with ``--store milvus://…``.

Each entity has the id of its chunk as the primary key, the id of the document for filters, the row rounded to float16
(so that both stores hold the same numbers) and a checksum of id and row. A writer adds entities under ids that the
catalog has noted as pending; they count once the catalog knows them. The next writer removes those of deleted chunks in
its first commit: until then a reader that was opened before may need them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import Settings
from ragcli.index.milvus.client import Entity
from ragcli.index.milvus.collection import IndexCollection
from ragcli.index.store import Held, NewVector, batched
from ragcli.types import Span

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors

# Rows and ids to read at once: 8 MiB, where a server sends at most 100.
_NUMBERS = 1 << 21
_IDS = 1 << 18


class MilvusStore:
    """Implements :class:`ragcli.index.store.VectorStore`, and the repair of a collection."""

    def __init__(self, folder: Path, catalog: Catalog, settings: Settings) -> None:
        self._folder = folder
        self._catalog = catalog
        self._collection = IndexCollection(catalog, settings)
        self._window = max(1, _NUMBERS // settings.dimension)
        self._timestamp = 0  # of the server, after the last write
        self._removable: frozenset[int] | None = None  # the ids that were dead before this writer began
        self._buried: list[int] = []
        self._written = False  # since the last flush

    def create(self) -> None:
        self._collection.create()

    def require(self) -> None:
        self._collection.require()

    def close(self) -> None:
        self._collection.close()

    def write(self, added: Collection[NewVector], dead: Sequence[int]) -> None:
        if self._removable is None:
            self._removable = frozenset(dead)
        self._buried = [i for i in dead if i in self._removable]
        if self._buried:
            collection, state = self._collection.open(), self._collection.state()
            with self._catalog.transaction():  # first, so that a reader which needs them learns of it
                self._collection.set_state(state._replace(cleared=self._catalog.commits()))
            collection.delete(self._buried)
            self._written = True
        for part in batched(added, self._window):
            self._upsert(part)

    def record(self) -> None:
        self._catalog.ledger.bury("in_vectors", self._buried)
        self._record_timestamp()

    def settle(self) -> None:
        """Do nothing: readers may still need what the commit replaced."""

    def wants_rewrite(self, dead: Sequence[int]) -> bool:  # noqa: ARG002 (the protocol's)
        return False

    def finish(self) -> None:
        if self._written:
            self._collection.open().flush()
            self._written = False

    def stored(self, ids: Sequence[int]) -> dict[int, Vectors]:
        found = {}
        for entity in self._entities(sorted(ids)):
            if not _is_sound(entity):
                raise IndexDamaged(f"the vector of chunk {entity.id} is damaged", "repair it with: ragcli repair")
            found[entity.id] = entity.row
        return found

    def purge(self, pending: Sequence[Span]) -> None:
        for first, last in pending:
            self._collection.open().delete(self._collection.open().ids(f"id >= {first} and id <= {last}"))

    def held(self) -> Held:
        wanted = self._catalog.chunk_ids()
        try:
            ids = self._ids(wanted)
        except IndexDamaged as error:
            return Held(None, (str(error),))
        damaged = [entity.id for entity in self._entities(wanted) if not _is_sound(entity)]
        if not damaged:
            return Held(ids)
        return Held(ids, (f"{len(damaged)} vectors do not match their checksum, the first is {damaged[0]}",))

    def broken(self) -> tuple[list[int], list[int]]:
        """(chunks without a sound vector, ids of entities without a chunk); makes a lost collection again."""
        self._collection.restore()
        wanted = self._catalog.chunk_ids()
        sound = {entity.id for entity in self._entities(wanted) if _is_sound(entity)}
        unknown = set(self._ids(wanted)).difference(wanted, self._catalog.ledger.dead("in_vectors"))
        return [i for i in wanted if i not in sound], sorted(unknown)

    def put(self, added: Sequence[NewVector]) -> None:
        """Write vectors that were lost; one commit."""
        self._upsert(added)
        with self._catalog.transaction():
            self._record_timestamp()
            self._catalog.count_commit()

    def sound(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The row (d,) of each of ``ids`` that is in the collection and matches its checksum."""
        return {entity.id: entity.row for entity in self._entities(sorted(ids)) if _is_sound(entity)}

    def remove(self, ids: Sequence[int]) -> None:
        """Remove entities without a chunk."""
        if ids:
            self._collection.open().delete(ids)
            self._written = True

    def _upsert(self, added: Sequence[NewVector]) -> None:
        if not added:
            return
        from ragcli.index.vectors.segments import as_stored

        rows = as_stored(np.stack([row for _, _, row in added]))
        if not np.isfinite(rows).all():
            raise ValueError("vectors must be finite")
        ids, documents = [i for i, _, _ in added], [document for _, document, _ in added]
        digests = [digest(i, row) for i, row in zip(ids, rows, strict=True)]
        self._timestamp = max(self._timestamp, self._collection.open().upsert(ids, documents, digests, rows))
        self._written = True

    def _record_timestamp(self) -> None:
        state = self._collection.state()
        if self._timestamp > state.timestamp:
            self._collection.set_state(state._replace(timestamp=self._timestamp))

    def _entities(self, ids: Sequence[int]) -> Iterator[Entity]:
        """The entities among ``ids`` that exist."""
        timestamp = max(self._timestamp, self._collection.state().timestamp)
        for start in range(0, len(ids), self._window):
            yield from self._collection.open().entities(ids[start : start + self._window], timestamp)

    def _ids(self, wanted: Sequence[int]) -> list[int]:
        """All ids in the collection, read in pieces between ``wanted`` ids (ascending)."""
        edges = list(wanted[_IDS::_IDS])
        conditions = [f"id < {edge}" for edge in edges[:1]] or ["id >= 0", "id < 0"]
        conditions += [f"id >= {low} and id < {high}" for low, high in pairwise(edges)]
        conditions += [f"id >= {edge}" for edge in edges[-1:]]
        return [i for condition in conditions for i in self._collection.open().ids(condition)]


def digest(i: int, row: Vectors) -> int:
    """The checksum of an entity: of its id and the float16 values of its row."""
    content = i.to_bytes(8, "little", signed=True) + row.astype("<f2").tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)


def _is_sound(entity: Entity) -> bool:
    kept = entity.row.astype(np.float16).astype(np.float32)
    return bool((kept == entity.row).all()) and digest(entity.id, entity.row) == entity.digest
