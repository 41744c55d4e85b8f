"""A follow-up question as one that stands alone: said again by a language model, or with the last question's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragcli.answer.prompt import Message
from ragcli.text.terms import query_terms, terms

_RULES = """\
Rewrite the last question of a conversation so that it can be understood without the conversation: put in the names \
and things that its words refer to. Keep its language and meaning, add nothing, do not answer it. If it can be \
understood already, repeat it. Reply with the question alone, in one line."""

_TURNS = 3  # that a follow-up may refer to
_LONGEST_ANSWER = 600  # characters of an earlier answer that are told again
_LONGEST_QUESTION = 500  # characters; more is no question
_ENOUGH = 4  # telling words that a question of its own has
_REFERS = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|one|ones|there|then|former"
    r"|latter|same|other|others)\b"
    r"|^(?:and|but|or|so|what about|how about|why|how so|when|where)\b\W*(?:\w+\W*){0,3}$",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+(?:[-'’.]\w+)*")


@dataclass(frozen=True, slots=True)
class Turn:
    """A question as it was searched for, and its answer ("" when there was none)."""

    question: str
    answer: str


def rewrite_prompt(question: str, turns: Sequence[Turn]) -> tuple[Message, ...]:
    """What asks a model to say ``question`` again so that it stands alone after ``turns``."""
    told = "\n\n".join(
        f"Question: {turn.question}\nAnswer: {turn.answer[:_LONGEST_ANSWER]}" for turn in turns[-_TURNS:]
    )
    return Message("system", _RULES), Message("user", f"{told}\n\nLast question: {question}")


def read_rewritten(text: str) -> str:
    """The question in a model's reply; "" when it is none: empty, or too long to be one."""
    lines = [line.strip().strip("\"“”'") for line in text.strip().splitlines() if line.strip()]
    question = lines[0].removeprefix("Question:").strip() if lines else ""
    return question if len(question) <= _LONGEST_QUESTION else ""


def with_last_words(question: str, last: str) -> str:
    """``question`` with the telling words of the ``last`` one behind it where it seems to refer to that one.

    It does when it has few telling words of its own or a pronoun; else it is returned as it is.
    """
    own = set(terms(question))
    if len(query_terms(question)) >= _ENOUGH and not _REFERS.search(question):
        return question
    telling = set(query_terms(last)) - own
    words = [word for word in _WORD.findall(last) if telling & set(terms(word))]
    return f"{question} ({' '.join(dict.fromkeys(words))})" if words else question
