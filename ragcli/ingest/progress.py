"""Where a run stands, for whoever watches it, and how fast this machine is, for the next estimate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ragcli.index.catalog.documents import Catalog
from ragcli.ingest.changes import Due

if TYPE_CHECKING:
    from ragcli.ingest.embed import Embedder

RATE_SETTING = "chunks_per_second"

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
    doing: str  # a file name, or what takes long


class Clock:
    """Counts what a run has read and when it last committed."""

    def __init__(self, due: Sequence[Due]) -> None:
        self._files_total = len(due)
        self._bytes_total = sum(item.found.size for item in due)
        self._files = 0
        self._bytes = 0
        self._started = self._committed = time.monotonic()

    def read(self, due: Due) -> None:
        self._files += 1
        self._bytes += due.found.size

    def committed(self) -> None:
        self._committed = time.monotonic()

    def since_commit(self) -> float:
        return time.monotonic() - self._committed

    def expected(self, embedder: Embedder) -> int:
        """How many texts the whole run will embed, going by what has been read so far."""
        share = self._bytes / self._bytes_total if self._bytes_total else 1.0
        return round((embedder.embedded + embedder.waiting) / share) if share else embedder.waiting

    def progress(self, embedder: Embedder | None, doing: str) -> Progress:
        """Where the run stands; without an embedder nothing has been cut up yet."""
        return Progress(
            files_done=self._files,
            files_total=self._files_total,
            bytes_done=self._bytes,
            bytes_total=self._bytes_total,
            chunks_done=embedder.found - embedder.waiting if embedder else 0,
            chunks_found=embedder.found if embedder else 0,
            doing=doing,
        )

    def store_rate(self, catalog: Catalog, embedder: Embedder) -> None:
        """Remember chunks a second, everything included, for ``ragcli index --plan``."""
        if embedder.embedded >= _RATE_CHUNKS:
            with catalog.transaction():
                catalog.set(RATE_SETTING, embedder.embedded / (time.monotonic() - self._started))
