import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.formats.pdf.hyphens import join_lines, vocabulary

SEEN = vocabulary(
    ["A reversible network, a state-of-the-art of long-term memory.", "large models and the scale of them"]
)


@pytest.mark.parametrize(
    ("above", "below", "joined"),
    [
        ("is reversi-", "ble here", "is reversible here"),
        ("Reversi-", "ble nets", "Reversible nets"),
        ("the state-of-", "the-art is", "the state-of-the-art is"),
        ("of the well-", "known-to-all", "of the well-known-to-all"),
        ("a large-", "scale run", "a large-scale run"),  # both are words of the document
        ("a near-", "term goal", "a near-term goal"),  # -term is seen to follow a hyphen
        ("the Navier-", "Stokes", "the Navier-Stokes"),
        ("d-", "dimensional", "d-dimensional"),
        ("COVID-", "19", "COVID-19"),
        ("pages 3-", "4", "pages 3-4"),
        ("short-", "and long-term", "short- and long-term"),
        ("a dash -", "and more", "a dash - and more"),
        ("soft\u00ad", "ened", "softened"),
        ("no hyphen", "at all", "no hyphen at all"),
        ("你好", "世界", "你好世界"),
        ("안녕", "세계", "안녕 세계"),
    ],
)
def test_join_lines(above, below, joined):
    assert join_lines(above, below, SEEN) == joined


def test_pieces_of_broken_words_are_no_words():
    found = vocabulary(["the recogni-", "tion of words"])
    assert {"the", "of", "words"} <= found
    assert not {"recogni", "tion"} & found


def test_a_word_seen_whole_is_joined_in_spite_of_its_parts():
    seen = vocabulary(["we understand", "he will stand under"])
    assert join_lines("they under-", "stand it", seen) == "they understand it"


@given(st.text(min_size=1), st.text(min_size=1))
def test_nothing_but_a_hyphen_can_get_lost(above, below):
    joined = join_lines(above, below, frozenset())
    assert joined.endswith(below)
    assert joined.startswith(above[:-1])
