"""The index line: discover -> load -> chunk -> embed -> commit, until the index matches the disk.

Each commit holds whole documents, many at a time. Committed work stays however a run ends, and the next run goes on
from there. Deletions come last, so that a moved or edited file finds its vectors again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.index import rebuild
from ragcli.index.catalog.rows import ApproximateRow, FileState, Settings
from ragcli.index.layout import REBUILD, staging_folder
from ragcli.index.lock import OnWait
from ragcli.index.vectors.optimize import is_due
from ragcli.index.writer import Batch, NewFile, NotIndexed, Writer, open_writer
from ragcli.ingest.changes import Changes, Doubt, Due, advice_for_gone, compare
from ragcli.ingest.discover import BY_NAME, REMOVED, Rules, stored_time
from ragcli.ingest.options import SyncOptions, needs_rebuild, new_settings, rebuild_options, trusted_store
from ragcli.ingest.progress import Clock, Progress, clear_run, store_run
from ragcli.ingest.readers import open_reader, require_engine
from ragcli.ingest.relocate import Move, as_known, find_moves, relocate
from ragcli.ingest.roots import absolute, all_roots, choose_roots, imported, known_roots, store_roots, taken_back
from ragcli.ingest.secrets import is_secret_name, secret_in
from ragcli.types import Block, Document, Reason, Skipped

if TYPE_CHECKING:
    from ragcli.index.catalog.documents import Catalog
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
    """What a run did.

    ``failures`` names every file that should be in the index and is not, old failures included, and every folder whose
    files are missing while their documents stay (Reason.ABSENT).
    """

    added: int = 0  # documents, like the three below
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0  # took the stored vector of an identical text
    skipped: dict[Reason, int] = field(default_factory=dict)  # files by reason
    failures: list[Skipped] = field(default_factory=list)
    imported: int = 0  # documents below no folder of the index, when all folders were read: no run reads their files
    secrets: int = 0  # files that were left out for the first time, because they hold keys or credentials
    moved: list[Move] = field(default_factory=list)  # folders whose documents followed them
    warnings: list[tuple[Path, str]] = field(default_factory=list)
    improved: dict[str, int] = field(
        default_factory=dict
    )  # unchanged documents read again, by the loader that improved
    approximate: ApproximateRow | None = None  # built by this run
    seconds: float = 0.0

    def note(self, skipped: Skipped) -> None:
        """Count what is not indexed."""
        self.skipped[skipped.reason] = self.skipped.get(skipped.reason, 0) + skipped.files
        if skipped.reason.is_failure:
            self.failures.append(skipped)


Report = Callable[[Progress], None]
Confirm = Callable[[Doubt], bool]


def sync(
    index: str | Path,
    roots: str | Path | Sequence[str | Path] = (),
    options: SyncOptions | None = None,
    report: Report = lambda _: None,
    on_wait: OnWait | None = None,
    confirm: Confirm = lambda _: False,
    relocated: tuple[str | Path, str | Path] | None = None,
) -> Summary:
    """Make the index in the folder ``index`` match ``roots`` and return what was done. A missing index is made.

    ``roots`` are files or folders, one or several; with none, every root that the index knows is read. ``report`` is
    called with the progress of the run. ``on_wait`` is told who else writes to the index, and then this call waits;
    without it, IndexBusy is raised. ``confirm`` is asked before more than half of a root's documents are
    removed; without ``options.remove_missing`` and without its consent they stay. ``relocated`` is a folder
    that moved, as (old, new): its documents follow it. A root that moved as a whole is noticed without that.

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
        catalog = writer.catalog
        moves = [relocate(catalog, *absolute([Path(path) for path in relocated]))] if relocated is not None else []
        named = as_known(absolute(named), known_roots(catalog))
        moves += [relocate(catalog, move.old, move.new) for move in find_moves(catalog, named)]
        known = known_roots(catalog)
        chosen = choose_roots(named, known, options.rules)
        old = writer.settings()
        if old is not None and (options.force or needs_rebuild(old, options)):
            summary = _rebuild(writer, old, all_roots(known, chosen), options, report, confirm)
        else:
            summary = _Pass(writer, options, report, confirm).run(chosen, reuse_from=[writer])
        summary.moved = moves
        if not named:
            summary.imported = imported(catalog)
    if named:
        summary.warnings += [(root, _gone(root)) for root in known if root not in chosen and not os.path.lexists(root)]
    summary.warnings += [(path, "it was removed, and is indexed again") for path in taken_back(named, known)]
    summary.seconds = time.monotonic() - started
    return summary


