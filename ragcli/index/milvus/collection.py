"""Whose collection it is: the one place where an index finds, checks and makes its collection on a Milvus server."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack

from ragcli.errors import IndexDamaged, RagcliError, StoreMismatch, UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.settings import Settings
from ragcli.index.milvus.client import Collection, gone
from ragcli.index.store import Address, StoreState, parse_address


class Place:
    """The collection of one index; connects when it first must, and refuses one that is another index's."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        """Raises IndexDamaged when the index names no store that there could be."""
        try:
            self.address: Address = parse_address(settings.store)
        except UsageError as error:
            raise IndexDamaged("the index names no store that there could be", "ragcli index --force") from error
        self._catalog = catalog
        self._settings = settings
        self._collection: Collection | None = None

    def open(self) -> Collection:
        """Raises StoreUnavailable, StoreMismatch, and IndexDamaged when there is no such collection."""
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
        """Raise as :meth:`open` does; for an index that begins, unless its collection could be made."""
        if self._catalog.built_with() is not None:
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
        """Make the collection of an index that begins; one that a stopped run of this index left is dropped."""
        state = self._claim()
        with Collection(self.address, state.collection, self._mark(state)) as collection:
            if self._stands(collection, state):
                collection.drop()
            self._make(collection, state)

    def restore(self) -> None:
        """Make the collection anew where someone dropped it."""
        state = self.state()
        with Collection(self.address, state.collection, self._mark(state)) as collection:
            if not self._stands(collection, state):
                self._make(collection, state)

    def state(self) -> StoreState:
        """What the catalog knows of the collection."""
        state = self._catalog.ledger.store_state()
        if state is None:
            raise IndexDamaged("the index does not say which collection is its own", "ragcli index --force")
        return state

    def set_state(self, state: StoreState) -> None:
        """Within a transaction of the catalog."""
        self._catalog.ledger.set_store_state(state)

    def _claim(self) -> StoreState:
        """The name of this index and of its collection, durable before the collection is made."""
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
        # in the schema, which every server keeps and nobody can change afterwards
        return f"{_prefix(state.owner)}{self._settings.sha256[:16]}"

    def _make(self, collection: Collection, state: StoreState) -> None:
        about = {"ragcli": 1, "index": state.owner, "model": self._settings.model, "sha256": self._settings.sha256}
        collection.create(self._settings.dimension, json.dumps(about))

    def _stands(self, collection: Collection, state: StoreState) -> bool:
        """Whether there is a collection; raises StoreMismatch unless it is that of this index and this model."""
        found = collection.describe()
        if found is None:
            return False
        model, dimension = self._settings.model, self._settings.dimension
        if found.mark == self._mark(state) and found.dimension == dimension:
            return True
        what = f"the collection {state.collection} at {self.address.endpoint}"
        hint = "name another collection with --store, or drop that one if nobody needs it"
        if not found.mark.startswith("ragcli_"):
            raise StoreMismatch(f"{what} was not made by ragcli", hint)
        if found.dimension != dimension:
            numbers = f"vectors of {found.dimension} numbers, and {model} gives {dimension}"
            raise StoreMismatch(f"{what} holds {numbers}", hint)
        if not found.mark.startswith(_prefix(state.owner)):
            raise StoreMismatch(f"{what} belongs to another index", hint)
        raise StoreMismatch(f"{what} holds vectors of another model than {model}", hint)


def drop_left_over(catalog: Catalog) -> None:
    """Drop the collections that a rebuild has left without use; one whose server is away is left for the next run."""
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
