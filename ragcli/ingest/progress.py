"""How far a run has come: for whoever watches it, for a reader of the unfinished index, and for the next estimate."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.index.catalog.documents import Catalog

if TYPE_CHECKING:
    from ragcli.ingest.changes import Due
    from ragcli.ingest.embed import Embedder

# Below this many chunks a rate is mostly start-up time and says nothing about the next run.
_RATE_CHUNKS = 200


class Progress(NamedTuple):
    """Files and bytes read so far, chunks found so far and how many of them have a vector."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    chunks_done: int
    chunks_found: int
    doing: str  # a file name, or a step that takes long


def store_run(catalog: Catalog, files_done: int, files_total: int) -> None:
    """Note how far the run of this process has come. Expects a transaction."""
    record = {"done": files_done, "files": files_total, "pid": os.getpid(), "host": os.uname().nodename}
    catalog.set_value("run", record)


def clear_run(catalog: Catalog) -> None:
    """Note that the run of this process has reached its end."""
    if catalog.value("run", _as_read) is not None:
        with catalog.transaction():
            catalog.set_value("run", None)


def _as_read(value: Any) -> Any:  # noqa: ANN401 (what a run noted, or None once it ended)
    return value


class Clock:
    """Counts what a run has read and when it last committed."""

    def __init__(self, due: Sequence[Due]) -> None:
        self.files_total = len(due)
        self.files_read = 0
        self._bytes_total = sum(item.found.size for item in due)
        self._bytes = self._part = 0  # of files that were read, and of the one that is read in parts
        self._started = self._committed = time.monotonic()

    def read(self, due: Due) -> None:
        """Count a file as read."""
        self.files_read += 1
        self._bytes += due.found.size
        self._part = 0

    def read_part(self, due: Due, share: float) -> None:
        """Count a share of a file as read."""
        self._part = round(due.found.size * share)

    def committed(self) -> None:
        """Take this moment as that of the last commit."""
        self._committed = time.monotonic()

    def since_commit(self) -> float:
        """Seconds since the last commit."""
        return time.monotonic() - self._committed

    def expected(self, embedder: Embedder) -> int:
        """How many texts the whole run will embed, going by what has been read so far."""
        share = (self._bytes + self._part) / self._bytes_total if self._bytes_total else 1.0
        return round((embedder.embedded + embedder.waiting) / share) if share else embedder.waiting

    def progress(self, embedder: Embedder | None, doing: str) -> Progress:
        """The state of the run. Without an embedder nothing has been chunked yet."""
        return Progress(
            files_done=self.files_read,
            files_total=self.files_total,
            bytes_done=self._bytes + self._part,
            bytes_total=self._bytes_total,
            chunks_done=embedder.found - embedder.waiting if embedder else 0,
            chunks_found=embedder.found if embedder else 0,
            doing=doing,
        )

    def store_rate(self, catalog: Catalog, embedder: Embedder) -> None:
        """Remember chunks per second, everything included, for ``ragcli index --plan``."""
        if embedder.embedded >= _RATE_CHUNKS:
            with catalog.transaction():
                catalog.set_value("chunks_per_second", embedder.embedded / (time.monotonic() - self._started))
