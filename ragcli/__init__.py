"""ragcli: grep for meaning. This is the public Python API.

>>> import ragcli
>>> summary = ragcli.sync("notes-index", ["notes"])
>>> for hit in ragcli.search("notes-index", "how are logs rotated?").hits:
...     print(hit.chunk.path.name, hit.snippet.line, hit.snippet.text)
logs.md 3 The logs of the server are rotated every 7 days, at night.

Each name is imported on its first use, so that ``import ragcli`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ragcli._version import __version__

if TYPE_CHECKING:
    from ragcli.answer.ask import AskOptions
    from ragcli.api import AnswerStream, ask, open_index, rerank, search, stream_answer, verify
    from ragcli.errors import (
        CalibrationMissing,
        EngineUnavailable,
        IndexBusy,
        IndexDamaged,
        IndexFormat,
        IndexNotFound,
        LlmUnavailable,
        LoadError,
        ModelMismatch,
        ModelUnavailable,
        RagcliError,
        StoreMismatch,
        StoreUnavailable,
        UsageError,
    )
    from ragcli.formats.blocks import LoadOptions
    from ragcli.index.reader import Index
    from ragcli.index.verify import Report as VerifyReport
    from ragcli.ingest.chunk import ChunkOptions
    from ragcli.ingest.discover import Rules
    from ragcli.ingest.progress import Progress
    from ragcli.ingest.repair import Repaired, repair
    from ragcli.ingest.sandbox.limits import Limits
    from ragcli.ingest.sync import Summary, SyncOptions, sync
    from ragcli.retrieve.engine import Searcher, SearchOptions
    from ragcli.retrieve.filters import Filters
    from ragcli.retrieve.rerank import Verdict
    from ragcli.types import (
        Answer,
        Chunk,
        Citation,
        Claim,
        Hit,
        Part,
        Question,
        Reason,
        Results,
        Skipped,
        Snippet,
    )

# The module of each public name. A public name must differ from every module and folder of this package: importing
# ``ragcli.index`` binds that folder to the name ``index`` here, whatever stood there before.
_HOMES = {
    "ragcli.api": ("AnswerStream", "ask", "open_index", "rerank", "search", "stream_answer", "verify"),
    "ragcli.answer.ask": ("AskOptions",),
    "ragcli.errors": (
        "CalibrationMissing", "EngineUnavailable", "IndexBusy", "IndexDamaged", "IndexFormat", "IndexNotFound",
        "LlmUnavailable", "LoadError", "ModelMismatch", "ModelUnavailable", "RagcliError", "StoreMismatch",
        "StoreUnavailable", "UsageError",
    ),
    "ragcli.formats.blocks": ("LoadOptions",),
    "ragcli.index.reader": ("Index",),
    "ragcli.index.verify": ("VerifyReport",),
    "ragcli.ingest.chunk": ("ChunkOptions",),
    "ragcli.ingest.discover": ("Rules",),
    "ragcli.ingest.progress": ("Progress",),
    "ragcli.ingest.repair": ("Repaired", "repair"),
    "ragcli.ingest.sandbox.limits": ("Limits",),
    "ragcli.ingest.sync": ("Summary", "SyncOptions", "sync"),
    "ragcli.retrieve.engine": ("SearchOptions", "Searcher"),
    "ragcli.retrieve.filters": ("Filters",),
    "ragcli.retrieve.rerank": ("Verdict",),
    "ragcli.types": (
        "Answer", "Chunk", "Citation", "Claim", "Hit", "Part", "Question", "Reason", "Results", "Skipped", "Snippet",
    ),
}  # fmt: skip
_RENAMED = {"VerifyReport": "Report"}  # in their own module
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "AnswerStream",
    "AskOptions",
    "CalibrationMissing",
    "Chunk",
    "ChunkOptions",
    "Citation",
    "Claim",
    "EngineUnavailable",
    "Filters",
    "Hit",
    "Index",
    "IndexBusy",
    "IndexDamaged",
    "IndexFormat",
    "IndexNotFound",
    "Limits",
    "LlmUnavailable",
    "LoadError",
    "LoadOptions",
    "ModelMismatch",
    "ModelUnavailable",
    "Part",
    "Progress",
    "Question",
    "RagcliError",
    "Reason",
    "Repaired",
    "Results",
    "Rules",
    "SearchOptions",
    "Searcher",
    "Skipped",
    "Snippet",
    "StoreMismatch",
    "StoreUnavailable",
    "Summary",
    "SyncOptions",
    "UsageError",
    "Verdict",
    "VerifyReport",
    "__version__",
    "ask",
    "open_index",
    "repair",
    "rerank",
    "search",
    "stream_answer",
    "sync",
    "verify",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module attribute can be anything)
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ragcli' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), _RENAMED.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
