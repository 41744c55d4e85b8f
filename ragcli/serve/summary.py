"""What an index holds and how old it is, in a few lines."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import CTIME_UNSETTLED
from ragcli.index.layout import CATALOG
from ragcli.serve.engine import Desk
from ragcli.types import Reason

if TYPE_CHECKING:
    from ragcli.ingest.changes import Due

_COUNT_SECONDS = 5.0
_counted: dict[tuple[Path, int], tuple[float, int]] = {}  # when, and how many, by folder and commit


def index_summary(desk: Desk, name: str, folder: Path) -> dict[str, Any]:
    """Return the record of an index for ``GET /v1/indexes``."""
    catalog = desk.index(folder).catalog
    reasons: Counter[str] = Counter()
    for skipped in catalog.skipped():
        reasons[str(skipped.reason)] += skipped.files
    kinds = Counter(row.loader for row in catalog.documents())
    run = catalog.ledger.unfinished_run()
    return {
        "name": name,
        "folder": str(folder),
        "roots": [str(root) for root in catalog.roots()],
        "documents": sum(kinds.values()),
        "kinds": dict(sorted(kinds.items())),
        "chunks": catalog.count("chunks"),
        "not_indexed": dict(sorted(reasons.items())),
        "unfinished": None if run is None else str(run),
        "model": desk.index(folder).settings.model,
        "commits": catalog.commits(),
        "age_seconds": round(age_seconds(folder), 1),
    }


def age_seconds(folder: Path) -> float:
    """Return the seconds since the last commit."""
    places = [folder / CATALOG, folder / f"{CATALOG}-wal"]
    return max(0.0, time.time() - max(place.stat().st_mtime for place in places if place.exists()))


def _is_unsettled(due: Due) -> bool:
    """True for a file that was indexed so soon after its last change that it is only read again to be sure."""
    found, state = due.found, due.state
    return (
        state is not None
        and state.ctime_ns == CTIME_UNSETTLED
        and (state.size, state.mtime_ns) == (found.size, found.mtime_ns)
    )


def stale_files(catalog: Catalog, folder: Path) -> int:
    """Count the files below the folders of the index that changed, or went, since it was brought up to date.

    Names, sizes and times decide; no file is opened. A count holds for some seconds, as each takes a look at all files.
    """
    from ragcli.formats.blocks import LoadOptions
    from ragcli.ingest.changes import compare
    from ragcli.ingest.roots import known_roots

    key = folder, catalog.commits()
    seen, count = _counted.get(key, (-_COUNT_SECONDS, 0))
    if time.monotonic() - seen > _COUNT_SECONDS:
        changes = compare(catalog, known_roots(catalog), LoadOptions(), [folder])
        count = sum(not _is_unsettled(due) for due in changes.due) + len(changes.gone_documents)
        # of a folder that is not there, or a large loss: a run keeps these
        count += sum(catalog.count_below(one.path) for one in changes.skipped if one.reason is Reason.ABSENT)
        count += sum(len(doubt.documents) for doubt in changes.doubts)
        _counted.clear()
        _counted[key] = time.monotonic(), count
    return count
