"""What can be looked up in a passage, each case worked out by hand."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ragcli.answer.facts import evidence, known_names, missing


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("It took 1,000 hours.", "It took 1000 hours."),
        ("It took 1000 hours.", "It took 1,000 hours."),
        ("It took 12 500 hours.", "It took 12,500 hours."),
        ("It took 12\u202f500 hours.", "It took 12500 hours."),
        ("It was 1.234,5 hours.", "It was 1,234.5 hours."),
        ("It is 0.50.", "It is 0.5."),
        ("It is 1,5 m.", "Es sind 1.5 m."),
        ("Version 1.2.3 is out.", "See version 1.2.3."),
        ("Between 3 and 5.", "From 3-5."),
        ("It took 65 hours.", "It took sixty-five hours."),
        ("It has 12 heads.", "It has twelve heads."),
        ("It has 2 million rows.", "It has 2,000,000 rows."),
        ("It has 2,000,000 rows.", "It has 2 million rows."),
        ("On 2019-05-03.", "On 3 May, that is 05/2019."),
        ("It weighs 10GB.", "It weighs 10 GB."),
        ("It is ４２.", "It is 42."),
    ],
)
def test_numbers_are_equal_as_values(sentence, passage):
    assert missing(sentence, evidence([passage])) == []


@pytest.mark.parametrize(
    ("sentence", "passage", "lacking"),
    [
        ("It took 650 hours.", "It took 65 hours.", ["650"]),
        ("It took 65 hours.", "It took 6.5 hours.", ["65"]),
        ("It took 10,000 hours.", "It took 10 hours, or 0 hours.", ["10,000"]),
        ("Version 1.2.4 is out.", "See version 1.2.3.", ["1.2.4"]),
        ("It has 2 billion rows.", "It has 3 million rows.", ["2"]),
        ("It is 5 or 7.", "It is 6.", ["5", "7"]),
    ],
)
def test_other_numbers_are_missing(sentence, passage, lacking):
    assert missing(sentence, evidence([passage])) == lacking


@given(st.integers(0, 10**12))
def test_a_number_is_found_however_it_is_grouped(value):
    forms = [str(value), f"{value:,}", f"{value:,}".replace(",", "\u00a0"), f"{value:,}".replace(",", " ")]
    for written in forms:
        for read in forms:
            assert missing(f"it is {written} there", evidence([f"so {read} it is"])) == []


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_two_integers_are_the_same_only_when_they_are(one, other):
    assert (missing(f"it is {one}", evidence([f"it is {other}"])) == []) == (one == other)


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("The author is Ada Lovelace.", "ada lovelace wrote it"),
        ("The notes are Lovelace's.", "Lovelace wrote notes"),
        ("There are many LLMs.", "An LLM writes."),
        ("It uses IndexFlatIP.", "Use index flat IP."),
        ("It is a BERT-based model.", "BERT is a model"),
        ("Rotation happens weekly.", "weekly"),
        ("Also, I think so.", "so"),
        ("**Note:** However it is so.", "so"),
        ("It stands in Zürich.", "zurich"),
    ],
)
def test_names_are_found_whatever_their_case_and_ending(sentence, passage):
    assert missing(sentence, evidence([passage])) == []


@pytest.mark.parametrize(
    ("sentence", "passage", "lacking"),
    [
        ("It was written by Charles Babbage.", "Ada Lovelace wrote it.", ["Charles", "Babbage"]),
        ("BERT did it.", "GPT did it.", ["BERT"]),
        ("The iPhone did it.", "The phone did it.", ["iPhone"]),
        ("It is by Dr. Smith.", "It is by Dr. Jones.", ["Smith"]),
        ("It is in Paris.", "It is Parisian comparison.", ["Paris"]),
    ],
)
def test_other_names_are_missing(sentence, passage, lacking):
    assert missing(sentence, evidence([passage])) == lacking


def test_a_name_at_the_start_is_known_from_the_question_or_the_passages():
    passage = "In those years Newton invented calculus. The Proof came later."
    names = known_names(["What did Einstein invent?", passage])
    assert {"einstein", "newton"} <= names
    assert not names & {"what", "in", "the", "those"}
    assert missing("Einstein invented calculus.", evidence([passage]), names) == ["Einstein"]
    assert missing("Newton invented calculus.", evidence([passage]), names) == []


def test_a_word_that_is_also_written_small_is_no_name():
    assert "rotation" not in known_names(["See the Rotation page.", "the rotation of logs"])


PASSAGE = "He said that the *residual*\n  stream is “never emptied” — it’s a bus, so to speak. Run `logrotate -f` then."


@pytest.mark.parametrize(
    "quotation",
    [
        '"the residual stream"',
        "“The residual stream is”",
        '"it\'s a bus,"',
        '"the residual … a bus"',
        '"the residual [...] so to speak."',
        "«residual stream»",
        "`logrotate -f`",
        '"never emptied" - it',
    ],
)
def test_quotations_are_found(quotation):
    assert missing(f"As they say, {quotation} here.", evidence(["nothing", PASSAGE])) == []


@pytest.mark.parametrize(
    "quotation",
    ['"the residual streams"', '"residual bus"', '"a bus ... the residual"', "`logrotate -d`", '"The Residual"'],
)
def test_quotations_are_letter_for_letter(quotation):
    assert missing(f"As they say, {quotation} here.", evidence(["nothing", PASSAGE])) == [quotation]


def test_the_pieces_of_a_quotation_stand_in_one_passage():
    assert missing('It is "one ... two".', evidence(["one", "two"])) == ['"one ... two"']


@given(st.text())
@example("0\U00018cd6A#")  # a letter that not every table of characters knows
def test_any_text_bears_itself_out_in_numbers_and_names(text):
    bare = text.translate({ord(sign): " " for sign in '"“”„«»`'})
    assert missing(bare, evidence([bare])) == []
