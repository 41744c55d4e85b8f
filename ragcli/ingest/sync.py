"""The index line: discover -> load -> chunk -> embed -> commit, so that the index matches the disk.

Whole documents are committed, many at a time; what a run has committed stays, however the run ends, and the next run
goes on from there. Deletions come last, so that a moved or edited file finds its vectors again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import UsageError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.index.catalog.rows import ApproximateRow
from ragcli.index.catalog.settings import Settings
from ragcli.index.lock import OnWait
from ragcli.index.vectors.optimize import is_due
from ragcli.index.writer import REBUILD_NAME, Batch, NotIndexed, Writer, open_writer
from ragcli.ingest.begin import differs, named_store, new_settings
from ragcli.ingest.changes import Changes, Due, compare
from ragcli.ingest.discover import REMOVED, Rules
from ragcli.ingest.progress import Clock, Progress
from ragcli.ingest.roots import all_roots, choose_roots, known_roots, store_roots, taken_back
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.source import Engine, open_source
from ragcli.types import Document, Reason, Skipped

if TYPE_CHECKING:
    from ragcli.ingest.chunk import ChunkOptions
    from ragcli.ingest.embed import Cut, Embedder
    from ragcli.ingest.sandbox.pool import Loaded
    from ragcli.ingest.source import Source

# A commit is worth its fsyncs after this many chunks, or after this many seconds of work that could be lost.
_COMMIT_CHUNKS = 2_000
_COMMIT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How to index; None means as the index was built, or the default for a new one."""

    model: str | None = None
    chunks: ChunkOptions | None = None
    rules: Rules | None = None
    load: LoadOptions = field(default_factory=LoadOptions)
    limits: Limits | None = None
    workers: int = 0  # 0: one a core
    store: str | None = None  # where vectors go: an address, or "files"
    force: bool = False  # read and embed everything anew
    offline: bool = False
    engine: Engine = "local"
    address: str | None = None  # of a Ray cluster; None: one that is started here and ends with the run


