"""When search reads an approximate index, and the commit that puts one in place. The caller holds the writer's lock."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import ApproximateRow, SegmentRow
from ragcli.index.layout import VECTORS, approximate_name
from ragcli.index.lock import uninterrupted

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors

# Exact search reads every vector: 11 ms for this many (docs/scale.md). From here on approximate search is worth its
# build.
FEW_ENOUGH = 300_000

# The lists are written again when more chunks came after them, which every search reads exactly beside them, or went.
_MOST_CHANGED = 0.25  # of the chunks
_MOST_NEWER = 100_000  # 4 ms of every search


def is_due(catalog: Catalog) -> bool:
    """Whether a run should end with :func:`optimize`: a large index, and no approximate index of most of it."""
    ledger = catalog.ledger
    row, held = ledger.approximate(), sum(segment.count for segment in ledger.segments())
    if row is None:
        return held >= FEW_ENOUGH and not catalog.value("always_exact", bool)
    if not row.is_alone:  # an older version kept the rows in segments too
        return True
    dead = ledger.dead_up_to(row.last)
    if held + row.count == ledger.dead_up_to(ledger.next_id()):  # nothing is left to put into lists
        return False
    return held + dead > min(_MOST_NEWER, _MOST_CHANGED * (row.count + held - dead))


def optimize(folder: Path, catalog: Catalog, dimension: int, queries: Vectors) -> ApproximateRow:
    """Move all vectors into the lists that approximate search reads; one commit.

    ``queries`` (n, d) measure its recall. The index must hold a chunk. Raises IndexDamaged when a file of vectors is
    damaged, RagcliError when the disk is full or fails.
    """
    import numpy as np

    from ragcli.index.vectors.approximate import build
    from ragcli.index.vectors.lists import Lists
    from ragcli.index.vectors.segments import require_sound

    ledger, vectors = catalog.ledger, folder / VECTORS
    rows, old = ledger.segments(), ledger.approximate()
    lists = old if old is not None and old.is_alone else None  # of an older version, the segments have all rows
    files: list[SegmentRow | ApproximateRow] = [*rows, *([lists] if lists else [])]
    for row in files:
        require_sound(vectors, row)  # or its damage would continue under a new checksum
    dead = ledger.dead("in_vectors")
    name = approximate_name(catalog.generation(), catalog.commits() + 1)
    opened = Lists(vectors, lists, dimension) if lists else None
    made = build(vectors, name, opened, rows, dimension, np.array(dead, np.int64), queries)
    _switch(folder, catalog, made, [], dead, exact=False)
    return made


def search_exactly(folder: Path, catalog: Catalog, dimension: int) -> None:
    """Move the vectors back into a segment, and make no lists until :func:`optimize`; one commit."""
    flatten(folder, catalog, dimension, exact=True)


def flatten(folder: Path, catalog: Catalog, dimension: int, *, exact: bool, sound_only: bool = False) -> None:
    """Move the vectors of the approximate index back into a segment; one commit.

    With ``exact``, the next run makes no new one. With ``sound_only``, rows of damaged lists are left out.
    """
    import numpy as np

    row, dead = catalog.ledger.approximate(), catalog.ledger.dead("in_vectors")
    kept, gone = catalog.ledger.segments(), []
    if row is not None and row.is_alone:
        from ragcli.index.vectors.approximate import flatten as write
        from ragcli.index.vectors.lists import Lists

        gone = [i for i in dead if i <= row.last]
        new = None
        try:
            lists = Lists(folder / VECTORS, row, dimension)
        except IndexDamaged:
            if not sound_only:
                raise
        else:
            new = write(
                folder / VECTORS, catalog.segment_name(), lists, np.array(gone, np.int64), sound_only=sound_only
            )
        kept = [*([new] if new else []), *kept]
    _switch(folder, catalog, None, kept, gone, exact=exact)


def _switch(
    folder: Path,
    catalog: Catalog,
    new: ApproximateRow | None,
    segments: Sequence[SegmentRow],
    buried: Sequence[int],
    *,
    exact: bool,
) -> None:
    """Have search read ``new`` and ``segments``, which do not hold ``buried`` any more."""
    old = catalog.ledger.vector_files()
    with uninterrupted(), catalog.transaction():
        ledger = catalog.ledger
        before = {row.name for row in ledger.segments()}
        now = {row.name for row in segments}
        ledger.replace_segments(before - now, [row for row in segments if row.name not in before])
        ledger.set_approximate(new)
        ledger.bury("in_vectors", buried)
        catalog.set_value("always_exact", exact)
        catalog.count_commit()
    used = {row.name for row in catalog.ledger.vector_files()}
    for row in old:
        if row.name not in used:
            with suppress(OSError):  # the commit is done; the next writer removes what this one cannot
                (folder / VECTORS / row.name).unlink(missing_ok=True)
