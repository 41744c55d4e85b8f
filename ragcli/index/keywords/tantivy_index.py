"""BM25 over chunks, by tantivy. Only this module imports it, and ragcli.text.terms for its stemmer.

The index holds the terms of :func:`ragcli.text.terms.terms` (words, parts of identifiers, character pairs of scripts
without spaces, stemmed), joined by spaces: index and query go through the same analysis, and tantivy only splits at
white space.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import tantivy

from ragcli.errors import IndexDamaged, RagcliError, refuse_environment
from ragcli.index.catalog.documents import Catalog
from ragcli.index.keywords.files import share
from ragcli.index.layout import sync_folder
from ragcli.text.terms import terms as terms_of
from ragcli.types import Chunk

# One indexing thread makes segments, and so scores, repeatable; 64 MB of buffer holds a whole batch.
_THREADS = 1
_HEAP_BYTES = 64 << 20

# BM25 of a query with thousands of terms costs much and tells little more than its first ones.
_MOST_TERMS = 1024

# Ask for more hits than wanted, so that hits which tie with the last one are seen and the lower id wins.
_TIE_ROOM = 8

_ANALYZER = "terms"


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", stored=False, indexed=True, fast=True)
    builder.add_unsigned_field("document", stored=False, indexed=True)
    builder.add_text_field("body", stored=False, tokenizer_name=_ANALYZER, index_option="freq")
    return builder.build()


class Keywords:
    """An open keyword index: its state when it was opened, and what :meth:`update` does to it."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        """Open the index in ``folder``; with ``create`` make it there first. Raises IndexDamaged."""
        self._folder = folder
        with _reading(folder):
            if create:
                folder.mkdir(parents=True, exist_ok=True)
                self._index = tantivy.Index(_schema(), path=str(folder))
                share(folder)
            else:
                self._index = _open(folder)
            self._index.register_tokenizer(
                _ANALYZER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
            )
            # kept, because tantivy's index follows the commits of other processes, and the catalog's snapshot does not
            self._searcher = self._index.searcher()

    def search(
        self, terms: Sequence[str], k: int, documents: Sequence[int] | None = None, *, every: bool = False
    ) -> list[tuple[int, float]]:
        """The ``k`` best (chunk id, BM25 score) for any of ``terms``, ties by ascending id; ``every``: for all of them.

        With ``documents``, only chunks of these document ids count, before the cut. Ids that the catalog does not
        know are possible (dead, or of a commit in progress), and the caller drops them. Raises IndexDamaged.
        """
        if k <= 0 or not terms or (documents is not None and not documents):
            return []
        with _reading(self._folder):
            query = self._query(terms, documents, tantivy.Occur.Must if every else tantivy.Occur.Should)
            total = self._searcher.num_docs
            count = min(k + _TIE_ROOM, total)
            while count:
                hits = self._searcher.search(query, count, count=False).hits
                cut_inside_a_tie = len(hits) == count > k and hits[k - 1][0] == hits[-1][0]
                if not cut_inside_a_tie or count == total:
                    ids = self._ids_of([address for _, address in hits])
                    ranked = ((i, float(score)) for i, (score, _) in zip(ids, hits, strict=True))
                    return sorted(ranked, key=lambda hit: (-hit[1], hit[0]))[:k]
                count = min(4 * count, total)
        return []

    def frequency(self, term: str) -> int:
        """How many entries hold ``term``; dead ones count until their file is merged. Raises IndexDamaged."""
        with _reading(self._folder):
            return self._searcher.doc_freq("body", term)

    def near(self, term: str, distance: int, k: int) -> list[int]:
        """At most ``k`` ids of chunks with a term at an edit distance of at most ``distance``, 1 or 2.

        A swap of neighbours counts as one edit. Ids that the catalog does not know are possible. Raises IndexDamaged.
        """
        with _reading(self._folder):
            query = tantivy.Query.fuzzy_term_query(self._index.schema, "body", term, distance)
            hits = self._searcher.search(query, k, count=False).hits
            return self._ids_of([address for _, address in hits])

    def _query(self, terms: Sequence[str], documents: Sequence[int] | None, occur: tantivy.Occur) -> tantivy.Query:
        schema = self._index.schema
        words = [
            (occur, tantivy.Query.term_query(schema, "body", term, "freq"))
            for term in list(dict.fromkeys(terms))[:_MOST_TERMS]
        ]
        query = tantivy.Query.boolean_query(words)
        if documents is None:
            return query
        # a constant score of 0, so that the filter selects and does not rank
        within = tantivy.Query.const_score_query(tantivy.Query.term_set_query(schema, "document", list(documents)), 0.0)
        return tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, within)])

    def update(self, added: Iterable[tuple[int, int, str]], removed: Iterable[int]) -> None:
        """Durably add ``(chunk id, document id, terms joined by spaces)`` and remove chunk ids; all or nothing.

        Raises IndexDamaged, and RagcliError when the disk is full or fails.
        """
        with _writing(self._folder):
            writer = self._index.writer(heap_size=_HEAP_BYTES, num_threads=_THREADS)
            try:
                gone = list(removed)
                if gone:
                    # not delete_documents_by_term: it takes a number for a signed one, and then deletes nothing
                    writer.delete_documents_by_query(tantivy.Query.term_set_query(self._index.schema, "id", gone))
                for chunk, document, body in added:
                    entry = tantivy.Document()
                    entry.add_unsigned("id", chunk)
                    entry.add_unsigned("document", document)
                    entry.add_text("body", body)
                    writer.add_document(entry)
                writer.commit()
            finally:
                writer.wait_merging_threads()  # this frees tantivy's own lock, too
            share(self._folder)
            # tantivy syncs the folder before it renames meta.json into place, and not after
            sync_folder(self._folder)
            self._index.reload()
            self._searcher = self._index.searcher()

    def ids(self) -> list[int]:
        """Every chunk id that has an entry, ascending; an id with two entries appears twice. Raises IndexDamaged."""
        with _reading(self._folder):
            count = max(1, self._searcher.num_docs)
            hits = self._searcher.search(tantivy.Query.all_query(), count, count=False).hits
            return sorted(self._ids_of([address for _, address in hits]))

    def _ids_of(self, addresses: list[tantivy.DocAddress]) -> list[int]:
        values = self._searcher.fast_field_values("id", addresses)
        ids = [value for value in values if isinstance(value, int)]
        if len(ids) != len(values):
            raise _damaged(self._folder, "an entry has no id")
        return ids


def _open(folder: Path) -> tantivy.Index:
    try:
        return tantivy.Index.open(str(folder))
    except ValueError:
        if os.access(folder, os.W_OK) or not os.access(folder, os.R_OK | os.X_OK):
            raise
    from tempfile import TemporaryDirectory  # 4 ms that hardly any run need pay

    # tantivy insists on a lock file beside its files, which it maps when it opens them; it may write to the folder a
    # moment after its removal began
    with TemporaryDirectory(prefix="ragcli-", ignore_cleanup_errors=True) as links:
        for file in folder.absolute().iterdir():
            if not file.name.startswith(".tantivy-"):
                Path(links, file.name).symlink_to(file)
        return tantivy.Index.open(links)


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    with _panics_as_damage(folder):
        try:
            yield
        except (ValueError, OSError, OverflowError) as error:
            refuse_environment(f"the keyword index {folder}", error)
            raise _damaged(folder, str(error)) from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    with _panics_as_damage(folder):
        try:
            yield
        except (ValueError, OSError) as error:
            raise RagcliError(
                f"cannot write the keyword index {folder}: {error}", "check the disk, then run the command again"
            ) from error


@contextmanager
def _panics_as_damage(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # tantivy answers a file that it cannot parse with a Rust panic, whose class nothing exports
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged(folder, str(error)) from error


def _damaged(folder: Path, fact: str) -> IndexDamaged:
    return IndexDamaged(
        f"the keyword index {folder} cannot be read ({' '.join(fact.split())})",
        "repair it with: ragcli repair",
    )


def entries(document: int, chunks: Iterable[Chunk]) -> Iterator[tuple[int, int, str]]:
    """(chunk id, document id, terms) for :meth:`Keywords.update`; the file name counts as a keyword."""
    for chunk in chunks:
        yield chunk.id, document, " ".join(terms_of(f"{chunk.path.name}\n{chunk.embedded}"))


def rewrite_keywords(folder: Path, catalog: Catalog) -> None:
    """Replace the keyword index by a new one, beside it, with one entry for each chunk; one commit.

    Killed before the commit, the old one stays in force and the next writer removes the new one.
    """
    import shutil  # 4 ms that a query need not pay

    from ragcli.index.keywords.files import fingerprint

    old, new = catalog.keywords_name(), catalog.next_keywords_name()
    shutil.rmtree(folder / new, ignore_errors=True)
    keywords = Keywords(folder / new, create=True)
    keywords.update(_all_entries(catalog), [])
    sync_folder(folder)
    digest = fingerprint(folder / new)
    with catalog.transaction():
        catalog.set_keywords(new, digest)
        catalog.ledger.bury("in_keywords", catalog.ledger.dead("in_keywords"))
        catalog.ledger.clear_pending()
        catalog.count_commit()
    shutil.rmtree(folder / old, ignore_errors=True)


def _all_entries(catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    for row in catalog.documents():
        yield from entries(row.id, catalog.document_chunks(row.id))
