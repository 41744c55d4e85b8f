from hypothesis import given
from hypothesis import strategies as st

from ragcli.answer.llm import without_thinking


@given(st.lists(st.integers(1, 6)))
def test_thoughts_are_dropped_however_the_text_is_cut(cuts):
    text = "\n<think>\nthe user [1] wants < this\n</think>\n\n It is so [2]. <think>this stays</think>"
    pieces = []
    for size in [*cuts, len(text)]:
        pieces.append(text[:size])
        text = text[size:]
    assert "".join(without_thinking(pieces)) == "It is so [2]. <think>this stays</think>"


@given(st.lists(st.text(alphabet="<think/> ab")))
def test_what_does_not_begin_with_a_thought_stays(pieces):
    text = "".join(pieces).lstrip()
    if not text.startswith("<think>"):
        assert "".join(without_thinking(pieces)) == text


def test_a_thought_without_an_end_is_no_answer():
    assert "".join(without_thinking(["<think>and so", " on"])) == ""


def test_an_answer_is_passed_on_at_once():
    pieces = without_thinking(iter(["It", " is"]))
    assert next(pieces) == "It"
