"""How much of a figure is due to the choice of questions, and whether a difference is due to chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

RESAMPLES = 1_000
FLIPS = 10_000
_SEED = 0
_BLOCK = 500  # sign flips at once: 8 MB for 2,000 questions

# Sums of the same differences in another order differ in the last digits; those are as extreme as one another.
_ROUNDING = 1e-12


def bootstrap(values: Values, statistic: Callable[..., Any] = np.mean) -> Values:
    """The 95 % percentile intervals (m, 2) of ``statistic`` over n questions, for values (n, m).

    The questions are drawn anew 1,000 times, for all columns the same, always the same for the same n.
    """
    generator = np.random.default_rng(_SEED)
    n = len(values)
    found = [statistic(values[generator.integers(0, n, n)], axis=0) for _ in range(RESAMPLES)]
    intervals: Values = np.percentile(np.stack(found), [2.5, 97.5], axis=0).T
    return intervals


def randomization_test(differences: Values) -> float:
    """The two-sided p value of the mean of paired differences (n,) under the hypothesis that each sign is a coin toss.

    From 10,000 random assignments of signs and the observed one; always the same for the same differences.
    """
    generator = np.random.default_rng(_SEED)
    observed = abs(float(differences.sum()))
    extreme = 0
    for start in range(0, FLIPS, _BLOCK):
        signs = generator.integers(0, 2, (min(_BLOCK, FLIPS - start), len(differences)), np.int8) * 2 - 1
        extreme += int((np.abs(signs @ differences) >= observed - _ROUNDING).sum())
    return (1 + extreme) / (1 + FLIPS)
