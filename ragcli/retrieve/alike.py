"""Fold hits that say almost the same, such as versions of a document, under the newest of them.

Two passages of different documents are alike when they share most runs of three words (Broder: On the resemblance and
containment of documents, 1997). Numbers in prose count as equal, because versions differ in them. Passages that name
other things are never alike: other words of the question, other names, other codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

from ragcli.retrieve.freshness import Freshness
from ragcli.text.exact import grade
from ragcli.text.terms import terms
from ragcli.types import Hit, Question

_RUN = 3  # words
_SHARED = 0.75  # of the runs of the shorter passage
_SHARED_PART = 0.5  # where the passages were cut at other places, and
_SHARED_SNIPPET = 0.9  # of the runs of the snippet
_SHORTEST = 8  # words; shorter passages are only alike when they are equal, and those are copies
_NUMERIC = 0.15  # share of numbers from which a passage counts as a table
_AHEAD = 10  # hits behind the last one shown that may still be alike to one of these

_WORD = re.compile(r"\w+")
# Compiled when two passages share enough to be compared further.
_MONEY = r"[$€£¥]\s?\d[\d.,]*|\d[\d.,]*\s?(?:[$€£¥%]|dollars?|euros?|pounds?|EUR|USD|GBP|CHF)\b"
# 0x80070005, KV-2291, E1234, 13-digit numbers; not years and not short numbers
_CODE = r"\b(?:0x[0-9A-Fa-f]+|[A-Z]+[-_]?\d{2,}\w*|(?!(?:19|20)\d\d\b)\d{4,}|[A-Za-z]+\d{2,}\w*)\b"
_NAME = r"(?<=[a-z,;:|] )[A-ZÀ-Þ]\w+"  # a capital inside a sentence or a row


class _Passage:
    """A hit with what it is compared by."""

    def __init__(self, hit: Hit) -> None:
        self.hit = hit

    @cached_property
    def runs(self) -> frozenset[tuple[str, ...]]:
        return _runs(self.hit.chunk.text)

    @cached_property
    def names(self) -> frozenset[str]:
        text = re.sub(_MONEY, " ", self.hit.chunk.text)
        return frozenset(re.findall(_CODE, text)) | frozenset(re.findall(_NAME, text))

    @cached_property
    def terms(self) -> frozenset[str]:
        return frozenset(terms(self.hit.chunk.embedded))


class _Group:
    """A passage and the hits behind it that are alike."""

    def __init__(self, best: _Passage) -> None:
        self.best = best
        self.others: list[Hit] = []


def fold(hits: Iterable[Hit], k: int, question: Question, freshness: Freshness) -> list[Hit]:
    """Return the first ``k`` hits that differ, each with those that are alike; of these the newest is shown.

    It stands where the best of them stood, with its score and probability. A version whose file is gone is shown only
    when all are gone. ``hits`` are read as far as needed.
    """
    groups: list[_Group] = []
    asked = frozenset(question.terms)
    behind = 0
    for hit in hits:
        passage = _Passage(hit)
        group = next((group for group in groups if _is_alike(group.best, passage, asked)), None)
        if group is not None:
            group.others.append(hit)
        elif len(groups) < k:
            groups.append(_Group(passage))
        behind += len(groups) == k
        # Where nothing was alike so far, nothing is likely to be.
        if behind > _AHEAD or (behind and k > 1 and not any(group.others for group in groups)):
            break
    return [_folded(group, question, freshness) for group in groups]


def _folded(group: _Group, question: Question, freshness: Freshness) -> Hit:
    best = group.best.hit
    if not group.others:
        return best
    members = [best, *group.others]
    # what holds the text that was asked for is not shown by a version that holds it otherwise
    exact = {id(hit): grade(question.exact, hit.chunk.text) for hit in members}
    shown = max(members, key=lambda hit: (exact[id(hit)], hit.fresh != "gone", freshness.modified(hit.chunk.path)))
    others = tuple(hit for hit in members if hit is not shown)
    return replace(shown, score=best.score, probability=best.probability, alike=others)


def _is_alike(best: _Passage, other: _Passage, asked: frozenset[str]) -> bool:
    """Whether ``other`` tells nothing that ``best`` does not."""
    if best.hit.chunk.path == other.hit.chunk.path or not best.runs or not other.runs:
        return False
    shared = len(best.runs & other.runs) / min(len(best.runs), len(other.runs))
    if shared < _SHARED_PART or (shared < _SHARED and not _holds_snippet(best, other.hit)):
        return False
    return other.terms & asked <= best.terms & asked and other.names == best.names


def _holds_snippet(passage: _Passage, hit: Hit) -> bool:
    runs = _runs(hit.snippet.text)
    return bool(runs) and len(runs & passage.runs) >= _SHARED_SNIPPET * len(runs)


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words: Sequence[str] = _WORD.findall(text.casefold())
    if len(words) < _SHORTEST:
        return frozenset()
    if sum(map(str.isdecimal, words)) <= _NUMERIC * len(words):
        words = ["0" if word.isdecimal() else word for word in words]
    return frozenset(tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1))
