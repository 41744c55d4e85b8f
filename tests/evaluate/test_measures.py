"""The figures of ir-measures through ours, against arithmetic by hand and formulas written out."""

from __future__ import annotations

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.evaluate.measures import HEADLINE, MEASURES, per_question


def one(qrels, names):
    """The figures of one question."""
    return {name: values[0] for name, values in per_question({"q": qrels}, {"q": names}).items()}


def test_a_case_worked_out_by_hand():
    found = one({"a": 1, "b": 2, "c": 1, "d": 0}, ["x", "b", "d", "a"])
    assert found["nDCG@10"] == pytest.approx((2 / log2(3) + 1 / log2(5)) / (2 / log2(2) + 1 / log2(3) + 1 / log2(4)))
    assert found["RR@10"] == 1 / 2
    assert found["R@10"] == found["R@50"] == found["R@100"] == pytest.approx(2 / 3)
    assert (found["Success@1"], found["Success@5"]) == (0, 1)


@pytest.mark.parametrize("rank", [1, 5, 6, 10, 11, 50, 51, 100])
def test_where_each_figure_stops_looking(rank):
    found = one({"a": 1}, [f"x{i}" for i in range(1, rank)] + ["a"])
    assert found["nDCG@10"] == pytest.approx(1 / log2(1 + rank) if rank <= 10 else 0)
    assert found["RR@10"] == pytest.approx(1 / rank if rank <= 10 else 0)
    assert [found[f"R@{k}"] for k in (10, 50, 100)] == [float(rank <= k) for k in (10, 50, 100)]
    assert [found[f"Success@{k}"] for k in (1, 5)] == [float(rank <= k) for k in (1, 5)]


def test_questions_that_found_nothing_count_as_nothing_and_keep_their_place():
    qrels = {"q1": {"a": 1}, "q2": {"a": 1}, "q3": {"a": 1}}
    found = per_question(qrels, {"q1": [], "q3": ["a"]})
    assert list(found) == list(MEASURES)
    assert all(list(values) == [0, 0, 1] for values in found.values())


def test_a_document_may_have_the_name_of_its_question():
    names = [str(number) for number in range(1, 11)]
    found = per_question({name: {name: 1} for name in names}, {name: [name, "51"] for name in names})
    assert all(list(values) == [1.0] * 10 for values in found.values())


def test_nothing_found_at_all():
    assert per_question({"q": {"a": 1}}, {})[HEADLINE].tolist() == [0]


@given(
    st.permutations([f"d{i}" for i in range(12)]), st.dictionaries(st.integers(0, 13), st.integers(1, 3), min_size=1)
)
def test_ndcg_is_its_formula(names, grades):
    qrels = {f"d{i}": grade for i, grade in grades.items()}
    gain = sum(qrels.get(name, 0) / log2(rank + 1) for rank, name in enumerate(names[:10], 1))
    ideal = sum(grade / log2(rank + 1) for rank, grade in enumerate(sorted(qrels.values(), reverse=True)[:10], 1))
    assert one(qrels, names)["nDCG@10"] == pytest.approx(gain / ideal)
