"""What an index run may be asked for, and which of it an existing index can only change by a rebuild."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ragcli.errors import UsageError
from ragcli.formats.blocks import LoadOptions
from ragcli.index.catalog.rows import Settings
from ragcli.ingest.discover import Rules
from ragcli.ingest.sandbox.limits import Limits

Engine = Literal["local", "ray"]

# A chunk may hold at least this many tokens, however little room its context leaves.
SMALLEST_CHUNK = 16


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """The size of chunks and their overlap, in tokens of the embedding model. Raises UsageError for invalid ones."""

    size: int = 200
    overlap: int = 30

    def __post_init__(self) -> None:
        if self.size < SMALLEST_CHUNK:
            raise UsageError(f"chunk size {self.size} is too small", f"use at least {SMALLEST_CHUNK} tokens")
        if not 0 <= self.overlap < self.size:
            raise UsageError(
                f"overlap {self.overlap} does not fit chunk size {self.size}", f"use 0 to {self.size - 1} tokens"
            )


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How to index. None keeps what the index was built with; a new index takes the default."""

    model: str | None = None  # embedding model: a known name, a hub name or a folder
    chunks: ChunkOptions | None = None
    rules: Rules | None = None  # which files to take
    load: LoadOptions = field(default_factory=LoadOptions)
    limits: Limits | None = None  # time, memory and output of one parsed file
    workers: int = 0  # parser processes, or workers of the engine; 0: one per core
    store: str | None = None  # where vectors go: an address, or "files"
    force: bool = False  # read and embed every file again
    remove_missing: bool = False  # also what seems to be missing because a disk is not mounted
    offline: bool = False
    engine: Engine = "local"
    address: str | None = None  # HOST:PORT of a Ray cluster; None starts Ray here for this run


def new_settings(options: SyncOptions) -> Settings:
    """The settings of a new index. The model gives its dimension and its window.

    Raises ModelUnavailable.
    """
    from ragcli.models.open import open_query_encoder
    from ragcli.models.resolve import DEFAULT_MODEL, resolve

    files = resolve(options.model or DEFAULT_MODEL, offline=options.offline)
    encoder = open_query_encoder(files)
    chunks = options.chunks or ChunkOptions()
    return Settings(
        model=files.name,
        revision=files.revision,
        sha256=files.sha256,
        dimension=encoder.dimension,
        window=encoder.window,
        chunk_size=chunks.size,
        chunk_overlap=chunks.overlap,
        store=options.store or "",
    )


def needs_rebuild(old: Settings, options: SyncOptions) -> bool:
    """Whether ``options`` ask for another model, chunk size or store than an index was built with."""
    model = options.model is not None and options.model != old.model
    store = options.store is not None and options.store != old.store
    chunks = options.chunks
    resized = chunks is not None and (chunks.size, chunks.overlap) != (old.chunk_size, old.chunk_overlap)
    return model or store or resized


def rebuild_options(old: Settings, options: SyncOptions) -> SyncOptions:
    """Return ``options`` for a rebuild: what they leave open is as it was."""
    return replace(
        options,
        model=options.model or old.model,
        chunks=options.chunks or ChunkOptions(old.chunk_size, old.chunk_overlap),
        store=old.store if options.store is None else options.store,
    )


def trusted_store(text: str) -> str:
    """The store in the form that an index keeps, trusted from now on: its user named it on this machine.

    Raises UsageError for an invalid address.
    """
    from ragcli.index.milvus.address import parse_address
    from ragcli.index.milvus.trust import trust_server
    from ragcli.index.stores import stored_form

    stored = stored_form(text)
    if stored:
        trust_server(parse_address(stored).endpoint)
    return stored
