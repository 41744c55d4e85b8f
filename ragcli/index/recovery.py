"""Clean an index after a writer that was killed or failed. The caller holds the writer's lock."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

from ragcli.errors import UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.keywords.files import fingerprint, sweep_files
from ragcli.index.layout import (
    CATALOG,
    REBUILD,
    VECTORS,
    is_keywords_name,
    is_staging_name,
    is_vectors_or_draft,
    refuse_links,
    without_catalog,
)
from ragcli.index.lock import LOCK_FILES
from ragcli.index.stores import open_store


def refuse_foreign(folder: Path) -> None:
    """Raise UsageError when ``folder`` holds links, or other files and no index: the two must not mix."""
    refuse_links(folder)
    if (folder / CATALOG).exists() or not folder.is_dir():
        return
    expected = {*LOCK_FILES, REBUILD}
    found = [name for name in os.listdir(folder) if not name.startswith(".") and name not in expected]  # noqa: PTH208
    # Looked at again: another process may have begun the index since, and its catalog is the first of its files.
    if found and not (folder / CATALOG).exists():
        if all(name == VECTORS or is_keywords_name(name) or is_staging_name(name) for name in found):
            raise without_catalog(folder)
        raise UsageError(
            f"{folder} holds other files and no index", "name a folder that is new or empty: --index NAME or PATH"
        )


def sweep(folder: Path, catalog: Catalog) -> None:
    """Remove derived files that ``catalog`` does not name. Touches only names that an index may have."""
    if (folder / VECTORS).is_dir():
        known = {row.name for row in catalog.ledger.vector_files()}
        for entry in os.scandir(folder / VECTORS):
            if is_vectors_or_draft(entry.name) and entry.name not in known:
                Path(entry.path).unlink(missing_ok=True)
    # before the first commit of an index, a killed run left whatever has this name
    current = catalog.keywords_name() if catalog.settings() is not None else None
    if current is not None and (folder / current).is_dir():
        sweep_files(folder / current)
    for entry in os.scandir(folder):
        if is_keywords_name(entry.name) and entry.name != current:
            shutil.rmtree(entry.path, ignore_errors=True)


def sweep_staging(folder: Path) -> None:
    """Remove what a killed run took from its workers and did not store."""
    for entry in os.scandir(folder):
        if is_staging_name(entry.name):
            shutil.rmtree(entry.path, ignore_errors=True)


def purge(folder: Path, catalog: Catalog) -> None:
    """Remove the vectors and keyword entries that carry pending ids.

    Raises IndexDamaged when the keyword index cannot be read, StoreUnavailable when the store does not answer.
    """
    pending = catalog.ledger.pending()
    if not pending:
        return
    settings = catalog.settings()
    if settings is not None:
        with closing(open_store(folder, catalog, settings)) as store:
            store.purge(pending)
        from ragcli.index.keywords.tantivy_index import Keywords

        keywords = Keywords(folder / catalog.keywords_name())
        # only ids that it holds, not all between: a catalog from anywhere may name any numbers
        keywords.update([], [i for i in keywords.ids() if any(first <= i <= last for first, last in pending)])
    with catalog.transaction():
        if settings is not None:
            catalog.set_value("keywords_sha256", fingerprint(folder / catalog.keywords_name()))
        catalog.ledger.clear_pending()
