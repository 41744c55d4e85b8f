"""What a fit says of a passage, and for which models it holds."""

from __future__ import annotations

import json
import math

import pytest

from ragcli.errors import CalibrationMissing
from ragcli.models import resolve
from ragcli.retrieve.probability import SIGNALS, Calibration, load_calibration, save_calibration, stand_out

ENCODER, RERANKER = "a1" * 32, "b2" * 32
RETRIEVED = {"bias": -1.0, "dense": 2.0, "coverage": 0.5}
RERANKED = {"bias": 0.25, "dense": 1.0, "coverage": 0.0, "late": -1.0, "logit": 0.5}
RANKING = {"fused": 0.4, "late": 0.3, "logit": 0.6}
CONTENT = {"retrieved": RETRIEVED, "reranked": RERANKED, "ranking": RANKING}


@pytest.fixture(autouse=True)
def models(monkeypatch, tmp_path):
    """A library of the test's own, and a shipped reranker without a fit."""
    monkeypatch.setenv("RAGCLI_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(resolve, "_SHIPPED", tmp_path / "shipped")
    (tmp_path / "shipped" / "reranker").mkdir(parents=True)
    return tmp_path / "models"


@pytest.fixture
def ship(tmp_path):
    return lambda content: (tmp_path / "shipped" / "reranker" / "calibration.json").write_text(json.dumps(content))


def test_the_fit_that_knows_most_of_the_signals_is_used():
    calibration = Calibration({"retrieved": RETRIEVED, "reranked": RERANKED})
    everything = {"dense": 0.5, "coverage": 1.0, "logit": 2.0, "late": 0.75, "fused": 0.9}
    expected = {
        ("dense", "coverage", "logit", "late", "fused"): 0.25 + 0.5 + 0.0 + 1.0 - 0.75,
        ("dense", "coverage"): -1.0 + 1.0 + 0.5,
    }
    for names, x in expected.items():
        known = {name: everything[name] for name in names}
        assert calibration.probability(known) == pytest.approx(1 / (1 + math.exp(-x)))
    assert calibration.probability({"coverage": 1.0}) is None
    assert Calibration().probability(everything) is None


@pytest.mark.parametrize(("x", "expected"), [(5000.0, 1.0), (-5000.0, 0.0), (0.0, 0.5)])
def test_no_signal_overflows(x, expected):
    fit = {"bias": 0.0, "dense": 1.0, "coverage": 0.0}
    assert Calibration({"retrieved": fit}).probability({"dense": x, "coverage": 0.0}) == expected


def test_what_was_kept_is_loaded_again_in_full(models):
    path = save_calibration(ENCODER, RERANKER, CONTENT)
    assert models in path.parents
    kept = load_calibration(ENCODER, RERANKER)
    assert kept == Calibration({"retrieved": RETRIEVED, "reranked": RERANKED}, RANKING)


def test_a_new_fit_takes_the_place_of_the_old_one(models):
    save_calibration(ENCODER, RERANKER, CONTENT)
    path = save_calibration(ENCODER, RERANKER, {"reranked": RERANKED | {"bias": 7.0}})
    assert load_calibration(ENCODER, RERANKER).cases == {"reranked": RERANKED | {"bias": 7.0}}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("encoder", "model"),
    [
        ("c3" * 32, RERANKER),
        (ENCODER, "c3" * 32),
        (ENCODER, None),
        (ENCODER[:16] + "c3" * 24, RERANKER),  # the file has the same name
        (ENCODER, RERANKER[:16] + "c3" * 24),
        (None, None),
    ],
)
def test_other_weights_have_no_fit_for_both_models(encoder, model):
    save_calibration(ENCODER, RERANKER, CONTENT)
    assert "reranked" not in load_calibration(encoder, model).cases
    if encoder != ENCODER:
        assert "retrieved" not in load_calibration(encoder, model).cases
    assert load_calibration(encoder, model).ranking == {}


def test_searches_without_a_reranker_have_a_fit_of_their_own():
    save_calibration(ENCODER, None, {"retrieved": RETRIEVED})
    assert load_calibration(ENCODER, None).cases == {"retrieved": RETRIEVED}
    assert load_calibration(ENCODER, RERANKER).cases == {}


def test_the_users_own_fit_comes_before_the_shipped_one(ship):
    ship({"encoder": ENCODER, "reranker": RERANKER, **CONTENT})
    shipped = load_calibration(ENCODER, RERANKER)
    assert shipped.cases["reranked"] == RERANKED
    own = {"reranked": RERANKED | {"bias": 9.0}}
    save_calibration(ENCODER, RERANKER, own)
    mixed = load_calibration(ENCODER, RERANKER)
    assert mixed.cases == {"retrieved": RETRIEVED, **own}
    assert mixed.ranking == RANKING  # which the user did not fit


