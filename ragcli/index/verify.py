"""Check that derived files agree with the catalog, and the catalog with itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import Settings, chunk_key
from ragcli.index.keywords.files import check_files, committed_faults
from ragcli.index.keywords.tantivy_index import Keywords
from ragcli.index.reader import open_index
from ragcli.index.store import VectorStore
from ragcli.index.stores import open_store
from ragcli.units import counted

# A commit during the check removes files that the check still expects: check again.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Report:
    """The numbers of what was checked, and a sentence for each fault."""

    documents: int
    chunks: int
    segments: int
    faults: tuple[str, ...]
    is_repairable: bool = True  # False: the catalog itself is not what was written


def verify(folder: Path) -> Report:
    """Check the index in ``folder``; raises IndexNotFound, IndexFormat, and IndexDamaged when it cannot be opened."""
    for _ in range(_TRIES):
        with open_index(folder, None) as index:
            state, report = _state(index.catalog), _check(folder, index.catalog, index.settings)
        if not report.faults or state == _state_now(folder):
            break
    return report


def _state(catalog: Catalog) -> tuple[int, int]:
    # ids are reserved before derived files change, commits counted after
    return catalog.commits(), catalog.ledger.next_id()


def _state_now(folder: Path) -> tuple[int, int]:
    catalog = Catalog.open(folder)
    try:
        return _state(catalog)
    finally:
        catalog.close()


def _check(folder: Path, catalog: Catalog, settings: Settings) -> Report:
    faults = catalog.check()
    if faults:  # then the catalog cannot be compared with anything
        return Report(0, 0, 0, tuple(faults), is_repairable=False)
    faults += [*catalog.check_values(), *_text_faults(catalog)]
    is_repairable = not faults
    with closing(open_store(folder, catalog, settings)) as store:
        faults += vector_faults(store, catalog)
    faults += keyword_faults(folder, catalog)
    return Report(
        catalog.count("documents"), catalog.count("chunks"), len(catalog.ledger.vector_files()), tuple(faults),
        is_repairable,
    )  # fmt: skip


def catalog_faults(catalog: Catalog) -> list[str]:
    """A sentence for each fault of the catalog itself, which nothing can repair."""
    return catalog.check() or [*catalog.check_values(), *_text_faults(catalog)]


def _text_faults(catalog: Catalog) -> Iterator[str]:
    for row in catalog.documents():
        keys = catalog.chunk_keys(row.id)
        for chunk in catalog.document_chunks(row.id):
            if len(chunk.text) != chunk.end - chunk.start:
                yield f"chunk {chunk.id} of {row.path}: its text does not fit its span"
            elif keys[chunk.id] != chunk_key(chunk):
                yield f"chunk {chunk.id} of {row.path}: its text does not match its checksum"


def vector_faults(store: VectorStore, catalog: Catalog) -> Iterator[str]:
    """A sentence for vectors that are not what was written, then for chunks without exactly one vector."""
    held = store.held()
    yield from held.faults
    if held.ids is not None:
        allowed = set(catalog.ledger.dead("in_vectors")) | _in_progress(catalog, held.ids)
        yield from _compare("vector", catalog.chunk_ids(), held.ids, allowed)


def keyword_faults(index: Path, catalog: Catalog) -> Iterator[str]:
    """A sentence for files of the keyword index that are not what was written, then for chunks without one entry."""
    folder = index / catalog.keywords_name()
    faults = check_files(folder) or committed_faults(folder, catalog)
    yield from faults
    if faults:
        return
    try:
        held = Keywords(folder).ids()
    except IndexDamaged as error:
        yield str(error)
        return
    allowed = set(catalog.ledger.dead("in_keywords")) | _in_progress(catalog, held)
    yield from _compare("keyword entry", catalog.chunk_ids(), held, allowed)


def _in_progress(catalog: Catalog, held: list[int]) -> set[int]:
    # a commit in progress may have written entries that the catalog does not name yet
    pending = catalog.ledger.pending()
    return {i for i in held if any(first <= i <= last for first, last in pending)}


def _compare(what: str, wanted: list[int], held: list[int], allowed: set[int]) -> Iterator[str]:
    counts = Counter(held)
    missing = [i for i in wanted if i not in counts]
    if missing:
        yield f"{counted(len(missing), 'chunk')} without a {what}, the first is {missing[0]}"
    doubled = [i for i, count in counts.items() if count > 1]
    if doubled:
        yield f"{counted(len(doubled), 'chunk')} with more than one {what}, the first is {doubled[0]}"
    unknown = counts.keys() - set(wanted) - allowed
    if unknown:
        yield f"{what} of {counted(len(unknown), 'unknown chunk')}, the first is {min(unknown)}"
