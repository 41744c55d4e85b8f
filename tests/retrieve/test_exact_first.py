"""Exact text comes first, and what plainly does not answer is left out: on a small index of real files."""

import inspect
import json
import random
import re
from pathlib import Path

import pytest

import ragcli

NOTES = {
    "words.md": "# Locks\n\nWaiting for the file out there, the lock timed itself while the process went on waiting.\n",
    "phrase.md": "# Log\n\nThe run ended: it timed out while waiting for the lock of the other process.\n",
    "net.md": "# Price\n\nThe net price is lower than the gross price.\n",
    "dotnet.md": "# Server\n\nThe service was ported to .NET last year and reads its .env file.\n",
    "bag.md": "# Bag\n\nA bag, and a box of litter for the cat.\n",
    "litterbox.md": "# Cats\n\nWe moved the litter box to the cellar.\n",
}


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notes")
    for name, text in NOTES.items():
        (folder / "docs").mkdir(exist_ok=True)
        (folder / "docs" / name).write_text(text)
    ragcli.sync(folder / "index", folder / "docs")
    return folder / "index"


def found(index, query, **options):
    return ragcli.search(index, query, ragcli.SearchOptions(**options))


@pytest.mark.parametrize("mode", ["hybrid", "keyword", "dense"])
def test_a_quoted_phrase_stands_in_every_hit(notes, mode):
    for query in ('"litter box"', 'where is the "litter box"?', "“litter box”"):
        results = found(notes, query, mode=mode)
        assert [hit.chunk.path.name for hit in results.hits] == ["litterbox.md"]
        assert not [note for note in results.notes if "“" in note]


def test_a_phrase_that_no_passage_holds_is_told_and_the_nearest_are_shown(notes):
    results = found(notes, '"box litter"')
    assert results.hits
    assert any("no passage holds “box litter”" in note for note in results.notes)


def test_pasted_text_is_first(notes):
    results = found(notes, "timed out while waiting for the lock")
    assert results.hits[0].chunk.path.name == "phrase.md"
    assert results.hits[0].signals["holds"] == 1


@pytest.mark.parametrize("name", [".NET", ".net", ".env"])
def test_a_name_with_signs_is_found_as_it_is_written(notes, name):
    assert found(notes, name).hits[0].chunk.path.name == "dotnet.md"


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    (folder / "docs").mkdir()
    for module in (json.decoder, json.encoder, json.scanner, inspect, random, re):
        source = inspect.getsourcefile(module)
        (folder / "docs" / f"{module.__name__}.py").write_bytes(Path(source).read_bytes())
    ragcli.sync(folder / "index", folder / "docs")
    return folder


def test_the_line_of_a_hit_is_that_of_what_was_asked_for_as_it_is_written(code):
    lines = (code / "docs" / "inspect.py").read_text().splitlines()
    for name in ("_findclass", "getfullargspec", "formatargvalues"):
        hit = found(code / "index", f"def {name}").hits[0]
        assert lines[hit.snippet.line - 1].startswith(f"def {name}(")
    rng = random.Random(1)
    long = [i for i, line in enumerate(lines) if len(re.findall(r"[^\W_]+", line)) >= 8 and lines.count(line) == 1]
    for i in rng.sample(long, 10):
        hit = found(code / "index", lines[i].strip()).hits[0]
        assert (hit.chunk.path.name, hit.snippet.line) == ("inspect.py", i + 1)


@pytest.mark.parametrize("form", ["{}", "def {}", "where is {} defined?"])
def test_the_definition_of_a_name_comes_before_its_uses(code, form):
    lines = (code / "docs" / "inspect.py").read_text().splitlines()
    for name in ("_findclass", "_signature_fromstr", "getfullargspec", "formatargvalues"):
        (defined,) = [i for i, line in enumerate(lines, 1) if line.startswith(f"def {name}(")]
        first = found(code / "index", form.format(name)).hits[0]
        assert first.chunk.path.name == "inspect.py"
        assert first.chunk.lines[0] <= defined <= first.chunk.lines[1], (name, first.chunk.lines)


def test_a_line_of_a_file_pasted_as_it_is_finds_its_passage(code):
    rng = random.Random(0)
    lines = (code / "docs" / "random.py").read_text().splitlines()
    long = [line.strip() for line in lines if len(re.findall(r"[^\W_]+", line)) >= 8]
    for line in rng.sample(long, 12):
        words = [match.group() for match in re.finditer(r"[^\W_]+", line)]
        text = " ".join(re.findall(r"[^\W_]+", found(code / "index", line).hits[0].chunk.text)).lower()
        assert " ".join(words).lower() in text


@pytest.mark.parametrize(
    "options", [{}, {"k": 30}, {"candidates": 3, "k": 20}, {"reranker": None}, {"mode": "keyword"}], ids=str
)
def test_scores_and_probabilities_fall_whatever_is_asked(code, notes, options):
    for place in (code / "index", notes):
        with ragcli.open_index(place) as index:
            searcher = ragcli.Searcher(index, ragcli.SearchOptions(**options))
            for query in ("random", "def sample", "how are weights used", "waiting for the lock", '"the lock"', "cats"):
                hits = searcher.search(query).hits
                told = [hit.probability for hit in hits if hit.probability is not None]
                assert told == sorted(told, reverse=True), query
                scores = [hit.score for hit in hits]
                assert scores == sorted(scores, reverse=True), query
                assert all(0 <= score <= 1 for score in scores)


