"""The recipes that were compared: what differs between them, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How one cross-encoder is made from the all-MiniLM-L6-v2 body."""

    layers: tuple[int, ...] = (0, 1, 2, 3)  # those of the body that are kept
    pooling: str = "cls"  # what the head reads of the joint input: the state of [CLS], or the mean of all
    similarity: float = 0.0  # weight of an auxiliary loss on the token similarity of the joint input
    distilled: float = 0.0  # weight of the squared distance to what MaxSim and the encoder say
    residual: float = 0.0  # weight of a listwise loss on the sum of the logit and what they say
    rate: float = 2e-4


RECIPES = {
    # labels alone
    "labels": Recipe(),
    "mean": Recipe(pooling="mean"),
    # MaxSim and the encoder, which need no training, tell of every pair how alike it is: a dense signal to start from
    "distilled": Recipe(distilled=0.3),
    # the labels are learnt where these two are wrong: what the logit adds to them is what it is for
    "residual": Recipe(residual=1.0),
    "six-layers": Recipe(layers=(0, 1, 2, 3, 4, 5), residual=1.0),
}
