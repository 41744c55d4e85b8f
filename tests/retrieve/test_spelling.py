from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.api import open_index, search
from ragcli.ingest.options import SyncOptions
from ragcli.ingest.sync import sync
from ragcli.retrieve.engine import SearchOptions
from ragcli.retrieve.spelling import corrections, edit_distance, replaced
from ragcli.text.terms import make_question

FILES = {
    "retry.md": "The retry backoff grows twofold with every attempt of the client.",
    "ship.md": "The coat of the captain is blue, and the boot is black.",
    "lease.md": "Die Kündigungsfrist beträgt drei Monate. Die Miete ist am Ersten fällig, und das ist die Regel.",
    "ist.md": "Das ist es. Die ist da. Es ist so, wie es ist, und die anderen sind es auch.",
    "thai.md": "ราคาของสินค้านี้เท่าไหร่ครับ และส่งเมื่อไหร่",
    "codes.md": "Error 0x80070643 means that the installer failed.",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spelling")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    sync(folder / "index", [folder / name for name in FILES], SyncOptions())
    with open_index(folder / "index") as opened:
        yield opened


def corrected(index, text, known=()):
    return replaced(text, corrections(make_question(text), index, lambda word: word in known))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("teh retry bakcoff", "the retry backoff"),
        ("backof", "backoff"),
        ("atempt of the cleint", "attempt of the client"),
        ("kuendigungsfrist", "kündigungsfrist"),
        ("get_bakcoff_attempt", "get_backoff_attempt"),
        ("0x80070644", "0x80070644"),  # another code is another thing
        ('"bakcoff"', '"bakcoff"'),  # quotation marks mean what they hold
        ("zymurgy", "zymurgy"),
        ("cat", "cat"),  # no letters changed places
    ],
)
def test_a_word_that_no_document_holds_becomes_the_nearest(index, typed, meant):
    assert corrected(index, typed) == meant


def test_a_word_that_is_known_is_left_alone(index):
    assert corrected(index, "boat") == "boot"
    assert corrected(index, "boat", known=["boat"]) == "boat"


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("boating", ["boat"], "boating"),  # not the boot, and nothing begins with "boa"
        ("atempts", ["attempt"], "attempt"),  # "atempt" is no word
        ("captains", ["captain"], "captains"),  # its stem is there
        ("rebooth", ["booth"], "rebooth"),
        ("bluee", ["blue"], "blue"),
        ("coatings", ["coat"], "coatings"),
    ],
)
def test_a_word_made_of_a_known_one_is_taken_for_no_other(index, typed, known, meant):
    assert corrected(index, typed, known) == meant


def test_what_the_model_knows_a_part_of_is_left_alone(tmp_path):
    """ "callable" was searched for as "capable"."""
    (tmp_path / "a.md").write_text("Threads are capable of much. A function in a private module is hidden from others.")
    sync(tmp_path / "index", [tmp_path / "a.md"], SyncOptions())
    with open_index(tmp_path / "index") as opened:
        assert search(opened, "is a function callable from another module?").notes == ()
        assert search(opened, "is a function capabel of much?").notes != ()


def test_many_unknown_words_are_another_language(index):
    text = "bakcoff atempt cleint captian blakc"
    assert corrected(index, text) == text


def test_a_typo_finds_what_the_word_finds(index):
    typed, meant = (search(index, text) for text in ("teh retry bakcoff", "the retry backoff"))
    assert [hit.chunk.id for hit in typed.hits] == [hit.chunk.id for hit in meant.hits]
    assert typed.notes == ("no document holds 'teh', 'bakcoff': searched for 'the', 'backoff'",)
    assert typed.query == "teh retry bakcoff"
    assert meant.notes == ()


@given(st.text("abc", max_size=7), st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_distance_is_at_most_the_edits_made(word, count, draw: random.Random):
    other = word
    for _ in range(count):
        at = draw.randrange(len(other) + 1)
        other = draw.choice(
            [other[:at] + "d" + other[at:], other[:at] + other[at + 1 :], other[:at] + "d" + other[at + 1 :]]
        )
    assert edit_distance(word, other) == edit_distance(other, word) <= count
    assert (edit_distance(word, other) == 0) == (word == other)


def test_a_swap_is_one_edit():
    assert edit_distance("teh", "the") == 1
    assert edit_distance("kitten", "sitting") == 3


def test_stop_words_of_another_language_find_nothing(index):
    results = search(index, "Wie lange ist die Kündigungsfrist?", SearchOptions(mode="keyword", reranker=None))
    assert [hit.chunk.path.name for hit in results.hits] == ["lease.md"]


def test_a_note_says_that_the_model_is_english(index):
    (note,) = search(index, "Wie lange ist die Kündigungsfrist?").notes
    assert "looks German" in note
    assert search(index, "how long is the lease").notes == ()


def test_what_the_model_cannot_read_has_no_probability(index):
    results = search(index, "ราคาเท่าไหร่")
    assert [(hit.chunk.path.name, hit.probability) for hit in results.hits] == [("thai.md", None)]
    assert results.answered is None
    assert "cannot read Thai" in results.notes[0]
    # a word that it does not hold does not find it
    assert "thai.md" not in [hit.chunk.path.name for hit in search(index, "retry backoff").hits]


def test_an_answer_is_not_quoted_from_what_nobody_read(ragcli, tmp_path):
    (tmp_path / "thai.md").write_text(FILES["thai.md"])
    ragcli("index", str(tmp_path / "thai.md"), "-q")
    done = ragcli("ask", "ประเทศเมืองหลวงอยู่ที่ไหน", "--json")
    assert (done.returncode, json.loads(done.stdout)["text"]) == (1, "")
    done = ragcli("ask", "ราคาของสินค้านี้", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["probability"] is None