def test_the_floor_leaves_out_what_is_on_quite_other_subjects(notes):
    nothing = found(notes, "who won the 1998 world cup?", floor=True)
    assert not nothing.hits
    assert any("--all shows them" in note for note in nothing.notes)
    assert found(notes, "who won the 1998 world cup?").hits
    assert found(notes, "where did the litter box go?", floor=True).hits[0].chunk.path.name == "litterbox.md"


def test_the_floor_keeps_a_line_of_notes_that_answers_in_other_words(tmp_path):
    lines = """the beehives get sugar syrup in late September
        Farid borrowed the drill until Easter
        choir practice moved to the town hall cellar
        the greenhouse thermostat is stuck at 12 degrees
        aunt Vera cannot eat anything with gluten
        the canoe has a crack near the bow
        ask the notary for two certified copies of the deed
        the chimney sweep comes on the first Monday of November"""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "home.txt").write_text("\n".join(line.strip() for line in lines.splitlines()))
    ragcli.sync(tmp_path / "index", tmp_path / "notes")
    for query, line in {
        "who has our tool for making holes in walls?": 2,
        "where do we sing now?": 3,
        "is the boat damaged?": 6,
        "when will the stove pipe be cleaned?": 8,
        "which relative must not have bread?": 5,
    }.items():
        assert [hit.snippet.line for hit in found(tmp_path / "index", query, floor=True).hits] == [line], query
    for query in ("who won the 1998 world cup?", "how do black holes evaporate?", "causes of the french revolution"):
        assert not found(tmp_path / "index", query, floor=True).hits, query


def test_what_holds_the_query_stays_above_the_floor(notes):
    for query in (".env", "gross price", '"a box of litter"'):
        assert found(notes, query, floor=True).hits


FOREIGN = {
    "lease.md": "# Mietvertrag\nDie Kündigungsfrist beträgt drei Monate zum Quartalsende.\n",
    "garden.md": "# Garten\nWie lange ist der Sommer? Der Sommer ist lang, und das Gemüse ist im August reif.\n",
    "thai.md": "ระยะเวลาแจ้งล่วงหน้าคือสามเดือน\n", "room.md": "我们在会议室开会，讨论明年的预算。\n",
    "other.md": "会议很长，另一间室内讨论。\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "docs").mkdir()
    for name, text in FOREIGN.items():
        (folder / "docs" / name).write_text(text)
    ragcli.sync(folder / "index", folder / "docs")
    return folder / "index"


@pytest.mark.parametrize("query", ["Wie lange ist die Kündigungsfrist?", "wie lange ist die kuendigungsfrist"])
def test_stop_words_of_another_language_are_no_evidence(foreign, query):
    results = found(foreign, query)
    assert results.hits[0].chunk.path.name == "lease.md"
    assert any("looks German" in note for note in results.notes)


def test_a_phrase_in_a_script_without_spaces_is_found(foreign):
    for query in ('"会议室"', "「会议室」", "会议室"):
        results = found(foreign, query)
        assert results.hits[0].chunk.path.name == "room.md"
        assert not any("no passage holds" in note for note in results.notes)


def test_what_the_model_cannot_read_is_not_shown_for_words_that_it_does_not_hold(foreign):
    for options in ({"reranker": None}, {}):
        names = {hit.chunk.path.name for hit in found(foreign, "qzxv blorptang", **options).hits}
        assert "thai.md" not in names


SOURCES = {
    "Pump.java": "class Pump {\n    public int computeFlow(int level) throws X {\n        return 3;\n    }\n}\n",
    "Use.java": "class Use {\n    void run() {\n        log(computeFlow, p.computeFlow(3));\n    }\n}\n",
    "pump.cpp": "int Pump::drainAll(int level) const\n{\n    return level - 1;\n}\n",
    "main.cpp": "int main() {\n    p.drainAll(3); // drainAll drains\n    return p.drainAll(4) + drainAll;\n}\n",
    "app.js": "class Meter {\n  async readMeter(id) {\n    return fetch(id);\n  }\n}\n",
    "use.js": "await m.readMeter(3); // readMeter reads the meter, readMeter\n",
    "tool.rb": "class Tool\n  def self.sharpen(blade)\n    blade\n  end\nend\n",
    "use.rb": "sharpen sharpen sharpen blade\n",
    "ne.py": "def check(count, limit, done):\n    if count != limit and done:\n        return 1\n",
    "eq.py": "def check(count, limit, done):\n    if count == limit and done:\n        return 2\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    (folder / "docs").mkdir()
    for name, text in SOURCES.items():
        (folder / "docs" / name).write_text(text)
    ragcli.sync(folder / "index", folder / "docs")
    return folder / "index"


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("computeFlow", "Pump.java:2"), ("where is computeFlow defined?", "Pump.java:2"),
        ("computeflow", "Pump.java:2"),
        ("drainAll", "pump.cpp:1"), ("`readMeter`", "app.js:2"), ("function sharpen", "tool.rb:2"),
        ("if count != limit and done:", "ne.py:2"), ("if count == limit and done:", "eq.py:2"),
        ('"count != limit"', "ne.py:2"), ('"count == limit"', "eq.py:2"),
    ],
)  # fmt: skip
def test_definitions_and_pasted_lines_of_many_languages_are_first(sources, query, place):
    hit = found(sources, query).hits[0]
    assert f"{hit.chunk.path.name}:{hit.snippet.line}" == place
