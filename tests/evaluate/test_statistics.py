"""Intervals and p values against published figures and cases with a closed form."""

from __future__ import annotations

import numpy as np
import pytest

from ragcli.evaluate.statistics import bootstrap, randomization_test

# Survival in days of seven treated mice, Efron and Tibshirani (1993), table 2.1: the mean is 86.86, and the standard
# error of the mean is 25.24 by the formula and 23.36 by the bootstrap.
MICE = np.array([94.0, 197, 16, 38, 99, 141, 23])

# Darwin's maize: heights of crossed plants less those of their self-fertilised partners, in eighths of an inch.
# Fisher (1935), section 21: of the 32,768 assignments of signs 863 give a sum of 314 or more, so p is 1,726 / 32,768.
MAIZE = np.array([49.0, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])


@pytest.fixture
def values():
    return np.random.default_rng(7).beta(2, 1, (300, 2))


def test_the_spread_of_the_mice_is_the_published_one():
    ((low, high),) = bootstrap(MICE[:, None])
    assert low < 86.86 < high
    assert (high - low) / (2 * 1.96) == pytest.approx(23.36, rel=0.1)


def test_every_column_gets_its_own_interval(values):
    assert bootstrap(values)[1] == pytest.approx(bootstrap(values[:, 1:])[0])


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


def test_p_of_the_maize_is_that_of_fisher():
    assert MAIZE.sum() == 314
    assert randomization_test(MAIZE) == pytest.approx(1726 / 32768, abs=0.008)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_p_of_equal_gains_is_the_share_of_equal_signs(count):
    """Only when all coins agree is the sum as large: 2 of 2^n."""
    assert randomization_test(np.full(count, 0.3)) == pytest.approx(2 / 2**count)


def test_p_without_a_difference_is_one():
    assert randomization_test(np.zeros(50)) == 1.0
    assert randomization_test(np.array([0.5, -0.5])) == 1.0
    assert randomization_test(np.array([0.1, 0.2, -0.3])) == 1.0  # whose sum is not 0 to a machine


def test_p_is_never_zero():
    assert randomization_test(np.full(200, 0.1)) == pytest.approx(2 / 10_001)


def test_p_does_not_ask_which_side_is_first():
    differences = np.random.default_rng(4).normal(0.05, 0.3, 200)
    assert randomization_test(differences) == pytest.approx(randomization_test(-differences), abs=0.01)
