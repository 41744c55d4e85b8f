"""Write the keyword index anew from the catalog, beside the old one, and switch in one commit."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ragcli.index.catalog.documents import Catalog
from ragcli.index.durable import sync_folder
from ragcli.index.keywords.files import fingerprint
from ragcli.types import Chunk

# The statistics of BM25 count an entry until its file is written anew. At this share the scores hardly move, and a
# deleted passage pays for 50 others to be split into words, which is less work than embedding one.
MOST_DEAD = 0.02


def entries(document: int, chunks: Iterable[Chunk]) -> Iterator[tuple[int, int, str]]:
    """(chunk id, document id, terms) as the keyword index takes them: the file name is a keyword, too."""
    from ragcli.text.terms import terms

    for chunk in chunks:
        yield chunk.id, document, " ".join(terms(f"{chunk.path.name}\n{chunk.embedded}"))


def rewrite_keywords(folder: Path, catalog: Catalog) -> None:
    """Replace the keyword index by one that holds an entry for each chunk and nothing else; one commit.

    Killed before it, the old one is in force and the next writer removes the new one.
    """
    from ragcli.index.keywords.tantivy_index import Keywords

    old, new = catalog.keywords_name(), catalog.next_keywords_name()
    shutil.rmtree(folder / new, ignore_errors=True)
    keywords = Keywords(folder / new, create=True)
    keywords.update(_all_entries(catalog), [])
    sync_folder(folder)
    digest = fingerprint(folder / new)
    with catalog.transaction():
        catalog.set("keywords", new)
        catalog.set("keywords_sha256", digest)
        catalog.ledger.bury("in_keywords", catalog.ledger.dead("in_keywords"))
        catalog.ledger.clear_pending()
        catalog.count_commit()
    shutil.rmtree(folder / old, ignore_errors=True)


def _all_entries(catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    for row in catalog.documents():
        yield from entries(row.id, catalog.document_chunks(row.id))
