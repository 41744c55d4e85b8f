"""Several indexes at once: one list of hits, each index in its own order."""

from __future__ import annotations

import json

import pytest

from ragcli.errors import ExitCode

NOTES = {
    "work": "The logs of the server are rotated every 7 days at night.",
    "away": "Mangroves filter the salt of the sea at their roots.",
    "copy": "Mangroves filter the salt of the sea at their roots.",
}


@pytest.fixture
def several(ragcli, tmp_path):
    for name, text in NOTES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.md").write_text(f"{text}\n")
        done = ragcli("index", str(tmp_path / name), "-i", name)
        assert done.returncode == ExitCode.OK, done.stderr
    return ragcli


def test_the_best_of_all_indexes_comes_first_and_copies_are_folded(several):
    names = ["-i", "work", "--index=away", "-icopy"]
    for question, first in (("how often are logs rotated?", "work"), ("what do mangroves filter?", "away")):
        record = json.loads(several("query", question, *names, "--all", "--json").stdout)
        hits = record["hits"]
        assert hits[0]["path"].endswith(f"{first}.md")
        told = [hit["probability"] for hit in hits]
        assert told == sorted(told, reverse=True)
        assert len(hits) == 2
        (mangroves,) = (hit for hit in hits if "Mangroves" in hit["text"])
        assert [path.rpartition("/")[2] for path in mangroves["copies"]] == ["copy.md"]
        assert [hit["index"] for hit in hits] == [first, {"work": "away", "away": "work"}[first]]


def test_two_indexes_of_one_name_are_told_apart_by_their_folders(ragcli, tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "docs").mkdir(parents=True)
        (folder / "docs" / "logs.md").write_text(f"The logs of server {name} are rotated at night.\n")
        assert ragcli("index", str(folder / "docs"), "-i", str(folder / "index")).returncode == ExitCode.OK
    places = [str(tmp_path / name / "index") for name in ("one", "two")]
    both = [part for place in places for part in ("-i", place)]
    hits = json.loads(ragcli("query", "when are logs rotated?", *both, "--all", "--json").stdout)["hits"]
    assert sorted(hit["index"] for hit in hits) == places


def test_a_hit_of_one_index_names_none(several):
    record = json.loads(several("query", "how often are logs rotated?", "-i", "work", "--json").stdout)
    assert all("index" not in hit for hit in record["hits"])


def test_an_answer_quotes_from_the_index_that_holds_it(several):
    done = several("ask", "what do mangroves filter?", "-i", "work", "-i", "away")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "away.md" in done.stdout.splitlines()[0]


def test_an_answer_is_found_in_an_index_of_one_passage(several, tmp_path):
    (tmp_path / "lease").mkdir()
    (tmp_path / "lease" / "rent.md").write_text("The rent is 850 euro a month.\n")
    assert several("index", str(tmp_path / "lease"), "-i", "lease").returncode == ExitCode.OK
    (tmp_path / "many").mkdir()
    for number in range(12):
        (tmp_path / "many" / f"{number}.md").write_text(f"def function_{number}(a, b):\n    return a * {number} + b\n")
    assert several("index", str(tmp_path / "many"), "-i", "many").returncode == ExitCode.OK
    done = several("ask", "how much is the rent?", "-i", "lease", "-i", "many")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "850 euro" in done.stdout


def test_a_quoted_phrase_is_looked_for_in_all_indexes(several):
    done = several("query", '"salt of the sea"', "-i", "work", "-i", "away", "--json")
    record = json.loads(done.stdout)
    assert [hit["index"] for hit in record["hits"]] == ["away"]
    assert record["notes"] == []
    nowhere = json.loads(several("query", '"sand of the sea"', "-i", "work", "-i", "away", "--all", "--json").stdout)
    assert {hit["index"] for hit in nowhere["hits"]} == {"work", "away"}
    assert any("no passage holds" in note for note in nowhere["notes"])


def test_an_unknown_index_among_several_is_named(several):
    done = several("query", "logs", "-i", "work", "-i", "nowhere")
    assert done.returncode == ExitCode.ERROR
    assert "nowhere" in done.stderr
