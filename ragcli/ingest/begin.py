"""How an index begins, and what of it cannot change without building it anew: model, passage size, store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.index.catalog.settings import Settings

if TYPE_CHECKING:
    from ragcli.ingest.sync import SyncOptions


def new_settings(options: SyncOptions) -> Settings:
    """How an index begins: the model is asked for its dimension and window."""
    from ragcli.ingest.chunk import ChunkOptions
    from ragcli.models.encoder import open_query_encoder
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


def differs(old: Settings, options: SyncOptions) -> bool:
    """Whether an index that was built with ``old`` must be built anew to be as ``options`` ask."""
    model = options.model is not None and options.model != old.model
    store = options.store is not None and options.store != old.store
    chunks = options.chunks
    cut = chunks is not None and (chunks.size, chunks.overlap) != (old.chunk_size, old.chunk_overlap)
    return model or store or cut


def named_store(text: str) -> str:
    """The store as an index remembers it. Whoever names one here has named it on this machine."""
    from ragcli.index.store import parse_address, stored_form
    from ragcli.trust import trust_store

    stored = stored_form(text)
    if stored:
        trust_store(parse_address(stored).endpoint)
    return stored
