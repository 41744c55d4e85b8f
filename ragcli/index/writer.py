"""Change an index: one writer at a time, whole documents at a time, all or nothing.

A commit reserves ids (noted as pending), hands the vectors to the store (``ragcli.index.store``; by default a FAISS
segment under its final name), commits tantivy, then commits SQLite, which names the segments that exist. Killed before
that last step, the catalog still describes the old state; the next writer removes what carries pending ids or stands
in no catalog row. Entries of deleted chunks leave the keyword index one commit later, when no reader can need them any
more.

Nothing heavy is imported until there is something to write: a run that finds nothing to do stays quick.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ragcli.errors import IndexDamaged, StoreMismatch, StoreUnavailable, UsageError
from ragcli.index import rebuild
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import NewDocument
from ragcli.index.catalog.settings import Settings
from ragcli.index.durable import sync_folder
from ragcli.index.keywords import rewrite
from ragcli.index.keywords.files import dead_share, fingerprint
from ragcli.index.layout import REBUILD, VECTORS
from ragcli.index.lock import OnWait, uninterrupted, writer_lock
from ragcli.index.recovery import files_other_than_committed, purge, refuse_foreign, sweep, sweep_staging
from ragcli.index.store import Entry, VectorStore, open_store
from ragcli.types import Chunk, Document, Skipped

if TYPE_CHECKING:
    from ragcli.index.keywords.tantivy_index import Keywords
    from ragcli.index.vectors.faiss_files import Vectors

REBUILD_NAME = REBUILD


class NewFile(NamedTuple):
    """A file to store: its document, its chunks (ids still ordinals) and the digest of what is embedded of each."""

    document: Document
    sha256: str
    size: int
    mtime_ns: int
    loader_version: int
    chunks: tuple[Chunk, ...]
    keys: tuple[bytes, ...]


class NotIndexed(NamedTuple):
    """A file to list as not indexed, with the state it was in, so that it is tried again when it changes."""

    skipped: Skipped
    size: int = 0
    mtime_ns: int = 0
    loader_version: int = 0


@dataclass(slots=True)
class Batch:
    """What one commit changes. ``vectors`` has a unit row (d,) for every key of ``added``."""

    added: list[NewFile] = field(default_factory=list)
    vectors: Mapping[bytes, Vectors] = field(default_factory=dict)
    deleted: list[int] = field(default_factory=list)  # document ids
    not_indexed: list[NotIndexed] = field(default_factory=list)
    forgotten: list[Path] = field(default_factory=list)  # paths that were listed as not indexed and no longer are
    touched: list[tuple[int, int, int]] = field(default_factory=list)  # (document id, size, mtime_ns)

    def __bool__(self) -> bool:
        return bool(self.added or self.deleted or self.not_indexed or self.forgotten or self.touched)


class Writer:
    """The one process that may change the index in ``folder``; made by :func:`open_writer`."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self.folder = folder
        self.catalog = catalog
        self._store: VectorStore | None = None
        self._keywords_agree = False  # the keyword index is known to be that of the last commit

    def settings(self) -> Settings | None:
        """How the index was built; None for a new one."""
        return self.catalog.built_with()

    def store(self) -> VectorStore:
        """Where the vectors of this index are; it must have been started."""
        if self._store is None:
            settings = self.settings()
            assert settings is not None
            self._store = open_store(self.folder, self.catalog, settings)
        return self._store

    def require_store(self, settings: Settings) -> None:
        """Raise unless the store of this index, or of one that begins with ``settings``, could be written to now."""
        if self.settings() is not None:
            self.store().require()
            return
        store = open_store(self.folder, self.catalog, settings)
        try:
            store.require()
        finally:
            store.close()

    def close(self) -> None:
        """Let go of what the store holds open."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def start(self, settings: Settings) -> None:
        """Fix how a new index is built; makes its derived files, so that even an empty index opens."""
        (self.folder / VECTORS).mkdir(exist_ok=True)
        self._store = open_store(self.folder, self.catalog, settings)
        self._store.create()
        name = self.catalog.keywords_name()
        _open_keywords(self.folder / name, create=True).update([], [])
        sync_folder(self.folder)
        with self.catalog.transaction():
            self.catalog.set("index", settings.to_record())
            self.catalog.set("keywords", name)
            self.catalog.set("keywords_sha256", fingerprint(self.folder / name))
            self.catalog.count_commit()

    def commit(self, batch: Batch) -> None:
        """Apply ``batch`` durably and at once. A Ctrl-C during it takes effect after it.

        Raises RagcliError or OSError when the disk or the store does not take it: the index is as it was, and the next
        commit of this or another writer cleans up.
        """
        ledger, store = self.catalog.ledger, self.store()
        with uninterrupted():
            if ledger.pending():  # an earlier commit of this writer failed half-way
                self.recover()
            buried = ledger.dead("in_keywords")
            if batch.added or buried:
                self._check_keywords()
            documents = self._with_ids(batch.added, reserve=bool(batch.added or buried))
            store.write(_entries(documents, batch.vectors), ledger.dead("in_vectors"))
            digest = self._write_keywords(documents, buried) if documents or buried else None
            with self.catalog.transaction():
                if digest is not None:
                    self.catalog.set("keywords_sha256", digest)
                self._apply(batch, documents)
                ledger.bury("in_keywords", buried)
                store.record()
                ledger.clear_pending()
                self.catalog.count_commit()
            store.settle()

    def stored_vectors(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        """The unit row (d,) of each key that some chunk of this index already has; raises IndexDamaged."""
        chunks = self.catalog.chunk_for_keys(keys)
        if not chunks or self.settings() is None:
            return {}
        rows = self.store().stored(list(chunks.values()))
        return {key: rows[chunk] for key, chunk in chunks.items() if chunk in rows}

    def tidy(self) -> None:
        """Let go of what deleted documents left in derived files, where it is worth the writing."""
        ledger = self.catalog.ledger
        if ledger.dead("in_keywords") or self.store().wants_rewrite(ledger.dead("in_vectors")):
            self.commit(Batch())
        if dead_share(self.folder / self.catalog.keywords_name()) > rewrite.MOST_DEAD:
            with uninterrupted():
                rewrite.rewrite_keywords(self.folder, self.catalog)
        self.store().finish()

    def recover(self) -> None:
        """Remove what a killed writer left: entries with pending ids, files that no row names.

        Raises IndexDamaged when the keyword index cannot be read; nothing is lost, and all else still works.
        """
        sweep(self.folder, self.catalog)
        rebuild.align(self.folder, self.catalog)
        purge(self.folder, self.catalog)

    def adopt(self, rebuilt: Writer) -> None:
        """Become ``rebuilt``, an index built in a folder below this one, in one commit; then remove that folder."""
        with uninterrupted():
            rebuild.adopt(self.folder, self.catalog, rebuilt.folder, rebuilt.catalog)
            self.close()
            self.recover()

    def seed(self, rebuilt: Writer, *, on_server: bool = False) -> None:
        """Give an index that will replace this one ids and file names that this one never used.

        With ``on_server`` also the name by which a server knows whose collection it has.
        """
        owner = self.catalog.ledger.store_owner() or (os.urandom(16).hex() if on_server else None)
        rebuild.seed(self.catalog, rebuilt.catalog, owner)

    # What is built upon must be what was written: ids of a keyword index that is ahead of the catalog would be used
    # twice. The store holds the same for vectors that are used again.

    def _check_keywords(self) -> None:
        if self._keywords_agree:
            return
        faults = files_other_than_committed(self.folder / self.catalog.keywords_name(), self.catalog)
        if faults:
            raise IndexDamaged(faults[0], "mend it with: ragcli repair")
        self._keywords_agree = True

    # -- steps of a commit ----------------------------------------------------------------------------------------

    def _with_ids(self, added: Sequence[NewFile], *, reserve: bool) -> list[NewDocument]:
        if not reserve:
            return []
        # also for no ids at all: what is pending tells that derived files may be ahead of the catalog
        with self.catalog.transaction():
            next_id = self.catalog.ledger.reserve(sum(1 + len(new.chunks) for new in added))
        documents = []
        for new in added:
            first = next_id + 1
            chunks = tuple(replace(chunk, id=first + ordinal) for ordinal, chunk in enumerate(new.chunks))
            document = new.document
            documents.append(
                NewDocument(
                    id=next_id, path=document.path, sha256=new.sha256, size=new.size, mtime_ns=new.mtime_ns,
                    loader=document.loader, loader_version=new.loader_version, title=document.title,
                    warnings=document.warnings, pages=_page_starts(document), chunks=chunks, keys=new.keys,
                )
            )  # fmt: skip
            next_id = first + len(chunks)
        return documents

    def _write_keywords(self, documents: Sequence[NewDocument], buried: Sequence[int]) -> str:
        """Bring the keyword index up to date and return its fingerprint."""
        added = (entry for document in documents for entry in rewrite.entries(document.id, document.chunks))
        folder = self.folder / self.catalog.keywords_name()
        _open_keywords(folder).update(added, buried)
        return fingerprint(folder)

    def _apply(self, batch: Batch, documents: Sequence[NewDocument]) -> None:
        for document in batch.deleted:
            self.catalog.delete_document(document)
        self.catalog.drop_skipped([*batch.forgotten, *(new.path for new in documents)])
        for entry in batch.not_indexed:
            self.catalog.set_skipped(entry.skipped, entry.size, entry.mtime_ns, entry.loader_version)
        for touched in batch.touched:
            self.catalog.touch(*touched)
        for new in documents:
            self.catalog.insert_document(new)


def _entries(documents: Sequence[NewDocument], by_key: Mapping[bytes, Vectors]) -> list[Entry]:
    return [(chunk.id, d.id, by_key[key]) for d in documents for chunk, key in zip(d.chunks, d.keys, strict=True)]


def _page_starts(document: Document) -> tuple[tuple[int, int], ...]:
    """(page, offset of its first block) for each page in order; empty where the format has no pages."""
    starts: dict[int, int] = {}
    for block in document.blocks:
        if block.page is not None:
            starts.setdefault(block.page, block.start)
    return tuple(starts.items())


@contextmanager
def open_writer(folder: Path, *, on_wait: OnWait | None = None) -> Iterator[Writer]:
    """Take the index in ``folder`` for writing, making an empty one where there is none.

    Waits for another writer where ``on_wait`` is given, which is told who that is. Raises IndexBusy, IndexFormat,
    IndexDamaged for the catalog, UsageError for a folder that holds something else.
    """
    refuse_foreign(folder)
    with writer_lock(folder, on_wait):
        catalog = Catalog.create(folder)
        writer = Writer(folder, catalog)
        try:
            sweep(folder, catalog)
            sweep_staging(folder)  # only here: a commit that recovers from a failed one may belong to a run that stages
            rebuild.align(folder, catalog)
            # what cannot be read or reached must not stand in the way of the rebuild that does without it
            with suppress(IndexDamaged, StoreUnavailable, StoreMismatch, UsageError):
                purge(folder, catalog)
            if catalog.ledger.left_over():
                from ragcli.index.milvus.collection import drop_left_over

                drop_left_over(catalog)
            yield writer
        finally:
            writer.close()
            catalog.close()


def _open_keywords(folder: Path, *, create: bool = False) -> Keywords:
    from ragcli.index.keywords.tantivy_index import Keywords

    return Keywords(folder, create=create)
