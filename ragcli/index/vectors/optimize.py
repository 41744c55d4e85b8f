"""When search reads an approximate index, and the commit that puts one in place. The caller holds the writer's lock."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import ApproximateRow
from ragcli.index.layout import VECTORS, approximate_name
from ragcli.index.lock import uninterrupted

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors

# Exact search reads every vector: 11 ms for this many (docs/scale.md). From here on approximate search is worth a
# second copy of them on disk.
FEW_ENOUGH = 300_000

# A new one is due when a larger share of the chunks came after it, which every search reads exactly beside it, or went.
_MOST_CHANGED = 0.25


def is_due(catalog: Catalog) -> bool:
    """Whether a run should end with :func:`optimize`: a large index, and no approximate index of most of it."""
    segments = catalog.ledger.segments()
    held = sum(row.count for row in segments)
    if held < FEW_ENOUGH or catalog.value("always_exact", bool):
        return False
    row = catalog.ledger.approximate()
    if row is None:
        return True
    live = catalog.count("chunks")
    kept = catalog.ledger.chunks_up_to(row.last)
    return max(live - kept, row.count - kept) > _MOST_CHANGED * live


def optimize(folder: Path, catalog: Catalog, dimension: int, queries: Vectors) -> ApproximateRow:
    """Make the approximate index of all vectors and have search read it; one commit.

    ``queries`` (n, d) measure its recall. The index must hold a chunk. Raises IndexDamaged when a segment is damaged,
    RagcliError when the disk is full or fails.
    """
    import numpy as np

    from ragcli.index.vectors.approximate import build
    from ragcli.index.vectors.segments import Segments, require_sound

    rows = catalog.ledger.segments()
    for row in rows:
        require_sound(folder / VECTORS, row)  # or its damage would continue under a new checksum
    dead = np.array(catalog.ledger.dead("in_vectors"), np.int64)
    name = approximate_name(catalog.generation(), catalog.commits() + 1)
    made = build(folder / VECTORS, name, Segments(folder / VECTORS, rows, dimension), dead, queries)
    _switch(folder, catalog, made, exact=False)
    return made


def search_exactly(folder: Path, catalog: Catalog) -> None:
    """Remove the approximate index, and make none until somebody calls :func:`optimize`; one commit."""
    _switch(folder, catalog, None, exact=True)


def forget(folder: Path, catalog: Catalog) -> None:
    """Remove the approximate index; the next run makes a new one when it is due; one commit."""
    _switch(folder, catalog, None, exact=bool(catalog.value("always_exact", bool)))


def _switch(folder: Path, catalog: Catalog, new: ApproximateRow | None, *, exact: bool) -> None:
    old = catalog.ledger.approximate()
    with uninterrupted(), catalog.transaction():
        catalog.ledger.set_approximate(new)
        catalog.set_value("always_exact", exact)
        catalog.count_commit()
    if old is not None:
        with suppress(OSError):  # the commit is done; the next writer removes what this one cannot
            (folder / VECTORS / old.name).unlink(missing_ok=True)
