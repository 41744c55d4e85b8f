"""The query line: encode -> search both lists -> fuse -> fold copies -> rerank the best -> hits with snippets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import ModelMismatch, UsageError
from ragcli.index.reader import Index
from ragcli.models.files import DEFAULT_MODEL, DEFAULT_RERANKER
from ragcli.retrieve import DEFAULT_CANDIDATES, LEFT_OUT
from ragcli.retrieve.alike import fold
from ragcli.retrieve.exclude import Exclusions, read_exclusions
from ragcli.retrieve.filters import Filters, select, why_nothing
from ragcli.retrieve.freshness import Freshness, fresh_notes
from ragcli.retrieve.fuse import fuse, scaled
from ragcli.retrieve.rerank import Candidate, Judged, open_judge
from ragcli.retrieve.snippet import line_start, make_snippet
from ragcli.retrieve.spelling import Correction, corrections, replaced, spelling_notes
from ragcli.text.exact import NEITHER, Exact, grade, holds_phrase
from ragcli.text.language import foreign, is_unreadable
from ragcli.text.terms import make_question, terms
from ragcli.types import Chunk, Hit, Mode, Part, PartName, Question, Results, Span

if TYPE_CHECKING:
    from ragcli.models.open import Encoder

Ranked = list[tuple[int, float]]
# The most chunks that are looked through for exact text, of those that hold all of its words, best first.
LITERAL = 1000

_WIDER = 5  # times as deep are lists of which a question excludes a part


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What to return, where to look and how hard."""

    k: int = 10  # hits at most
    mode: Mode = "hybrid"  # which lists are searched
    depth: int = 200  # of each list before the two are fused
    reranker: str | None = DEFAULT_RERANKER  # a cross-encoder's name or folder; None: the lists decide the order
    candidates: int = DEFAULT_CANDIDATES  # how many of the best are reranked
    budget: float | None = None  # seconds that reranking may take: as many candidates as fit
    min_probability: float | None = None  # in [0, 1]; less probable hits are left out
    floor: bool = False  # leave out hits that plainly do not answer and hold nothing that was asked for as written
    filters: Filters = field(default_factory=Filters)
    unique: bool = False  # at most one hit per document
    offline: bool = False  # download no model


