"""The default store: immutable FAISS segments beside the catalog, which names those that exist.

A commit writes one new segment, which swallows some of the older ones (:func:`to_swallow`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import SegmentRow, Settings
from ragcli.index.layout import VECTORS
from ragcli.index.store import Held, NewVector, Repeated
from ragcli.types import Span

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors
    from ragcli.index.vectors.lists import Lists
    from ragcli.index.vectors.segments import Segments

# A segment with a larger share of dead rows is rewritten without them.
MOST_DEAD = 0.25


class BrokenSegment(NamedTuple):
    """A segment to replace (None: no segment covers these ids), the chunks whose vector it still has, and the rest."""

    row: SegmentRow | None
    kept: tuple[int, ...]
    lost: tuple[int, ...]


class SegmentStore:
    """Implements :class:`ragcli.index.store.VectorStore`, and the repair of segments. Imports faiss when it must."""

    def __init__(self, folder: Path, catalog: Catalog, settings: Settings) -> None:
        self._folder = folder / VECTORS
        self._catalog = catalog
        self._dimension = settings.dimension
        self._opened: tuple[int, Segments] | None = None  # the segments of one commit
        self._lists: Lists | None = None  # the last inverted file that was opened
        self._sound: set[str] = set()  # segments whose bytes have been checked
        self._gone: list[SegmentRow] = []
        self._new: list[SegmentRow] = []
        self._dead: list[int] = []

    def create(self) -> None:
        """Do nothing: the folder exists, and an empty index has no segment."""

    def require(self) -> None:
        """Do nothing: :meth:`write` reports what the disk refuses."""

    def write(self, added: Collection[NewVector], dead: Sequence[int]) -> None:
        """Write the segment of the commit, if it needs one."""
        swallowed = to_swallow(self._catalog.ledger.segments(), len(added), dead)
        self._gone, self._new, self._dead = swallowed, [], list(dead)
        if not added and not swallowed:
            return
        from ragcli.index.vectors.segments import write_segment

        chunks = Repeated(len(added), lambda: ((chunk, row) for chunk, _, row in added))
        row = write_segment(self._folder, self._catalog.segment_name(), chunks, swallowed, dead)
        self._new = [row] if row else []

    def record(self) -> None:
        ledger = self._catalog.ledger
        # the ids that were dead when the segment was written: it still has those that die in this commit
        buried = [i for i in self._dead if any(row.first <= i <= row.last for row in self._gone)]
        ledger.bury("in_vectors", buried)
        ledger.replace_segments([row.name for row in self._gone], self._new)

    def settle(self) -> None:
        self._opened = None
        for row in self._gone:
            with suppress(OSError):  # the commit is done; the next writer removes what this one cannot
                (self._folder / row.name).unlink(missing_ok=True)
        self._gone = []

    def wants_rewrite(self, dead: Sequence[int]) -> bool:
        return bool(to_swallow(self._catalog.ledger.segments(), 0, dead))

    def finish(self) -> None:
        """Do nothing: a segment is durable when :meth:`write` returns."""

    def stored(self, ids: Sequence[int]) -> dict[int, Vectors]:
        self._check_segments_of(ids)
        return self._segments().reconstruct(ids)

    def purge(self, pending: Sequence[Span]) -> None:
        """Do nothing: ``recovery.sweep`` removes the files of segments that no row names."""

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
        self._opened = self._lists = None

    def broken(self) -> tuple[list[BrokenSegment], list[SegmentRow]]:
        """The segments to replace so that every chunk has exactly one vector, and the segments that can be read.

        The catalog must be sound: it says which chunks there are. Sound segments keep their bytes. An inverted file
        must be sound, too, see :meth:`has_broken_lists`.
        """
        ledger = self._catalog.ledger
        rows, listed = ledger.segments(), self._last_listed()
        wanted = [i for i in self._catalog.chunk_ids() if i > listed]
        if not rows:
            return ([BrokenSegment(None, (), tuple(wanted))] if wanted else []), []
        # ids ascend from segment to segment: a chunk belongs to the last one that begins at or before it
        shares: list[list[int]] = [[] for _ in rows]
        firsts = [row.first for row in rows]
        for i in wanted:
            shares[max(0, bisect_right(firsts, i) - 1)].append(i)
        dead = set(ledger.dead("in_vectors"))
        broken, readable = [], []
        for row, share in zip(rows, shares, strict=True):
            held = self._ids_in(row)
            readable += [row] if held else []
            kept, lost = [i for i in share if i in held], [i for i in share if i not in held]
            if lost or not held or held - set(share) - dead:
                broken.append(BrokenSegment(row, tuple(kept), tuple(lost)))
        return broken, readable

    def has_broken_lists(self) -> bool:
        """Whether an inverted file alone has the vectors of chunks, and not exactly those that it should have."""
        from ragcli.index.vectors.lists import Lists
        from ragcli.index.vectors.segments import check_segment

        row, listed = self._catalog.ledger.approximate(), self._last_listed()
        if row is None or listed < 0:
            return False
        if check_segment(self._folder, row) is not None:
            return True
        with suppress(IndexDamaged):  # the bytes are as written, but the row in the catalog says something else
            held = Lists(self._folder, row, self._dimension).ids().tolist()
            wanted = {i for i in self._catalog.chunk_ids() if i <= listed}
            dead = set(self._catalog.ledger.dead("in_vectors"))
            return len(set(held)) != len(held) or not wanted <= set(held) <= wanted | dead
        return True

    def replace(
        self, gone: Sequence[SegmentRow], vectors: Mapping[int, Vectors], kept: Sequence[int] = ()
    ) -> SegmentRow | None:
        """Replace the segments ``gone`` by one with ``vectors``, by id; one commit.

        The chunks ``kept`` keep the rows that they have in the only segment that goes.
        """
        from ragcli.index.vectors.segments import SegmentFile, merged, write_rows

        self._folder.mkdir(exist_ok=True)
        if not kept:
            return self._commit_instead(gone, [(i, vectors[i]) for i in sorted(vectors)], [])
        (old,) = gone
        file = SegmentFile(self._folder / old.name, old, self._dimension)
        count, blocks = merged(file, kept, vectors)
        return self._switch(gone, write_rows(self._folder, self._catalog.segment_name(), count, blocks))

    def merge(self, rows: Sequence[SegmentRow]) -> SegmentRow | None:
        """Replace several segments that follow one another by one; one commit."""
        return self._commit_instead(rows, [], rows)

    def _commit_instead(
        self, gone: Sequence[SegmentRow], added: Sequence[tuple[int, Vectors]], swallowed: Sequence[SegmentRow]
    ) -> SegmentRow | None:
        from ragcli.index.vectors.segments import write_segment

        return self._switch(gone, write_segment(self._folder, self._catalog.segment_name(), added, swallowed, []))

    def _switch(self, gone: Sequence[SegmentRow], row: SegmentRow | None) -> SegmentRow | None:
        self._gone, self._new, self._dead = list(gone), [row] if row else [], self._catalog.ledger.dead("in_vectors")
        with self._catalog.transaction():
            self.record()
            self._catalog.count_commit()
        self.settle()
        return row

    def _ids_in(self, row: SegmentRow) -> set[int]:
        """The ids in a segment; none when its bytes are not what was written."""
        from ragcli.index.vectors.segments import Segments, check_segment

        if check_segment(self._folder, row) is not None:
            return set()
        with suppress(IndexDamaged):  # the bytes are as written, but the row in the catalog says something else
            return set(Segments(self._folder, [row], self._dimension).ids().tolist())
        return set()

    def _segments(self) -> Segments:
        from ragcli.index.vectors.segments import Segments

        commits = self._catalog.commits()
        if self._opened is None or self._opened[0] != commits:
            ledger = self._catalog.ledger
            opened = Segments(self._folder, ledger.segments(), self._dimension, ledger.approximate())
            if self._lists is not None and opened.lists is not None and self._lists.row == opened.lists.row:
                opened.lists = self._lists  # it knows where its rows are, and which are sound
            self._opened, self._lists = (commits, opened), opened.lists
        return self._opened[1]

    def _last_listed(self) -> int:
        """The last chunk whose vector is in an inverted file alone; -1 when there is none."""
        row = self._catalog.ledger.approximate()
        return row.last if row is not None and row.is_alone else -1

    def _check_segments_of(self, ids: Collection[int]) -> None:
        # a damaged vector that is used again would get a new checksum
        from ragcli.index.vectors.segments import require_sound

        for row in self._catalog.ledger.segments():
            if row.name not in self._sound and any(row.first <= i <= row.last for i in ids):
                require_sound(self._folder, row)
                self._sound.add(row.name)


def to_swallow(rows: Sequence[SegmentRow], added: int, dead: Sequence[int]) -> list[SegmentRow]:
    """The newest of ``rows`` (oldest first) that a commit of ``added`` chunks rewrites into its own segment.

    As in a binary counter, a new segment swallows the one before it unless that is at least twice as large: there are
    never more segments than the logarithm of the number of vectors, and no vector is rewritten more often. A segment
    with many ``dead`` (ascending) goes too, with all newer ones, so that the id ranges of segments ascend.
    """
    live = [row.count - (bisect_right(dead, row.last) - bisect_left(dead, row.first)) for row in rows]
    wasteful = (place for place, row in enumerate(rows) if live[place] < (1 - MOST_DEAD) * row.count)
    first = next(wasteful, len(rows))
    size = added + sum(live[first:])
    while size and first and rows[first - 1].count < 2 * size:
        first -= 1
        size += live[first]
    return list(rows[first:])
