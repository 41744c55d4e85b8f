"""Fitted weights, the calibration error and the area under the curve, against arithmetic and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.evaluate.fit_probability import Pair, auroc, expected_calibration_error, fit
from ragcli.retrieve.probability import SIGNALS, Calibration

KNOWN = {"bias": -1.5, "dense": 4.0, "coverage": 1.0, "late": 3.0, "logit": 0.5}
SCALES = {"dense": (0.4, 0.3), "coverage": (0.5, 0.4), "late": (0.7, 0.3), "logit": (-2.0, 5.0)}


def simulated(count: int) -> list[Pair]:
    """Pairs that answer with the probability that ``KNOWN`` gives."""
    draw = np.random.default_rng(1)
    columns = {name: draw.normal(mean, deviation, count) for name, (mean, deviation) in SCALES.items()}
    x = KNOWN["bias"] + sum(KNOWN[name] * column for name, column in columns.items())
    answers = draw.random(count) < 1 / (1 + np.exp(-x))
    return [Pair({name: columns[name][i] for name in columns}, bool(answers[i])) for i in range(count)]


def test_the_weights_behind_simulated_pairs_are_found_again():
    found = fit(simulated(30_000), SIGNALS["reranked"])
    assert found.keys() == {"bias", *SIGNALS["reranked"]}
    assert found == {name: pytest.approx(weight, rel=0.1) for name, weight in KNOWN.items()}


def test_a_fit_on_half_the_pairs_is_calibrated_on_the_other():
    pairs = simulated(20_000)
    calibration = Calibration({"reranked": fit(pairs[:10_000], SIGNALS["reranked"])})
    probabilities = [calibration.probability(pair.signals) for pair in pairs[10_000:]]
    answers = [pair.answers for pair in pairs[10_000:]]
    assert expected_calibration_error(probabilities, answers) < 0.02
    assert auroc(probabilities, answers) > 0.8


def test_a_case_reads_its_own_signals_only():
    pairs = [Pair({"dense": i / 10, "coverage": 0.5, "logit": math.nan}, i > 4) for i in range(10)]
    found = fit(pairs, SIGNALS["retrieved"])
    assert found.keys() == {"bias", "dense", "coverage"}
    assert found["dense"] > 0
    assert abs(found["coverage"]) < 1e-6  # it was always the same


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="lacks one of dense, coverage, late, logit"):
        fit([Pair({"dense": 0.1, "coverage": 0.5}, True)], SIGNALS["reranked"])
    with pytest.raises(ValueError, match="class"):
        fit([Pair({"dense": i / 10, "coverage": 0.5}, True) for i in range(5)], SIGNALS["retrieved"])


def test_the_calibration_error_by_hand():
    # bins of a tenth: (0.95, 0.91) have 1 of 1.86, (0.05,) has 0 of 0.05, (0.15,) has 1 of 0.15
    error = expected_calibration_error([0.95, 0.05, 0.91, 0.15], [True, False, False, True])
    assert error == pytest.approx((0.86 + 0.05 + 0.85) / 4)
    # in two halves: (0.05, 0.15) have 1 of 0.2, (0.91, 0.95) have 1 of 1.86
    error = expected_calibration_error([0.95, 0.05, 0.91, 0.15], [True, False, False, True], bins=2)
    assert error == pytest.approx((0.8 + 0.86) / 4)
    assert expected_calibration_error([1.0, 0.0, 1.0], [True, False, True]) == 0
    assert expected_calibration_error([1.0, 1.0], [False, False]) == 1
    assert expected_calibration_error([0.3] * 10, [True] * 3 + [False] * 7) == pytest.approx(0)


def test_probabilities_that_come_true_have_next_to_no_error():
    draw = np.random.default_rng(2)
    p = draw.random(200_000)
    y = draw.random(200_000) < p
    assert expected_calibration_error(p, y) < 0.005
    assert expected_calibration_error(p**2, y) == pytest.approx(1 / 2 - 1 / 3, abs=0.005)  # the mean of p - p²


def test_the_area_of_two_normal_distributions_is_known():
    draw = np.random.default_rng(3)
    apart = 1.2
    scores = np.concatenate([draw.normal(0, 1, 50_000), draw.normal(apart, 1, 50_000)])
    expected = 0.5 * (1 + math.erf(apart / math.sqrt(2) / math.sqrt(2)))
    assert auroc(scores, [False] * 50_000 + [True] * 50_000) == pytest.approx(expected, abs=0.005)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_the_area_is_the_share_of_pairs_in_the_right_order(positive, negative):
    won = sum((one > other) + 0.5 * (one == other) for one in positive for other in negative)
    labels = [True] * len(positive) + [False] * len(negative)
    assert auroc([*positive, *negative], labels) == pytest.approx(won / len(positive) / len(negative))


@pytest.mark.parametrize("label", [True, False])
def test_one_kind_alone_has_no_area(label):
    with pytest.raises(ValueError, match="positives and negatives"):
        auroc([0.1, 0.2], [label, label])