def test_the_shipped_fit_is_for_the_shipped_models_alone(ship):
    ship({"encoder": ENCODER, "reranker": RERANKER, **CONTENT})
    assert load_calibration("c3" * 32, "c3" * 32) == Calibration()
    assert load_calibration("c3" * 32, RERANKER) == Calibration()
    assert load_calibration(None, RERANKER) == Calibration()
    assert load_calibration(ENCODER, "c3" * 32) == Calibration({"retrieved": RETRIEVED})


def test_a_ranking_without_late_interaction_holds_for_every_encoder_and_for_rerankers_of_its_scale(ship):
    ranking = {"fused": 1.0, "logit": 0.1}
    unsearched = {"bias": 0.0, "coverage": 1.0, "logit": 0.5}
    ship({"encoder": ENCODER, "reranker": RERANKER, "read": RERANKED, "unsearched": unsearched, "ranking": ranking})
    other = "c3" * 32
    assert load_calibration(other, RERANKER) == Calibration({"unsearched": unsearched}, ranking)
    assert load_calibration(None, RERANKER) == Calibration({"unsearched": unsearched}, ranking)
    # the logits of the other reranker have the same scale, but no probability was fitted for them
    assert load_calibration(ENCODER, other, ranked_like=RERANKER) == Calibration({}, ranking)
    assert load_calibration(ENCODER, other) == Calibration()


def test_a_passage_that_no_search_found_has_a_probability_from_the_reranker_and_the_words():
    calibration = Calibration({"unsearched": {"bias": -0.5, "coverage": 1.0, "logit": 0.25}})
    assert calibration.probability({"coverage": 0.5, "logit": 4.0}) == pytest.approx(1 / (1 + math.exp(-1)))
    assert calibration.probability({"coverage": 0.5}) is None


def test_a_fit_of_all_hits_may_leave_out_late_interaction():
    fitted = {"bias": 1.0, "logit": 0.5, "logit_lead": 1.0}
    hits = [{"logit": 2.0, "dense": 0.5}, {"logit": 1.0, "dense": 0.5}]
    assert Calibration({"answered": fitted}).answered(hits) == pytest.approx(1 / (1 + math.exp(-3)))


def test_a_damaged_fit_is_named():
    path = save_calibration(ENCODER, RERANKER, CONTENT)
    path.write_text(path.read_text()[:50])
    with pytest.raises(CalibrationMissing, match=path.name):
        load_calibration(ENCODER, RERANKER)


def test_what_a_reranker_said_is_never_left_out():
    """A fit of the encoder alone does not hold for hits that another model has put in order."""
    calibration = Calibration({"retrieved": RETRIEVED})
    assert calibration.probability({"dense": 0.5, "coverage": 0.5}) is not None
    assert calibration.probability({"dense": 0.5, "coverage": 0.5, "logit": 1.0}) is None


def test_without_a_comparison_of_tokens_the_fit_without_it_counts():
    read = {"bias": 0.5, "dense": 1.0, "coverage": 0.0, "logit": 2.0}
    calibration = Calibration({"read": read, "reranked": RERANKED})
    signals = {"dense": 0.5, "coverage": 1.0, "logit": -0.25}
    assert calibration.probability(signals) == pytest.approx(1 / (1 + math.exp(-0.5)))
    with_late = 1 / (1 + math.exp(-(0.25 + 0.5 - 0.75 - 0.125)))
    assert calibration.probability({**signals, "late": 0.75}) == pytest.approx(with_late)


def test_the_best_hit_stands_out_from_the_mean_of_the_last_four():
    hits = [{"late": 0.9, "logit": 5.0}, *({"late": late, "logit": 1.0} for late in (0.8, 0.5, 0.3, 0.2, 0.2))]
    found = stand_out(hits)
    # (0.5 + 0.3 + 0.2 + 0.2) / 4 = 0.3; the second hit is not among the last four
    assert found == pytest.approx({"late": 0.9, "logit": 5.0, "late_lead": 0.6, "logit_lead": 4.0})
    assert stand_out(hits[:2])["late_lead"] == pytest.approx(0.1)


def test_a_signal_that_a_hit_lacks_has_no_lead():
    assert stand_out([{"late": 0.9, "dense": 0.5}, {"late": 0.4}]) == pytest.approx(
        {"late": 0.9, "dense": 0.5, "late_lead": 0.5}
    )


def test_whether_any_hit_answers_is_told_of_two_or_more_and_where_it_was_fitted():
    weights = {"bias": -1.0, **dict.fromkeys(SIGNALS["answered"], 0.0), "late": 2.0, "logit_lead": 0.5}
    one, two = ({"dense": 0.5, "coverage": 1.0, "late": 0.75, "logit": logit} for logit in (3.0, 1.0))
    fitted = Calibration({"answered": weights})
    assert fitted.answered([one, two]) == pytest.approx(1 / (1 + math.exp(-(-1 + 2 * 0.75 + 0.5 * 2))))
    assert fitted.answered([one]) is None
    assert fitted.answered([{"logit": 3.0}, two]) is None
    assert Calibration({}).answered([one, two]) is None
