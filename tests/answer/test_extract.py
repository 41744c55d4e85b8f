"""Answers in the documents' own words: quotes that are in the files, from the right files, or none."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from ragcli.answer.extract import extract
from ragcli.index.reader import open_index
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.retrieve.engine import Searcher, SearchOptions

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"


@pytest.fixture(scope="module")
def answered(sample_home):
    """(question row, answer) for every second sample question that a document answers, and for all others."""
    every = [json.loads(line) for line in (SAMPLES / "questions.jsonl").read_text().splitlines()]
    rows = [row for row in every if row["path"]][::2] + [row for row in every if not row["path"]]
    with open_index(sample_home / "samples") as index:
        searcher = Searcher(index, SearchOptions(k=8))
        return [(row, extract(searcher, searcher.search(row["question"]))) for row in rows]


def test_answers_come_from_the_right_document(answered):
    right = [
        any(citation.chunk.path.name == row["path"] for citation in answer.citations)
        for row, answer in answered
        if row["path"]
    ]
    assert len(right) >= 30
    assert sum(right) / len(right) >= 32 / 36


def test_what_no_document_answers_is_refused(answered):
    refused = [answer.text == "" and not answer.citations for row, answer in answered if not row["path"]]
    assert len(refused) == 10
    assert sum(refused) >= 9


def test_every_quote_is_in_its_file_letter_for_letter(answered):
    checked = 0
    for _, answer in answered:
        assert len(answer.citations) <= 3
        assert [citation.number for citation in answer.citations] == list(range(1, len(answer.citations) + 1))
        places = [citation.chunk.id for citation in answer.citations]
        assert all(places.count(place) <= 2 for place in places)
        spans = sorted((citation.chunk.id, citation.start, citation.end) for citation in answer.citations)
        assert all(one[0] < two[0] or one[2] <= two[1] for one, two in pairwise(spans))
        for citation in answer.citations:
            assert citation.quote in citation.chunk.text
            assert citation.quote == citation.quote.strip() != ""
            assert f"{citation.quote} [{citation.number}]" in answer.text
            if citation.mark is not None:
                assert citation.quote[slice(*citation.mark)].strip()
            if citation.chunk.path.suffix in {".md", ".txt", ".rst"}:
                file = citation.chunk.path.read_text(encoding="utf-8")
                assert file[citation.start : citation.end] == citation.quote
                assert file.count("\n", 0, citation.start) + 1 == citation.line
                checked += 1
    assert checked > 15


def test_no_hits_no_answer(tmp_path, sample_home):
    with open_index(sample_home / "samples") as index:
        searcher = Searcher(index, SearchOptions(mode="keyword", reranker=None))
        answer = extract(searcher, searcher.search("zzyzx"))
    assert (answer.text, answer.citations, answer.grounded, answer.by) == ("", (), True, "extract")


def test_a_heading_is_no_answer(tmp_path):
    (tmp_path / "ciphers.md").write_text(
        "# Who invented the Feistel cipher\n\n## Who invented the Feistel cipher?\n\n"
        "It goes back to Horst Feistel, who worked at IBM on a cipher with the name of Lucifer.\n"
    )
    sync(tmp_path / "index", [tmp_path / "ciphers.md"], SyncOptions(), lambda _: None)
    with open_index(tmp_path / "index") as index:
        searcher = Searcher(index, SearchOptions())
        answer = extract(searcher, searcher.search("who invented the Feistel cipher?"), threshold=0.0)
    assert answer.citations[0].quote.endswith(
        "It goes back to Horst Feistel, who worked at IBM on a cipher with the name of Lucifer."
    )


@pytest.fixture
def quote(tmp_path):
    """The quotes of the answer to a question about one file."""

    def run(name, text, question):
        (tmp_path / name).write_text(text)
        sync(tmp_path / "index", [tmp_path / name], SyncOptions(), lambda _: None)
        with open_index(tmp_path / "index") as index:
            searcher = Searcher(index, SearchOptions(k=8))
            return [
                citation.quote for citation in extract(searcher, searcher.search(question), threshold=0.0).citations
            ]

    return run


def test_where_code_does_something_is_answered_with_its_declaration(quote):
    code = (
        "# The backoff between retries is doubled each time, and never longer than MAX.\nMAX = 120\n\n\n"
        'def get_backoff(tries):\n    """Compute the backoff."""\n    return min(MAX, 2**tries)\n\n\n'
        'def get_retry_after(headers):\n    """Read how long a server asks to wait."""\n    return headers["Retry"]\n'
    )
    assert quote("retry.py", code, "where is the retry backoff computed?")[0].startswith("def get_backoff(tries):")


def test_sentences_of_two_paragraphs_are_not_one_quote(quote):
    mail = "To: the whole team of the office\nDate: Wed, 21 Dec 2022\n\nHi all,\n\nFamily day is on the first of May.\n"
    assert quote("day.md", mail, "when is the family day?")[0] == "Family day is on the first of May."


def test_a_quote_has_no_markup_at_its_edges(quote):
    text = "# Overflow\n\n> > In release mode, the integer overflow of Rust\n> > wraps around.\n> <!-- ignore -->\n"
    found = quote("overflow.md", text, "what happens on integer overflow in release mode?")
    assert found == ["In release mode, the integer overflow of Rust\n> > wraps around."]


def test_a_glossary_and_a_sentence_that_names_a_thing_define_it(quote):
    glossary = (
        "# Glossary\n\n**Activation.** The number that a unit puts out for one input.\n\n"
        "**Ablation.** Removing one component and measuring what gets worse.\n\n"
        "The ablation is therefore slow.\n"
    )
    assert quote("glossary.md", glossary, "what is an ablation?")[0] == (
        "**Ablation.** Removing one component and measuring what gets worse."
    )
    named = "Trees are old.\n\nA stand of trees that people have never cut is called a primeval forest. It is rare.\n"
    assert "is called a primeval forest." in quote("forest.md", named, "what is a primeval forest?")[0]


def test_a_title_in_capitals_is_no_quote(quote):
    text = "SAMPLING AND TEMPERATURE\n\nThe temperature divides the scores before the softmax.\n"
    assert quote("sampling.txt", text, "what does the temperature do in sampling?") == [
        "The temperature divides the scores before the softmax."
    ]
