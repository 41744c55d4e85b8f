"""Who reads the files of a run: parser processes on this machine, or a Ray cluster, which also chunks and embeds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import EngineUnavailable, UsageError
from ragcli.index.catalog.rows import Settings
from ragcli.ingest.changes import Due
from ragcli.ingest.discover import Rules
from ragcli.ingest.options import SyncOptions
from ragcli.ingest.progress import Clock, Progress
from ragcli.ingest.sandbox.limits import Limits

if TYPE_CHECKING:
    from ragcli.ingest.embed import Chunked, Embedder
    from ragcli.ingest.sandbox.pool import Loaded

    # Yields every file once, as soon as it is done, after its members. A cluster also gives its chunks and vectors.
    Reader = Callable[[Sequence[Due], Embedder], Iterator[tuple[Loaded, Chunked | None]]]

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]/]+)\]|(?P<host>[^:/@\s]+)):(?P<port>\d{1,5})")
_CONNECT_SECONDS = 5.0


def require_engine(options: SyncOptions) -> None:
    """Make sure, within seconds, that the engine can be used. Starts and imports nothing.

    Raises EngineUnavailable where ray is not installed or nothing answers at the address, UsageError for an address
    that is invalid or that ``offline`` forbids.
    """
    if options.engine == "local":
        return
    import importlib.util

    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("pyarrow") is None:
        raise EngineUnavailable("ray is not installed", "pip install 'ragcli[cluster]'")
    if options.address is not None:
        require_cluster(options.address, offline=options.offline)


def require_cluster(address: str, *, offline: bool) -> None:
    """Make sure, within seconds, that something listens at ``address`` (HOST:PORT).

    Raises UsageError for an address that is invalid or that ``offline`` forbids, EngineUnavailable where nothing
    answers.
    """
    import socket

    from ragcli.offline import is_this_machine

    host, port = _parse(address)
    if offline and not is_this_machine(host):
        raise UsageError(f"ragcli is offline, and {address} is another machine", "leave out --offline to allow it")
    # ray.init waits long for an address where nothing is
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except OSError as error:
        why = error.strerror or str(error) or "no answer"
        raise EngineUnavailable(
            f"no Ray cluster answers at {address} ({why})",
            "is it up? see: ray status; start one with: ray start --head",
        ) from error


def _parse(address: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        raise UsageError(
            f"invalid address of a Ray cluster {address!r}", "use the HOST:PORT that `ray start --head` printed"
        )
    return found["six"] or found["host"], int(found["port"])


@contextmanager
def open_reader(
    folder: Path,
    due: Sequence[Due],
    roots: Mapping[Path, Rules],
    settings: Settings,
    options: SyncOptions,
    report: Callable[[Progress], None],
) -> Iterator[Reader]:
    """A reader of the ``due`` files for the index in ``folder``. Nothing is started when no file is due.

    Raises EngineUnavailable for an unusable cluster, before anything is stored.
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
        from ragcli.ingest.sandbox.frames import PART
        from ragcli.ingest.sandbox.pool import Sandbox

        workers = min(len(due), options.workers or os.cpu_count() or 1)
        with Sandbox(workers, limits, options.load) as sandbox:
            # map, because a generator would keep the last document while it is embedded
            yield lambda files, _: map(_not_chunked, sandbox.load(item.request(PART) for item in files))


def _not_chunked(loaded: Loaded) -> tuple[Loaded, None]:
    return loaded, None
