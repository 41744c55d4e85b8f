"""Change an index: one writer at a time, whole documents at a time, all or nothing.

A commit reserves ids (noted as pending), gives the vectors to the store (``ragcli.index.store``; by default a FAISS
segment under its final name), commits tantivy, then commits SQLite, which names the segments that exist. When a writer
is killed before that last step, the catalog still describes the old state; the next writer removes what carries pending
ids and files that no row names. Entries of deleted chunks leave the keyword index one commit later, when no reader can
need them any more.

The heavy imports wait until there is something to write: a run with nothing to do stays quick.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ragcli.errors import IndexDamaged, StoreMismatch, StoreUnavailable, UsageError
from ragcli.index import rebuild
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import NewDocument, Settings
from ragcli.index.keywords.files import committed_faults, fingerprint, wants_rewrite
from ragcli.index.layout import VECTORS, sync_folder
from ragcli.index.lock import OnWait, uninterrupted, writer_lock
from ragcli.index.recovery import purge, refuse_foreign, sweep, sweep_staging
from ragcli.index.store import NewVector, Repeated, VectorStore
from ragcli.index.stores import open_store
from ragcli.types import Chunk, Document, Skipped

if TYPE_CHECKING:
    from ragcli.index.keywords.tantivy_index import Keywords
    from ragcli.index.vectors.faiss_files import Vectors


class NewFile(NamedTuple):
    """A file to store: its document, its chunks (ids still ordinals) and the digest of the embedded text of each.

    Both are iterated over more than once; those of a large document are read from disk each time.
    """

    document: Document
    sha256: str
    size: int
    mtime_ns: int
    loader_version: int
    chunks: Collection[Chunk]
    keys: Collection[bytes]


class NotIndexed(NamedTuple):
    """A file to list as not indexed, with its state, so that a run tries it again when it changes."""

    skipped: Skipped
    size: int = 0
    mtime_ns: int = 0
    loader_version: int = 0


@dataclass(slots=True)
class Batch:
    """The changes of one commit. ``vectors`` has a unit row (d,) for every key of ``added``."""

    added: list[NewFile] = field(default_factory=list)
    vectors: Mapping[bytes, Vectors] = field(default_factory=dict)
    deleted: list[int] = field(default_factory=list)  # document ids
    not_indexed: list[NotIndexed] = field(default_factory=list)
    forgotten: list[Path] = field(default_factory=list)  # paths to take off the list of what is not indexed
    touched: list[tuple[int, int, int]] = field(default_factory=list)  # (document id, size, mtime_ns)
    runtimes: Collection[str] = ()  # which made the vectors
    ctimes: dict[Path, int] = field(default_factory=dict)  # of files that are added, or whose document stays as it is

    def __bool__(self) -> bool:
        return bool(self.added or self.deleted or self.not_indexed or self.forgotten or self.touched or self.ctimes)


class Writer:
    """The one process that may change the index in ``folder``; made by :func:`open_writer`."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self.folder = folder
        self.catalog = catalog
        self._store: VectorStore | None = None
        self._keywords_checked = False  # against what the last commit left

    def settings(self) -> Settings | None:
        """How the index was built; None for a new index."""
        return self.catalog.settings()

    def store(self) -> VectorStore:
        """The store of this index, which must have been started."""
        if self._store is None:
            settings = self.settings()
            assert settings is not None
            self._store = open_store(self.folder, self.catalog, settings)
        return self._store

    def require_store(self, settings: Settings) -> None:
        """Raise unless a write to the store of this index, or of a new one with ``settings``, would work now."""
        if self.settings() is not None:
            self.store().require()
            return
        store = open_store(self.folder, self.catalog, settings)
        try:
            store.require()
        finally:
            store.close()

    def close(self) -> None:
        """Close what the store holds open."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def start(self, settings: Settings) -> None:
        """Fix how a new index is built, and make its derived files, so that even an empty index opens."""
        (self.folder / VECTORS).mkdir(exist_ok=True)
        self._store = open_store(self.folder, self.catalog, settings)
        self._store.create()
        name = self.catalog.keywords_name()
        _open_keywords(self.folder / name, create=True).update([], [])
        sync_folder(self.folder)
        with self.catalog.transaction():
            self.catalog.set_value("index", settings.to_record())
            self.catalog.set_keywords(name, fingerprint(self.folder / name))
            self.catalog.count_commit()

    def commit(self, batch: Batch) -> None:
        """Apply ``batch`` durably, all or nothing. A Ctrl-C takes effect after it.

        Raises RagcliError or OSError when the disk or the store fails: the index is as it was, and the next commit of
        this or another writer cleans up.
        """
        ledger, store = self.catalog.ledger, self.store()
        with uninterrupted():
            if ledger.pending():  # an earlier commit of this writer failed half-way
                self.recover()
            buried = ledger.dead("in_keywords")
            if batch.added or buried:
                self._check_keywords()
            documents = self._with_ids(batch.added, reserve=bool(batch.added or buried))
            store.write(_new_vectors(documents, batch.vectors), ledger.dead("in_vectors"))
            digest = self._write_keywords(documents, buried) if documents or buried else None
            with self.catalog.transaction():
                if digest is not None:
                    self.catalog.set_value("keywords_sha256", digest)
                self._apply(batch, documents)
                ledger.bury("in_keywords", buried)
                store.record()
                ledger.clear_pending()
                self.catalog.count_commit()
            store.settle()

    def stored_vectors(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        """The unit row (d,) of each key that a chunk of this index already has; raises IndexDamaged."""
        chunks = self.catalog.chunk_for_keys(keys)
        if not chunks or self.settings() is None:
            return {}
        rows = self.store().stored(list(chunks.values()))
        return {key: rows[chunk] for key, chunk in chunks.items() if chunk in rows}

    def tidy(self) -> None:
        """Remove what deleted documents left in derived files, where it is worth the writing."""
        ledger = self.catalog.ledger
        if ledger.dead("in_keywords") or self.store().wants_rewrite(ledger.dead("in_vectors")):
            self.commit(Batch())
        if wants_rewrite(self.folder / self.catalog.keywords_name()):
            from ragcli.index.keywords.tantivy_index import rewrite_keywords

            with uninterrupted():
                rewrite_keywords(self.folder, self.catalog)
        self.store().finish()

    def recover(self) -> None:
        """Remove what a killed writer left: entries with pending ids, files that no row names.

        Raises IndexDamaged when the keyword index cannot be read; nothing is lost, and everything else still works.
        """
        sweep(self.folder, self.catalog)
        rebuild.align(self.folder, self.catalog)
        purge(self.folder, self.catalog)

    def adopt(self, rebuilt: Writer) -> None:
        """Become ``rebuilt``, an index in a folder inside this one, in one commit; then remove that folder."""
        with uninterrupted():
            rebuild.adopt(self.folder, self.catalog, rebuilt.folder, rebuilt.catalog)
            self.close()
            self.recover()

    def seed(self, rebuilt: Writer, *, on_server: bool = False) -> None:
        """Give an index that will replace this one ids and file names that this one never used.

        With ``on_server``, also give both the name by which a server knows whose collection it has.
        """
        owner = self.catalog.ledger.store_owner() or (os.urandom(16).hex() if on_server else None)
        rebuild.seed(self.catalog, rebuilt.catalog, owner)

    def _check_keywords(self) -> None:
        # a commit must start from what was written: it would use ids twice that a keyword index ahead of the catalog
        # already has. The store checks vectors that are used again.
        if self._keywords_checked:
            return
        faults = committed_faults(self.folder / self.catalog.keywords_name(), self.catalog)
        if faults:
            raise IndexDamaged(faults[0], "repair it with: ragcli repair")
        self._keywords_checked = True

    # -- steps of a commit ----------------------------------------------------------------------------------------

    def _with_ids(self, added: Sequence[NewFile], *, reserve: bool) -> list[NewDocument]:
        if not reserve:
            return []
        # even for no ids: something pending means that derived files may be ahead of the catalog
        with self.catalog.transaction():
            next_id = self.catalog.ledger.reserve(sum(1 + len(new.chunks) for new in added))
        documents = []
        for new in added:
            first = next_id + 1
            document = new.document
            documents.append(
                NewDocument(
                    id=next_id, path=document.path, sha256=new.sha256, size=new.size, mtime_ns=new.mtime_ns,
                    loader=document.loader, loader_version=new.loader_version, title=document.title,
                    warnings=document.warnings, pages=_page_starts(document), chunks=_numbered(new.chunks, first),
                    keys=new.keys, dated_ns=document.dated_ns,
                )
            )  # fmt: skip
            next_id = first + len(new.chunks)
        return documents

    def _write_keywords(self, documents: Sequence[NewDocument], buried: Sequence[int]) -> str:
        """Bring the keyword index up to date and return its fingerprint."""
        from ragcli.index.keywords.tantivy_index import entries

        added = (entry for document in documents for entry in entries(document.id, document.chunks))
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
        if documents:
            self.catalog.note_runtimes(batch.runtimes)  # first, as it asks whether there are chunks without a record
        for new in documents:
            self.catalog.insert_document(new)
        for path, ctime_ns in batch.ctimes.items():
            self.catalog.set_ctime(path, ctime_ns)


def _numbered(chunks: Collection[Chunk], first: int) -> Collection[Chunk]:
    """The chunks with ids from ``first`` on."""
    return Repeated(len(chunks), lambda: (replace(chunk, id=i) for i, chunk in enumerate(chunks, first)))


def _new_vectors(documents: Sequence[NewDocument], by_key: Mapping[bytes, Vectors]) -> Collection[NewVector]:
    count = sum(len(document.keys) for document in documents)
    return Repeated(
        count, lambda: ((i, d.id, by_key[key]) for d in documents for i, key in enumerate(d.keys, d.id + 1))
    )


def _page_starts(document: Document) -> tuple[tuple[int, int], ...]:
    """(page, offset of its first block) for each page, in order; empty for a format without pages."""
    starts: dict[int, int] = {}
    for block in document.blocks:
        if block.page is not None:
            starts.setdefault(block.page, block.start)
    return tuple(starts.items())


@contextmanager
def open_writer(folder: Path, *, on_wait: OnWait | None = None) -> Iterator[Writer]:
    """Open the index in ``folder`` for writing; make an empty one where there is none.

    With ``on_wait``, which is told who is writing, waits for another writer. Raises IndexBusy, IndexFormat,
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
            # an unreadable file or an absent server must not prevent the rebuild that does not need it
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
