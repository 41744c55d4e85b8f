"""Search several indexes at once: their hits stand in one list, by the probability that they answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ragcli.index.reader import Index
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.text.exact import holds_phrase
from ragcli.types import Chunk, Hit, Question, Results, Span


class SeveralSearcher(Searcher):
    """A searcher of several open indexes. Each keeps the order of its own hits."""

    def __init__(
        self, indexes: Sequence[Index], options: SearchOptions | None = None, names: Sequence[str] = ()
    ) -> None:
        """Load what ``options`` ask for, per index. Hits are of the index ``names``, or of its folder's name.

        Raises what Searcher raises.
        """
        self._k = (options or SearchOptions()).k
        self._searchers = [Searcher(index, options) for index in indexes]
        self._names = names or _names([index.catalog.path.parent for index in indexes])
        self._home: dict[int, Searcher] = {}  # of the chunks that were found, by identity: ids differ per index

    @property
    def documents(self) -> list[int] | None:  # type: ignore[override]
        """None: filters hold per index."""
        return None

    def search(self, text: str) -> Results:
        """Return the best passages of all indexes for ``text``. Raises UsageError when it is blank."""
        found = [searcher.search(text) for searcher in self._searchers]
        asked = list(zip(self._searchers, self._names, found, strict=True))
        # where one index holds a quoted phrase, what comes nearest to it in another is not asked for
        asked = [one for one in asked if _holds_phrases(one[2])] or asked
        self._home = {}
        lists = []
        for searcher, name, results in asked:
            self._home.update((id(hit.chunk), searcher) for hit in results.hits)
            lists.append([replace(hit, index=name) for hit in results.hits])
        searched = [results for _, _, results in asked if results.searched]
        known = [results.likely for results in searched if results.likely is not None]
        notes = dict.fromkeys(note for results in searched or found for note in results.notes)
        details = (detail for results in found for detail in results.details)
        return Results(
            found[0].question,
            found[0].mode,
            tuple(_merged(lists)[: self._k]),
            notes=tuple(notes),
            details=tuple(details),
            answered=max(known, default=None),
            searched=bool(searched),
        )

    def fits(self, question: Question, chunk: Chunk, spans: Sequence[Span]) -> list[float]:
        """Score how well each span of a chunk answers, with the models of its index."""
        return self._home.get(id(chunk), self._searchers[0]).fits(question, chunk, spans)

    def supports(self, claim: str, passage: str) -> float | None:
        """Return the probability that ``passage`` supports ``claim``; None where no calibration fits the models."""
        return self._searchers[0].supports(claim, passage)

    def page_of(self, chunk: Chunk) -> Callable[[int], int | None]:
        """Return a function from an offset in the document, within the chunk, to its page."""
        return self._home.get(id(chunk), self._searchers[0]).page_of(chunk)


def _holds_phrases(results: Results) -> bool:
    """Whether a phrase was quoted and each hit holds it."""
    phrases = results.question.exact.phrases
    texts = [hit.chunk.text for hit in results.hits]
    return bool(phrases and texts) and all(holds_phrase(text, phrase) for phrase in phrases for text in texts)


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the name of each index: that of its folder, or the whole path where two have the same name."""
    names = [folder.name for folder in folders]
    return [str(folder) if names.count(folder.name) > 1 else folder.name for folder in folders]


def _merged(lists: Sequence[list[Hit]]) -> list[Hit]:
    """Merge lists of hits by probability; of equal passages the first is kept, with the places of the others."""
    merged: list[Hit] = []
    rest = [list(hits) for hits in lists if hits]
    while rest:
        best = max(range(len(rest)), key=lambda i: (rest[i][0].probability or 0.0, rest[i][0].score, -i))
        hit = rest[best].pop(0)
        rest = [hits for hits in rest if hits]
        twin = next((i for i, other in enumerate(merged) if other.chunk.text == hit.chunk.text), None)
        if twin is None:
            merged.append(hit)
            continue
        kept = merged[twin]
        places = dict.fromkeys((*kept.copies, hit.chunk.path, *hit.copies))
        merged[twin] = replace(kept, copies=tuple(path for path in places if path != kept.chunk.path))
    return merged
