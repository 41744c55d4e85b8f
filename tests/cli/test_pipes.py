"""ragcli in real shells, among the programs that people pipe it into."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ragcli.errors import IndexNotFound
from ragcli.index.reader import open_index
from ragcli.retrieve import DEFAULT_CANDIDATES

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"


@pytest.fixture
def shell(sample_home, tmp_path):
    """Run a line of bash in which ``ragcli`` is the command and RAGCLI_INDEX the sample index."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "ragcli"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ragcli "$@"\n')
    script.chmod(0o755)

    def run(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "RAGCLI_HOME": str(sample_home),
            "RAGCLI_INDEX": "samples", **variables,
        }  # fmt: skip
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, cwd=SAMPLES, env=environment,
            check=False, timeout=120,
        )  # fmt: skip

    return run


needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


@needs_jq
def test_json_lines_go_through_jq(shell):
    done = shell("ragcli query 'byte pair encoding merges' --no-rerank --jsonl | jq -r '[.path, .line, .score] | @tsv'")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert Path(rows[0][0]).name == "tokenization.html"
    assert [float(row[2]) for row in rows] == sorted((float(row[2]) for row in rows), reverse=True)
    assert done.stderr == ""


def test_paths_ended_by_nul_go_through_xargs(shell):
    done = shell("ragcli query 'byte pair encoding' --paths -0 | xargs -0 ls -1")
    assert done.returncode == 0, done.stderr
    assert "tokenization.html" in done.stdout.splitlines()


@pytest.mark.parametrize("question", ["how can a network run backwards", "byte pair encoding", "what is attention?"])
def test_explain_adds_the_rank_and_score_in_each_list_behind_a_tab(shell, question):
    hits = json.loads(shell(f"ragcli query --all '{question}' --json").stdout)["hits"]
    plain = shell(f"ragcli query --all '{question}'").stdout.splitlines()
    done = shell(f"ragcli query --all '{question}' --explain")
    assert done.stderr.startswith(f"reranked {DEFAULT_CANDIDATES} of {DEFAULT_CANDIDATES} candidates in ")
    assert len(done.stderr.splitlines()) == 1
    lines = done.stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == plain
    assert len(lines) == len(hits) == 10
    for name in ("fused", "dense", "keyword", "rerank"):
        told = {i: hit["parts"][name] for i, hit in enumerate(hits) if hit["parts"].get(name, {}).get("rank")}
        for i, line in enumerate(lines):
            (field,) = [field for field in line.split("\t")[1:] if field.startswith(f"{name} ")]
            assert field.split()[1] == (f"#{told[i]['rank']}" if i in told else "-")
        # the rank is that of the score in this list, whatever the order of the hits
        assert sorted(told, key=lambda i: told[i]["rank"]) == sorted(told, key=lambda i: -told[i]["score"])
        assert len({part["rank"] for part in told.values()}) == len(told)
    assert shell(f"ragcli query --all '{question}' --explain | cut -f 1").stdout.splitlines() == plain


def test_head_ends_the_pipe_without_noise(shell):
    done = shell("ragcli query 'attention' -k 50 --all | head -1")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_a_reader_that_reads_nothing_is_no_error(shell):
    done = shell("ragcli query 'attention' -k 50 --all --json | true; echo ${PIPESTATUS[0]}")
    assert done.stdout == "0\n"
    assert done.stderr == ""


def test_no_color_is_honoured_and_a_pipe_has_none_anyway(shell):
    command = "ragcli query 'attention' --format text"
    assert "\x1b[" in shell(command, FORCE_COLOR="1").stdout
    assert "\x1b[" not in shell(command, FORCE_COLOR="1", NO_COLOR="1").stdout
    assert "\x1b[" not in shell(command).stdout


def test_questions_from_stdin_give_one_json_line_each(shell, tmp_path):
    questions = tmp_path / "questions.txt"
    questions.write_text("what is byte pair encoding?\n\nwho described Feistel networks?\n")
    done = shell(f"cat {questions} | ragcli query - -k 3")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["query"] for record in records] == ["what is byte pair encoding?", "who described Feistel networks?"]
    assert [len(record["hits"]) for record in records] == [3, 3]
    assert Path(records[1]["hits"][0]["path"]).name == "reversible-networks.pdf"


def test_stdin_is_searched_without_an_index(shell):
    done = shell("cat *.txt | ragcli query 'vanishing gradients' --in - -k 1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(stdin):")


def test_each_line_of_stdin_is_a_passage_unless_it_is_cut(shell):
    lines = "printf 'rent is due\\nthe cat sat\\n\\nmilk is white\\n' | ragcli query animal --all --in -"
    assert sorted(shell(lines).stdout.splitlines()) == [
        "(stdin):1: rent is due",
        "(stdin):2: the cat sat",
        "(stdin):4: milk is white",
    ]
    assert shell(lines).stdout.startswith("(stdin):2:")
    assert len(shell(f"{lines} --cut").stdout.splitlines()) < 3


