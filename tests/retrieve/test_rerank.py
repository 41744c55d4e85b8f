"""Combining what was said of each passage, checked by hand, and stopping when the time is up."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.models.files import ModelFiles
from ragcli.models.numpy.encoder import NumpyEncoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.retrieve.rerank import combine, coverage, score
from ragcli.text.terms import make_question


def test_signals_are_summed_as_they_are_and_the_sums_scaled_within_the_list():
    signals = [
        {"fused": 1.0, "logit": -4.0, "late": 0.5},
        {"fused": 0.6, "logit": 4.0, "late": 0.7},
        {"fused": 0.2, "logit": 0.0, "late": 0.9},
    ]
    # 2 x fused + logit / 4 + 5 x late: 2 - 1 + 2.5 = 3.5, 1.2 + 1 + 3.5 = 5.7, 0.4 + 0 + 4.5 = 4.9
    assert combine(signals, {"fused": 2.0, "logit": 0.25, "late": 5.0}) == pytest.approx([0.0, 1.0, 1.4 / 2.2])


def test_a_signal_in_which_the_passages_hardly_differ_hardly_moves_them():
    signals = [{"fused": 0.9, "late": 0.500}, {"fused": 0.5, "late": 0.501}]
    assert combine(signals, {"fused": 1.0, "late": 1.0}) == [1.0, 0.0]


def test_a_signal_that_is_the_same_of_all_moves_nothing():
    signals = [{"logit": 2.0, "fused": 0.3}, {"logit": 2.0, "fused": 0.9}, {"logit": 2.0, "fused": 0.4}]
    assert combine(signals, {"fused": 1.0, "logit": 3.0}) == pytest.approx(combine(signals, {"fused": 1.0}))
    assert combine(signals[:1], {"fused": 1.0, "logit": 3.0}) == [1.0]


def test_a_signal_that_one_passage_lacks_is_left_out_for_all():
    signals = [{"logit": 1.0, "late": 0.9}, {"logit": 3.0}, {"logit": 2.0, "late": 0.1}]
    assert combine(signals, {"logit": 0.2, "late": 0.8, "fused": 5.0}) == pytest.approx([0.0, 1.0, 0.5])


@pytest.mark.parametrize("weights", [{}, {"late": 1.0}, {"logit": 0.0}, {"logit": 0.0, "fused": 1.0}])
def test_where_no_weight_holds_the_logit_decides(weights):
    assert combine([{"logit": 5.0}, {"logit": -5.0}, {"logit": 2.5}], weights) == [1.0, 0.0, 0.75]


NAMES = ("fused", "logit", "late")
VALUES = st.integers(-50, 50).map(lambda n: n / 10)
PASSAGES = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES)), min_size=1, max_size=8)
WEIGHTS = st.fixed_dictionaries(dict.fromkeys(NAMES, st.floats(0.05, 3)))


@given(PASSAGES, WEIGHTS, st.data())
def test_a_passage_of_which_something_better_is_said_never_falls(signals, weights, data):
    place = data.draw(st.integers(0, len(signals) - 1))
    name = data.draw(st.sampled_from(NAMES))
    raised = [dict(one) for one in signals]
    raised[place][name] += data.draw(st.floats(0, 12))
    before, after = combine(signals, weights), combine(raised, weights)
    for other in range(len(signals)):
        if before[other] <= before[place]:
            assert after[other] <= after[place] + 1e-9


@given(PASSAGES, WEIGHTS)
def test_scores_lie_between_0_and_1(signals, weights):
    assert all(-1e-9 <= value <= 1 + 1e-9 for value in combine(signals, weights))


@dataclass
class Slow:
    """A model that takes a known time for each passage and scores it by its length."""

    seconds: float
    files: ModelFiles | None = None
    window: int = 128
    runtime: str = "numpy"
    calls: list[int] = field(default_factory=list)

    def scores(self, query, passages):
        self.calls.append(len(passages))
        time.sleep(self.seconds * len(passages))
        return np.array([len(passage) for passage in passages], np.float32)


TEXTS = ["x" * i for i in range(40)]


def test_without_a_budget_all_is_scored_at_once():
    reranker = Slow(0)
    found = score(reranker, None, "x", TEXTS)
    assert reranker.calls == [40]
    assert found.signals == [{"logit": i} for i in range(40)]
    assert not found.failed


def test_when_the_time_is_up_the_first_ones_are_scored():
    reranker = Slow(0.02)
    found = score(reranker, None, "x", TEXTS, budget=0.2)  # all would take 0.8 s
    assert found.signals == [{"logit": i} for i in range(sum(reranker.calls))]
    assert 1 < len(found.signals) < 40


def test_the_smallest_budget_still_scores_one():
    assert len(score(Slow(0.001), None, "x", TEXTS, budget=0.0).signals) == 1


def test_no_more_is_begun_than_fits():
    reranker = Slow(0.1)
    score(reranker, None, "x", TEXTS, budget=0.35)  # room for three; four at once would take 0.4 s
    assert sum(reranker.calls) <= 3


def test_a_budget_that_is_enough_leaves_nothing_out():
    assert len(score(Slow(0), None, "x", TEXTS, budget=600).signals) == 40


def test_nothing_to_score_is_nothing():
    assert score(Slow(0), None, "x", []).signals == []


@pytest.mark.parametrize("budget", [None, 600])
def test_an_encoder_adds_its_comparison_of_each_passage(budget):
    encoder = NumpyEncoder(resolve(DEFAULT_MODEL))
    texts = ["The sun.", "", "Bread rises near a warm oven.", "boats", "moss on a stone", "a comet"]
    found = score(Slow(0), encoder, "warm bread", texts, budget)
    assert [one["logit"] for one in found.signals] == [len(text) for text in texts]
    rows = encoder.encode(texts) @ encoder.encode(["warm bread"], "query")[0]
    assert [one["cosine"] for one in found.signals] == pytest.approx(rows.tolist(), abs=1e-5)
    late = [one["late"] for one in found.signals]
    assert late.index(max(late)) == 2
    assert late[1] == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_score_that_is_no_number_fails_them_all(bad):
    class Broken(Slow):
        def scores(self, query, passages):
            return np.array([1.0, bad], np.float32)

    assert score(Broken(0), None, "x", ["a", "bb"]).failed


@pytest.mark.parametrize(
    ("query", "passage", "share"),
    [
        ("how are boats painted?", "The boat was painted in spring.", 1.0),
        ("painted boats", "A painted wall.", 0.5),
        ("painted boats", "Nothing of the kind.", 0.0),
        ("?!", "Nothing of the kind.", 0.0),
        ("painted \ud800boats", "a \udcff painted boat", 1.0),
    ],
)
def test_coverage_is_the_share_of_the_words_of_the_question(query, passage, share):
    assert coverage(make_question(query), passage) == pytest.approx(share)
