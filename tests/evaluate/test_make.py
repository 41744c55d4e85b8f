"""Questions made of documents: what is asked, what is hidden, and that each leads back to its passage."""

from __future__ import annotations

from collections import Counter
from math import log
from pathlib import Path

import pytest

from ragcli.errors import UsageError
from ragcli.evaluate.candidates import definition, prose, sections
from ragcli.evaluate.make import make_questions, telling_words, without_the_rarest
from ragcli.index.reader import open_index
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.types import Chunk


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("A segment is a file that never changes.", "what is a segment"),
        ("An ink cap is a mushroom that melts.", "what is an ink cap"),
        ("Quantisation is the art of storing numbers in fewer bits.", "what is quantisation"),
        ("BM25 is a formula that counts words.", "what is BM25"),
        ("Loss functions are the\nmeasure of a model's mistakes.", "what are loss functions"),
        ("It is a file that never changes.", None),
        ("The machine is a laptop.", None),
        ("One of them is a file.", None),
        ("This kind of segment is a file.", None),
        ("A segment is not mutable.", None),
        ("Segments never change.", None),
    ],
)
def test_a_definition_is_asked_for_by_its_subject(sentence, question):
    assert definition(sentence) == question


def chunks_of(*parts, title=""):
    """Chunks one after the other, from (headings, text)."""
    found, at = [], 0
    for number, (headings, text) in enumerate(parts):
        found.append(
            Chunk(number, Path("/a.md"), title, at, at + len(text), text, (at, at), (1, 1), None, tuple(headings))
        )
        at += len(text) + 2
    return found


def test_a_section_is_asked_for_by_a_heading_that_says_what_it_is():
    chunks = chunks_of(
        (["Tide pools"], "# Tide pools\n\nIntro."),
        (["Tide pools", "2.1 Crabs"], "Crabs hide."),
        (["Tide pools", "Where anemones live"], "On stones."),
        (["Tide pools", "Where anemones live"], "And on shells."),
        (["Tide pools", "Summary"], "All of them hide."),
        (["Long story of everything"], "a"), (["Long story of everything"], "b"),
        (["Long story of everything"], "c"), (["Long story of everything"], "d"),
    )  # fmt: skip
    assert list(sections(chunks)) == [
        ("Tide pools", "# Tide pools\n\nIntro."),
        ("Tide pools: Crabs", "Crabs hide."),
        ("Where anemones live", "On stones.\n\nAnd on shells."),
    ]


def test_a_heading_that_says_nothing_even_with_its_title_is_not_asked():
    assert list(sections(chunks_of((["Q to S"], "text"), title=""))) == []
    assert list(sections(chunks_of((["Oddities"], "text"), title="Tokens"))) == [("Tokens: Oddities", "text")]


def test_prose_is_sentences_and_not_code_or_headings():
    text = (
        "# A heading of more than eight words stands above it all\n\n"
        "The boats are painted in spring before the season opens. Too short. "
        "x = 3; y = [1, 2, 3]; z = {4: 5}; w = (6, 7); v = 8.\n\n"
        "  1 0.25 0.5 0.75\n"
    )
    assert prose(chunks_of(([], text))) == ["The boats are painted in spring before the season opens."]


def test_the_rarest_half_is_hidden():
    frequency = Counter({"harbour": 1, "boat": 9, "paint": 4, "spring": 7, "season": 8, "open": 6})
    words = telling_words("In the harbour boats are painted in spring as the season opens.", frequency, 9)
    assert [word for word, _ in words] == ["harbour", "boats", "painted", "spring", "season", "opens"]
    assert dict(words)["painted"] == pytest.approx(log(10 / 5))
    assert without_the_rarest(words) is None  # three words are too few
    more = [*words, ("boat", 0.0), ("sea", 3.0)]
    assert without_the_rarest(more) == "boats spring season boat"


@pytest.fixture(scope="module")
def samples(sample_home):
    with open_index(sample_home / "samples") as index:
        yield index


def test_each_question_leads_back_to_its_document_and_text(samples):
    made = make_questions(samples, 60, 0)
    assert len(made) == 60
    texts = {
        row.path: "".join("".join(chunk.text.split()) for chunk in samples.catalog.document_chunks(row.id))
        for row in samples.catalog.documents()
    }
    for question in made:
        (path,) = (path for path in texts if str(path).endswith(f"/{question.path}"))
        # chunks overlap, so that a text across two of them is not in one piece: its first words are
        assert "".join(question.text.split()[:6]) in texts[path]
        assert question.path.startswith("sample_docs/")


def test_kinds_take_turns_while_they_last_and_no_question_comes_twice(samples):
    made = make_questions(samples, 90, 0)
    assert [question.made for question in made[:6]] == ["heading", "definition", "sentence"] * 2
    assert len({question.question.casefold() for question in made}) == 90


def test_a_sentence_hides_words_of_its_text_and_adds_none(samples):
    for question in make_questions(samples, 90, 0):
        if question.made == "sentence":
            words = question.question.split()
            assert all(word in question.text for word in words)
            assert 4 <= len(words) <= 10
            assert len(words) < len(question.text.split())


def test_a_seed_makes_the_same_questions_and_another_seed_others(samples):
    assert make_questions(samples, 20, 3) == make_questions(samples, 20, 3)
    assert make_questions(samples, 20, 3) != make_questions(samples, 20, 4)


def test_an_index_with_nothing_to_ask_for_is_refused(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("milk, eggs\n")
    sync(tmp_path / "index", [tmp_path / "notes"], SyncOptions(workers=1))
    with open_index(tmp_path / "index", None) as index, pytest.raises(UsageError, match="no headings, definitions"):
        make_questions(index, 10, 0)


def test_what_stands_twice_is_not_asked_for(tmp_path):
    (tmp_path / "notes").mkdir()
    for name, animal in (("a", "crabs"), ("b", "snails")):
        (tmp_path / "notes" / f"{name}.md").write_text(f"# Life in the pools\n\nHere live {animal} only.\n")
    (tmp_path / "notes" / "c.md").write_text("# Ropes and knots\n\nCoil them.\n")
    sync(tmp_path / "index", [tmp_path / "notes"], SyncOptions(workers=1))
    with open_index(tmp_path / "index", None) as index:
        assert [made.question for made in make_questions(index, 10, 0)] == ["Ropes and knots"]
