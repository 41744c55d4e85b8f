"""The query line: encode -> search both lists -> fuse -> fold copies -> rerank the best -> hits with snippets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import ModelMismatch, UsageError
from ragcli.index.reader import Index
from ragcli.models.files import DEFAULT_RERANKER
from ragcli.retrieve import DEFAULT_CANDIDATES
from ragcli.retrieve.filters import Filters, select
from ragcli.retrieve.fuse import fuse, scaled
from ragcli.retrieve.judge import Candidate, Judged, open_judge
from ragcli.retrieve.rerank import coverage
from ragcli.retrieve.snippet import make_snippet
from ragcli.text.terms import query_terms
from ragcli.types import Chunk, Hit, Mode, Part, PartName, Results, Span

if TYPE_CHECKING:
    from ragcli.models.open import Encoder

Ranked = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What to return, where to look and how hard."""

    k: int = 10
    mode: Mode = "hybrid"
    depth: int = 200  # of each list before they are fused
    reranker: str | None = DEFAULT_RERANKER  # a cross-encoder's name or folder; None: the order of the lists stays
    candidates: int = DEFAULT_CANDIDATES  # how many of the best are reranked
    budget: float | None = None  # seconds that reranking may take; as many candidates as fit
    min_probability: float | None = None
    filters: Filters = field(default_factory=Filters)
    unique: bool = False  # at most one hit a document
    offline: bool = False


class Searcher:
    """An open index with its model loaded once: ask it as many questions as you like."""

    def __init__(self, index: Index, options: SearchOptions) -> None:
        """Raises ModelUnavailable, ModelMismatch and CalibrationMissing for what ``options`` ask of the models."""
        self._index = index
        self._options = options
        self._encoder = None if options.mode == "keyword" else _open_encoder(index)
        self._judge = open_judge(
            self._encoder,
            options.reranker,
            offline=options.offline,
            probability_needed=options.min_probability is not None,
        )
        self.documents = select(index.catalog.documents(), options.filters) if options.filters else None

    def search(self, text: str) -> Results:
        """The best ``options.k`` passages for ``text``; raises UsageError when it is blank."""
        if not text.strip():
            raise UsageError("the query is empty", 'ask something: ragcli query "how are logs rotated?"')
        lists = self._lists(text)
        groups, judged = self._judged(text, lists)
        hits = self._hits(text, groups, judged, lists)
        notes = (*self._notes(text), *judged.notes)
        return Results(text, self._options.mode, tuple(hits), notes, tuple(judged.details), judged.answered)

    def _lists(self, text: str) -> dict[PartName, Ranked]:
        """The list that counts first, then those that it was made of."""
        depth = max(self._options.depth, self._options.k, self._options.candidates)
        lists: dict[PartName, Ranked] = {}
        if self._encoder is not None:
            query = self._encoder.encode([text], kind="query")[0]
            lists["dense"] = self._index.dense(query, depth, self.documents)
        if self._options.mode != "dense":
            lists["keyword"] = self._index.keyword(query_terms(text), depth, self.documents)
        return {"fused": fuse(lists["dense"], lists["keyword"]), **lists} if len(lists) == 2 else lists

    def _judged(self, text: str, lists: Mapping[PartName, Ranked]) -> tuple[list[list[Chunk]], Judged]:
        """The distinct passages, and the order in which they are shown."""
        ranked = next(iter(lists.values()))
        groups = self._folded(ranked)
        fused = dict(ranked if "fused" in lists else scaled(ranked))
        cosines = dict(lists.get("dense", ()))
        # a passage that only the keyword list has lies below the last cosine of the other; by how much is not known
        least = min(cosines.values(), default=None)
        candidates = []
        for twins in groups:
            signals = {"fused": fused[twins[0].id]}
            if least is not None:
                signals["dense"] = cosines.get(twins[0].id, least)
            candidates.append(Candidate(twins[0].embedded, signals))
        return groups, self._judge.order(text, candidates, self._options.candidates, self._options.budget)

    def _hits(
        self, text: str, groups: list[list[Chunk]], judged: Judged, named: Mapping[PartName, Ranked]
    ) -> list[Hit]:
        places = {name: _places(entries) for name, entries in named.items()}
        least = self._options.min_probability
        hits: list[Hit] = []
        shown: dict[Path, list[Span]] = {}
        for rank, verdict in enumerate(judged.verdicts, 1):
            twins = groups[verdict.place]
            chunk = twins[0]
            signals = {**verdict.signals, "coverage": coverage(text, chunk.embedded)}
            probability = self._judge.probability(signals)
            if least is not None and (probability is None or probability < least):
                continue
            if self._options.unique and chunk.path in shown:
                continue
            snippet = make_snippet(chunk, text, page_of=self.page_of(chunk))
            # neighbours share sentences: the same words twice in a row help nobody
            if any(snippet.start < end and start < snippet.end for start, end in shown.get(chunk.path, ())):
                continue
            shown.setdefault(chunk.path, []).append((snippet.start, snippet.end))
            parts = [Part(name, *entries.get(chunk.id, (None, None))) for name, entries in places.items()]
            if "logit" in verdict.signals:
                parts.append(Part("rerank", rank, verdict.signals["logit"]))
            copies = tuple(dict.fromkeys(twin.path for twin in twins if twin.path != chunk.path))
            hits.append(Hit(chunk, verdict.score, snippet, tuple(parts), probability, copies, signals))
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

    def fits(self, text: str, chunk: Chunk, spans: Sequence[Span]) -> list[float]:
        """How well each span of a chunk's text answers, read in its context; higher is better."""
        return self._judge.fits(text, chunk.text, spans)

    def page_of(self, chunk: Chunk) -> Callable[[int], int | None]:
        """From an offset in the document, within the chunk, to its page."""
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


def _open_encoder(index: Index) -> Encoder:
    from ragcli.models.open import open_query_encoder
    from ragcli.models.resolve import resolve_stored

    files = resolve_stored(index.settings.model)
    if files.sha256 != index.settings.sha256:
        raise ModelMismatch(
            f"the index was built with other weights of {index.settings.model} than the ones here",
            "rebuild it with: ragcli index --force",
        )
    return open_query_encoder(files)
