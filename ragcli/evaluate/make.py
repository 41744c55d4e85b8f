"""Questions made from an index without human judges: known items, each the passage that it was made from.

Three kinds. A heading asks for its section. A definition ("A segment is a file ...") asks "what is a segment". A
salient sentence asks with its rarest words hidden, so that what would give it away has to be bridged by meaning. Such
questions share more words with their passage than those of people do: figures on them compare rankings over one
index, and say little about how good a ranking is.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from ragcli.errors import UsageError
from ragcli.evaluate.candidates import definition, prose, sections
from ragcli.index.reader import Index
from ragcli.text.terms import query_terms, terms

Kind = Literal["heading", "definition", "sentence"]

# Reading stops here: how rare a word is has settled long before.
_MOST_CHUNKS = 20_000

_SENTENCES_KEPT = 20  # of a document, drawn at random

_HIDDEN = 1 / 2  # share of a sentence's words that are hidden, the rarest first
_FEWEST_LEFT, _MOST_LEFT = 4, 10

_WORD = re.compile(r"\w+(?:[-'’.]\w+)*")

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Made:
    """A question that was made, with the passage that it was made of."""

    question: str
    path: str  # from the name of the folder that was indexed on
    text: str
    made: Kind


@dataclass(slots=True)
class _Read:
    """What the documents offer, one list per document, and how often terms and subjects occur."""

    chunks: int = 0
    frequency: Counter[str] = field(default_factory=Counter)  # chunks by term
    subjects: Counter[str] = field(default_factory=Counter)
    headings: list[list[Made]] = field(default_factory=list)
    definitions: list[list[Made]] = field(default_factory=list)
    sentences: list[list[Made]] = field(default_factory=list)  # not questions yet: that takes all frequencies


def make_questions(index: Index, count: int, seed: int) -> list[Made]:
    """At most ``count`` questions, the three kinds in turn, from as many documents as possible; the same for a seed.

    Nothing that two places share is asked for. Raises UsageError when the index holds nothing to ask for.
    """
    read = _read(index, np.random.default_rng(seed))
    kinds = (
        _in_turns([[made for made in found if _is_single(made, read)] for found in read.headings]),
        _in_turns([[made for made in found if _is_single(made, read)] for found in read.definitions]),
        _in_turns([_by_salience(found, read) for found in read.sentences]),
    )
    chosen: dict[str, Made] = {}
    for made in _in_turns(kinds):
        if len(chosen) == count:
            break
        chosen.setdefault(made.question.casefold(), made)
    if not chosen:
        raise UsageError("the index holds no headings, definitions or sentences to ask for", "index more documents")
    return list(chosen.values())


def _read(index: Index, generator: np.random.Generator) -> _Read:
    rows = list(index.catalog.documents())
    roots = list(index.catalog.roots())
    read = _Read()
    for number in generator.permutation(len(rows)):
        if read.chunks >= _MOST_CHUNKS:
            break
        row = rows[number]
        chunks = index.catalog.document_chunks(row.id)
        read.chunks += len(chunks)
        for chunk in chunks:
            read.frequency.update(set(terms(chunk.text)))
        path = _short(row.path, roots)
        headings = [Made(question, path, text, "heading") for question, text in sections(chunks)]
        sentences = prose(chunks)
        definitions = [Made(asked, path, text, "definition") for text in sentences if (asked := definition(text))]
        read.subjects.update(made.question.casefold() for made in (*headings, *definitions))
        read.headings.append(_drawn(headings, len(headings), generator))
        read.definitions.append(_drawn(definitions, len(definitions), generator))
        drawn = _drawn(sentences, _SENTENCES_KEPT, generator)
        read.sentences.append([Made("", path, text, "sentence") for text in drawn if definition(text) is None])
    return read


def _short(path: Path, roots: Sequence[Path]) -> str:
    """The path from the name of its root on: true wherever that folder lies."""
    around = [root for root in roots if path.is_relative_to(root)]
    return str(path.relative_to(max(around, key=lambda root: len(root.parts)).parent)) if around else str(path)


def _drawn(items: Sequence[_Item], count: int, generator: np.random.Generator) -> list[_Item]:
    return [items[i] for i in generator.permutation(len(items))[:count]]


def _is_single(made: Made, read: _Read) -> bool:
    return read.subjects[made.question.casefold()] == 1


def _in_turns(queues: Sequence[Sequence[_Item]] | Sequence[Iterator[_Item]]) -> Iterator[_Item]:
    """The first of each queue, then the second of each, until all are empty."""
    waiting = [iter(queue) for queue in queues]
    while waiting:
        left = []
        for queue in waiting:
            for item in queue:
                yield item
                left.append(queue)
                break
        waiting = left


def _by_salience(sentences: Sequence[Made], read: _Read) -> list[Made]:
    """The questions of one document's sentences, those with the rarest words first."""
    found: list[tuple[float, Made]] = []
    for made in sentences:
        words = telling_words(made.text, read.frequency, read.chunks)
        question = without_the_rarest(words)
        if question is not None:
            salience = sum(rarity for _, rarity in words) / len(words)
            found.append((salience, Made(question, made.path, made.text, "sentence")))
    return [made for _, made in sorted(found, key=lambda item: -item[0])]


def telling_words(sentence: str, frequency: Counter[str], chunks: int) -> list[tuple[str, float]]:
    """The words of a sentence but for stop words, in order, each once, with their inverse document frequency."""
    telling = set(query_terms(sentence))
    found: dict[str, float] = {}
    for word in _WORD.findall(sentence):
        own = [term for term in terms(word) if term in telling]
        if own:
            rarest = min(frequency[term] for term in own)
            found.setdefault(word, math.log((chunks + 1) / (rarest + 1)))
    return list(found.items())


def without_the_rarest(words: Sequence[tuple[str, float]]) -> str | None:
    """A question of the words that are left when the rarest half is hidden; None when too few are left."""
    hidden = math.ceil(_HIDDEN * len(words))
    order = sorted(range(len(words)), key=lambda i: -words[i][1])
    kept = sorted(order[hidden:][:_MOST_LEFT])
    return " ".join(words[i][0] for i in kept) if len(kept) >= _FEWEST_LEFT else None
