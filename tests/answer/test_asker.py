"""The answer line as a library: what it hands back, says and shows."""

from __future__ import annotations

import pytest

from ragcli.answer.ask import Asker, AskOptions
from ragcli.answer.prompt import Turn
from ragcli.api import ask, stream_answer
from ragcli.errors import LlmUnavailable
from ragcli.index.reader import open_index

QUESTION = "How long was BERT busy to find the most similar pair of sentences?"
TRUE = "BERT was busy for roughly 65 hours [#roughly 65 hours]."
INVENTED = "GPT needed 12 minutes [#roughly 65 hours]."


@pytest.fixture(scope="module")
def index(sample_home):
    with open_index(sample_home / "samples") as opened:
        yield opened


class Asked:
    """One question to a server that answers in one of the ways of chat_server.py."""

    def __init__(self, index, server, how, **options):
        self.said: list[str] = []
        self.shown: list[str] = []
        settings = AskOptions(llm="tiny", base_url=server.url(how), **options)
        self.asker = Asker(index, settings, say=self.said.append, show=self.shown.append)
        self.results = self.asker.search(QUESTION)
        self.answer, self.failure = self.asker.answer(self.results)


def test_an_answer_is_shown_in_pieces_and_handed_back_checked(index, chat_server):
    chat_server.reply(f"{TRUE} {INVENTED}")
    asked = Asked(index, chat_server, "say")
    assert asked.failure is None
    assert len(asked.shown) > 2
    assert "".join(asked.shown) == f"{asked.answer.text} [?]\n"
    assert [claim.supported for claim in asked.answer.claims] == [True, False]
    assert not asked.answer.grounded
    assert asked.said == [f"asking tiny at 127.0.0.1:{chat_server.port}"]


def test_a_refusal_is_not_shown(index, chat_server):
    chat_server.reply("The documents do not hold the answer.")
    asked = Asked(index, chat_server, "say")
    assert (asked.answer.text, asked.failure, asked.shown) == ("", None, [])


def test_when_the_model_fails_the_passages_are_handed_back(index, chat_server):
    chat_server.reply(TRUE)
    asked = Asked(index, chat_server, "garbage", k=3)
    assert isinstance(asked.failure, LlmUnavailable)
    assert asked.answer.text == ""
    assert not asked.answer.grounded
    assert [citation.chunk for citation in asked.answer.citations] == [hit.chunk for hit in asked.results.hits]
    assert len(asked.answer.citations) == 3
    assert asked.answer.notes[-1] == str(asked.failure)
    with pytest.raises(LlmUnavailable, match="invalid JSON"):
        ask(index, QUESTION, AskOptions(llm="tiny", base_url=chat_server.url("garbage")))


def test_what_no_passage_was_found_for_is_not_sent(index, chat_server):
    asker = Asker(index, AskOptions(llm="tiny", base_url=chat_server.url("say"), min_probability=1.0))
    answer, failure = asker.answer(asker.search(QUESTION))
    assert (answer.text, answer.by, failure) == ("", "tiny", None)
    assert chat_server.requests() == []


def test_a_follow_up_is_rewritten_by_the_model_or_gets_the_last_words(index, chat_server):
    chat_server.reply("How long did GPT need?", "rewrite")
    said: list[str] = []
    turns = [Turn(QUESTION, "65 hours")]
    rewriting = Asker(index, AskOptions(llm="tiny", base_url=chat_server.url("say")), say=said.append)
    assert rewriting.stand_alone("and GPT?", turns) == "How long did GPT need?"
    assert said[-1] == "asked as: How long did GPT need?"
    failing = Asker(index, AskOptions(llm="tiny", base_url=chat_server.url("garbage")), say=said.append)
    alone = failing.stand_alone("and GPT?", turns)
    assert alone.startswith("and GPT? (")
    assert "BERT" in alone
    assert any(line.startswith("note: the question was not rewritten: ") for line in said)
    assert (
        Asker(index).stand_alone("What is byte pair encoding made of?", turns) == "What is byte pair encoding made of?"
    )


def test_passages_are_dropped_until_the_prompt_fits_the_window(index, chat_server):
    chat_server.reply(TRUE)
    asked = Asked(index, chat_server, "overflow-once", k=8)
    assert asked.failure is None
    assert asked.answer.text.startswith("BERT was busy")
    assert len(asked.answer.citations) < len(asked.results.hits)
    assert any("passages fit into the model's context window" in line for line in asked.said)


def test_a_model_that_only_thinks_gives_no_answer(index, chat_server):
    asked = Asked(index, chat_server, "thinks-only")
    assert "thought until its length limit" in str(asked.failure)
    assert asked.shown == []


def test_an_answer_is_an_iterator_with_the_same_checks(index, chat_server):
    chat_server.reply(f"{TRUE} {INVENTED}")
    options = AskOptions(llm="tiny", base_url=chat_server.url("say"))
    stream = stream_answer(index, QUESTION, options)
    assert stream.answer is None
    pieces = list(stream)
    assert len(pieces) > 2
    assert stream.answer is not None
    assert "".join(pieces) == f"{stream.answer.text}\n"
    assert [claim.supported for claim in stream.answer.claims] == [True, False]
    quotes = stream_answer(index, QUESTION)
    assert list(quotes) == [quotes.answer.text]
    with pytest.raises(LlmUnavailable, match="invalid JSON"):
        list(stream_answer(index, QUESTION, AskOptions(llm="tiny", base_url=chat_server.url("garbage"))))
