"""Put the best candidates in order again, by a model that reads the question and the passage together."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ragcli.text.terms import query_terms, terms

if TYPE_CHECKING:
    from ragcli.models.numpy.encoder import NumpyEncoder
    from ragcli.models.open import Reranker

# The most passages scored between two looks at the clock: a pack for each of two threads.
_SLICE = 4

Signals = dict[str, float]


class Reranked(NamedTuple):
    """What was found of the first passages; ``failed`` when not all of it is numbers."""

    signals: list[Signals]  # "logit", and "late" and "cosine" with an encoder; shorter than asked when time ran out
    seconds: float
    failed: bool = False


def score(
    reranker: Reranker,
    encoder: NumpyEncoder | None,
    query: str,
    passages: Sequence[str],
    budget: float | None = None,
) -> Reranked:
    """Signals of the passages in their order, as many as fit into ``budget`` seconds (at least the first one's)."""
    started = time.perf_counter()
    found: list[Signals] = []
    size = len(passages) if budget is None else 1
    while size and len(found) < len(passages):
        begun = time.perf_counter()
        part = passages[len(found) : len(found) + size]
        signals = [{"logit": float(logit)} for logit in reranker.scores(query, part)]
        if encoder is not None:
            from ragcli.models.numpy.encoder import compare

            for one, comparison in zip(signals, compare(encoder, query, part), strict=True):
                one.update(late=comparison.late, cosine=comparison.cosine)
        found += signals
        if budget is not None:
            now = time.perf_counter()
            left, each = budget - (now - started), (now - begun) / len(part)
            size = max(0, min(_SLICE, int(left / each))) if each else _SLICE  # the next ones take as long as these
    failed = not all(math.isfinite(value) for signals in found for value in signals.values())
    return Reranked(found, time.perf_counter() - started, failed)


def combine(signals: Sequence[Signals], weights: Mapping[str, float]) -> list[float]:
    """One score a passage: the weighted sum of its signals, scaled to [0, 1] within the list.

    The signals are summed as they are: where all passages fare alike, small differences stay small. Without weights (a
    reranker that no combination was fitted for) the logit alone decides.
    """
    used = {name: weight for name, weight in weights.items() if weight and all(name in one for one in signals)}
    used = used or {"logit": 1.0}
    sums = [sum(weight * one[name] for name, weight in used.items()) for one in signals]
    low = min(sums, default=0.0)
    span = max(sums, default=0.0) - low
    return [(value - low) / span if span > 0 else 1.0 for value in sums]


def coverage(query: str, passage: str) -> float:
    """Share of the telling words of the question that the passage holds, in [0, 1]."""
    asked = set(query_terms(query))
    return len(asked & set(terms(passage))) / len(asked) if asked else 0.0