@dataclass(slots=True)
class Summary:
    """What a run did. ``failures`` names every file that should be in the index and is not, new or old."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0
    skipped: dict[Reason, int] = field(default_factory=dict)  # files by reason
    failures: list[Skipped] = field(default_factory=list)
    warnings: list[tuple[Path, str]] = field(default_factory=list)
    approximate: ApproximateRow | None = None  # made by this run
    seconds: float = 0.0

    def note(self, skipped: Skipped) -> None:
        """Count what is not indexed."""
        self.skipped[skipped.reason] = self.skipped.get(skipped.reason, 0) + skipped.files
        if skipped.reason.is_failure:
            self.failures.append(skipped)


Report = Callable[[Progress], None]


def sync(
    folder: Path,
    roots: Sequence[Path],
    options: SyncOptions,
    report: Report = lambda _: None,
    on_wait: OnWait | None = None,
) -> Summary:
    """Make the index in ``folder`` match ``roots`` (none: every root it knows) and return what was done.

    Waits for another writer where ``on_wait`` is given, which is told who that is. Raises IndexBusy, UsageError for a
    root that does not exist, ModelUnavailable, ModelMismatch, EngineUnavailable. KeyboardInterrupt passes through after
    what is finished has been committed.
    """
    started = time.monotonic()
    if options.store is not None:
        options = replace(options, store=named_store(options.store))
    if options.engine == "ray":
        from ragcli.ingest.cluster.address import require_cluster, require_ray

        require_ray()
        if options.address is not None:
            require_cluster(options.address, offline=options.offline)
    with open_writer(folder, on_wait=on_wait) as writer:
        known = known_roots(writer.catalog)
        chosen = choose_roots(roots, known, options.rules)
        old = writer.settings()
        if old is not None and (options.force or differs(old, options)):
            summary = _rebuild(writer, old, all_roots(known, chosen), options, report)
        else:
            summary = _Run(writer, options, report).run(chosen, [writer])
    summary.warnings += [(path, "it was removed, and is indexed again") for path in taken_back(roots, known)]
    summary.seconds = time.monotonic() - started
    return summary


def _rebuild(
    writer: Writer, old: Settings, roots: Mapping[Path, Rules], options: SyncOptions, report: Report
) -> Summary:
    """Build a whole new index beside the old one, which keeps answering, and switch at the end.

    A run that was stopped is taken up where it was, provided that it asks for the same settings.
    """
    from ragcli.ingest.chunk import ChunkOptions
    from ragcli.models.resolve import resolve_stored

    if options.model is None:
        resolve_stored(old.model)  # nobody named it now: it is here, or this ends with how to get it
    wanted = replace(
        options,
        model=options.model or old.model,
        chunks=options.chunks or ChunkOptions(old.chunk_size, old.chunk_overlap),
        store=old.store if options.store is None else options.store,
    )
    with open_writer(writer.folder / REBUILD_NAME) as rebuilt:
        found = rebuilt.settings()
        if found is None:
            writer.seed(rebuilt, on_server=bool(wanted.store))
        elif differs(found, wanted):
            raise UsageError(
                f"an unfinished rebuild with model {found.model} is in {rebuilt.folder}",
                "finish it with the same options, or delete that folder",
            )
        # --force promises vectors that nothing old has touched
        sources = [rebuilt] if options.force else [rebuilt, writer]
        summary = _Run(rebuilt, wanted, report).run(roots, sources, own_folder=writer.folder)
        writer.adopt(rebuilt)
    return summary


class _Run:
    """One pass over the roots with one writer."""

    def __init__(self, writer: Writer, options: SyncOptions, report: Report) -> None:
        self._writer = writer
        self._options = options
        self._report = report
        self._summary = Summary()
        self._batch = Batch()
        self._replaced: dict[Path, int | None] = {}  # by path of a queued file, the document it takes the place of

    def run(self, roots: Mapping[Path, Rules], sources: Sequence[Writer], own_folder: Path | None = None) -> Summary:
        """Bring the writer's index up to date; ``sources`` are the indexes whose vectors may be used again."""
        own = own_folder or self._writer.folder
        changes = compare(self._writer.catalog, roots, self._options.load, [own], self._options.limits)
        self._take_over(changes)
        settings = self._writer.settings() or new_settings(self._options)
        if changes.due:
            self._writer.require_store(settings)  # first, because a cluster takes half a minute to start
        with open_source(self._writer.folder, changes.due, roots, settings, self._options, self._report) as read:
            if self._writer.settings() is None:
                self._writer.start(settings)
            with self._writer.catalog.transaction():
                # first, so that a stopped run can be taken up without naming them
                store_roots(self._writer.catalog, roots)
            if changes.due:
                self._load_and_embed(changes.due, settings, sources, read)
        self._batch.deleted += changes.gone_documents
        self._batch.forgotten += changes.gone_skipped
        self._summary.removed += len(changes.gone_documents)
        if self._batch:
            self._writer.commit(self._batch)
        self._writer.tidy()
        if is_due(self._writer.catalog):
            self._make_approximate()
        return self._summary

    def _make_approximate(self) -> None:
        from ragcli.ingest.optimize import make

        settings = self._writer.settings()
        assert settings is not None
        files = self._summary.added + self._summary.changed
        chunks = self._summary.chunks_embedded + self._summary.chunks_reused
        self._report(Progress(files, files, 1, 1, chunks, chunks, "building the approximate index"))
        self._summary.approximate = make(self._writer, settings)

    def _take_over(self, changes: Changes) -> None:
        self._summary.unchanged = changes.unchanged
        for skipped in changes.skipped:
            self._summary.note(skipped)
        for skipped in changes.newly_skipped:
            if skipped.detail == REMOVED:
                hint = "it was removed; to index it again: ragcli index PATH"
                self._summary.warnings.append((skipped.path, hint))
        self._batch.not_indexed += [NotIndexed(skipped) for skipped in changes.newly_skipped]

    def _load_and_embed(self, due: Sequence[Due], settings: Settings, sources: Sequence[Writer], read: Source) -> None:
        from ragcli.ingest.embed import SLICE, Embedder

        embedder = Embedder(settings, sources)
        states = {item.found.path: item for item in due}
        clock = Clock(due)
        # the largest first, so that no core is left alone with one at the end
        order = sorted(due, key=lambda item: -item.found.size)
        try:
            for loaded, cut in read(order, embedder):
                due_file, is_cut = states[loaded.path], cut is not None
                self._take_file(loaded, due_file, embedder, cut)
                del loaded, cut  # of a large file; embedding its passages takes long
                clock.read(due_file)
                self._report(clock.progress(embedder, due_file.found.path.name))
                while embedder.waiting >= SLICE:
                    self._embed_some(embedder, clock)
                if is_cut:
                    self._commit_when_worth_it(embedder, clock)
            while embedder.waiting:
                self._embed_some(embedder, clock)
        finally:
            # also after Ctrl-C or an error: what is finished is kept
            self._commit_finished(embedder)
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
            self._commit_finished(embedder)
            clock.committed()

    def _take_file(self, loaded: Loaded, due: Due, embedder: Embedder, cut: Cut | None) -> None:
        outcome, state = loaded.outcome, due.state
        old = state.document if state is not None else None
        if outcome is None:
            assert old is not None
            self._batch.touched.append((old, loaded.size, loaded.mtime_ns))
            self._summary.unchanged += 1
            return
        if isinstance(outcome, Document):
            version = loaders.version_of(outcome.loader)
            if embedder.add(outcome, loaded.sha256, loaded.size, loaded.mtime_ns, version, cut):
                self._summary.warnings += [(outcome.path, warning) for warning in outcome.warnings]
                self._replaced[outcome.path] = old
                if old is None:
                    self._summary.added += 1
                else:
                    self._summary.changed += 1
                return
            outcome = Skipped(outcome.path, Reason.EMPTY, "no letters or digits in it")
        self._summary.note(outcome)
        # as it was found, also when it could not be read: it is tried again when that changes
        found = due.found
        self._batch.not_indexed.append(NotIndexed(outcome, found.size, found.mtime_ns, loaders.ALL_VERSIONS))
        if old is not None:
            self._batch.deleted.append(old)
            self._summary.removed += 1

    def _commit_finished(self, embedder: Embedder) -> None:
        self._batch.added, self._batch.vectors = embedder.take()
        for new in self._batch.added:
            old = self._replaced.pop(new.document.path)
            if old is not None:
                self._batch.deleted.append(old)
        # let go of it first: what comes after a commit that failed must not bring its deletions without its additions
        batch, self._batch = self._batch, Batch()
        if batch:
            self._writer.commit(batch)
