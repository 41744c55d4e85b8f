"""Runs as other tools read them."""

from __future__ import annotations

import ir_measures
import pytest
from ir_measures import nDCG

from ragcli.evaluate.measures import HEADLINE, per_question
from ragcli.evaluate.stages import Ranking, write_run

NAMES = {"q1": [f"d{i}" for i in range(9, 0, -1)], "q2": ["d3", "d1"], "q3": []}
QRELS = {"q1": {"d7": 1, "d2": 2}, "q2": {"d1": 1}, "q3": {"d1": 1}}


def test_a_line_has_six_columns(tmp_path):
    write_run(Ranking("dense", {"q2": ["d3", "d1"]}), tmp_path / "run")
    assert (tmp_path / "run").read_text() == "q2 Q0 d3 1 2 dense\nq2 Q0 d1 2 1 dense\n"


def test_a_run_that_is_read_back_has_the_same_figures(tmp_path):
    write_run(Ranking("dense", NAMES), tmp_path / "run")
    run = list(ir_measures.read_trec_run(str(tmp_path / "run")))
    theirs = ir_measures.calc_aggregate([nDCG @ 10], QRELS, run)[nDCG @ 10]
    assert theirs == pytest.approx(per_question(QRELS, NAMES)[HEADLINE].mean())
    assert theirs == pytest.approx((0.40 + 0.63 + 0) / 3, abs=0.05)  # in the region that the ranks 3, 8 and 2 give


def test_white_space_in_names_does_not_shift_columns(tmp_path):
    write_run(Ranking("dense", {"q 1": ["a b\tc.md#1-9", "100%.md"]}), tmp_path / "run")
    lines = [line.split() for line in (tmp_path / "run").read_text().splitlines()]
    assert [line[:3] for line in lines] == [["q%201", "Q0", "a%20b%09c.md#1-9"], ["q%201", "Q0", "100%.md"]]
