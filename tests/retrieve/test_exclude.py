from __future__ import annotations

import pytest

from ragcli.api import open_index, search
from ragcli.ingest.options import SyncOptions
from ragcli.ingest.sync import sync
from ragcli.retrieve.engine import SearchOptions
from ragcli.retrieve.exclude import read_exclusions

FILES = {
    "both.md": "Cats and dogs live in one house.",
    "cats.md": "Cats sleep on the warm stove all day.",
    "dogs.md": "Dogs sleep in front of the door, and so do other pets.",
    "find.md": "Use find . -name pattern to list files; the name may hold stars.",
    "table.sql": "CREATE TABLE IF NOT EXISTS pets (name text NOT NULL);",
    "names.md": "The name of the file is listed with its pattern.",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exclude")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    sync(folder / "index", [folder / name for name in FILES], SyncOptions())
    with open_index(folder / "index") as opened:
        yield opened


@pytest.mark.parametrize(
    ("question", "rest", "words"),
    [
        ("cats -dogs", "cats", ("dogs",)),
        ("-dogs cats", "cats", ("dogs",)),
        ("pets NOT dogs", "pets", ("dogs",)),
        ('cats -"one house"', "cats", ("one house",)),
        ("cats -dogs NOT stove", "cats", ("dogs", "stove")),
        ("what does find -name do", "what does find -name do", ()),  # a document holds the flag
        ("-dogs", "-dogs", ()),  # nothing else would be left
        ("-5 degrees", "-5 degrees", ()),
        ("a well-known cat", "a well-known cat", ()),
        ("cats --dogs", "cats --dogs", ()),
        ("cats - dogs", "cats - dogs", ()),
        ("DO NOT ENTER", "DO NOT ENTER", ()),
        ("do not enter", "do not enter", ()),
        ('cats "or -dogs"', 'cats "or -dogs"', ()),
        ("x -y", "x", ("y",)),
        ("CREATE TABLE IF NOT EXISTS pets", "CREATE TABLE IF NOT EXISTS pets", ()),  # a document holds it
        ("pets name text NOT NULL", "pets name text NOT NULL", ()),
        ("cats –dogs", "cats", ("dogs",)),
    ],
)
def test_exclusions_are_taken_out_of_the_question(index, question, rest, words):
    found = read_exclusions(question, index)
    assert (found.text, found.words) == (rest, words)


def test_an_excluded_phrase_must_stand_in_one_piece(index):
    names = {hit.chunk.path.name for hit in search(index, 'sleep -"warm stove"', SearchOptions(reranker=None)).hits}
    assert "cats.md" not in names
    names = {hit.chunk.path.name for hit in search(index, 'sleep -"stove warm"', SearchOptions(reranker=None)).hits}
    assert "cats.md" in names


@pytest.mark.parametrize("question", ["cats -dogs", "cats NOT dogs", "cats -dog"])
@pytest.mark.parametrize(
    "options", [SearchOptions(mode=mode, reranker=None) for mode in ("hybrid", "keyword", "dense")]
)
def test_no_hit_holds_an_excluded_word(index, question, options):
    results = search(index, question, options)
    assert results.hits[0].chunk.path.name == "cats.md"
    assert not {"both.md", "dogs.md"} & {hit.chunk.path.name for hit in results.hits}
    assert results.notes[0].startswith("left out what holds 'dog")
    assert results.query == question
