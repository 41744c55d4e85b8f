"""What can be quoted of a passage, and which sentence defines what a question asks for."""

from __future__ import annotations

import inspect
import json.decoder

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.answer.extract import _defines, defined_name, header_of, quotable

CODE = '''class Retry:
    """Retry configuration.

    :param float backoff_factor:
        A backoff factor to apply between attempts after the second try
        (most errors are resolved immediately by a second try).
    """

    # The longest wait. It is never
    # longer than two minutes.
    MAX = 120

    def backoff(self):
        return min(self.MAX,
                   self.factor * 2)
'''


def quotes(make_hit, text, path="notes/logs.md", **about):
    return [text[start:end] for start, end in quotable(make_hit(text, path=path, **about).chunk)]


def test_of_code_whole_sentences_and_statements_are_quoted(make_hit):
    found = [" ".join(quote.split()) for quote in quotes(make_hit, CODE, "retry.py")]
    assert found[0] == 'class Retry: """Retry configuration.'
    assert any(
        quote.endswith("A backoff factor to apply between attempts after the second try (most errors are resolved "
                       "immediately by a second try).")
        for quote in found
    )  # fmt: skip
    assert "# The longest wait. It is never # longer than two minutes. MAX = 120" in found
    assert found[-1] == "def backoff(self): return min(self.MAX, self.factor * 2)"


def test_a_quote_of_code_never_ends_within_a_line(make_hit):
    text = inspect.getsource(json.decoder)
    ends = {end for start, end in quotable(make_hit(text, path="decoder.py").chunk)}
    cut = [end for end in ends if text[end : end + 1] not in {"", "\n"} and text[end - 1] not in ".!?:`\"')"]
    assert len(ends) > 50
    assert cut == []


def test_a_long_table_is_quoted_by_rows(make_hit):
    rows = [f"Team: T{i} | Cups: {i}" for i in range(40)]
    text = "\n".join(["Team | Cups", *rows])
    assert quotes(make_hit, text, "cups.xlsx") == ["Team | Cups", *rows]
    assert quotes(make_hit, "\n".join(text.split("\n")[:4]), "cups.xlsx") == ["\n".join(text.split("\n")[:4])]


def test_a_term_of_a_glossary_is_quoted_with_what_it_means(make_hit):
    text = "**Ablation.** Removing one part. It comes from surgery.\n\n**Notes**\n\nNo more."
    assert quotes(make_hit, text) == [
        "**Ablation.** Removing one part.",
        "It comes from surgery.",
        "**Notes**",
        "No more.",
    ]


def test_a_lead_is_quoted_with_its_list(make_hit):
    text = "Bring these:\n\n- a tent\n- a stove\n\nThen go."
    assert quotes(make_hit, text) == ["Bring these:\n\n- a tent\n- a stove", "Then go."]


@given(st.text(alphabet=st.sampled_from("ab. \n#\"'/*-|:()=1{")))
def test_quotes_are_slices_in_order(make_hit, text):
    for path in ("x.py", "x.md"):
        at = 0
        for start, end in quotable(make_hit(text, path=path).chunk):
            assert at <= start < end <= len(text)
            assert not text[start].isspace()
            at = end


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("what is ownership?", {"ownership"}),
        ("What is a trait object?", {"trait", "object"}),
        ("what does grokking mean", {"grokk"}),
        ("who was Ada Lovelace?", {"ada", "lovelac"}),
        ("what is the price of a cargo license in Berlin today?", set()),
        ("how long is it?", set()),
    ],
)
def test_what_a_question_wants_defined(question, name):
    assert defined_name(question) == name


@pytest.mark.parametrize(
    ("sentence", "defines"),
    [
        ("_Ownership_ is a set of rules.", True),
        ("The ownership (of a value) means that one variable frees it.", True),
        ("First, let us look at the ownership rules.", False),
        ("Ownership rules are listed here.", False),
        ("Rust’s ownership is a set of rules.", True),
        ("**Ownership.** The rules by which memory is freed.", True),
        ("Ownership: the rules by which memory is freed.", True),
        ("__Ownership__ – the rules by which memory is freed.", True),
        ("The ownership is therefore checked.", False),
        ("Ownership is not a lock.", False),
    ],
)
def test_a_sentence_that_defines(sentence, defines):
    assert _defines(sentence, defined_name("what is ownership?")) == defines


def test_a_row_names_its_columns(make_hit):
    table = "| Phase | Epochs |\n|---|---|\n| Memorisation | 0 to 1,400 |\n| Cleanup | 9,400 |"
    chunk = make_hit(table).chunk
    assert header_of(chunk, table.index("| Cleanup")) == "| Phase | Epochs |"
    assert header_of(make_hit("Plain text.").chunk, 0) == ""
    bare = "Item | Price\n---|---\nApples | 1.99\nBananas | 1.89\n\nBananas are yellow."
    assert header_of(make_hit(bare).chunk, bare.index("Bananas | ")) == "Item | Price"
    assert header_of(make_hit(bare).chunk, bare.index("Bananas are")) == ""
