"""Build a whole index inside the folder of another one, and switch to it in one commit.

The two never share an id: each skips the ids that the other has handed out, however often the rebuild stops and
continues, and however the old index changes meanwhile.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ragcli.errors import IndexDamaged, IndexNotFound
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import Settings
from ragcli.index.layout import KEYWORDS, REBUILD, VECTORS, sync_folder


def seed(catalog: Catalog, rebuilt: Catalog, owner: str | None) -> None:
    """Give ``rebuilt``, a new index, ids and file names that the index of ``catalog`` never used.

    ``owner`` is the name of both on servers, so that collections of an abandoned rebuild are not in the way.
    """
    following = catalog.generation() + 1
    if owner is not None:
        for one in (catalog, rebuilt):
            with one.transaction():
                one.ledger.set_store_owner(owner)
    with rebuilt.transaction():
        rebuilt.set_value("generation", following)
        rebuilt.set_value("keywords", f"{KEYWORDS}-{following}")
        rebuilt.set_value("commits", catalog.commits())
        rebuilt.ledger.skip_ids(catalog.ledger.next_id())


def align(folder: Path, catalog: Catalog) -> None:
    """Remove a rebuild that nothing needs any more; keep the ids of an unfinished one and of ``catalog`` apart."""
    if not (folder / REBUILD).is_dir():
        return
    try:
        Catalog.open(folder / REBUILD).close()
        rebuilt = Catalog.create(folder / REBUILD)
    except (IndexNotFound, IndexDamaged):  # it had not begun, was being removed, or must start over
        shutil.rmtree(folder / REBUILD, ignore_errors=True)
        return
    try:
        # without settings it gets its generation when it starts; with the generation of ``catalog`` it has been adopted
        is_stale = rebuilt.settings() is not None and rebuilt.generation() != catalog.generation() + 1
        if not is_stale:
            next_id = max(rebuilt.ledger.next_id(), catalog.ledger.next_id())
            for one in (rebuilt, catalog):
                if one.ledger.next_id() < next_id:
                    with one.transaction():
                        one.ledger.skip_ids(next_id)
    finally:
        rebuilt.close()
    if is_stale:
        shutil.rmtree(folder / REBUILD, ignore_errors=True)


def settings(folder: Path) -> Settings | None:
    """How the unfinished rebuild in the index in ``folder`` is built; None where there is none, or it has not begun."""
    try:
        rebuilt = Catalog.open(folder / REBUILD)
    except (IndexNotFound, IndexDamaged):
        return None
    try:
        return rebuilt.settings()
    finally:
        rebuilt.close()


def drop(folder: Path) -> None:
    """Remove an unfinished rebuild. The caller holds the lock of the index in ``folder``."""
    shutil.rmtree(folder / REBUILD)


def adopt(folder: Path, catalog: Catalog, rebuilt_folder: Path, rebuilt: Catalog) -> None:
    """Make ``catalog`` name the files and rows of ``rebuilt``, which is closed.

    Links the files and moves none, so that a crash before the commit leaves both indexes whole.
    """
    _note_left_over(catalog, rebuilt)
    keywords = rebuilt.keywords_name()
    (folder / VECTORS).mkdir(exist_ok=True)
    for row in rebuilt.ledger.vector_files():
        _link(rebuilt_folder / VECTORS / row.name, folder / VECTORS / row.name)
    shutil.rmtree(folder / keywords, ignore_errors=True)
    # without the locks: a link to a lock is the same lock
    shutil.copytree(
        rebuilt_folder / keywords, folder / keywords, copy_function=_link, ignore=shutil.ignore_patterns(".tantivy-*")
    )
    for changed in (folder / VECTORS, folder / keywords, folder):
        sync_folder(changed)
    rebuilt.close()
    catalog.replace_all(rebuilt_folder)


def _note_left_over(catalog: Catalog, rebuilt: Catalog) -> None:
    settings, state = catalog.settings(), catalog.ledger.store_state()
    left = catalog.ledger.left_over()
    if settings is not None and settings.store and state is not None and (settings.store, state.collection) not in left:
        left.append((settings.store, state.collection))
    if left:
        with rebuilt.transaction():
            rebuilt.ledger.set_left_over(left)


def _link(source: str | Path, target: str | Path) -> None:
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
        with Path(target).open("rb") as file:
            os.fsync(file.fileno())
