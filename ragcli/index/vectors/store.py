"""The default store: immutable FAISS segments in files beside the catalog, which names those that exist."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import SegmentRow
from ragcli.index.catalog.settings import Settings
from ragcli.index.layout import VECTORS
from ragcli.index.store import Entry, Held
from ragcli.index.vectors.compaction import to_rewrite
from ragcli.types import Span

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors
    from ragcli.index.vectors.segments import Segments


class SegmentStore:
    """Implements :class:`ragcli.index.store.VectorStore`; faiss is imported once it is needed."""

    def __init__(self, folder: Path, catalog: Catalog, settings: Settings) -> None:
        self._folder = folder / VECTORS
        self._catalog = catalog
        self._dimension = settings.dimension
        self._opened: tuple[int, Segments] | None = None  # the segments of one commit
        self._sound: set[str] = set()  # segments whose bytes have been checked
        self._gone: list[SegmentRow] = []
        self._new: list[SegmentRow] = []
        self._dead: list[int] = []

    def create(self) -> None:
        """Nothing: the folder stands, and an empty index has no segment."""

    def require(self) -> None:
        """Nothing: a disk says what it is worth when it is written to."""

    def write(self, added: Sequence[Entry], dead: Sequence[int]) -> None:
        """Write the segment that the commit needs, if it needs one."""
        swallowed = to_rewrite(self._catalog.ledger.segments(), len(added), dead)
        self._gone, self._new, self._dead = swallowed, [], list(dead)
        if not added and not swallowed:
            return
        from ragcli.index.vectors.segments import write_segment

        chunks = [(chunk, row) for chunk, _, row in added]
        row = write_segment(self._folder, self._catalog.segment_name(), chunks, swallowed, dead)
        self._new = [row] if row else []

    def record(self) -> None:
        ledger = self._catalog.ledger
        # the dead as they were when the segment was written: what dies in this commit is still in it
        buried = [i for i in self._dead if any(row.first <= i <= row.last for row in self._gone)]
        ledger.bury("in_vectors", buried)
        ledger.replace_segments([row.name for row in self._gone], self._new)

    def settle(self) -> None:
        self._opened = None
        for row in self._gone:
            with suppress(OSError):  # it is done; what cannot be removed now, the next writer sweeps up
                (self._folder / row.name).unlink(missing_ok=True)
        self._gone = []

    def wants_rewrite(self, dead: Sequence[int]) -> bool:
        return bool(to_rewrite(self._catalog.ledger.segments(), 0, dead))

    def finish(self) -> None:
        """Nothing: a segment is durable when it is written."""

    def stored(self, ids: Sequence[int]) -> dict[int, Vectors]:
        self._check_segments_of(ids)
        return self._segments().reconstruct(ids)

    def purge(self, pending: Sequence[Span]) -> None:
        """Nothing: a segment that no row names is removed as a file (``recovery.sweep``)."""

    def held(self) -> Held:
        from ragcli.index.vectors.faiss_files import check_digest
        from ragcli.index.vectors.segments import Segments

        ledger = self._catalog.ledger
        checked = (check_digest(self._folder / row.name, row.sha256) for row in ledger.vector_files())
        faults = tuple(fault for fault in checked if fault is not None)
        if faults:
            return Held(None, faults)
        try:
            segments = Segments(self._folder, ledger.segments(), self._dimension, ledger.approximate())
            return Held(segments.ids().tolist())
        except IndexDamaged as error:
            return Held(None, (str(error),))

    def close(self) -> None:
        self._opened = None

    def _segments(self) -> Segments:
        from ragcli.index.vectors.segments import Segments

        commits = self._catalog.commits()
        if self._opened is None or self._opened[0] != commits:
            self._opened = commits, Segments(self._folder, self._catalog.ledger.segments(), self._dimension)
        return self._opened[1]

    def _check_segments_of(self, ids: Collection[int]) -> None:
        # a vector that is used again would carry damage on under a new checksum
        from ragcli.index.vectors.segments import require_sound

        for row in self._catalog.ledger.segments():
            if row.name not in self._sound and any(row.first <= i <= row.last for i in ids):
                require_sound(self._folder, row)
                self._sound.add(row.name)
