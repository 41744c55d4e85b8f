"""What became of the citations of an answer: each state, from JSON and from text."""

from __future__ import annotations

import json

import pytest

from ragcli.errors import ExitCode

LOGS = "# Logs\n\nThe logs are rotated\nevery 7 days at night. Old logs are kept for two years.\n"


@pytest.fixture
def cite(ragcli, tmp_path):
    (tmp_path / "logs.md").write_text(LOGS)

    def run(text, *arguments):
        (tmp_path / "answer.txt").write_text(text)
        return ragcli("cite", str(tmp_path / "answer.txt"), *arguments, cwd=tmp_path)

    return run


QUOTED = "[1] logs.md:3  Logs\n    The logs are rotated every 7 days at night.\n"


def test_words_that_stand_where_they_stood_hold(cite):
    done = cite(f"{QUOTED}\n[2] logs.md:4\n    Old logs are kept for two years.\n")
    assert (done.stdout, done.returncode) == ("[1] logs.md:3: holds\n[2] logs.md:4: holds\n", ExitCode.OK)


def test_words_that_moved_are_found_again(cite, tmp_path):
    (tmp_path / "logs.md").write_text("New first line.\n\n" + LOGS)
    done = cite(QUOTED)
    assert (done.stdout, done.returncode) == ("[1] logs.md:3: moved to line 5\n", ExitCode.OK)


def test_words_that_changed_are_shown_as_they_are_now(cite, tmp_path):
    (tmp_path / "logs.md").write_text(LOGS.replace("7 days", "9 days"))
    done = cite(QUOTED)
    assert done.stdout == '[1] logs.md:3: changed; line 3 now says "The logs are rotated every 9 days at night."\n'
    assert done.returncode == ExitCode.NOT_FOUND


def test_a_file_that_is_gone_is_said_to_be(cite, tmp_path):
    (tmp_path / "logs.md").unlink()
    done = cite(QUOTED)
    assert (done.stdout, done.returncode) == ("[1] logs.md:3: gone; the file no longer exists\n", ExitCode.NOT_FOUND)


def test_lines_of_query_in_a_text_are_read(cite):
    done = cite("As I found:\n\nlogs.md:4:Old logs are kept for two years.\nand so on\n")
    assert done.stdout == "logs.md:4: holds\n"


def test_a_place_without_words_is_looked_up(cite):
    done = cite("Logs rotate [1]. So it is [2].\n\n[1] logs.md:3\n[2] logs.md:99\n")
    assert done.stdout.splitlines() == [
        "[1] logs.md:3: holds; the place is there, and no words were quoted",
        "[2] logs.md:99: changed; it is shorter now",
    ]


@pytest.mark.parametrize("text", ["nothing here", "", "{oops", '{"a": 1}', "[" * 100_000, "[1]"])
def test_what_holds_no_citation_is_refused_in_one_line(cite, text):
    done = cite(text)
    assert (done.returncode, done.stdout) == (ExitCode.ERROR, "")
    assert len(done.stderr.splitlines()) == 1


def test_an_answer_in_json_makes_the_round_trip(ragcli, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "logs.md").write_text(LOGS)
    assert ragcli("index", str(tmp_path / "docs")).returncode == ExitCode.OK
    answer = ragcli("ask", "How often are the logs rotated?", "--json").stdout
    (tmp_path / "answer.json").write_text(answer)
    done = ragcli("cite", str(tmp_path / "answer.json"), "--json")
    record = json.loads(done.stdout)
    assert done.returncode == ExitCode.OK
    assert [one["state"] for one in record["citations"]] == ["holds"] * len(json.loads(answer)["citations"])
    assert record["citations"][0]["quote"] == json.loads(answer)["citations"][0]["quote"]["text"]
