"""The collection of one index: found, checked against its owner, made and dropped on a Milvus server."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack

from ragcli.errors import IndexDamaged, RagcliError, StoreMismatch, UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import Settings, StoreState
from ragcli.index.milvus.address import Address, parse_address
from ragcli.index.milvus.client import Collection, gone


class IndexCollection:
    """The collection of one index; connects when it must, and refuses a collection of another index."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        """Raises IndexDamaged when the store address in the index is invalid."""
        try:
            self.address: Address = parse_address(settings.store)
        except UsageError as error:
            raise IndexDamaged(
                "the store address saved in this index is invalid", "rebuild it with: ragcli index --force"
            ) from error
        self._catalog = catalog
        self._settings = settings
        self._collection: Collection | None = None

    def open(self) -> Collection:
        """Connect; raises StoreUnavailable, StoreMismatch, and IndexDamaged when the collection is missing."""
        if self._collection is None:
            state = self.state()
            with ExitStack() as stack:
                collection = stack.enter_context(Collection(self.address, state.collection, self._mark(state)))
                if not self._stands(collection, state):
                    raise gone(self.address, state.collection)
                stack.pop_all()
            self._collection = collection
        return self._collection

    def require(self) -> None:
        """Raise as :meth:`open` does; for a new index, raise unless its collection could be made."""
        if self._catalog.settings() is not None:
            self.open()
            return
        state = self._first_state()
        with Collection(self.address, state.collection, self._mark(state)) as collection:
            self._stands(collection, state)

    def close(self) -> None:
        if self._collection is not None:
            self._collection.close()
            self._collection = None

    def create(self) -> None:
        """Make the collection of a new index; first drop the one that a stopped run of this index left."""
        state = self._claim()
        with Collection(self.address, state.collection, self._mark(state)) as collection:
            if self._stands(collection, state):
                collection.drop()
            self._make(collection, state)

    def restore(self) -> None:
        """Make the collection again when somebody dropped it."""
        state = self.state()
        with Collection(self.address, state.collection, self._mark(state)) as collection:
            if not self._stands(collection, state):
                self._make(collection, state)

    def state(self) -> StoreState:
        """The state of the collection as the catalog knows it."""
        state = self._catalog.ledger.store_state()
        if state is None:
            raise IndexDamaged("the index does not name its collection", "rebuild it with: ragcli index --force")
        return state

    def set_state(self, state: StoreState) -> None:
        """Note ``state`` in the catalog; call it within a transaction."""
        self._catalog.ledger.set_store_state(state)

    def _claim(self) -> StoreState:
        """Note the names of this index and of its collection, durably, before the collection is made."""
        state = self._first_state()
        with self._catalog.transaction():
            self._catalog.ledger.set_store_owner(state.owner)
            self.set_state(state)
        return state

    def _first_state(self) -> StoreState:
        owner = self._catalog.ledger.store_owner() or os.urandom(16).hex()
        generation = self._catalog.generation()
        name = self.address.collection + (f"__g{generation}" if generation > 1 else "")
        return StoreState(owner, name, cleared=self._catalog.commits())

    def _mark(self, state: StoreState) -> str:
        # a field name: every server keeps the schema, and nobody can change it later
        return f"{_prefix(state.owner)}{self._settings.sha256[:16]}"

    def _make(self, collection: Collection, state: StoreState) -> None:
        about = {"ragcli": 1, "index": state.owner, "model": self._settings.model, "sha256": self._settings.sha256}
        collection.create(self._settings.dimension, json.dumps(about))

    def _stands(self, collection: Collection, state: StoreState) -> bool:
        """Whether there is a collection; raises StoreMismatch when it is not the one of this index and this model."""
        found = collection.describe()
        if found is None:
            return False
        model, dimension = self._settings.model, self._settings.dimension
        if found.mark == self._mark(state) and found.dimension == dimension:
            return True
        what = f"the collection {state.collection} at {self.address.endpoint}"
        hint = "name another collection with --store, or drop this one if nobody needs it"
        if not found.mark.startswith("ragcli_"):
            raise StoreMismatch(f"{what} was not made by ragcli", hint)
        if found.dimension != dimension:
            numbers = f"vectors of {found.dimension} numbers, and {model} gives {dimension}"
            raise StoreMismatch(f"{what} holds {numbers}", hint)
        if not found.mark.startswith(_prefix(state.owner)):
            raise StoreMismatch(f"{what} belongs to another index", hint)
        raise StoreMismatch(f"{what} holds vectors of another model than {model}", hint)


def drop_left_over(catalog: Catalog) -> None:
    """Drop the collections that a rebuild left behind; one whose server does not answer waits for the next run."""
    left = []
    prefix = _prefix(catalog.ledger.store_owner() or "")
    for uri, name in catalog.ledger.left_over():
        try:
            with Collection(parse_address(uri), name, prefix) as collection:
                found = collection.describe()
                if found is not None and found.mark.startswith(prefix):
                    collection.drop()
        except RagcliError:
            left.append((uri, name))
    with catalog.transaction():
        catalog.ledger.set_left_over(left)


def _prefix(owner: str) -> str:
    return f"ragcli_{owner[:16]}_"
