"""Whatever goes wrong is one line that says what and what to do, the right exit code, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from ragcli.models.resolve import DEFAULT_MODEL, resolve


@pytest.fixture
def notes(tmp_path, ragcli):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# Harbour\n\nBoats are painted in spring, before the season opens.\n")
    assert ragcli("index", str(folder)).returncode == 0
    return folder


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, *fragments: str) -> None:
    assert done.returncode == code, (done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("ragcli: ")
    for fragment in fragments:
        assert fragment in lines[0]
    assert done.stdout == ""


def index_folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "default"


def test_a_path_that_does_not_exist(ragcli, tmp_path):
    assert_one_line(ragcli("index", str(tmp_path / "nowhere")), 2, "nowhere", "does not exist")


def test_no_path_and_no_known_folder(ragcli):
    assert_one_line(ragcli("index"), 2, "ragcli index PATH")


def test_an_empty_folder_is_an_empty_index(ragcli, tmp_path):
    (tmp_path / "void").mkdir()
    done = ragcli("index", str(tmp_path / "void"))
    assert done.returncode == 0
    assert "nothing to index" in done.stderr
    assert ragcli("query", "anything").returncode == 1


def test_the_whole_disk_needs_yes(ragcli):
    assert_one_line(ragcli("index", "/"), 2, "--yes")
    assert_one_line(ragcli("index", str(Path.home())), 2, "--yes")


def test_an_index_that_does_not_exist_names_those_that_do(ragcli, notes):
    assert_one_line(ragcli("query", "boats", "--index", "defualt"), 2, "defualt", "default")
    assert_one_line(ragcli("query", "boats", "--index", "../x y"), 2, "no index")


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_query(ragcli, notes, text):
    assert_one_line(ragcli("query", text), 2, "empty")


def test_a_query_of_ten_thousand_words_is_answered_with_a_note(ragcli, notes):
    done = ragcli("query", "painted boats " * 5000, "--json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert Path(answer["hits"][0]["path"]).name == "a.md"
    assert "tokens" in answer["notes"][0]
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_query_of_signs_alone_is_answered(ragcli, notes):
    assert ragcli("query", "?!…").returncode in {0, 1}
    assert ragcli("query", "?!…", "--mode", "keyword").returncode == 1


def test_two_formats_at_once(ragcli, notes):
    assert_one_line(ragcli("query", "x", "--json", "--jsonl"), 2, "one format")
    assert_one_line(ragcli("query", "x", "--format", "xml"), 2, "xml", "markdown")
    assert_one_line(ragcli("query", "x", "--mode", "magic"), 2, "magic", "hybrid")
    assert_one_line(ragcli("query", "x", "--after", "soon"), 2, "soon")


def test_words_that_were_not_quoted(ragcli, notes):
    assert_one_line(ragcli("query", "painted", "boats"), 2, "quotes")


def test_an_unknown_option_is_a_usage_error(ragcli):
    assert_one_line(ragcli("query", "x", "--frobnicate"), 2, "no option '--frobnicate' for ragcli query")
    assert_one_line(ragcli("query", "x", "--\x1b[2J"), 2, "␛[2J")


def test_an_index_of_a_newer_format(ragcli, notes, tmp_path):
    with sqlite3.connect(index_folder(tmp_path) / "catalog.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for command in (("query", "boats"), ("index",), ("status",), ("verify",)):
        assert_one_line(ragcli(*command), 2, "format 99", "upgrade")


def test_a_damaged_catalog(ragcli, notes, tmp_path):
    path = index_folder(tmp_path) / "catalog.sqlite3"
    path.write_bytes(b"not a database" * 1000)
    for command in (("query", "boats"), ("index",), ("status",)):
        assert_one_line(ragcli(*command), 2, "damaged", "catalog.sqlite3")


@pytest.mark.parametrize("harm", ["truncate", "delete"])
def test_a_damaged_segment(ragcli, notes, tmp_path, harm):
    (segment,) = (index_folder(tmp_path) / "vectors").glob("*.faiss")
    if harm == "truncate":
        os.truncate(segment, segment.stat().st_size // 2)
    else:
        segment.unlink()
    assert_one_line(ragcli("query", "boats"), 2, segment.name, "ragcli repair")
    assert ragcli("query", "boats", "--mode", "keyword").returncode == 0
    assert ragcli("verify").returncode == 2
    assert ragcli("index", "--force").returncode == 0
    assert ragcli("query", "boats").returncode == 0
    assert ragcli("verify").returncode == 0


def test_a_keyword_index_that_is_gone(ragcli, notes, tmp_path):
    for path in (index_folder(tmp_path) / "keywords").iterdir():
        path.unlink()
    assert_one_line(ragcli("query", "boats"), 2, "keyword", "ragcli repair")
    assert ragcli("index", "--force").returncode == 0
    assert ragcli("query", "boats").returncode == 0


def test_a_second_writer_is_told_who_writes(ragcli, notes, tmp_path):
    folder = index_folder(tmp_path)
    with filelock.FileLock(folder / "writer.lock"):
        (folder / "writer.json").write_text(json.dumps({"pid": 4711, "host": "here", "since": "2026-01-01 00:00:00"}))
        assert_one_line(ragcli("index"), 2, "4711", "here")
        assert_one_line(ragcli("remove", str(notes)), 2, "4711", "here")
        assert ragcli("query", "boats").returncode == 0
        # what is wrong with the call comes first
        assert_one_line(ragcli("index", str(tmp_path / "nowhere")), 2, "nowhere does not exist")
        done = ragcli("remove", str(tmp_path / "nowhere"))
        assert done.returncode == 1
        assert done.stderr == f"nothing removed: the index holds nothing at or below {tmp_path / 'nowhere'}\n"


def test_an_import_without_a_file_says_so_before_it_looks_at_the_index(ragcli, notes, tmp_path):
    assert_one_line(ragcli("import", str(tmp_path / "none.ragcli")), 2, "none.ragcli does not exist")


def test_a_full_disk_costs_nothing_that_was_there(notes, tmp_path, ragcli):
    (notes / "b.md").write_text("# Rope\n\n" + " ".join(f"Knot {i} holds." for i in range(3_000)))
    limited = f"ulimit -f 48; exec {sys.executable} -m ragcli index --home {tmp_path / 'home'}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert ragcli("query", "painted boats").returncode == 0
    assert ragcli("index").returncode == 0
    assert ragcli("verify").returncode == 0


def test_an_unknown_model_that_cannot_be_fetched(ragcli, notes):
    done = ragcli("index", "--model", "someone/no-such-model", HF_ENDPOINT="http://127.0.0.1:9")
    assert_one_line(done, 2, "someone/no-such-model", "ragcli models add")


def test_a_ragcli_toml_with_a_mistake_names_it(ragcli, notes, tmp_path):
    (tmp_path / "ragcli.toml").write_text("[query]\nkk = 3\n")
    assert_one_line(ragcli("query", "boats", cwd=tmp_path), 2, "ragcli.toml", "query.kk")
    (tmp_path / "ragcli.toml").write_text("[query\n")
    assert_one_line(ragcli("query", "boats", cwd=tmp_path), 2, "ragcli.toml", "TOML")


def test_a_reference_that_names_nothing(ragcli, notes):
    assert_one_line(ragcli("show", "999999"), 2, "999999")
    assert_one_line(ragcli("show", "nowhere.md:3"), 2, "not in the index")
    assert_one_line(ragcli("show", f"{notes / 'a.md'}:900"), 2, "past the end")


def test_parse_says_why_a_file_cannot_be_read(ragcli, tmp_path):
    (tmp_path / "x.pdf").write_bytes(b"%PDF-1.4 nothing")
    assert_one_line(ragcli("parse", str(tmp_path / "x.pdf")), 2, "damaged", "x.pdf")
    assert_one_line(ragcli("parse", str(tmp_path / "none.pdf")), 2, "not a file")


def test_debug_shows_the_traceback(ragcli, tmp_path):
    done = ragcli("index", str(tmp_path / "nowhere"), "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("time", ["soon", "5 minutes", "-1s", "1e3ms", "ms"])
def test_a_budget_that_is_no_time(ragcli, notes, time):
    assert_one_line(ragcli("query", "boats", f"--budget={time}"), 2, repr(time), "300ms")


def test_a_reranker_folder_that_is_none(ragcli, notes, tmp_path):
    assert_one_line(ragcli("query", "boats", "--reranker", str(notes)), 2, str(notes), "config.json")
    assert_one_line(ragcli("query", "boats", "--reranker", str(tmp_path / "none")), 2, str(tmp_path / "none"))
    folder = str(resolve(DEFAULT_MODEL).folder)
    assert_one_line(ragcli("query", "boats", "--reranker", folder), 2, folder, "is not a cross-encoder")
    assert_one_line(ragcli("rerank", "boats", "--reranker", folder, stdin="a\nb\n"), 2, folder, "cross-encoder")


def test_a_reranker_that_cannot_be_fetched(ragcli, notes):
    done = ragcli("query", "boats", "--reranker", "someone/no-such-model", HF_ENDPOINT="http://127.0.0.1:9")
    assert_one_line(done, 2, "someone/no-such-model")
    assert_one_line(ragcli("query", "boats", "--reranker", "someone/no-such-model", "--offline"), 2, "no-such-model")


def test_a_reranker_with_damaged_weights(ragcli, notes, make_cross_encoder, tmp_path):
    folder = Path(shutil.copytree(make_cross_encoder(), tmp_path / "cut"))
    os.truncate(folder / "model.safetensors", 1000)
    assert_one_line(ragcli("query", "boats", "--reranker", str(folder)), 2, str(folder), "damaged")
    assert ragcli("query", "boats", "--reranker", str(folder), "--no-rerank").returncode == 0


def test_a_reranker_that_gives_no_numbers(ragcli, notes, make_cross_encoder, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = Path(shutil.copytree(make_cross_encoder(), tmp_path / "broken"))
    for harm in (float("nan"), float("inf")):
        tensors = load_file(folder / "model.safetensors")
        tensors["bert.encoder.layer.0.output.dense.bias"][:] = harm
        save_file(tensors, folder / "model.safetensors")
        done = ragcli("query", "boats", "--reranker", str(folder))
        assert (done.returncode, done.stdout) == (0, ragcli("query", "boats", "--no-rerank").stdout)
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"note: the reranker {folder} gave scores that are not numbers")


# a machine with 1 MiB free, told by the only file that says so
LITTLE_MEMORY = """
import sys
from pathlib import Path
read = Path.read_text
Path.read_text = lambda p, *a, **k: "MemAvailable: 1024 kB" if str(p) == "/proc/meminfo" else read(p, *a, **k)
from ragcli.cli.app import main
sys.exit(main())
"""


def test_a_reranker_too_large_for_the_memory(notes, tmp_path):
    arguments = ["query", "boats", "--home", str(tmp_path / "home"), "--reranker", "ragcli-reranker"]
    run = [sys.executable, "-c", LITTLE_MEMORY, *arguments]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=120)
    assert_one_line(done, 2, "MiB of memory, 1 are free", "--no-rerank")
    done = subprocess.run([*run, "--no-rerank"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0


def test_a_probability_that_was_never_fitted(ragcli, notes, make_cross_encoder, tmp_path):
    tiny = str(make_cross_encoder())
    models = {"RAGCLI_MODELS": str(tmp_path / "models")}
    done = ragcli("query", "boats", "--mode", "keyword", "--reranker", tiny, "--min-prob", "0.5", **models)
    assert_one_line(done, 2, tiny, "ragcli models calibrate")
    done = ragcli("query", "boats", "--mode", "keyword", "--no-rerank", "--min-prob", "0.5", **models)
    assert_one_line(done, 2, "without a reranker", "ragcli models calibrate")
    assert ragcli("query", "boats", "--min-prob", "1.5").returncode == 2


def test_rerank_without_a_question(ragcli):
    assert_one_line(ragcli("rerank", "  ", stdin="a\n"), 2, "empty")
