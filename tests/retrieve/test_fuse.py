"""Fusion, checked against arithmetic done by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.retrieve.fuse import fuse

DENSE = [(1, 0.9), (2, 0.7), (3, 0.5)]
KEYWORD = [(3, 12.0), (4, 6.0), (1, 2.0)]


def test_scores_are_scaled_to_their_own_range_and_weighted():
    # dense: 1 -> 1, 2 -> 0.5, 3 -> 0; keyword: 3 -> 1, 4 -> 0.4, 1 -> 0
    expected = {1: 0.25 * 1, 2: 0.25 * 0.5, 3: 0.75 * 1, 4: 0.75 * 0.4}
    fused = fuse(DENSE, KEYWORD, weight=0.25)
    assert dict(fused) == pytest.approx(expected)
    assert [i for i, _ in fused] == [3, 4, 1, 2]


def test_one_empty_list_leaves_the_order_and_the_scale_of_the_other():
    assert fuse(DENSE, []) == [(1, pytest.approx(1.0)), (2, pytest.approx(0.5)), (3, pytest.approx(0.0))]
    assert [i for i, _ in fuse([], KEYWORD)] == [3, 4, 1]


def test_a_list_of_equal_scores_counts_in_full():
    assert dict(fuse([(7, 0.3), (8, 0.3)], [], weight=0.5)) == {7: 1.0, 8: 1.0}


def test_nothing_found_is_nothing():
    assert fuse([], []) == []


def test_ties_go_by_the_order_of_the_lists():
    assert [i for i, _ in fuse([(9, 1.0), (2, 1.0)], [(5, 3.0)], weight=0.5)] == [9, 2, 5]


@given(
    st.dictionaries(st.integers(1, 50), st.floats(-1, 1)),
    st.dictionaries(st.integers(1, 50), st.floats(0, 40)),
    st.floats(0, 1),
)
def test_every_candidate_appears_once_with_a_score_between_0_and_1(dense, keyword, weight):
    lists = [sorted(found.items(), key=lambda item: -item[1]) for found in (dense, keyword)]
    fused = fuse(*lists, weight=weight)
    assert sorted(i for i, _ in fused) == sorted(dense.keys() | keyword.keys())
    assert all(0 <= score <= 1 + 1e-9 for _, score in fused)
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