class Searcher:
    """An open index with its models loaded once, for any number of questions."""

    def __init__(self, index: Index, options: SearchOptions | None = None) -> None:
        """Load what ``options`` ask for. Raises ModelUnavailable, ModelMismatch and CalibrationMissing."""
        self._index = index
        self._options = options or SearchOptions()
        self._encoder = None if self._options.mode == "keyword" else _open_encoder(index)
        self._judge = open_judge(
            self._encoder,
            self._options.reranker,
            offline=self._options.offline,
            probability_needed=self._options.min_probability is not None,
        )
        filters = self._options.filters
        self.documents = select(index.catalog.documents(), filters) if filters else None

    def search(self, text: str) -> Results:
        """Return the best ``options.k`` passages for ``text``. Raises UsageError when it is blank."""
        known = self._index if self._options.mode != "dense" else None  # it has no words to look up
        excluded = read_exclusions(text, known) if text.strip() else Exclusions(text)
        question, found = self._question(excluded.text)
        lists = self._lists(question, _WIDER if excluded.words else 1)
        groups, judged, unmet = self._judged(question, lists, excluded)
        freshness = Freshness(self._index.catalog)
        hits = fold(self._hits(question, groups, judged, lists, freshness), self._options.k, question, freshness)
        nothing = "" if hits else self._nothing_to_search()
        unlikely = min(judged.left_out, self._options.k - len(hits))
        fresh = fresh_notes({hit.chunk.path: hit.fresh for hit in hits}.values())
        return Results(
            question,
            self._options.mode,
            tuple(hits),
            notes=(
                *self._notes(question.exact.text),
                *excluded.notes,
                *spelling_notes(found),
                *unmet,
                *judged.notes,
                *([f"{LEFT_OUT}: {unlikely}; --all shows them"] if unlikely else []),
                *self._unfinished(),
                *fresh,
                *([nothing] if nothing else []),
            ),
            details=tuple(judged.details),
            answered=judged.answered if any(hit.readable for hit in hits) or not hits else None,
            searched=not nothing,
            asked=text,
        )

    def _question(self, text: str) -> tuple[Question, list[Correction]]:
        """Read a question, and correct words that no document holds."""
        if not text.strip():
            raise UsageError("the query is empty", 'ask something: ragcli query "how are logs rotated?"')
        question = make_question(text)
        found = [] if self._options.mode == "dense" else corrections(question, self._index, self._is_word)
        if found:
            question = make_question(replaced(text, found))
        if self._encoder is None or not self._reads(question.text):
            return question, found
        return replace(question, vector=self._encoder.encode([question.read], kind="query")[0]), found

    def _is_word(self, word: str) -> bool:
        """Whether the model has a token for the word: then it is spelled right."""
        return self._encoder is not None and self._encoder.tokenizer.count([word])[0] == 1

    def _reads(self, text: str) -> bool:
        """Whether the model knows most of what ``text`` is written with; without a model nobody needs to."""
        return self._encoder is None or not is_unreadable(text, self._encoder.tokenizer.unknown_share)

    def _lists(self, question: Question, wider: int = 1) -> dict[PartName, Ranked]:
        """Return the list that decides first, then the lists that it is made of, each ``wider`` times as deep."""
        depth = wider * max(self._options.depth, self._options.k, self._options.candidates)
        lists: dict[PartName, Ranked] = {}
        if question.vector is not None:
            lists["dense"] = self._index.dense(question.vector, depth, self.documents)
        if self._options.mode != "dense":
            lists["keyword"] = self._index.keyword(question.terms, depth, self.documents)
        return {"fused": fuse(lists["dense"], lists["keyword"]), **lists} if len(lists) == 2 else lists

    def _judged(
        self, question: Question, lists: Mapping[PartName, Ranked], excluded: Exclusions
    ) -> tuple[list[list[Chunk]], Judged, list[str]]:
        """Return the distinct passages, the order in which they are shown, and notes on exact text not found."""
        ranked = next(iter(lists.values()))
        literal = [(i, 0.0) for i in self._literal(question, {i for i, _ in ranked})]
        groups = [twins for twins in self._folded([*ranked, *literal]) if excluded.allow(twins[0])]
        # Of a text that it cannot read the model knows nothing: the words must be there.
        if "keyword" in lists:
            words = {i for i, _ in [*lists["keyword"], *literal]}
            groups = [twins for twins in groups if twins[0].id in words or self._reads(twins[0].text)]
        groups, grades, unmet = exact_first(question.exact, groups)
        fused = dict([*(ranked if "fused" in lists else scaled(ranked)), *literal])
        cosines = dict(lists.get("dense", ()))
        # A passage that only the keyword list holds lies below the last cosine of the dense list; how far is unknown.
        least = min(cosines.values(), default=None)
        candidates = []
        for twins, found in zip(groups, grades, strict=True):
            signals = {"fused": fused[twins[0].id]}
            if least is not None:
                signals["dense"] = cosines.get(twins[0].id, least)
            candidates.append(Candidate(twins[0].embedded, signals, found))
        count = self._options.candidates if self._reads(question.text) else 0
        return groups, self._judge.order(question, candidates, count, self._options.budget), unmet

    def _literal(self, question: Question, known: set[int]) -> list[int]:
        """Return more chunks that hold every word of what is asked for letter for letter, best first."""
        exact = question.exact
        asked = exact.phrases or ((exact.name or exact.text,) if exact.is_exact else ())
        words = [term for text in asked for term in terms(text)]
        if not words or self._options.mode == "dense":
            return []
        return [i for i, _ in self._index.keyword(words, LITERAL, self.documents, every=True) if i not in known]

    def _hits(
        self,
        question: Question,
        groups: list[list[Chunk]],
        judged: Judged,
        lists: Mapping[PartName, Ranked],
        freshness: Freshness,
    ) -> Iterator[Hit]:
        """Yield the hits in their order, as many as are asked for."""
        ranks = {name: _ranks(entries) for name, entries in lists.items()}
        least = self._options.min_probability
        is_read = self._reads(question.text)
        shown: dict[Path, list[Span]] = {}
        for verdict in judged.verdicts:
            twins = groups[verdict.position]
            chunk = freshness.best(twins)
            readable = is_read and self._reads(chunk.text)
            probability = verdict.probability if readable else None
            if self._options.floor and judged.is_below_floor(verdict):
                judged.left_out += 1
                continue
            if least is not None and (probability is None or probability < least):
                continue
            if self._options.unique and chunk.path in shown:
                continue
            start = partial(line_start, self._index, chunk)
            closest = judged.closest.get(verdict.position, "")
            snippet = make_snippet(chunk, question, page_of=self.page_of(chunk), line_start=start, closest=closest)
            # Neighbours share sentences, and nobody needs the same words twice in a row.
            if any(snippet.start < end and start < snippet.end for start, end in shown.get(chunk.path, ())):
                continue
            shown.setdefault(chunk.path, []).append((snippet.start, snippet.end))
            parts = [Part(name, *entries.get(twins[0].id, (None, None))) for name, entries in ranks.items()]
            if verdict.rank is not None:
                parts.append(Part("rerank", verdict.rank, verdict.signals["logit"]))
            copies = tuple(dict.fromkeys(twin.path for twin in twins if twin.path != chunk.path))
            fresh = freshness.of(chunk.path)
            yield Hit(
                chunk,
                verdict.score,
                snippet,
                tuple(parts),
                probability,
                copies,
                verdict.signals,
                fresh,
                readable=readable,
            )

    def _folded(self, ranked: Ranked) -> list[list[Chunk]]:
        """Return the candidates in order; those with the same text stand together at the place of the best of them."""
        chunks = self._index.chunks([i for i, _ in ranked])
        folded: dict[str, list[Chunk]] = {}
        for i, _ in ranked:
            if i in chunks:
                folded.setdefault(chunks[i].text, []).append(chunks[i])
        return list(folded.values())

    def fits(self, question: Question, chunk: Chunk, spans: Sequence[Span]) -> list[float]:
        """Score how well each span of a chunk's text answers, read in its context; higher is better."""
        return self._judge.fits(question, chunk.text, spans)

    def supports(self, claim: str, passage: str) -> float | None:
        """Return the probability that ``passage`` supports ``claim``; None where no calibration fits the models."""
        return self._judge.probability(claim, passage)

    def page_of(self, chunk: Chunk) -> Callable[[int], int | None]:
        """Return a function from an offset in the document, within the chunk, to its page."""
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
        if not self._reads(text):
            name = foreign(text) or "this script"
            return (f"the model cannot read {name}: hits are found by their words, and none has a probability",)
        if (name := foreign(text)) and self._encoder.files.name == DEFAULT_MODEL:
            return (
                f"the question looks {name}, and {DEFAULT_MODEL} is made for English: rely on words, not on meaning",
            )
        used, window = self._encoder.length(text), self._encoder.window
        if used <= window:
            return ()
        return (f"the query has {used} tokens: the model reads the first {window}, the keyword search all words",)

    def _unfinished(self) -> tuple[str, ...]:
        """Say that a run has not reached its end yet, so that documents may be missing."""
        run = self._index.catalog.ledger.unfinished_run()
        return () if run is None else (str(run),)

    def _nothing_to_search(self) -> str:
        """Say why there is no document to search; "" when there is one."""
        if not self._index.catalog.count("documents"):
            return "the index holds no documents yet: wait for the run that fills it, or start one: ragcli index PATH"
        if self.documents is not None and not self.documents:
            return why_nothing(self._index.catalog.documents(), self._options.filters)
        return ""


def exact_first(exact: Exact, groups: list[list[Chunk]]) -> tuple[list[list[Chunk]], list[int], list[str]]:
    """Put passages that hold what was asked for letter for letter first; without others where a phrase was quoted.

    Returns the passages, the grade of each, and a note for quoted phrases that no passage holds.
    """
    unmet = []
    if exact.phrases:
        kept = [twins for twins in groups if all(holds_phrase(twins[0].text, phrase) for phrase in exact.phrases)]
        if not kept:
            unmet.append(
                f"no passage holds {' and '.join(f'“{phrase}”' for phrase in exact.phrases)}: these come nearest"
            )
        groups = kept or groups
    if not exact.is_exact and not exact.phrases:
        return groups, [NEITHER] * len(groups), unmet
    graded = sorted(((grade(exact, twins[0].text), twins) for twins in groups), key=lambda one: -one[0])
    return [twins for _, twins in graded], [found for found, _ in graded], unmet


def _ranks(ranked: Ranked) -> dict[int, tuple[int, float]]:
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
