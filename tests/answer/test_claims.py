"""Answers as models write them, checked against hand-made passages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.answer.claims import (
    LEAST_SUPPORT,
    LiveCheck,
    check_claims,
    is_refusal,
    may_become_refusal,
    strike,
    written_answer,
)
from ragcli.answer.prompt import REFUSAL
from ragcli.errors import LlmUnavailable
from ragcli.types import DOUBTED

LOGS = "Logs rotate every 7 days. Grace Hopper keeps them for 1,000 hours."
BREAD = "Bread rises near a warm oven. It is done when it “sounds hollow”."


def unknown(_claim, _passage):
    return None


@pytest.fixture
def check(make_hit):
    def run(text, supports=unknown, question="how?"):
        passages = [make_hit(LOGS, title="Operations").chunk, make_hit(BREAD, path="kitchen/bread.md").chunk]
        return check_claims(text, passages, question, supports)

    return run


PASSAGES = [LOGS, BREAD]
WRITTEN = [
    "Logs rotate every 7 days [1]. They are kept by Ada Lovelace [1]. Bread rises near a warm oven. [2] It is so.",
    "# Logs\n\n- Logs rotate every 9 days [1].\n- Grace Hopper keeps them for 1,000 hours [1]\n\nThat:\n\n1. nothing",
    "So:\n\n```\nx = 1. Y = 2\n```\n\nLogs rotate every 7 days (approx. a week) [1][2].",
    "One line without an end",
]


@given(text=st.sampled_from(WRITTEN), sizes=st.lists(st.integers(1, 9)))
def test_an_answer_is_marked_while_it_is_written_as_at_its_end(make_hit, text, sizes):
    passages = [make_hit(passage).chunk for passage in PASSAGES]
    checked = check_claims(text, passages, "how?", unknown)
    live = LiveCheck(passages, "how?", unknown)
    rest, shown = text, ""
    for size in [*sizes, len(text)]:
        shown += "".join(live.feed(rest[:size]))
        assert text.startswith(shown.replace(f" {DOUBTED}", ""))
        rest = rest[size:]
    shown += "".join(live.finish())
    expected = text
    for one in reversed(checked):
        if not one.claim.supported:
            expected = f"{expected[: one.end]} {DOUBTED}{expected[one.end :]}"
    assert shown == expected


def parts(checked):
    return [(one.claim.text, one.claim.numbers) for one in checked]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Logs rotate [1]. Bread rises [2].", [("Logs rotate [1].", (1,)), ("Bread rises [2].", (2,))]),
        ("Logs rotate. [1] Bread rises. [2]", [("Logs rotate. [1]", (1,)), ("Bread rises. [2]", (2,))]),
        ("Logs rotate.[1][2] Bread rises.[2]", [("Logs rotate.[1][2]", (1, 2)), ("Bread rises.[2]", (2,))]),
        ("Logs rotate [1, 2].", [("Logs rotate [1, 2].", (1, 2))]),
        ("Logs rotate [1-2].", [("Logs rotate [1-2].", (1, 2))]),
        ("Logs rotate 【1†source】.", [("Logs rotate 【1†source】.", (1,))]),
        ("Logs rotate [Passage 1].", [("Logs rotate [Passage 1].", (1,))]),
        ("Logs rotate [1](#one).", [("Logs rotate [1](#one).", (1,))]),
        ("- Logs rotate [1]\n- Bread rises [2]\n", [("- Logs rotate [1]", (1,)), ("- Bread rises [2]", (2,))]),
        ("[1] Logs rotate.\n[2] Bread rises.", [("[1] Logs rotate.", (1,)), ("[2] Bread rises.", (2,))]),
        ("Logs rotate.\n\n[1]", [("Logs rotate.\n\n[1]", (1,))]),
        ("Run `logs[2]` [1].", [("Run `logs[2]` [1].", (1,))]),
        ("Do this:\n```\nlogs[2] = 7\nbread\n```\n[1]", [("Do this:\n```\nlogs[2] = 7\nbread\n```\n[1]", (1,))]),
        ("It is e.g. Fig. 7 [1]. So it is [2].", [("It is e.g. Fig. 7 [1].", (1,)), ("So it is [2].", (2,))]),
    ],
)
def test_sentences_and_what_they_cite(check, text, found):
    checked = check(text)
    assert parts(checked) == found
    assert all(text[one.start : one.end] == one.claim.text for one in checked)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Logs rotate every 7 days [1].", ""),
        ("Logs rotate every 8 days [1].", "8 is not in [1]"),
        ("Logs rotate every 7 days [2].", "7 is not in [2]"),
        ("Logs rotate every 7 days [1][2].", "[2] is about something else"),
        ("Logs rotate every 7 weeks [1].", "7 weeks is not in [1]"),
        ("Logs rotate every 7 days.", "it cites no passage"),
        ("Logs rotate every 7 days [3].", "there is no passage [3]"),
        ("Logs rotate every 7 days [0].", "there is no passage [0]"),
        ("Logs rotate every 7 days [1][9].", "there is no passage [9]"),
        ("They are kept for 1000 hours by grace Hopper [1].", ""),
        ("They are kept by Ada Hopper, 50 hours [1].", "50, Ada are not in [1]"),
        ('It "sounds hollow" then [2].', ""),
        ('It "sounds like a drum" then [2].', '"sounds like a drum" is not in [2]'),
        ("The Operations page says so [1].", ""),
        ("See the Bread page of the kitchen [2].", ""),
        ("1. Logs rotate [1].", ""),
    ],
)
def test_a_sentence_is_borne_out_or_has_a_reason(check, sentence, reason):
    (one,) = check(sentence)
    assert (one.claim.supported, one.claim.reason) == (not reason, reason)


def test_a_name_of_the_question_is_looked_up_at_the_start_too(check):
    (one,) = check("Linus keeps them [1].", question="does Linus keep the logs?")
    assert one.claim.reason == "Linus is not in [1]"


@pytest.mark.parametrize(
    "text",
    ["This is what is known:\n\n- Logs rotate [1].", "## Logs\n\nLogs rotate [1].", "**Logs**\n\nLogs rotate [1]."],
)
def test_what_only_announces_is_no_claim(check, text):
    (one,) = check(text)
    assert one.claim.numbers == (1,)


def test_what_announces_a_fact_is_a_claim(check):
    checked = check("These are the 3 reasons:\n\n- Logs rotate [1].")
    assert [one.claim.supported for one in checked] == [False, True]


def test_a_lead_without_anything_to_lead_to_is_a_claim(check):
    (one,) = check("This is what is known:")
    assert one.claim.reason == "it cites no passage"


def test_the_probability_that_a_passage_supports_counts_last_and_each_must_support(check):
    asked = []

    def supports(claim, passage):
        asked.append((claim, passage))
        return LEAST_SUPPORT / 2 if "Bread" in passage else LEAST_SUPPORT

    weak, wrong, both = check(
        "The kitchen is painted green [2]. It takes 99 days [1]. Something is so [1][2].", supports
    )
    assert weak.claim.reason == "[2] does not seem to say so (probability 1%)"
    assert "99" in wrong.claim.reason
    assert both.claim.reason == "[2] is about something else"
    assert [claim for claim, _ in asked] == ["The kitchen is painted green.", "Something is so.", "Something is so."]
    assert asked[1][1] == f"Operations\n{LOGS}"


def test_striking_leaves_what_is_borne_out(check):
    text = (
        "Logs rotate [1]. They fly 9 times. Bread rises [2].\n\n- 12 ovens [2]\n- Bread rises [2]\n\n8 [1]\n\n"
        "Logs rotate [1]."
    )
    checked = check(text)
    assert strike(text, checked) == "Logs rotate [1]. Bread rises [2].\n\n- Bread rises [2]\n\nLogs rotate [1]."
    assert strike("9 [1].", check("9 [1].")) == ""
    assert strike("Here it is:\n\n- 9 [1].", check("Here it is:\n\n- 9 [1].")) == ""


def test_refusals(check):
    assert is_refusal(REFUSAL)
    assert is_refusal(f'  "{REFUSAL.upper()}" They only speak of bread [2].')
    assert not is_refusal(f"Logs rotate [1]. {REFUSAL}")
    assert not is_refusal("The documents hold the answer.")


@pytest.mark.parametrize(
    "text",
    [
        "The passages do not answer this.", "I could not find the answer in the provided passages.",
        "The documents don't mention a price.", "There is no information about this in the passages.",
        "I'm sorry, but the context does not contain enough information to answer the question.",
        "I cannot answer this question. The sources say nothing about it.", "No answer was found in the documents.",
        "It is not mentioned.", "Based on the passages, I am unable to determine it.",
        "Die Dokumente enthalten keine Antwort darauf.", "Les documents ne mentionnent rien à ce sujet.",
    ],
)  # fmt: skip
def test_a_refusal_in_other_words_is_one(text):
    assert is_refusal(text)
    live = LiveCheck([], "what?", lambda *_: 1.0)
    assert "".join([*live.feed(text), *live.finish()]) == text


@pytest.mark.parametrize(
    "text",
    [
        "The documents are not signed [1].", "The contract documents do not include a warranty [1].",
        "The rent is due monthly [1]. The passages do not mention pets.", "Logs are kept for 14 days.",
        "The sources of the river do not freeze.", "The passages do not mention 14 days.",
    ],
)  # fmt: skip
def test_a_statement_with_a_negation_is_no_refusal(text):
    assert not is_refusal(text)


def test_a_refusal_is_known_from_its_first_piece_on():
    for end in range(len(REFUSAL) + 1):
        assert may_become_refusal(REFUSAL[:end])
    assert may_become_refusal(REFUSAL + " More.")
    assert not may_become_refusal("The documents do say")


@given(st.text(alphabet=st.sampled_from("ab. \n[]12-`*")))
def test_claims_are_slices_in_order_and_nothing_else_is_struck(make_hit, text):
    checked = check_claims(text, [make_hit("a b 1 2").chunk], "?", unknown)
    position = 0
    for one in checked:
        assert position <= one.start < one.end
        assert text[one.start : one.end] == one.claim.text
        position = one.end
    kept = strike(text, checked)
    supported = [one.claim.text for one in checked if one.claim.supported]
    at = 0
    for claim in supported:
        at = kept.index(claim.strip(), at) + len(claim.strip())
    if not supported:
        assert kept == ""


@pytest.fixture
def answer(make_hit):
    def run(text, **options):
        hits = [make_hit(LOGS, page=3, pages=(3, 4)), make_hit(BREAD)]
        options = {"by": "tiny", "supports": unknown, "strict": False, **options}
        return written_answer("how?", text, hits, **options)

    return run


def test_an_answer_keeps_its_text_and_says_what_is_not_borne_out(answer):
    found = answer("Logs rotate [1]. They fly [7].\n", notes=["n"])
    assert found.text == "Logs rotate [1]. They fly [7]."
    assert not found.grounded
    assert [claim.supported for claim in found.claims] == [True, False]
    assert [(c.number, c.quote, c.page) for c in found.citations] == [(1, LOGS, 3), (2, BREAD, None)]
    assert (found.by, found.notes, found.question) == ("tiny", ("n",), "how?")


def test_a_strict_answer_leaves_it_out(answer):
    found = answer("Logs rotate [1]. They fly [7].", strict=True)
    assert (found.text, found.grounded, len(found.claims)) == ("Logs rotate [1].", False, 2)


def test_an_answer_that_is_borne_out_is_grounded(answer):
    assert answer("Logs rotate [1].", strict=True).grounded


def test_a_refusal_has_neither_text_nor_citations(answer):
    found = answer(REFUSAL, notes=["n"])
    assert (found.text, found.citations, found.claims, found.notes) == ("", (), (), ("n",))


def test_no_text_is_no_answer(answer):
    with pytest.raises(LlmUnavailable, match="tiny gave an empty answer"):
        answer(" \n")
    assert answer("***").claims == ()
