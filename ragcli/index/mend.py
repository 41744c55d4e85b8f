"""Which chunks have lost their vector, and segments that give it back to them: what is sound keeps its bytes.

The caller holds the writer's lock and has found the catalog to be sound: it is the truth here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import SegmentRow
from ragcli.index.layout import VECTORS
from ragcli.index.vectors.faiss_files import Vectors
from ragcli.index.vectors.segments import Segments, check_segment, write_segment


@dataclass(frozen=True, slots=True)
class Broken:
    """A segment to write anew (None: the ids had none), the chunks whose vector it still has, and those it lost."""

    row: SegmentRow | None
    kept: tuple[int, ...]
    lost: tuple[int, ...]


def broken_segments(folder: Path, catalog: Catalog, dimension: int) -> tuple[list[Broken], list[SegmentRow]]:
    """What must be written anew so that every chunk has exactly one vector, and the segments that can be read."""
    rows = catalog.ledger.segments()
    wanted = catalog.chunk_ids()
    if not rows:
        return ([Broken(None, (), tuple(wanted))] if wanted else []), []
    # ids ascend from segment to segment: a chunk belongs to the last one that begins at or before it
    shares: list[list[int]] = [[] for _ in rows]
    firsts = [row.first for row in rows]
    for i in wanted:
        shares[max(0, bisect_right(firsts, i) - 1)].append(i)
    dead = set(catalog.ledger.dead("in_vectors"))
    broken, readable = [], []
    for row, share in zip(rows, shares, strict=True):
        held = _held(folder, row, dimension)
        readable += [row] if held else []
        kept, lost = [i for i in share if i in held], [i for i in share if i not in held]
        if lost or not held or held - set(share) - dead:
            broken.append(Broken(row, tuple(kept), tuple(lost)))
    return broken, readable


def replace(
    folder: Path, catalog: Catalog, gone: Sequence[SegmentRow], vectors: Mapping[int, Vectors]
) -> SegmentRow | None:
    """Put one segment with ``vectors``, by id, in the place of ``gone``; one commit."""
    (folder / VECTORS).mkdir(exist_ok=True)
    added = [(i, vectors[i]) for i in sorted(vectors)]
    row = write_segment(folder / VECTORS, catalog.segment_name(), added, [], [])
    _switch(folder, catalog, gone, row)
    return row


def merge(folder: Path, catalog: Catalog, rows: Sequence[SegmentRow]) -> SegmentRow | None:
    """Put one segment in the place of several that follow one another; one commit."""
    row = write_segment(folder / VECTORS, catalog.segment_name(), [], rows, [])
    _switch(folder, catalog, rows, row)
    return row


def _switch(folder: Path, catalog: Catalog, gone: Sequence[SegmentRow], row: SegmentRow | None) -> None:
    with catalog.transaction():
        dead = catalog.ledger.dead("in_vectors")
        catalog.ledger.bury("in_vectors", [i for i in dead if any(old.first <= i <= old.last for old in gone)])
        catalog.ledger.replace_segments([old.name for old in gone], [row] if row else [])
        catalog.count_commit()
    for old in gone:
        with suppress(OSError):  # what cannot be removed now, the next writer sweeps up
            (folder / VECTORS / old.name).unlink(missing_ok=True)


def _held(folder: Path, row: SegmentRow, dimension: int) -> set[int]:
    """The ids in a segment; none when its bytes are not those that were written."""
    if check_segment(folder / VECTORS, row) is not None:
        return set()
    with suppress(IndexDamaged):  # as written, and yet of no use: its row in the catalog says something else
        return set(Segments(folder / VECTORS, [row], dimension).ids().tolist())
    return set()
