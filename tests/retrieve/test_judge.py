"""The new order of the candidates: what is kept, what is lifted, and what is said of a failure."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import CalibrationMissing, ModelUnavailable
from ragcli.models.files import ModelFiles
from ragcli.models.numpy.encoder import NumpyEncoder, compare, cover
from ragcli.models.open import open_reranker
from ragcli.models.resolve import DEFAULT_MODEL, resolve, resolve_reranker
from ragcli.retrieve.probability import Calibration, save_calibration
from ragcli.retrieve.rerank import Candidate, Judge, open_judge
from ragcli.text.terms import make_question

Q = make_question("q")
TOLD = ModelFiles("told", Path(), "", "")


@dataclass
class Told:
    """A model whose scores are written in the passages."""

    seconds: float = 0.0
    files: ModelFiles = TOLD
    window: int = 128
    runtime: str = "numpy"

    def scores(self, query, passages):
        time.sleep(self.seconds * len(passages))
        return np.array([float(text) for text in passages], np.float32)


def candidates(*pairs: tuple[float, float]) -> list[Candidate]:
    return [Candidate(str(logit), {"fused": fused}) for fused, logit in pairs]


def order(judge: Judge, question, *arguments, **options):
    """What the judge says, with the verdicts in a list."""
    judged = judge.order(make_question(question), *arguments, **options)
    return replace(judged, verdicts=list(judged.verdicts))


def places(judged) -> list[int]:
    return [verdict.position for verdict in judged.verdicts]


FIVE = candidates((0.9, 1), (0.8, 3), (0.7, 2), (0.5, 9), (0.1, 8))


def test_the_first_are_put_in_order_and_the_others_stay_behind_them():
    judged = order(Judge(Told(), None, Calibration()), "q", FIVE, 3)
    assert places(judged) == [1, 2, 0, 3, 4]
    # the logits 1, 3, 2 are 0, 1, 0.5 of what lies above 0.5, the best of the others
    assert [verdict.score for verdict in judged.verdicts] == pytest.approx([1.0, 0.75, 0.5, 0.5, 0.1])
    words = {
        "question": 0.0,
        "statement": 0.0,
        "words": 1.0,
        "coverage": 0.0,
        "named": 0.0,
        "holds": 0.0,
        "defines": 0.0,
    }
    assert judged.verdicts[0].signals == {"fused": 0.8, "logit": 3.0, **words}
    assert judged.verdicts[3].signals == {"fused": 0.5, **words}
    # among the logits 1, 3, 2
    assert [verdict.rank for verdict in judged.verdicts] == [1, 2, 3, None, None]
    assert judged.notes == []
    assert judged.details[0].startswith("reranked 3 of 3 candidates in ")


def test_weights_that_were_fitted_are_used():
    # 15 x fused + logit: 14.5, 15, 12.5
    judged = order(Judge(Told(), None, Calibration(ranking={"fused": 15.0, "logit": 1.0})), "q", FIVE, 3)
    assert places(judged) == [1, 0, 2, 3, 4]
    # the rank is that of the logit (3, 1, 2), not of the sum
    assert [verdict.rank for verdict in judged.verdicts] == [1, 3, 2, None, None]


def test_without_a_reranker_nothing_moves():
    judged = order(Judge(None, None, Calibration()), "q", FIVE, 3)
    assert places(judged) == [0, 1, 2, 3, 4]
    assert [verdict.score for verdict in judged.verdicts] == [0.9, 0.8, 0.7, 0.5, 0.1]
    assert (judged.notes, judged.details) == ([], [])


def test_what_came_with_a_score_of_one_is_put_in_order_too():
    """Many hits of one keyword share the best score, and leave nothing above the others."""
    judged = order(Judge(Told(), None, Calibration()), "q", candidates(*[(1.0, logit) for logit in range(6)]), 4)
    assert places(judged) == [3, 2, 1, 0, 4, 5]
    assert {verdict.score for verdict in judged.verdicts} == {1.0}


def test_ties_keep_the_order_they_came_in():
    judged = order(Judge(Told(), None, Calibration()), "q", candidates((0.9, 1), (0.8, 2), (0.7, 1), (0.6, 2)), 4)
    assert places(judged) == [1, 3, 0, 2]


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_scores_that_are_no_numbers_leave_the_order_and_are_told(bad):
    judged = order(
        Judge(Told(), None, Calibration()), "q", [Candidate("5", {"fused": 0.2}), Candidate(bad, {"fused": 0.1})], 2
    )
    assert places(judged) == [0, 1]
    assert [verdict.score for verdict in judged.verdicts] == [0.2, 0.1]
    assert all("logit" not in verdict.signals for verdict in judged.verdicts)
    assert judged.notes == [
        "the reranker told gave scores that are not numbers: the hits are in the order of the search"
    ]


def test_when_the_time_is_up_the_rest_keeps_its_place():
    many = candidates(*[(1 - i / 40, i) for i in range(40)])
    judged = order(Judge(Told(0.02), None, Calibration()), "q", many, 30, budget=0.1)
    reranked = sum("logit" in verdict.signals for verdict in judged.verdicts)
    assert 1 < reranked < 30
    assert judged.details[0].startswith(f"reranked {reranked} of 30 candidates in ")
    assert places(judged) == [*reversed(range(reranked)), *range(reranked, 40)]


FUSED = st.lists(st.floats(0, 1), max_size=25).map(lambda values: sorted(values, reverse=True))
# differences that scaling does not lose
LOGIT = st.one_of(st.floats(-30, 30).map(lambda value: round(value, 3)), st.sampled_from([0.0, 1.0]))


@given(FUSED, st.integers(0, 30), st.data(), st.sampled_from([{}, {"fused": 0.5, "logit": 0.5}]))
def test_every_candidate_comes_once_by_falling_score(fused, count, data, ranking):
    given_ = candidates(*[(score, data.draw(LOGIT)) for score in fused])
    judged = order(Judge(Told(), None, Calibration(ranking=ranking)), "q", given_, count)
    assert sorted(places(judged)) == list(range(len(given_)))
    assert places(judged)[count:] == list(range(len(given_)))[count:]
    scores = [verdict.score for verdict in judged.verdicts]
    assert all(one >= other - 1e-9 for one, other in pairwise(scores))
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in scores)
    logits = [verdict.signals.get("logit") for verdict in judged.verdicts]
    for verdict, logit in zip(judged.verdicts, logits, strict=True):
        ties = [other for other in logits if other is not None and logit is not None and other >= logit]
        assert verdict.rank is None if logit is None else 1 <= verdict.rank <= len(ties)
    if not ranking:
        logits = [verdict.signals["logit"] for verdict in judged.verdicts[:count]]
        assert logits == sorted(logits, reverse=True)


@pytest.fixture
def tiny(make_cross_encoder, monkeypatch, tmp_path) -> ModelFiles:
    monkeypatch.setenv("RAGCLI_MODELS", str(tmp_path / "models"))
    return resolve_reranker(str(make_cross_encoder()))


@pytest.fixture(scope="module")
def encoder() -> NumpyEncoder:
    return NumpyEncoder(resolve(DEFAULT_MODEL))


def test_a_probability_that_nothing_was_fitted_for_is_refused(tiny):
    assert open_judge(None, tiny.name).probability("bread", "Bread rises.") is None
    with pytest.raises(CalibrationMissing, match=r"nothing was calibrated for .*; fit them .* ragcli models calibrate"):
        open_judge(None, tiny.name, probability_needed=True)
    with pytest.raises(CalibrationMissing, match="without a reranker"):
        open_judge(None, None, probability_needed=True)


def test_a_fit_holds_for_its_two_models_and_not_for_others(tiny, encoder, make_cross_encoder):
    fit = {"bias": -1.0, "dense": 3.0, "coverage": 0.5, "late": 4.0, "logit": 2.0}
    save_calibration(encoder.files.sha256, tiny.sha256, {"reranked": fit, "ranking": {"late": 1e-9, "logit": 1.0}})
    question, passage = "warm bread", "Bread rises near the oven."
    logit = float(open_reranker(tiny).scores(question, [passage])[0])
    (compared,) = compare(encoder, question, [passage])
    # one of the two terms; no search has a cosine, so that of the comparison counts
    known = -1 + 3 * compared.cosine + 0.5 * 0.5 + 4 * compared.late + 2 * logit
    judge = open_judge(encoder, tiny.name, probability_needed=True)
    assert judge.probability(question, passage) == pytest.approx(1 / (1 + math.exp(-known)))
    assert open_judge(encoder, str(make_cross_encoder(seed=1))).probability(question, passage) is None
    with pytest.raises(CalibrationMissing):
        open_judge(None, tiny.name, probability_needed=True)


def test_tokens_are_compared_where_a_weight_was_fitted_for_them(tiny, encoder):
    texts = ["The sun.", "Bread rises near a warm oven.", "boats"]
    given_ = [Candidate(text, {"fused": 0.5}) for text in texts]
    assert "late" not in order(open_judge(encoder, tiny.name), "warm bread", given_, 3).verdicts[0].signals
    save_calibration(encoder.files.sha256, tiny.sha256, {"ranking": {"late": 1.0, "logit": 0.0}})
    judged = order(open_judge(encoder, tiny.name), "warm bread", given_, 3)
    assert judged.verdicts[0].position == 1
    late = [comparison.late for comparison in compare(encoder, "warm bread", texts)]
    assert [verdict.signals["late"] for verdict in judged.verdicts] == pytest.approx(sorted(late, reverse=True))


def test_a_reranker_that_is_none_is_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match="no model folder"):
        open_judge(None, str(tmp_path / "none"))


def test_a_span_fits_by_its_cover_in_context_and_by_what_the_reranker_says_of_it(encoder):
    text, spans = "12 moons. 0 suns.", [(0, 2), (10, 11)]
    covered = cover(encoder, "moons", text, spans)
    assert Judge(None, encoder, Calibration()).fits(make_question("moons"), text, spans) == pytest.approx(
        [3 * c for c in covered]
    )
    alone = [1.2, 0.0]
    assert Judge(Told(), None, Calibration()).fits(make_question("moons"), text, spans) == pytest.approx(alone)
    both = [3 * c + a for c, a in zip(covered, alone, strict=True)]
    assert Judge(Told(), encoder, Calibration()).fits(make_question("moons"), text, spans) == pytest.approx(both)
    assert Judge(Told(), encoder, Calibration()).fits(make_question("moons"), text, []) == []


def test_a_reranker_that_gives_no_numbers_is_not_heard_of_spans():
    assert Judge(Told(), None, Calibration()).fits(Q, "nan 1", [(0, 3), (4, 5)]) == [0.0, 0.0]
