"""What the stages are asked and what counts as found: questions, judgements, and the names of hits in both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragcli.errors import UsageError
from ragcli.evaluate.collection import document_number
from ragcli.evaluate.datasets import Dataset, Qrels, Question, QuestionSet
from ragcli.index.catalog.rows import DocumentRow
from ragcli.index.reader import Index
from ragcli.types import Chunk, Hit


@dataclass(frozen=True, slots=True)
class Task:
    """Questions that an index is asked, with the names of what is relevant to each.

    ``named(question id, hit)`` gives the names under which the judgements know a hit: its document's, those of copies
    of the passage, or its passage's. Questions in ``by_document`` rank documents by their best passage, the others
    passages.
    """

    dataset: str
    queries: dict[str, str]
    qrels: Qrels
    by_document: frozenset[str]
    named: Callable[[str, Hit], list[str]]
    synthetic: bool
    warnings: tuple[str, ...]

    def first(self, count: int) -> Task:
        """The task with its first ``count`` questions."""
        queries = dict(list(self.queries.items())[:count])
        return replace(self, queries=queries, qrels={q: self.qrels[q] for q in queries})


def judged_task(dataset: Dataset, index: Index) -> Task:
    """A collection against an index that was built of it, where file names are places in the corpus."""
    ids = list(dataset.corpus)
    held = index.catalog.count("documents")
    warnings = dataset.warnings
    if held < len(ids):
        warnings += (f"{len(ids) - held} of {len(ids)} documents have no text and are not in the index",)

    def named(_: str, hit: Hit) -> list[str]:
        return [ids[document_number(path)] for path in (hit.chunk.path, *hit.copies)]

    every = frozenset(dataset.queries)
    return Task(dataset.name, dataset.queries, dataset.qrels, every, named, synthetic=False, warnings=warnings)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The one thing that answers a question: any of these documents, or of these passages in them."""

    name: str
    documents: frozenset[Path]
    passages: frozenset[str] | None  # their texts; None: any


def known_item_task(questions: QuestionSet, index: Index) -> Task:
    """Questions about the documents of an existing index: each has one answer, wherever it is found first.

    A hit is the answer when its document's path ends with the path of the question and, for a question with a text,
    when the passage holds it (see :func:`holding`). Questions whose document is not in the index, or whose text is not
    in the document, are counted in ``warnings`` and left out; UsageError when none is left.
    """
    finder = _Finder(index)
    answers: dict[str, _Answer] = {}
    no_document: list[Question] = []
    no_text: list[Question] = []
    for question in questions.questions:
        documents = finder.documents(question.path)
        answer = finder.answer(question, documents) if documents else None
        if answer is not None:
            answers[question.id] = answer
        else:
            (no_text if documents else no_document).append(question)
    warnings = [
        f"{len(missing)} questions {what}, such as {missing[0].path}: left out"
        for missing, what in (
            (no_document, "are about documents that are not in the index"),
            (no_text, "have a text that is not in their document"),
        )
        if missing
    ]
    if not answers:
        raise UsageError(
            f"{questions.name}: {'; '.join(warnings)}; no question is left", "choose the index with --index NAME"
        )

    def named(question: str, hit: Hit) -> list[str]:
        answer = answers[question]
        paths = (hit.chunk.path, *hit.copies)
        if not answer.documents.isdisjoint(paths) and (answer.passages is None or hit.chunk.text in answer.passages):
            return [answer.name]
        return [str(path) for path in paths] if answer.passages is None else [_passage_name(hit.chunk)]

    kept = [question for question in questions.questions if question.id in answers]
    return Task(
        questions.name,
        {question.id: question.question for question in kept},
        {question.id: {answers[question.id].name: 1} for question in kept},
        frozenset(question.id for question in kept if question.text is None),
        named,
        questions.synthetic,
        (*questions.warnings, *warnings),
    )


def _passage_name(chunk: Chunk) -> str:
    return f"{chunk.path}#{chunk.start}-{chunk.end}"


class _Finder:
    """Documents of an index by the end of their path, and passages in them by their text."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._by_name: dict[str, list[DocumentRow]] = {}
        for row in index.catalog.documents():
            self._by_name.setdefault(row.path.name, []).append(row)
        self._chunks: dict[int, list[Chunk]] = {}

    def documents(self, path: Path) -> list[DocumentRow]:
        parts = path.parts
        return [row for row in self._by_name.get(path.name, []) if row.path.parts[-len(parts) :] == parts]

    def answer(self, question: Question, documents: Sequence[DocumentRow]) -> _Answer | None:
        if question.text is None:
            paths = [row.path for row in documents]
            return _Answer(str(paths[0]), frozenset(paths), None)
        found = [chunk for row in documents for chunk in holding(self._of(row), question.text)]
        if not found:
            return None
        return _Answer(
            _passage_name(found[0]),
            frozenset(chunk.path for chunk in found),
            frozenset(chunk.text for chunk in found),
        )

    def _of(self, row: DocumentRow) -> list[Chunk]:
        if row.id not in self._chunks:
            self._chunks[row.id] = self._index.catalog.document_chunks(row.id)
        return self._chunks[row.id]


def holding(chunks: Sequence[Chunk], text: str) -> list[Chunk]:
    """The chunks of one document, in order of the text, that answer when ``text`` is the answer.

    Those that lie within it, and those that hold at least half as much of it as any other does: a text may be cut in
    two, and passages overlap. White space does not matter, and every place where the document has the text counts.
    """
    pattern = re.compile(r"\s+".join(map(re.escape, text.split())))
    found: set[int] = set()
    for match in pattern.finditer(document_text(chunks)):
        shared = [min(match.end(), chunk.end) - max(match.start(), chunk.start) for chunk in chunks]
        most = max(shared)
        found.update(
            number
            for number, (chunk, part) in enumerate(zip(chunks, shared, strict=True))
            if part > 0 and (part == chunk.end - chunk.start or 2 * part >= most)
        )
    return [chunks[number] for number in sorted(found)]


def document_text(chunks: Iterable[Chunk]) -> str:
    """The text of a document as its chunks, in order, hold it, with line breaks for the rest: spans stay true."""
    parts: list[str] = []
    position = 0
    for chunk in chunks:
        if chunk.end > position:
            parts += ["\n" * (chunk.start - position), chunk.text[max(0, position - chunk.start) :]]
            position = chunk.end
    return "".join(parts)
