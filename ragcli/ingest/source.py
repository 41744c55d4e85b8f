"""Where due files are read: in parser processes here, or on a cluster, which cuts and embeds them too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ragcli.index.catalog.settings import Settings
from ragcli.ingest.changes import Due
from ragcli.ingest.discover import Rules
from ragcli.ingest.progress import Clock, Progress
from ragcli.ingest.sandbox.limits import Limits

if TYPE_CHECKING:
    from ragcli.ingest.embed import Cut, Embedder
    from ragcli.ingest.sandbox.pool import Loaded
    from ragcli.ingest.sync import SyncOptions

    # Yields every file once, as it gets done; those of a cluster come with their passages and vectors.
    Source = Callable[[Sequence[Due], Embedder], Iterator[tuple[Loaded, Cut | None]]]

Engine = Literal["local", "ray"]


@contextmanager
def open_source(
    folder: Path,
    due: Sequence[Due],
    roots: Mapping[Path, Rules],
    settings: Settings,
    options: SyncOptions,
    report: Callable[[Progress], None],
) -> Iterator[Source]:
    """What reads ``due`` files for the index in ``folder``, ready to; nothing is started where none is due.

    Raises EngineUnavailable for a cluster that cannot, before anything is stored.
    """
    limits = options.limits or Limits()
    if not due:
        yield lambda *_: iter(())
    elif options.engine == "ray":
        from ragcli.ingest.cluster.reading import open_cluster

        clock = Clock(due)
        places = [root for root in roots if root.exists()] + [due[0].found.path]
        with open_cluster(
            folder, options.address, options.workers, settings, options.load, limits, places,
            lambda doing: report(clock.progress(None, doing)),
        ) as cluster:  # fmt: skip
            yield lambda files, embedder: cluster.read(files, embedder.stored_keys())
    else:
        from ragcli.ingest.sandbox.pool import Request, Sandbox

        workers = min(len(due), options.workers or os.cpu_count() or 1)
        with Sandbox(workers, limits, options.load) as sandbox:
            # map, because a generator would keep the last document while it is embedded
            yield lambda files, _: map(
                _uncut, sandbox.load(Request(item.found.path, item.known_sha256) for item in files)
            )


def _uncut(loaded: Loaded) -> tuple[Loaded, None]:
    return loaded, None
