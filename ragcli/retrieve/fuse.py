"""Fuse the dense and the keyword list into one ranking."""

from __future__ import annotations

from collections.abc import Sequence

Ranked = Sequence[tuple[int, float]]

# The share of the dense list in the fused score; the keyword list has the rest. Chosen on Cranfield and the train
# queries of SciFact, where a weighted sum of scaled scores beats reciprocal rank fusion (table in docs/ranking.md).
DENSE_WEIGHT = 0.5


# The least difference of cosines that is scaled to the whole range: over a handful of passages the best and the worst
# may be alike, and a difference that says nothing must not count like one that does. Lists of 200 differ by more.
_LEAST_SPAN = 0.2


def fuse(dense: Ranked, keyword: Ranked, weight: float = DENSE_WEIGHT) -> list[tuple[int, float]]:
    """Compute the convex combination of min-max scaled scores: (id, score in [0, 1]), best first.

    Ties are in the order of ``dense``, then of ``keyword``.

    ``weight`` is the share of ``dense``, in [0, 1]. Each list is scaled by its own best and worst score; an id that a
    list lacks counts 0 there. A list with a single score scales to 1.

    See Bruch, Gai, Ingber: An Analysis of Fusion Functions for Hybrid Retrieval (TOIS 2023).
    """
    if not dense or not keyword:
        weight = 1.0 if dense else 0.0
    scores: dict[int, float] = {}
    for ranked, share, span in ((dense, weight, _LEAST_SPAN), (keyword, 1.0 - weight, 0.0)):
        for i, score in scaled(ranked, span):
            scores[i] = scores.get(i, 0.0) + share * score
    return sorted(scores.items(), key=lambda item: -item[1])  # stable


def scaled(ranked: Ranked, least_span: float = 0.0) -> list[tuple[int, float]]:
    """Scale the scores of one list to [0, 1], from its worst to its best; all are 1 where all are the same.

    Where best and worst differ by less than ``least_span``, the best is 1 and the others lie below it by their share of
    ``least_span``.
    """
    if not ranked:
        return []
    values = [score for _, score in ranked]
    high, span = max(values), max(max(values) - min(values), least_span)
    return [(i, 1.0 - (high - score) / span if span > 0 else 1.0) for i, score in ranked]
