"""The phrase that is marked in a quote: what people would underline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.answer.extract import asked_phrase
from ragcli.text.terms import make_question

ASKED = [
    ("When was the museum founded?", "The museum was founded in 1852 by Henry Cole, and moved in 1857.", "1852"),
    ("In what year did it move?", "Founded by Cole, it moved to the hill in 1857.", "1857"),
    ("When does the shop open?", "On 3 May 2021 the shop opened.", "3 May 2021"),
    ("How many people live there?", "About 1,200 people live there, on 3 km of coast.", "1,200"),
    ("What percentage of the oil is lost?", "Of the oil 12.5% is lost in the pipe.", "12.5%"),
    ("How many legs has it?", "It has eight legs.", "eight"),
    ("Who invented the telephone?", "The telephone was invented by Alexander Graham Bell.", "Alexander Graham Bell"),
    ("Which city hosts the fair?", "The fair is hosted in New York City every year.", "New York City"),
]


@pytest.mark.parametrize(("question", "sentence", "phrase"), ASKED)
def test_the_phrase_that_is_asked_for_is_found(question, sentence, phrase):
    span = asked_phrase(make_question(question), sentence)
    assert span is not None
    assert sentence[slice(*span)] == phrase


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Why does the oil get lost?", "In 1990 the oil of Exxon got lost."),
        ("Who invented it?", "The thing was invented long ago."),
        ("When was it?", "Nobody knows."),
        ("Who was Henry Cole?", "Henry Cole was an inventor."),  # what the question says itself is no answer
    ],
)
def test_nothing_is_marked_where_no_phrase_is_asked_for_or_there(question, sentence):
    assert asked_phrase(make_question(question), sentence) is None


@given(st.text(max_size=80), st.text(max_size=200))
def test_a_phrase_lies_within_its_sentence(question, sentence):
    for asked in (question, f"who {question}", f"when {question}", f"how many {question}"):
        span = asked_phrase(make_question(asked), sentence)
        assert span is None or 0 <= span[0] < span[1] <= len(sentence)
