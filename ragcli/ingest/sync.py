"""The index line: discover -> load -> chunk -> embed -> commit, until the index matches the disk.

Each commit holds whole documents, many at a time. Committed work stays however a run ends, and the next run goes on
from there. Deletions come last, so that a moved or edited file finds its vectors again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import LoadError, UsageError
from ragcli.formats import registry as loaders
from ragcli.index.catalog.rows import ApproximateRow, Settings
from ragcli.index.layout import REBUILD, staging_folder
from ragcli.index.lock import OnWait
from ragcli.index.vectors.optimize import is_due
from ragcli.index.writer import Batch, NewFile, NotIndexed, Writer, open_writer
from ragcli.ingest.changes import Changes, Due, compare
from ragcli.ingest.discover import REMOVED, Rules
from ragcli.ingest.options import ChunkOptions, SyncOptions, needs_rebuild, new_settings, trusted_store
from ragcli.ingest.progress import Clock, Progress, clear_run, store_run
from ragcli.ingest.readers import open_reader, require_engine
from ragcli.ingest.roots import all_roots, choose_roots, known_roots, store_roots, taken_back
from ragcli.types import Block, Document, Reason, Skipped

if TYPE_CHECKING:
    from ragcli.ingest.embed import Chunked, Embedder
    from ragcli.ingest.readers import Reader
    from ragcli.ingest.sandbox.frames import LargeDocument
    from ragcli.ingest.sandbox.pool import Loaded

__all__ = ["Report", "Summary", "SyncOptions", "sync"]

# A commit is worth its fsyncs after this many chunks, or after this many seconds of work that could be lost.
_COMMIT_CHUNKS = 2_000
_COMMIT_SECONDS = 15.0


@dataclass(slots=True)
class Summary:
    """What a run did. ``failures`` names every file that should be in the index and is not, old failures included."""

    added: int = 0  # documents, like the three below
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0  # took the stored vector of an identical text
    skipped: dict[Reason, int] = field(default_factory=dict)  # files by reason
    failures: list[Skipped] = field(default_factory=list)
    warnings: list[tuple[Path, str]] = field(default_factory=list)
    approximate: ApproximateRow | None = None  # built by this run
    seconds: float = 0.0

    def note(self, skipped: Skipped) -> None:
        """Count what is not indexed."""
        self.skipped[skipped.reason] = self.skipped.get(skipped.reason, 0) + skipped.files
        if skipped.reason.is_failure:
            self.failures.append(skipped)


Report = Callable[[Progress], None]


def sync(
    index: str | Path,
    roots: str | Path | Sequence[str | Path] = (),
    options: SyncOptions | None = None,
    report: Report = lambda _: None,
    on_wait: OnWait | None = None,
) -> Summary:
    """Make the index in the folder ``index`` match ``roots`` and return what was done. A missing index is made.

    ``roots`` are files or folders, one or several; with none, every root that the index knows is read. ``report`` is
    called with the progress of the run. ``on_wait`` is told who else writes to the index, and then this call waits;
    without it, IndexBusy is raised.

    A file that cannot be read costs itself, never the run: ``Summary.failures`` names it. Raises UsageError for a root
    that does not exist and for invalid options, IndexBusy, IndexFormat, IndexDamaged, ModelUnavailable, ModelMismatch,
    StoreUnavailable, EngineUnavailable. KeyboardInterrupt passes through after all finished work is committed.
    """
    started = time.monotonic()
    folder, named, options = Path(index), _paths(roots), options or SyncOptions()
    if options.store is not None:
        options = replace(options, store=trusted_store(options.store))
    require_engine(options)
    with open_writer(folder, on_wait=on_wait) as writer:
        known = known_roots(writer.catalog)
        chosen = choose_roots(named, known, options.rules)
        old = writer.settings()
        if old is not None and (options.force or needs_rebuild(old, options)):
            summary = _rebuild(writer, old, all_roots(known, chosen), options, report)
        else:
            summary = _Pass(writer, options, report).run(chosen, reuse_from=[writer])
    summary.warnings += [(path, "it was removed, and is indexed again") for path in taken_back(named, known)]
    summary.seconds = time.monotonic() - started
    return summary


def _paths(given: str | Path | Sequence[str | Path]) -> list[Path]:
    return [Path(given)] if isinstance(given, str | os.PathLike) else [Path(path) for path in given]


def _rebuild(
    writer: Writer, old: Settings, roots: Mapping[Path, Rules], options: SyncOptions, report: Report
) -> Summary:
    """Build a whole new index beside the old one, which keeps answering, and switch at the end.

    A stopped rebuild goes on, provided that it was asked for the same settings.
    """
    from ragcli.models.resolve import resolve_stored

    if options.model is None:
        resolve_stored(old.model)  # nobody names it now: raise at once, with how to get it, when it is not here
    wanted = replace(
        options,
        model=options.model or old.model,
        chunks=options.chunks or ChunkOptions(old.chunk_size, old.chunk_overlap),
        store=old.store if options.store is None else options.store,
    )
    with open_writer(writer.folder / REBUILD) as rebuilt:
        found = rebuilt.settings()
        if found is None:
            writer.seed(rebuilt, on_server=bool(wanted.store))
        elif needs_rebuild(found, wanted):
            raise UsageError(
                f"an unfinished rebuild with model {found.model} is in {rebuilt.folder}",
                "finish it with the same options, or delete that folder",
            )
        # --force promises vectors that nothing old has touched
        reuse_from = [rebuilt] if options.force else [rebuilt, writer]
        summary = _Pass(rebuilt, wanted, report).run(roots, reuse_from, own_folder=writer.folder)
        writer.adopt(rebuilt)
    return summary


class _Pass:
    """One pass over the roots with one writer."""

    def __init__(self, writer: Writer, options: SyncOptions, report: Report) -> None:
        self._writer = writer
        self._options = options
        self._report = report
        self._summary = Summary()
        self._batch = Batch()
        self._replaced: dict[Path, int | None] = {}  # by path of a queued file, the document that it replaces

    def run(self, roots: Mapping[Path, Rules], reuse_from: Sequence[Writer], own_folder: Path | None = None) -> Summary:
        """Bring the writer's index up to date. Chunks take their vectors from ``reuse_from`` where they can."""
        own = own_folder or self._writer.folder
        catalog = self._writer.catalog
        changes = compare(catalog, roots, self._options.load, [own], self._options.limits)
        self._note_changes(changes)
        settings = self._writer.settings() or new_settings(self._options)
        if changes.due:
            self._writer.require_store(settings)  # first, because a cluster takes half a minute to start
        with open_reader(self._writer.folder, changes.due, roots, settings, self._options, self._report) as read:
            if self._writer.settings() is None:
                self._writer.start(settings)
            with catalog.transaction():
                # first, so that a stopped run can go on without naming them
                store_roots(catalog, roots)
                if changes.due:
                    store_run(catalog, 0, len(changes.due))
            if changes.due:
                self._load_and_embed(changes.due, settings, reuse_from, read)
        self._batch.deleted += changes.gone_documents
        self._batch.forgotten += changes.gone_skipped
        self._summary.removed += len(changes.gone_documents)
        if self._batch:
            self._writer.commit(self._batch)
        clear_run(catalog)
        self._writer.tidy()
        if is_due(catalog):
            self._build_approximate_index()
        return self._summary

    def _build_approximate_index(self) -> None:
        from ragcli.ingest.optimize import build_approximate_index

        settings = self._writer.settings()
        assert settings is not None
        files = self._summary.added + self._summary.changed
        chunks = self._summary.chunks_embedded + self._summary.chunks_reused
        self._report(Progress(files, files, 1, 1, chunks, chunks, "building the approximate index"))
        self._summary.approximate = build_approximate_index(self._writer, settings)

    def _note_changes(self, changes: Changes) -> None:
        self._summary.unchanged = changes.unchanged
        for skipped in changes.skipped:
            self._summary.note(skipped)
        for skipped in changes.newly_skipped:
            if skipped.detail == REMOVED:
                hint = "it was removed; to index it again: ragcli index PATH"
                self._summary.warnings.append((skipped.path, hint))
        self._batch.not_indexed += [NotIndexed(skipped) for skipped in changes.newly_skipped]

    def _load_and_embed(
        self, due: Sequence[Due], settings: Settings, reuse_from: Sequence[Writer], read: Reader
    ) -> None:
        from ragcli.ingest.embed import SLICE, Embedder
        from ragcli.ingest.sandbox.frames import LargeDocument

        embedder = Embedder(settings, reuse_from)
        states = {item.found.path: item for item in due}
        clock = Clock(due)
        # the largest first, so that no core is left alone with one at the end
        order = sorted(due, key=lambda item: -item.found.size)
        try:
            for loaded, chunked in read(order, embedder):
                due_file, is_chunked = states[loaded.path], chunked is not None
                if isinstance(loaded.outcome, LargeDocument):
                    self._take_large(loaded, loaded.outcome, due_file, embedder, clock)
                else:
                    self._take_file(loaded, due_file, embedder, chunked)
                del loaded, chunked  # of a large file; embedding its chunks takes long
                clock.read(due_file)
                self._report(clock.progress(embedder, due_file.found.path.name))
                while embedder.waiting >= SLICE:
                    self._embed_some(embedder, clock)
                if is_chunked:
                    self._commit_when_worth_it(embedder, clock)
            while embedder.waiting:
                self._embed_some(embedder, clock)
        finally:
            # also after Ctrl-C or an error: finished work is kept
            self._commit_finished(embedder, clock)
            if self._options.engine == "local":  # the next estimate is of this machine
                clock.store_rate(self._writer.catalog, embedder)
            self._summary.chunks_embedded, self._summary.chunks_reused = embedder.embedded, embedder.reused

    def _embed_some(self, embedder: Embedder, clock: Clock) -> None:
        if not embedder.embedded:
            self._report(clock.progress(embedder, "loading the model"))
        embedder.embed_slice(clock.expected(embedder))
        self._report(clock.progress(embedder, "embedding"))
        self._commit_when_worth_it(embedder, clock)

    def _commit_when_worth_it(self, embedder: Embedder, clock: Clock) -> None:
        if embedder.finished() >= _COMMIT_CHUNKS or clock.since_commit() > _COMMIT_SECONDS:
            self._commit_finished(embedder, clock)
            clock.committed()

    def _take_file(self, loaded: Loaded, due: Due, embedder: Embedder, chunked: Chunked | None) -> None:
        outcome, state = loaded.outcome, due.state
        old = state.document if state is not None else None
        if outcome is None:
            assert old is not None
            self._batch.touched.append((old, loaded.size, loaded.mtime_ns))
            self._summary.unchanged += 1
            return
        if isinstance(outcome, Document):
            version = loaders.version_of(outcome.loader)
            if embedder.add(outcome, loaded.sha256, loaded.size, loaded.mtime_ns, version, chunked):
                self._note_indexed(outcome, old)
                self._replaced[outcome.path] = old
                return
            outcome = Skipped(outcome.path, Reason.EMPTY, "no letters or digits in it")
        self._take_skipped(outcome, due)

    def _take_large(self, loaded: Loaded, document: LargeDocument, due: Due, embedder: Embedder, clock: Clock) -> None:
        """Commit a large document by itself, when the chunks of all of its parts are on disk."""
        from ragcli.ingest.spool import Spool

        settings = self._writer.settings()
        assert settings is not None
        pages: dict[int, Block] = {}
        with (
            staging_folder(self._writer.folder) as staging,
            Spool(staging, document.path, document.title, settings.dimension) as spool,
        ):
            try:
                for part in document.parts():
                    embedder.add_part(part, spool)
                    for block in part.document.blocks:
                        if block.page is not None and block.page not in pages:
                            pages[block.page] = replace(block, start=block.start + part.characters)
                    clock.read_part(due, (part.bytes + len(part.document.text)) / max(1, document.size))
                    del part  # embedding its chunks takes long
                    self._report(clock.progress(embedder, due.found.path.name))
                    while embedder.waiting:
                        self._embed_some(embedder, clock)
                    embedder.spill(spool)
            except LoadError as error:
                self._take_skipped(Skipped(document.path, error.reason, error.detail), due)
                return
            if not spool:
                self._take_skipped(Skipped(document.path, Reason.EMPTY, "no letters or digits in it"), due)
                return
            new = NewFile(
                replace(document, blocks=tuple(pages.values())), loaded.sha256, loaded.size, loaded.mtime_ns,
                loaders.version_of(document.loader), spool.chunks(), spool.keys_of_chunks(),
            )  # fmt: skip
            old = due.state.document if due.state is not None else None
            gone = [] if old is None else [old]
            self._writer.commit(Batch(added=[new], vectors=spool, deleted=gone, runtimes=embedder.runtimes))
            self._store_run(clock, 1)
            self._note_indexed(document, old)

    def _store_run(self, clock: Clock, more: int = 0) -> None:
        with self._writer.catalog.transaction():
            store_run(self._writer.catalog, clock.files_read + more - len(self._replaced), clock.files_total)

    def _note_indexed(self, document: Document, old: int | None) -> None:
        self._summary.warnings += [(document.path, warning) for warning in document.warnings]
        if old is None:
            self._summary.added += 1
        else:
            self._summary.changed += 1

    def _take_skipped(self, outcome: Skipped, due: Due) -> None:
        old = due.state.document if due.state is not None else None
        self._summary.note(outcome)
        # in the state in which it was found, also when it could not be read: it is tried again when that changes
        found = due.found
        self._batch.not_indexed.append(NotIndexed(outcome, found.size, found.mtime_ns, loaders.ALL_VERSIONS))
        if old is not None:
            self._batch.deleted.append(old)
            self._summary.removed += 1

    def _commit_finished(self, embedder: Embedder, clock: Clock) -> None:
        self._batch.added, self._batch.vectors = embedder.take()
        self._batch.runtimes = embedder.runtimes
        for new in self._batch.added:
            old = self._replaced.pop(new.document.path)
            if old is not None:
                self._batch.deleted.append(old)
        # taken out first: after a failed commit, a later one must not bring its deletions without its additions
        batch, self._batch = self._batch, Batch()
        if batch:
            self._writer.commit(batch)
            self._store_run(clock)
