"""Make one ranking of the dense and the keyword list."""

from __future__ import annotations

from collections.abc import Sequence

Ranked = Sequence[tuple[int, float]]

# Share of the dense list in the fused score; the keyword list has the rest. Chosen on Cranfield and the train queries
# of SciFact, where a weighted sum of scaled scores beats reciprocal rank fusion: docs/ranking.md has the table.
DENSE_WEIGHT = 0.5


def fuse(dense: Ranked, keyword: Ranked, weight: float = DENSE_WEIGHT) -> list[tuple[int, float]]:
    """Convex combination of min-max scaled scores: (id, score in [0, 1]), best first, ties by id.

    Each list is scaled by its own best and worst score; an id that a list lacks counts 0 there. A list with a single
    score scales to 1. See Bruch, Gai, Ingber: An Analysis of Fusion Functions for Hybrid Retrieval (TOIS 2023).
    """
    if not dense or not keyword:
        weight = 1.0 if dense else 0.0
    scores: dict[int, float] = {}
    for ranked, share in ((dense, weight), (keyword, 1.0 - weight)):
        for i, score in scaled(ranked):
            scores[i] = scores.get(i, 0.0) + share * score
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def reciprocal_rank_fusion(lists: Sequence[Ranked], k: int = 60) -> list[tuple[int, float]]:
    """Sum of 1 / (k + rank) over the lists: (id, score), best first, ties by id.

    See Cormack, Clarke, Buettcher: Reciprocal Rank Fusion outperforms Condorcet (SIGIR 2009).
    """
    scores: dict[int, float] = {}
    for ranked in lists:
        for rank, (i, _) in enumerate(ranked, 1):
            scores[i] = scores.get(i, 0.0) + 1.0 / (k + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def scaled(ranked: Ranked) -> list[tuple[int, float]]:
    """The scores of one list as shares of its span, in [0, 1]; 1 where they are all the same."""
    if not ranked:
        return []
    values = [score for _, score in ranked]
    low, span = min(values), max(values) - min(values)
    return [(i, (score - low) / span if span > 0 else 1.0) for i, score in ranked]
