"""What the smaller commands print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"


@pytest.fixture
def samples(ragcli, sample_home):
    """Run a command on the sample index."""
    return lambda *arguments, **options: ragcli(*arguments, "--index", str(sample_home / "samples"), **options)


def test_show_prints_the_lines_of_the_file(samples):
    path = SAMPLES / "sampling.txt"
    lines = path.read_text().splitlines()
    done = samples("show", f"{path}:{len(lines) // 2}", "-C", "2", "--json")
    record = json.loads(done.stdout)
    first = record["context"]["line"]
    shown = record["context"]["text"].split("\n")
    # what lies between chunks is blank: the words of each line are the file's
    assert [line.split() for line in shown] == [line.split() for line in lines[first - 1 : first - 1 + len(shown)]]
    assert record["text"] in path.read_text()


def test_show_takes_a_name_that_only_one_document_has(samples, tmp_path):
    path = next(SAMPLES.rglob("*.md"))
    whole = json.loads(samples("show", f"{path}:1", "--json").stdout)
    assert json.loads(samples("show", f"{path.name}:1", "--json", cwd=tmp_path).stdout) == whole
    assert json.loads(samples("show", f"{path.parent.name}/{path.name}", "--json", cwd=tmp_path).stdout) == whole
    done = samples("show", "nothing-is-called-so.md:1")
    assert done.returncode == 2
    assert "is not in the index" in done.stderr


def test_show_by_page_and_by_id_agree(samples):
    page = json.loads(samples("show", f"{SAMPLES / 'reversible-networks.pdf'}#page=3", "--json").stdout)
    assert page["pages"]["start"] <= 3 <= page["pages"]["end"]
    same = json.loads(samples("show", str(page["chunk"]), "--json").stdout)
    assert same["text"] == page["text"]


def test_open_goes_to_the_line_in_an_editor(samples):
    done = samples("open", f"{SAMPLES / 'sampling.txt'}:5", "--dry-run", VISUAL="", EDITOR="nano -w")
    assert done.stdout.split() == ["nano", "-w", "+5", str(SAMPLES / "sampling.txt")]


def test_open_falls_back_to_a_pager_where_there_is_no_editor_and_no_desktop(samples, tmp_path):
    (tmp_path / "less").write_text("#!/bin/sh\n")
    (tmp_path / "less").chmod(0o755)
    nothing_else = {"VISUAL": "", "EDITOR": "", "PATH": str(tmp_path)}
    done = samples("open", f"{SAMPLES / 'sampling.txt'}:5", "--dry-run", **nothing_else)
    assert done.stdout.split() == ["less", "+5", str(SAMPLES / "sampling.txt")]
    done = samples("open", f"{SAMPLES / 'reversible-networks.pdf'}#page=3", "--dry-run", **nothing_else)
    assert (done.returncode, done.stdout) == (2, "")
    assert "set EDITOR, or read it here: ragcli show" in done.stderr
    (tmp_path / "xdg-open").write_text("#!/bin/sh\n")
    (tmp_path / "xdg-open").chmod(0o755)
    for screen, program in (("", "less"), (":0", "xdg-open")):
        where = nothing_else | {"DISPLAY": screen, "WAYLAND_DISPLAY": "", "BROWSER": ""}
        done = samples("open", f"{SAMPLES / 'sampling.txt'}:5", "--dry-run", **where)
        assert done.stdout.split()[0] == program


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_status_breaks_lines_between_words_on_a_terminal(sample_home):
    import pty

    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "ragcli", "status", "--home", str(sample_home), "--index", "samples"]
    done = subprocess.run(command, stdout=follower, env={**os.environ, "COLUMNS": "40"}, check=False, timeout=60)
    shown = os.read(leader, 1 << 16).decode().splitlines()
    os.close(follower)
    os.close(leader)
    assert done.returncode == 0
    assert [line for line in shown if len(line) > 40 and " " in line[13:].strip()] == []
    piped = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    assert " ".join(" ".join(shown).split()) == " ".join(piped.split())
    assert len(shown) > len(piped.splitlines())


def test_parse_counts_pages_and_shows_chunks(ragcli):
    record = json.loads(ragcli("parse", str(SAMPLES / "reversible-networks.pdf"), "--json").stdout)
    assert record["loader"] == "pdf"
    assert [page["page"] for page in record["pages"]] == [1, 2, 3, 4, 5]
    chunks = json.loads(ragcli("parse", str(SAMPLES / "sampling.txt"), "--chunks", "--json").stdout)["chunks"]
    assert all(chunk["tokens"] <= 200 for chunk in chunks)
    text = ragcli("parse", str(SAMPLES / "sampling.txt"), "--text").stdout
    assert text.strip() == (SAMPLES / "sampling.txt").read_text().strip()


def test_explain_shows_ranks_of_both_lists(samples):
    hits = json.loads(samples("query", "byte pair encoding", "--json", "--no-rerank").stdout)["hits"]
    assert set(hits[0]["parts"]) == {"fused", "dense", "keyword"}
    assert hits[0]["parts"]["fused"]["rank"] == 1
    hits = json.loads(samples("query", "byte pair encoding", "--json").stdout)["hits"]
    assert set(hits[0]["parts"]) == {"fused", "dense", "keyword", "rerank"}
    assert 1 in {hit["parts"]["rerank"]["rank"] for hit in hits if "rerank" in hit["parts"]}
    assert "dense" in samples("query", "byte pair encoding", "--explain", "--format", "text").stdout


def test_filters_act_before_the_cut(samples):
    """With one hit asked for, a filter that the best hit does not pass still gives the best one that does."""
    plain = ("--json", "-k", "1", "--no-rerank")
    best = json.loads(samples("query", "byte pair encoding", *plain).stdout)["hits"][0]
    assert best["path"].endswith("tokenization.html")
    for mode in ("hybrid", "dense", "keyword"):
        hits = json.loads(samples("query", "encoding", "--type", "pdf", "-k", "1", "--mode", mode, "--json").stdout)[
            "hits"
        ]
        assert [Path(hit["path"]).suffix for hit in hits] == [".pdf"]


def test_unique_gives_each_document_once(samples):
    hits = json.loads(samples("query", "attention", "--unique", "--json").stdout)["hits"]
    assert len({hit["path"] for hit in hits}) == len(hits) == 10


def test_copies_are_folded(ragcli, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text("The tower clock strikes thirteen on market days.")
    done = ragcli(
        "query", "tower clock", "--in", str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "c"), "--json"
    )
    (hit,) = json.loads(done.stdout)["hits"]
    assert len(hit["copies"]) == 2


def test_doctor_finds_everything_in_place(ragcli, sample_home):
    done = ragcli("doctor", "--json", "--home", str(sample_home))
    checks = {c["check"]: c["state"] for c in json.loads(done.stdout)["checks"]}
    assert checks["model"] == "ok"
    assert done.returncode == 0


def test_models_shows_the_default_with_its_published_digest(ragcli):
    record = json.loads(ragcli("models", "show", "all-MiniLM-L6-v2", "--json").stdout)
    assert record["sha256"] == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert (record["dimension"], record["window"], record["runtime"]) == (384, 256, "numpy")


def test_files_after_in_are_kept_for_the_next_question_unless_told_not_to(ragcli, tmp_path):
    (tmp_path / "clock.txt").write_text("The tower clock strikes thirteen on market days.\n")
    cache = tmp_path / "cache"

    def ask(*more: str) -> str:
        done = ragcli("query", "tower clock", *more, "--in", "clock.txt", cwd=tmp_path, XDG_CACHE_HOME=str(cache))
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    found = ask("--no-cache")
    assert not list(cache.glob("ragcli/query-in/*"))
    assert ask() == found
    (kept,) = cache.glob("ragcli/query-in/*/index/catalog.sqlite3")
    assert ask() == found
    (tmp_path / "clock.txt").write_text("The tower clock strikes twice, at noon.\n")
    assert "twice, at noon" in ask()
    assert list(cache.glob("ragcli/query-in/*/index/catalog.sqlite3")) == [kept]
