"""Which store an index has, and how a user names it: FAISS files beside the catalog, or a Milvus collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.index.milvus.address import parse_address

if TYPE_CHECKING:
    from ragcli.index.catalog.documents import Catalog
    from ragcli.index.catalog.rows import Settings
    from ragcli.index.store import VectorStore

FILES = "files"  # what a user writes in place of an address


def stored_form(text: str) -> str:
    """The store that a user named, as an index remembers it: "" for files; raises UsageError."""
    return "" if text == FILES else parse_address(text).uri


def open_store(folder: Path, catalog: Catalog, settings: Settings) -> VectorStore:
    """The store of the index in ``folder``. It imports, reads and asks nothing before it must."""
    if settings.store:
        from ragcli.index.milvus.store import MilvusStore

        return MilvusStore(folder, catalog, settings)
    from ragcli.index.vectors.store import SegmentStore

    return SegmentStore(folder, catalog, settings)
