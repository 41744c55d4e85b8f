"""Intervals and p values against scipy and against cases with a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ragcli.evaluate.statistics import bootstrap, randomization_test


@pytest.fixture
def values():
    return np.random.default_rng(7).beta(2, 1, (300, 2))


def test_intervals_are_those_of_scipy(values):
    ours = bootstrap(values)
    theirs = stats.bootstrap(
        (values,), np.mean, axis=0, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert (np.abs(ours[:, 0] - theirs.low) < 0.1 * width).all()
    assert (np.abs(ours[:, 1] - theirs.high) < 0.1 * width).all()


def test_the_interval_of_a_mean_is_that_of_the_normal_law(values):
    (low, high), _ = bootstrap(values)
    half = 1.96 * values[:, 0].std() / np.sqrt(len(values))
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert (high + low) / 2 == pytest.approx(values[:, 0].mean(), abs=0.2 * half)


def test_the_interval_of_a_median_holds_the_median_and_not_the_tail():
    ms = np.concatenate([np.full(90, 5.0), np.full(10, 900.0)])[:, None]
    assert bootstrap(ms, np.median).tolist() == [[5.0, 5.0]]


def test_equal_values_have_no_width():
    assert bootstrap(np.full((20, 1), 0.25)).tolist() == [[0.25, 0.25]]
    assert bootstrap(np.array([[0.7]])).tolist() == [[0.7, 0.7]]


def test_intervals_are_the_same_every_time(values):
    assert (bootstrap(values) == bootstrap(values)).all()


@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_p_of_equal_gains_is_the_share_of_equal_signs(count):
    """Only when all coins agree is the sum as large: 2 of 2^n."""
    assert randomization_test(np.full(count, 0.3)) == pytest.approx(2 / 2**count, abs=0.015)


def test_p_without_a_difference_is_one():
    assert randomization_test(np.zeros(50)) == 1.0
    assert randomization_test(np.array([0.5, -0.5])) == 1.0


def test_p_is_never_zero():
    assert randomization_test(np.full(200, 0.1)) == pytest.approx(1 / 10_001)


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.04])
def test_p_is_that_of_scipy(shift):
    differences = np.random.default_rng(3).normal(shift, 0.3, 300)
    theirs = stats.permutation_test(
        (differences, np.zeros(300)), lambda a, b, axis: (a - b).mean(axis), vectorized=True,
        permutation_type="samples", n_resamples=10_000, rng=np.random.default_rng(5),
    ).pvalue  # fmt: skip
    assert randomization_test(differences) == pytest.approx(theirs, abs=0.02)


def test_p_does_not_ask_which_side_is_first():
    differences = np.random.default_rng(4).normal(0.05, 0.3, 200)
    assert randomization_test(differences) == randomization_test(-differences)
