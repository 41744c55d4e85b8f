"""ragcli: grep for meaning. The public Python API, imported on first use so that ``import ragcli`` costs nothing.

>>> import ragcli                                              # doctest: +SKIP
>>> ragcli.sync(Path("indexes/notes"), [Path("notes")])        # doctest: +SKIP
>>> with ragcli.open_index(Path("indexes/notes")) as index:    # doctest: +SKIP
...     results = ragcli.search(index, "how do I rotate the logs?")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ragcli._version import __version__

if TYPE_CHECKING:
    from ragcli.index.reader import Index, open_index
    from ragcli.ingest.sync import SyncOptions, sync
    from ragcli.retrieve.engine import SearchOptions, search

__all__ = ["Index", "SearchOptions", "SyncOptions", "__version__", "open_index", "search", "sync"]

_HOMES = {
    "Index": "ragcli.index.reader",
    "open_index": "ragcli.index.reader",
    "SyncOptions": "ragcli.ingest.sync",
    "sync": "ragcli.ingest.sync",
    "SearchOptions": "ragcli.retrieve.engine",
    "search": "ragcli.retrieve.engine",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module attribute can be anything)
    if name not in _HOMES:
        raise AttributeError(f"module 'ragcli' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
