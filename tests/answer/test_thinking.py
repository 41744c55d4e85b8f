"""What a language model thinks is told from what it answers, in each form and however the reply is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.answer.thinking import answer_in, split_thinking

THOUGHT = "Okay, the user asks [1] about < this. I should cite it."
ANSWER = "It is so [2]. And that is why [1]."
FORMS = [
    f"\n<think>\n{THOUGHT}\n</think>\n\n{ANSWER}",
    f"{THOUGHT}\n</think>\n\n{ANSWER}",
    f"<thinking>{THOUGHT}</thinking>\n{ANSWER}",
    f"[THINK]{THOUGHT}[/THINK]{ANSWER}",
    f"\u25c1think\u25b7{THOUGHT}\u25c1/think\u25b7{ANSWER}",
    f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}<|return|>",
    f"<|channel|>final<|message|>{ANSWER}",
    f"<Reasoning>{THOUGHT}</Reasoning>\n{ANSWER}",
    f"<think>{THOUGHT}</think>\n<answer>\n{ANSWER}</answer>",
    f"<answer>{ANSWER}</answer>",
    f"<|begin_of_thought|>{THOUGHT}<|end_of_thought|>\n<|begin_of_solution|>{ANSWER}<|end_of_solution|>",
    f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>{ANSWER}<|END_RESPONSE|>",
    f"<|inner_prefix|>{THOUGHT}<|inner_suffix|>{ANSWER}",
    f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|channel|>final <|constrain|>text<|message|>{ANSWER}",
    f"analysis{THOUGHT}assistantfinal{ANSWER}",  # the same, from a server that takes the special tokens out
    f"<think>{THOUGHT}</think>\n<think>{THOUGHT}</think>\n{ANSWER}",
    f'<think effort="high">{THOUGHT}</think>{ANSWER}',
    f"<reason>{THOUGHT}</reason>{ANSWER}",
    f"<unused94>thought\n{THOUGHT}<unused95>{ANSWER}",
    f"<|think|>{THOUGHT}<|end|>{ANSWER}",
    f"<thinking>{THOUGHT}</thinking><output>{ANSWER}</output>",
    f"<details>\n<summary>Thinking ...</summary>\n{THOUGHT}\n</details>\n{ANSWER}",
    f"```thinking\n{THOUGHT}\n```\n{ANSWER}",
    f"Here is my thought process:\n{THOUGHT}\n\nHere is my response:\n{ANSWER}",
    f"Here are my reasoning steps:\n{THOUGHT}\n[BEGIN FINAL RESPONSE]\n{ANSWER}\n[END FINAL RESPONSE]",
    f"Thought: {THOUGHT}\nFinal Answer: {ANSWER}",
    f"**Thinking:**\n{THOUGHT}\n\n**Answer:**\n{ANSWER}",
    f"## Reasoning\n{THOUGHT}\n\n## Answer\n{ANSWER}",
    f"{THOUGHT}\n\nAnswer: {ANSWER}",
    f"{ANSWER} <think>{THOUGHT}</think>",
]


def pieces_of(text, cuts):
    pieces = []
    for size in [*cuts, len(text)]:
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def read(pieces):
    answer, thoughts = "", []
    for piece in split_thinking(pieces, thoughts.append):
        answer = "" if piece is None else answer + piece
    return answer.strip(), "".join(thoughts)


@pytest.mark.parametrize("text", FORMS)
@given(cuts=st.lists(st.integers(1, 6)))
def test_thoughts_are_no_part_of_the_answer_however_the_text_is_cut(text, cuts):
    answer, thoughts = read(pieces_of(text, cuts))
    assert answer == ANSWER
    assert ("the user asks" in thoughts) == (THOUGHT in text)
    assert answer_in(text).strip() == ANSWER


def test_a_tag_within_the_answer_stays():
    assert read(["It is so [2]. <think>this stays"])[0] == "It is so [2]. <think>this stays"
    assert read(["The model ends with `</think>` [2]."])[0] == "The model ends with `</think>` [2]."


@given(st.lists(st.text(alphabet="ab <>/[]1.\n")))
def test_what_holds_no_tag_stays(pieces):
    text = "".join(pieces)
    assert "".join(split_thinking(pieces)) == text.lstrip()


def test_a_thought_in_the_middle_of_an_answer_is_taken_out():
    text = f"It is so [2]. <think>{THOUGHT}</think>And that is why [1]."
    for pieces in ([text], list(text)):
        assert read(pieces) == (ANSWER, THOUGHT)


@pytest.mark.parametrize(
    "text",
    ["Reasoning: it is so, as the log says [1].", "Analysis of the log shows it [1].", "Let me put it so: yes [1]."],
)
def test_an_answer_that_only_begins_like_a_thought_is_shown(text):
    assert read(list(text))[0] == text


def test_thoughts_without_an_end_are_no_answer():
    assert read(["<think>and so", " on"]) == ("", "and so on")


def test_an_answer_is_passed_on_once_it_has_cited_a_passage():
    pieces = split_thinking(iter(["It is", " so [1].", " And"]))
    assert next(pieces) == "It is so [1]."
    assert next(pieces) == " And"


def test_thoughts_whose_end_comes_late_are_taken_back():
    long = "Passage one says it [1]. " * 20
    assert read([long, "more</think>", ANSWER])[0] == ANSWER
    assert None in list(split_thinking([long, "more</think>", ANSWER]))
