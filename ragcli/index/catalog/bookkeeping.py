"""What the catalog knows about the derived files and servers: segments, collections, dead ids, free ids.

Call the methods that write within a transaction of the catalog.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

from ragcli.index.catalog.database import Database
from ragcli.index.catalog.rows import ApproximateRow, SegmentRow, StoreState, approximate_of, owner_of, segment_of
from ragcli.types import Span
from ragcli.units import counted

Holder = Literal["in_vectors", "in_keywords"]

_SEGMENTS = "SELECT name, sha256, count, first, last FROM segments ORDER BY first, name"
_DEAD: dict[Holder, str] = {
    "in_vectors": "SELECT chunk FROM dead WHERE in_vectors = 1 ORDER BY chunk",
    "in_keywords": "SELECT chunk FROM dead WHERE in_keywords = 1 ORDER BY chunk",
}
_BURY: dict[Holder, str] = {
    "in_vectors": "UPDATE dead SET in_vectors = 0 WHERE chunk = ?",
    "in_keywords": "UPDATE dead SET in_keywords = 0 WHERE chunk = ?",
}


class UnfinishedRun(NamedTuple):
    """A run that did not reach its end yet: ``files_done`` of ``files_total`` files are in the index."""

    files_done: int
    files_total: int
    is_running: bool  # False: it was interrupted

    def __str__(self) -> str:
        files = f"{self.files_done:,} of {counted(self.files_total, 'file')}"
        if self.is_running:
            return f"a run is filling the index: {files} so far"
        return f"the last run was interrupted after {files}; go on with: ragcli index"


class Ledger:
    """The bookkeeping tables of one catalog, and its settings that belong to them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def unfinished_run(self) -> UnfinishedRun | None:
        """The run that is filling the index now, or that was interrupted; None when the last one reached its end.

        A run on another machine counts as running: nothing here can tell.
        """
        return self._db.value("run", _run_of)

    def segments(self) -> list[SegmentRow]:
        """Every segment, oldest first."""
        return self._db.records(segment_of, _SEGMENTS)

    def replace_segments(self, gone: Iterable[str], new: Iterable[SegmentRow]) -> None:
        self._db.run_many("DELETE FROM segments WHERE name = ?", ((name,) for name in gone))
        self._db.run_many(
            "INSERT INTO segments VALUES (?, ?, ?, ?, ?)", ((s.name, s.sha256, s.count, s.first, s.last) for s in new)
        )

    def approximate(self) -> ApproximateRow | None:
        """The file that approximate search reads; None where search is exact."""
        return self._db.value("approximate", approximate_of)

    def set_approximate(self, row: ApproximateRow | None) -> None:
        self._db.set_value("approximate", asdict(row) if row else None)
        self.note_format(row)

    def note_format(self, row: ApproximateRow | None) -> None:
        """Keep out older versions where they would take the segments for all vectors."""
        self._db.set_format(2 if row is not None and row.is_alone else 1)

    def dead_up_to(self, chunk: int) -> int:
        """How many of the ids that segments or lists still hold, at most ``chunk``, are of deleted chunks."""
        return self._db.number("SELECT count(*) FROM dead WHERE in_vectors = 1 AND chunk <= ?", (chunk,))

    def vector_files(self) -> list[SegmentRow | ApproximateRow]:
        """Every file of vectors that the index has."""
        approximate = self.approximate()
        return [*self.segments(), *([approximate] if approximate else [])]

    def dead(self, holder: Holder) -> list[int]:
        """Ids of deleted chunks that ``holder`` still has, ascending."""
        return self._db.records(lambda row: int(row[0]), _DEAD[holder])

    def bury(self, holder: Holder, ids: Iterable[int]) -> None:
        """Note that ``holder`` no longer has ``ids``; drop the ids that neither holder has."""
        self._db.run_many(_BURY[holder], ((i,) for i in ids))
        self._db.run("DELETE FROM dead WHERE in_vectors = 0 AND in_keywords = 0")

    def next_id(self) -> int:
        """The lowest id that nothing ever had; all ids above it are free too."""
        found = self._db.value("next_id", int)
        return 1 if found is None else found

    def skip_ids(self, next_id: int) -> None:
        """Never hand out ids below ``next_id``."""
        if next_id > self.next_id():
            self._db.set_value("next_id", next_id)

    def reserve(self, count: int) -> int:
        """Take ``count`` ids that nothing ever had, note them as pending, and return the first."""
        first = self.next_id()
        self._db.set_value("next_id", first + count)
        self._db.run("INSERT INTO pending VALUES (?, ?)", (first, first + count - 1))
        return first

    def pending(self) -> list[Span]:
        """The ids of a commit that did not finish, as (first, last)."""
        return self._db.records(lambda row: (int(row[0]), int(row[1])), "SELECT first, last FROM pending")

    def clear_pending(self) -> None:
        self._db.run("DELETE FROM pending")

    def store_state(self) -> StoreState | None:
        """The state of the collection that holds the vectors; None while files hold them."""
        return self._db.value("store", StoreState.from_record)

    def set_store_state(self, state: StoreState) -> None:
        self._db.set_value("store", state.to_record())

    def store_owner(self) -> str | None:
        """The name of this index on servers; None before it needed one."""
        return self._db.value("store_owner", owner_of)

    def set_store_owner(self, owner: str) -> None:
        self._db.set_value("store_owner", owner)

    def left_over(self) -> list[tuple[str, str]]:
        """Collections that a rebuild left behind and nothing uses: (address, name)."""
        return self._db.value("left_over", lambda found: [(str(uri), str(name)) for uri, name in found]) or []

    def set_left_over(self, collections: Iterable[tuple[str, str]]) -> None:
        self._db.set_value("left_over", list(collections))

    def forget_stores(self) -> None:
        """Forget every server that this index was on, and its name there."""
        self._db.run("DELETE FROM settings WHERE key IN ('store', 'store_owner', 'left_over')")


def _run_of(record: Any) -> UnfinishedRun | None:  # noqa: ANN401 (what a run noted, or None once it ended)
    try:
        done, total, pid, host = int(record["done"]), int(record["files"]), int(record["pid"]), str(record["host"])
    except (TypeError, KeyError, ValueError):
        return None
    return UnfinishedRun(done, total, host != os.uname().nodename or _is_alive(pid))


def _is_alive(pid: int) -> bool:
    if pid <= 0:  # of a process group, to os.kill
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
