"""The query line: encode -> search both lists -> fuse -> fold copies -> hits with snippets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import ModelMismatch, UsageError
from ragcli.index.reader import Index
from ragcli.search.filters import Filters, select
from ragcli.search.fuse import fuse
from ragcli.search.snippet import make_snippet
from ragcli.search.terms import query_terms
from ragcli.types import Chunk, Hit, Mode, Part, PartName, Results, Span

if TYPE_CHECKING:
    from ragcli.models.encoder import Encoder

Ranked = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What to return and where to look. ``candidates`` is the depth of each list before they are fused."""

    k: int = 10
    mode: Mode = "hybrid"
    candidates: int = 200
    filters: Filters = field(default_factory=Filters)
    unique: bool = False  # at most one hit a document
    offline: bool = False


class Searcher:
    """An open index with its model loaded once: ask it as many questions as you like."""

    def __init__(self, index: Index, options: SearchOptions) -> None:
        """Raises ModelUnavailable and ModelMismatch when ``options.mode`` needs the model."""
        self._index = index
        self._options = options
        self._encoder = None if options.mode == "keyword" else _open_encoder(index, offline=options.offline)
        self._documents = select(index.catalog.documents(), options.filters) if options.filters else None

    def search(self, text: str) -> Results:
        """The best ``options.k`` passages for ``text``; raises UsageError when it is blank."""
        if not text.strip():
            raise UsageError("the query is empty", 'ask something: ragcli query "how are logs rotated?"')
        hits = self._hits(text, self._lists(text))
        return Results(text, self._options.mode, tuple(hits), self._notes(text))

    def _lists(self, text: str) -> dict[PartName, Ranked]:
        depth = max(self._options.candidates, self._options.k)
        lists: dict[PartName, Ranked] = {}
        if self._encoder is not None:
            query = self._encoder.encode([text], kind="query")[0]
            lists["dense"] = self._index.dense(query, depth, self._documents)
        if self._options.mode != "dense":
            lists["keyword"] = self._index.keyword(query_terms(text), depth, self._documents)
        return lists

    def _hits(self, text: str, lists: dict[PartName, Ranked]) -> list[Hit]:
        hybrid = len(lists) == 2
        ranked = fuse(lists["dense"], lists["keyword"]) if hybrid else next(iter(lists.values()))
        named = {"fused": ranked, **lists} if hybrid else lists
        places: dict[PartName, dict[int, tuple[int, float]]] = {
            name: _places(entries) for name, entries in named.items()
        }
        scores = dict(ranked)
        hits: list[Hit] = []
        shown: dict[Path, list[Span]] = {}
        for twins in self._folded(ranked):
            chunk = twins[0]
            if self._options.unique and chunk.path in shown:
                continue
            snippet = make_snippet(chunk, text, page_of=self._page_of(chunk))
            # neighbours share sentences: the same words twice in a row help nobody
            if any(snippet.start < end and start < snippet.end for start, end in shown.get(chunk.path, ())):
                continue
            shown.setdefault(chunk.path, []).append((snippet.start, snippet.end))
            parts = tuple(Part(name, *entries.get(chunk.id, (None, None))) for name, entries in places.items())
            copies = tuple(dict.fromkeys(twin.path for twin in twins if twin.path != chunk.path))
            hits.append(Hit(chunk, scores[chunk.id], snippet, parts, copies=copies))
            if len(hits) == self._options.k:
                break
        return hits

    def _folded(self, ranked: Ranked) -> list[list[Chunk]]:
        """The candidates in order, those with the same text together at the place of the best of them."""
        chunks = self._index.chunks([i for i, _ in ranked])
        folded: dict[str, list[Chunk]] = {}
        for i, _ in ranked:
            if i in chunks:
                folded.setdefault(chunks[i].text, []).append(chunks[i])
        return list(folded.values())

    def _page_of(self, chunk: Chunk) -> Callable[[int], int | None]:
        if chunk.pages is None:
            return lambda _: None
        first, last = chunk.pages
        if first == last:
            return lambda _: first
        row = self._index.catalog.document(chunk.path)
        assert row is not None
        starts = [start for _, start in row.pages]
        return lambda offset: row.pages[max(0, bisect_right(starts, offset) - 1)][0]

    def _notes(self, text: str) -> tuple[str, ...]:
        if self._encoder is None:
            return ()
        used, window = self._encoder.length(text), self._encoder.window
        if used <= window:
            return ()
        return (f"the query has {used} tokens: the model reads the first {window}, the keyword search all words",)


def search(index: Index, text: str, options: SearchOptions | None = None) -> Results:
    """One query against an open index; raises UsageError, ModelUnavailable, ModelMismatch."""
    return Searcher(index, options or SearchOptions()).search(text)


def _places(ranked: Ranked) -> dict[int, tuple[int, float]]:
    return {i: (rank, score) for rank, (i, score) in enumerate(ranked, 1)}


def _open_encoder(index: Index, *, offline: bool) -> Encoder:
    from ragcli.models.encoder import open_query_encoder
    from ragcli.models.resolve import resolve

    files = resolve(index.settings.model, offline=offline)
    if files.sha256 != index.settings.sha256:
        raise ModelMismatch(
            f"the index was built with other weights of {index.settings.model} than the ones here",
            "rebuild it with: ragcli index --force",
        )
    return open_query_encoder(files)
