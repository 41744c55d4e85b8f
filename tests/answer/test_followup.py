import pytest

from ragcli.answer.prompt import Turn, read_rewritten, rewrite_prompt, with_last_words


@pytest.mark.parametrize(
    ("question", "last", "asked"),
    [
        ("and how long?", "How often are logs rotated?", "and how long? (often logs rotated)"),
        ("who wrote it?", "What is the Feistel network?", "who wrote it? (Feistel network)"),
        ("why?", "Why do gradients vanish?", "why? (gradients vanish)"),
        ("which logs?", "How are logs rotated?", "which logs? (rotated)"),
        ("and how large is their vocabulary usually today?", "byte pair encoding", None),
        ("How are gradients clipped during training runs?", "How are logs rotated?", "as it is"),
        ("when are the brake pads changed?", "How are logs rotated?", "as it is"),
        ("why?", "why?", "as it is"),
    ],
)
def test_a_question_that_refers_to_the_last_gets_its_words(question, last, asked):
    found = with_last_words(question, last)
    if asked is None:  # a pronoun, though it has words enough
        assert found == f"{question} (byte pair encoding)"
    else:
        assert found == (question if asked == "as it is" else asked)


def test_the_model_is_shown_the_last_three_turns():
    turns = [Turn(f"q{i}", f"a{i} " + "x" * 5000) for i in range(5)]
    system, user = rewrite_prompt("and then?", turns)
    assert [name for name in ("q0", "q1", "q2", "q3", "q4") if name in user.content] == ["q2", "q3", "q4"]
    assert user.content.endswith("Last question: and then?")
    assert len(user.content) < 3000
    assert "do not answer" in system.content


@pytest.mark.parametrize(
    ("reply", "question"),
    [
        ("How long are logs kept?", "How long are logs kept?"),
        ('\n"How long are logs kept?"\n\nI put in the logs.', "How long are logs kept?"),
        ("Question: How long?", "How long?"),
        ("", ""),
        (" \n ", ""),
        ("word " * 200, ""),
    ],
)
def test_the_question_in_a_reply(reply, question):
    assert read_rewritten(reply) == question
