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
_BLOCK = 100  # resamples at once: 11 MB for 2,000 questions and 7 figures

# Sums of the same differences in another order differ in the last digits; they count as equally extreme.
_DIGITS = 12


def bootstrap(values: Values, statistic: Callable[..., Any] = np.mean) -> Values:
    """The 95 % percentile intervals (m, 2) of ``statistic`` over n questions, for values (n, m).

    1,000 resamples of the questions, the same for all columns and for every call with the same n.
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    from scipy import stats  # 0.5 s

    if len(values) < 2:  # scipy asks for two, and one question has no spread
        return np.repeat(statistic(values, axis=0)[:, None], 2, axis=1)
    interval = stats.bootstrap(
        (values,), statistic, axis=0, method="percentile", n_resamples=RESAMPLES, batch=_BLOCK, vectorized=True,
        rng=np.random.default_rng(_SEED),
    ).confidence_interval  # fmt: skip
    return np.stack([interval.low, interval.high], axis=1)


def randomization_test(differences: Values) -> float:
    """The two-sided p value of the mean of paired differences (n,) under the hypothesis that each sign is a coin toss.

    From all assignments of signs where there are at most 10,000, else from 10,000 random ones, the same in every call.
    Fisher, The Design of Experiments (1935), section 21.
    """
    from scipy import stats

    if len(differences) < 2:  # scipy asks for two, and either sign of one difference is as extreme
        return 1.0
    return float(
        stats.permutation_test(
            (differences,), lambda drawn, axis: drawn.mean(axis).round(_DIGITS), permutation_type="samples",
            vectorized=True, n_resamples=FLIPS, batch=_BLOCK, rng=np.random.default_rng(_SEED),
        ).pvalue
    )  # fmt: skip