def test_nothing_found_is_exit_code_1_and_valid_empty_output(shell):
    command = "ragcli query 'zzqxv' --mode keyword"
    for format_, expected in (("jsonl", ""), ("plain", ""), ("paths", "")):
        done = shell(f"{command} --format {format_}")
        assert (done.returncode, done.stdout) == (1, expected)
    done = shell(f"{command} --json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["hits"] == []


def test_a_pipe_that_gets_hits_is_not_told_what_was_left_out(shell):
    found = shell("ragcli query overlap -k 3")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout
    document = json.loads(shell("ragcli query overlap -k 3 --json").stdout)
    assert [note for note in document["notes"] if note.startswith("unlikely passages left out: ")]
    nothing = shell("ragcli query 'who won the chess championship?' --path 'sampling.txt' --path ops.md")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "note: unlikely passages left out: " in nothing.stderr


@pytest.mark.parametrize("format_", ["plain", "jsonl", "text"])
def test_a_filter_that_no_document_passes_says_so(shell, format_):
    done = shell(f"ragcli query attention --type zzz --format {format_}")
    assert done.returncode == 1
    assert done.stderr.startswith("note: no document is of type 'zzz'; types here: md ")
    assert len(done.stderr.splitlines()) == 1
    assert shell(f"ragcli query attention --type zzz --format {format_} --quiet").stderr == ""


def test_files_without_text_say_so(shell, tmp_path):
    (tmp_path / "blank.txt").write_text(" \n")
    done = shell(f"ragcli query attention --in {tmp_path}/blank.txt")
    assert (done.returncode, done.stdout) == (1, "")
    note = "note: none of the files after --in holds text to search; see what is read of one: ragcli parse FILE"
    assert done.stderr.splitlines() == [note]
    done = shell(f"ragcli query attention --type zzz --in {tmp_path}/blank.txt sampling.txt")
    assert done.stderr.splitlines() == [note.replace("the files", "the files that pass the filters")]


def test_an_index_without_documents_says_so(shell, tmp_path):
    (tmp_path / "void").mkdir()
    made = shell(f"ragcli index {tmp_path}/void -i {tmp_path}/ix")
    assert made.returncode == 0, made.stderr
    note = "note: the index holds no documents yet: wait for the run that fills it, or start one: ragcli index PATH\n"
    said = note.replace("ragcli index", f"ragcli index -i {tmp_path}/ix")
    for command in ("query attention", "query attention --json", "ask attention", "ask attention --llm x --dry-run"):
        done = shell(f"ragcli {command} -i {tmp_path}/ix")
        assert (done.returncode, done.stderr) == (1, said), command
    many = shell(f"printf 'one\\ntwo\\n' | ragcli query - -i {tmp_path}/ix")
    assert (many.returncode, many.stderr) == (1, said)
    assert [json.loads(line)["notes"] for line in many.stdout.splitlines()] == [[note[len("note: ") : -1]]] * 2


def test_a_first_run_says_so_while_it_runs_and_after_it_was_killed(shell, tmp_path):
    """What the reader finds between the start of the first run and its first commit."""
    (tmp_path / "docs").mkdir()
    for number in range(40):
        (tmp_path / "docs" / f"{number}.txt").write_text(f"Clock {number} strikes thirteen on market days.\n" * 400)
    folder = tmp_path / "ix"
    command = [sys.executable, "-m", "ragcli", "index", str(tmp_path / "docs"), "-i", str(folder)]
    started = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not is_begun(folder):
            assert started.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        started.send_signal(signal.SIGSTOP)
        done = [shell(f"ragcli query clock -i {folder}")]
    finally:
        started.kill()
        started.wait()
    done.append(shell(f"ragcli query clock -i {folder}"))
    for found in done:
        assert (found.returncode, found.stdout) == (1, "")
        assert len(found.stderr.splitlines()) == 2  # how far the run is, and what to do
        assert "holds no documents yet" in found.stderr
        assert "ragcli index" in found.stderr


def is_begun(folder: Path) -> bool:
    try:
        with open_index(folder, None):
            return True
    except IndexNotFound:
        return False


def test_nothing_found_is_said_only_where_documents_were_searched(shell):
    done = shell("ragcli query zzqxv --mode keyword --format text")
    assert (done.returncode, done.stderr) == (1, "nothing found\n")


def test_places_in_plain_output_can_be_shown(shell):
    line = shell("ragcli query 'byte pair encoding merges' --no-rerank -k 1").stdout
    reference = line.split(": ")[0]
    done = shell(f"ragcli show {reference}")
    assert done.returncode == 0, done.stderr
    assert "merge" in done.stdout


def test_every_hit_is_its_span_of_the_file(shell):
    """For a file that is text, the bytes that a hit names are the passage, letter for letter."""
    hits = [
        json.loads(line)
        for line in shell("ragcli query 'gradient' --type txt --type md --jsonl -k 20").stdout.splitlines()
    ]
    assert hits
    for hit in hits:
        raw = Path(hit["path"]).read_bytes()
        assert raw[hit["bytes"]["start"] : hit["bytes"]["end"]].decode() == hit["text"]
        lines = raw.decode().split("\n")[hit["lines"]["start"] - 1 : hit["lines"]["end"]]
        assert hit["text"].split("\n")[0] in lines[0]
        assert hit["text"].split("\n")[-1] in lines[-1]