def _gone(root: Path) -> str:
    return f"it is gone; {advice_for_gone(root)}"


def _paths(given: str | Path | Sequence[str | Path]) -> list[Path]:
    return [Path(given)] if isinstance(given, str | os.PathLike) else [Path(path) for path in given]


def _rebuild(
    writer: Writer,
    old: Settings,
    roots: Mapping[Path, Rules],
    options: SyncOptions,
    report: Report,
    confirm: Confirm,
) -> Summary:
    """Build a whole new index beside the old one, which keeps answering, and switch at the end.

    A stopped rebuild goes on where it was asked for the same settings, and is dropped elsewhere. Documents whose files
    cannot be read now, seem to be gone by mistake, or are in no root, are taken over with the text that they had.
    """
    from ragcli.models.resolve import resolve_stored

    if options.model is None:
        resolve_stored(old.model)  # nobody names it now: raise at once, with how to get it, when it is not here
    wanted = rebuild_options(old, options)
    begun = rebuild.settings(writer.folder)
    if begun is not None and needs_rebuild(begun, wanted):
        rebuild.drop(writer.folder)
    with open_writer(writer.folder / REBUILD) as rebuilt:
        if rebuilt.settings() is None:
            writer.seed(rebuilt, on_server=bool(wanted.store))
        # --force promises vectors that nothing old has touched
        reuse_from = [rebuilt] if options.force else [rebuilt, writer]
        # what stays must be told from the old index: the new one does not know yet what there was
        before = compare(
            writer.catalog, roots, wanted.load, [writer.folder], wanted.limits, remove_missing=wanted.remove_missing
        )
        doubted = {number for doubt in _unconfirmed(before, confirm) for number in doubt.documents}
        outside = {
            row.id for row in writer.catalog.documents() if roots.keys().isdisjoint((row.path, *row.path.parents))
        }
        run = _Pass(rebuilt, wanted, report)
        summary = run.run(roots, reuse_from, own_folder=writer.folder)
        run.note_absent(before)
        run.take_over(writer.catalog, before.closed, doubted | outside, reuse_from)
        writer.adopt(rebuilt)
    return summary


def _unconfirmed(changes: Changes, confirm: Confirm) -> list[Doubt]:
    """Ask about each doubt; return those whose documents stay, which are then listed in ``changes``."""
    kept = []
    for doubt in changes.doubts:
        if confirm(doubt):
            changes.gone_documents += doubt.documents
        else:
            changes.keep(doubt)
            kept.append(doubt)
    return kept


class _Old(NamedTuple):
    """The documents that go when a file is stored again: its older version, and what only that held."""

    document: int | None
    inside: list[int]
    ctime_ns: int | None  # of the file; None for a member

    @property
    def documents(self) -> list[int]:
        return ([] if self.document is None else [self.document]) + self.inside


class _Queued(NamedTuple):
    """What a document that waits for vectors brings along when it is stored."""

    replaced: list[int]  # the documents that go: its older version, and what that held
    ctime_ns: int | None  # of its file; None for a member


class _Pass:
    """One pass over the roots with one writer."""

    def __init__(
        self, writer: Writer, options: SyncOptions, report: Report, confirm: Confirm = lambda _: False
    ) -> None:
        self._writer = writer
        self._options = options
        self._report = report
        self._confirm = confirm
        self._summary = Summary()
        self._batch = Batch()
        self._queued: dict[Path, _Queued] = {}  # files whose chunks wait for vectors
        self._roots: Mapping[Path, Rules] = {}
        self.kept: set[Path] = set()  # nothing was learnt about what is at or below: what was indexed of it stays

    def run(self, roots: Mapping[Path, Rules], reuse_from: Sequence[Writer], own_folder: Path | None = None) -> Summary:
        """Bring the writer's index up to date. Chunks take their vectors from ``reuse_from`` where they can."""
        own = own_folder or self._writer.folder
        catalog = self._writer.catalog
        self._roots = roots
        changes = compare(
            catalog, roots, self._options.load, [own], self._options.limits,
            remove_missing=self._options.remove_missing,
        )  # fmt: skip
        _unconfirmed(changes, self._confirm)
        self._note_changes(changes)
        for loader in (name for item in changes.due for name in item.improved):
            self._summary.improved[loader] = self._summary.improved.get(loader, 0) + 1
        settings = self._writer.settings() or new_settings(self._options)
        if changes.due:
            self._writer.require_store(settings)  # first, because a cluster takes half a minute to start
        with open_reader(self._writer.folder, changes.due, roots, settings, self._options, self._report) as read:
            if self._writer.settings() is None:
                self._writer.start(settings)
            with catalog.transaction():
                # first, so that a stopped run can go on without naming them
                store_roots(catalog, roots)
                kept = {root: place for root, place in catalog.places().items() if root in catalog.roots()}
                found = {root: place for root, place in changes.places.items() if root in catalog.roots()}
                if {**kept, **found} != catalog.places():
                    catalog.set_places({**kept, **found})
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

    def note_absent(self, before: Changes) -> None:
        """List what is not there as ``before``, which knew the documents, has it."""
        failures = [failure for failure in self._summary.failures if failure.reason is not Reason.ABSENT]
        self._summary.failures = failures
        self._summary.skipped.pop(Reason.ABSENT, None)
        for skipped in before.skipped:
            if skipped.reason is Reason.ABSENT:
                self._summary.note(skipped)

    def take_over(
        self, old: Catalog, closed: Collection[Path], doubted: Collection[int], reuse_from: Sequence[Writer]
    ) -> None:
        """Store the documents of ``old`` that this pass could not read, with the text and the chunks that they had."""
        from ragcli.ingest.embed import SLICE, Chunked, Embedder

        kept = self.kept | set(closed)
        catalog = self._writer.catalog
        rows = [
            row for row in old.documents() if row.id in doubted or not kept.isdisjoint((row.path, *row.path.parents))
        ]
        rows = [row for row in rows if catalog.document(row.path) is None]
        settings = self._writer.settings()
        if not rows or settings is None:
            return
        ctimes = {path: state.ctime_ns for path, state in old.file_states().items()}
        embedder = Embedder(settings, reuse_from)
        for row in rows:
            pages = tuple(Block(start, start, "paragraph", page) for page, start in row.pages)
            document = Document(row.path, row.title, "", pages, row.loader, row.warnings, row.dated_ns)
            chunks = Chunked(tuple(old.document_chunks(row.id)), {})
            embedder.add(document, row.sha256, row.size, row.mtime_ns, row.loader_version, chunks)
            self._queued[row.path] = _Queued([], ctimes[row.path])
            self._batch.forgotten.append(row.path)
            while embedder.waiting >= SLICE:
                embedder.embed_slice()
            if embedder.finished() >= _COMMIT_CHUNKS:
                self._commit(embedder)
        while embedder.waiting:
            embedder.embed_slice()
        self._commit(embedder)
        self._summary.unchanged += len(rows)

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
        self.kept |= changes.closed
        self._batch.ctimes.update(changes.ctimes)
        for skipped in changes.skipped:
            self._summary.note(skipped)
        for skipped in changes.newly_skipped:
            if skipped.detail == REMOVED:
                hint = "it was removed; to index it again: ragcli index PATH"
                self._summary.warnings.append((skipped.path, hint))
        self._summary.secrets += sum(1 for skipped in changes.newly_skipped if skipped.reason is Reason.SECRET)
        self._batch.not_indexed += [NotIndexed(skipped) for skipped in changes.newly_skipped]

    def _load_and_embed(
        self, due: Sequence[Due], settings: Settings, reuse_from: Sequence[Writer], read: Reader
    ) -> None:
        from ragcli.ingest.embed import SLICE, Embedder

        embedder = Embedder(settings, reuse_from)
        states = {item.found.path: item for item in due}
        clock = Clock(due)
        # the largest first, so that no core is left alone with one at the end
        order = sorted(due, key=lambda item: -item.found.size)
        try:
            for loaded, chunked in read(order, embedder):
                due_file, is_chunked = states[loaded.container or loaded.path], chunked is not None
                self._take(loaded, due_file, embedder, chunked, clock)
                name = loaded.path.name
                if loaded.container is None:
                    clock.read(due_file, embedder)
                del loaded, chunked  # of a large file; embedding its chunks takes long
                self._report(clock.progress(embedder, name))
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
            with clock.stopped():
                embedder.open(clock.expected(embedder))
        with clock.embedding(embedder):
            embedder.embed_slice()
            self._commit_when_worth_it(embedder, clock)
        self._report(clock.progress(embedder, "embedding"))

    def _commit_when_worth_it(self, embedder: Embedder, clock: Clock) -> None:
        if embedder.finished() >= _COMMIT_CHUNKS or clock.since_commit() > _COMMIT_SECONDS:
            self._commit_finished(embedder, clock)
            clock.committed()

    def _take(self, loaded: Loaded, due: Due, embedder: Embedder, chunked: Chunked | None, clock: Clock) -> None:
        """Queue a document, or note what became of the file; a member, or the file on the disk after its members."""
        from ragcli.ingest.sandbox.frames import LargeDocument

        outcome, is_member = loaded.outcome, loaded.container is not None
        if is_member and not due.members.meet(loaded.path):
            return
        state = due.members.take(loaded.path) if is_member else due.state
        if outcome is None:
            self._keep(loaded, due, state)
            return
        if isinstance(outcome, Document) and (secret := self._secret_in(outcome, chunked)) is not None:
            outcome = Skipped(outcome.path, Reason.SECRET, secret)
        if isinstance(outcome, Skipped) and not is_member and self._stays(outcome, due):
            return
        known = None if state is None else state.document
        inside: list[int] = []
        if not is_member:  # what the file held once and holds no longer goes with the version that held it
            gone = due.members.take_all()
            inside = [row.document for row in gone if row.document is not None]
            self._batch.forgotten += [row.path for row in gone if row.document is None]
        old = _Old(known, inside, None if is_member else due.found.ctime_ns)
        if isinstance(outcome, LargeDocument):
            skipped = self._take_large(loaded, outcome, due, old, embedder, clock)
        elif isinstance(outcome, Document):
            skipped = self._take_document(loaded, outcome, old, embedder, chunked)
        else:
            skipped = outcome
        if skipped is not None:
            # in the state in which it was found, also when it could not be read: it is tried again when that changes
            found = (loaded.size, loaded.mtime_ns) if is_member else (due.found.size, due.found.mtime_ns)
            self._summary.note(skipped)
            self._summary.secrets += skipped.reason is Reason.SECRET
            self._batch.not_indexed.append(NotIndexed(skipped, *found, loaders.ALL_VERSIONS))
            self._batch.deleted += old.documents
            self._summary.removed += len(old.documents)

    def _take_document(
        self, loaded: Loaded, document: Document, old: _Old, embedder: Embedder, chunked: Chunked | None
    ) -> Skipped | None:
        version = loaders.version_of(document.loader)
        if not embedder.add(document, loaded.sha256, loaded.size, stored_time(loaded.mtime_ns), version, chunked):
            return Skipped(document.path, Reason.EMPTY, "no letters or digits in it")
        self._note_indexed(document, old)
        self._queued[document.path] = _Queued(old.documents, old.ctime_ns)
        return None

    def _take_large(
        self, loaded: Loaded, document: LargeDocument, due: Due, old: _Old, embedder: Embedder, clock: Clock
    ) -> Skipped | None:
        """Commit a large document by itself, when the chunks of all of its parts are on disk; or say why not."""
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
                    if (secret := self._secret_in(part.document, None)) is not None:
                        # without the line, which counts from the beginning of the part
                        raise LoadError(Reason.SECRET, secret.partition(",")[0])  # noqa: TRY301 (as a loader does)
                    embedder.add_part(part, spool)
                    for block in part.document.blocks:
                        if block.page is not None and block.page not in pages:
                            pages[block.page] = replace(block, start=block.start + part.characters)
                    if loaded.container is None:
                        share = (part.bytes + len(part.document.text)) / max(1, document.size)
                        clock.read_part(due, share, embedder)
                    del part  # embedding its chunks takes long
                    self._report(clock.progress(embedder, due.found.path.name))
                    while embedder.waiting:
                        self._embed_some(embedder, clock)
                    embedder.spill(spool)
            except LoadError as error:
                return Skipped(document.path, error.reason, error.detail)
            if not spool:
                return Skipped(document.path, Reason.EMPTY, "no letters or digits in it")
            new = NewFile(
                replace(document, blocks=tuple(pages.values())), loaded.sha256, loaded.size,
                stored_time(loaded.mtime_ns),
                loaders.version_of(document.loader), spool.chunks(), spool.keys_of_chunks(),
            )  # fmt: skip
            ctimes = {} if old.ctime_ns is None else {document.path: old.ctime_ns}
            self._commit_finished(embedder, clock)  # what is in a file is stored before the file
            self._writer.commit(
                Batch(added=[new], vectors=spool, deleted=old.documents, ctimes=ctimes, runtimes=embedder.runtimes)
            )
            self._store_run(clock, int(loaded.container is None))
            self._note_indexed(document, old)
        return None

    def _store_run(self, clock: Clock, more: int = 0) -> None:
        with self._writer.catalog.transaction():
            store_run(self._writer.catalog, max(0, clock.files_read + more - len(self._queued)), clock.files_total)

    def _note_indexed(self, document: Document, old: _Old) -> None:
        self._summary.warnings += [(document.path, warning) for warning in document.warnings]
        self._summary.added += old.document is None
        self._summary.changed += old.document is not None
        self._summary.removed += len(old.inside)

    def _stays(self, outcome: Skipped, due: Due) -> bool:
        """Whether what was indexed of a file, and of what is in it, stays, because nothing was learnt about it."""
        if outcome.reason not in (Reason.ABSENT, Reason.UNREADABLE):
            return False
        self.kept.add(due.found.path)
        if outcome.reason is Reason.ABSENT:  # it vanished during the run; the next one learns whether for good
            return True
        if (due.state is None or due.state.document is None) and not due.members.rows():
            return False
        self._summary.note(outcome)  # as below a folder that cannot be entered
        return True

    def _keep(self, loaded: Loaded, due: Due, state: FileState | None) -> None:
        """Leave a document, and what is in it, as it is."""
        if state is None or state.document is None:  # only a process that a file took over says so
            return
        mtime_ns = stored_time(loaded.mtime_ns)
        if (state.size, state.mtime_ns) != (loaded.size, mtime_ns):
            self._batch.touched.append((state.document, loaded.size, mtime_ns))
        if loaded.container is None:
            self._batch.ctimes[loaded.path] = due.found.ctime_ns
        inside = due.members.take_all() if loaded.container is None else due.members.take_below(loaded.path)
        self._summary.unchanged += 1 + sum(row.document is not None for row in inside)
        unread = {row.path for row in inside if row.document is None}
        for skipped in self._writer.catalog.skipped() if unread else ():
            if skipped.path in unread:
                self._summary.note(skipped)

    def _secret_in(self, document: Document, chunked: Chunked | None) -> str | None:
        """What kind of secret stands in a document whose root takes none; None when there is none."""
        around = next((r for p, r in self._roots.items() if p == document.path or p in document.path.parents), None)
        if around is None or around.include_secrets:
            return None
        if is_secret_name(document.path.name):  # in an archive: a walk leaves out such a file
            return BY_NAME
        texts = [document.text] if chunked is None else [chunk.text for chunk in chunked.chunks]
        found = next((secret for text in texts if (secret := secret_in(text)) is not None), None)
        if found is None and (found := secret_in(document.title)) is not None:
            return found.partition(",")[0] + ", in its title"
        return found

    def _commit_finished(self, embedder: Embedder, clock: Clock) -> None:
        if self._commit(embedder):
            self._store_run(clock)

    def _commit(self, embedder: Embedder) -> bool:
        """Commit every document that has all its vectors; whether there was anything to commit."""
        self._batch.added, self._batch.vectors = embedder.take()
        self._batch.runtimes = embedder.runtimes
        for new in self._batch.added:
            queued = self._queued.pop(new.document.path)
            self._batch.deleted += queued.replaced
            if queued.ctime_ns is not None:
                self._batch.ctimes[new.document.path] = queued.ctime_ns
        # taken out first: after a failed commit, a later one must not bring its deletions without its additions
        batch, self._batch = self._batch, Batch()
        if batch:
            self._writer.commit(batch)
        return bool(batch)
