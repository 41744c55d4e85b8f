"""``ragcli index`` over folders that change, as a user sees it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "logs.md").write_text(
        "# Logs\n\nLog files are rotated every night by a timer and kept for thirty days.\n"
    )
    (folder / "bread.txt").write_text("A sourdough loaf needs flour, water, salt and a long night of rest.\n")
    (folder / "empty.txt").write_text("")
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 but nothing after")
    return folder


def record(done: subprocess.CompletedProcess[str]) -> dict:
    return json.loads(done.stdout)


def test_everything_is_accounted_for_and_a_failure_is_exit_code_3(ragcli, notes):
    done = ragcli("index", str(notes), "--json")
    assert done.returncode == 3
    summary = record(done)
    assert summary["added"] == 2
    assert [Path(failure["path"]).name for failure in summary["failures"]] == ["broken.pdf"]
    status = record(ragcli("status", "--json"))
    assert status["files"] == len(list(notes.iterdir()))
    assert status["documents"] == 2
    assert status["not_indexed"]["reasons"] == {"damaged": 1, "empty": 1, "unsupported": 1}
    assert status["runtimes"] == ["numpy"]
    assert "ragcli: the vectors were made by: numpy" in ragcli("status", "-v").stderr


def test_the_next_run_reads_only_what_changed(ragcli, notes):
    (notes / "broken.pdf").unlink()
    assert ragcli("index", str(notes)).returncode == 0
    again = record(ragcli("index", "--json"))
    assert (again["added"], again["changed"], again["removed"], again["unchanged"]) == (0, 0, 0, 2)

    (notes / "logs.md").write_text(
        (notes / "logs.md").read_text() + "\n# Alarms\n\nThe pager rings when the disk is full.\n"
    )
    (notes / "bread.txt").rename(notes / "loaf.txt")
    (notes / "new.txt").write_text("Ferries leave the island at noon.")
    changed = record(ragcli("index", "--json"))
    assert (changed["added"], changed["changed"], changed["removed"]) == (2, 1, 1)
    # the moved file and the section that did not change kept their vectors: two passages are new
    assert changed["chunks"] == {"embedded": 2, "reused": 2}
    assert record(ragcli("verify", "--json"))["sound"]

    paths = [Path(d["path"]).name for d in record(ragcli("list", "--json"))["documents"]]
    assert paths == ["loaf.txt", "logs.md", "new.txt"]


def test_a_touched_file_with_the_same_content_is_unchanged(ragcli, notes):
    ragcli("index", str(notes))
    os.utime(notes / "logs.md", (1, 1))
    summary = record(ragcli("index", "--json"))
    assert (summary["changed"], summary["unchanged"]) == (0, 2)
    assert summary["chunks"]["embedded"] == 0


def test_a_file_that_becomes_ignored_leaves_the_index(ragcli, notes):
    ragcli("index", str(notes))
    (notes / ".ragignore").write_text("bread.txt\n")
    assert record(ragcli("index", "--json"))["removed"] == 1
    reasons = {
        Path(e["path"]).name: e["reason"] for e in record(ragcli("list", "--not-indexed", "--json"))["not_indexed"]
    }
    assert reasons["bread.txt"] == "ignored"


def test_a_root_that_is_gone_loses_nothing(ragcli, notes):
    ragcli("index", str(notes))
    shutil.move(notes, notes.with_name("unmounted"))
    done = ragcli("index", "--json")
    assert done.returncode == 3
    assert record(done)["removed"] == 0
    assert len(record(ragcli("list", "--json"))["documents"]) == 2


def test_a_dry_run_says_what_would_happen_and_writes_nothing(ragcli, notes, tmp_path):
    done = ragcli("index", str(notes), "--dry-run", "--exclude", "*.pdf")
    assert done.returncode == 0
    actions = {Path(line.split("\t")[1]).name: line.split("\t") for line in done.stdout.splitlines()}
    assert actions["logs.md"][0] == "add"
    assert actions["empty.txt"][0] == "skip"
    assert actions["photo.png"][0::2] == ["skip", "unsupported: a picture; read the text in pictures with --ocr"]
    assert actions["broken.pdf"][2].startswith("excluded")
    assert not (tmp_path / "home").exists()


def test_a_plan_estimates_and_writes_nothing(ragcli, notes, tmp_path):
    plan = record(ragcli("index", str(notes), "--plan", "--json"))
    assert plan["files"] == 3  # what a look at names, sizes, times and first bytes does not rule out
    assert plan["chunks"] == 2
    assert plan["seconds"] > 0
    assert not (tmp_path / "home").exists()


def test_include_is_remembered_for_the_next_run(ragcli, notes):
    ragcli("index", str(notes), "--include", "*.md")
    (notes / "other.md").write_text("# Other\n\nSomething else.\n")
    (notes / "other.txt").write_text("Not wanted.")
    ragcli("index")
    assert [Path(d["path"]).name for d in record(ragcli("list", "--json"))["documents"]] == ["logs.md", "other.md"]


def test_a_folder_below_a_known_one_is_counted_once(ragcli, notes):
    (notes / "deep").mkdir()
    (notes / "deep" / "a.txt").write_text("Deep waters.")
    ragcli("index", str(notes))
    ragcli("index", str(notes / "deep"))
    status = record(ragcli("status", "--json"))
    assert status["roots"] == [str(notes)]
    assert status["documents"] == 3


def test_remove_takes_files_and_folders_out(ragcli, notes):
    ragcli("index", str(notes))
    assert record(ragcli("remove", str(notes / "bread.txt"), "--json"))["removed"] == 1
    assert record(ragcli("remove", str(notes), "--json")) == {"schema": 1, "removed": 1, "roots": [str(notes)]}
    assert ragcli("list").returncode == 1
    assert ragcli("remove", str(notes)).returncode == 1


def test_other_chunk_sizes_rebuild_the_index_and_a_failed_rebuild_leaves_the_old_one(ragcli, notes, tmp_path):
    (notes / "long.txt").write_text(" ".join(f"Sentence number {i} speaks of tides and moons." for i in range(60)))
    ragcli("index", str(notes))
    before = record(ragcli("status", "--json"))
    failed = ragcli("index", "--model", str(tmp_path / "no-such-model"))
    assert failed.returncode == 2
    assert record(ragcli("status", "--json"))["chunks"] == before["chunks"]
    ragcli("index", "--chunk-size", "40", "--chunk-overlap", "0")
    after = record(ragcli("status", "--json"))
    assert after["chunk_size"] == 40
    assert after["chunks"] > before["chunks"]
    assert after["documents"] == before["documents"]
    assert record(ragcli("verify", "--json"))["sound"]
    ids = {hit["chunk"] for hit in record(ragcli("query", "tides", "--json", "-k", "99"))["hits"]}
    assert ids
    ragcli("index", "--force")
    assert not ids & {hit["chunk"] for hit in record(ragcli("query", "tides", "--json", "-k", "99"))["hits"]}


def test_names_that_are_no_text_are_indexed_and_come_out_as_they_went_in(ragcli, tmp_path):
    folder = tmp_path / "names"
    folder.mkdir()
    raw = os.fsencode(folder) + b"/caf\xe9\nline.txt"
    Path(os.fsdecode(raw)).write_text("A walrus sleeps on the ice.")
    assert ragcli("index", str(folder)).returncode == 0
    hit = record(ragcli("query", "walrus", "--json"))["hits"][0]
    assert hit["text"] == "A walrus sleeps on the ice."
    done = subprocess.run(
        [sys.executable, "-m", "ragcli", "query", "walrus", "-l", "-0", "--home", str(tmp_path / "home")],
        capture_output=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == raw.removeprefix(os.fsencode(tmp_path) + b"/") + b"\0"
    plain = ragcli("query", "walrus", "--format", "plain").stdout
    assert len(plain.splitlines()) == 1


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_what_is_done_and_the_next_run_embeds_only_the_rest(ragcli, tmp_path, ending):
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(250):
        lines = " ".join(f"Passage {i} line {j} about lighthouse number {i * j}." for j in range(24))
        (folder / f"{i}.txt").write_text(lines)
    command = [sys.executable, "-m", "ragcli", "index", str(folder), "--home", str(tmp_path / "home")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(6)
        process.send_signal(ending)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "goes on from there" in stderr
    assert record(ragcli("verify", "--json"))["sound"]
    kept = record(ragcli("status", "--json"))
    assert kept["documents"] < 250

    rest = record(ragcli("index", "--json"))
    done = record(ragcli("status", "--json"))
    assert (done["documents"], rest["added"]) == (250, 250 - kept["documents"])
    assert rest["chunks"]["embedded"] == done["chunks"] - kept["chunks"]
    assert record(ragcli("verify", "--json"))["sound"]


def test_advice_names_the_index_that_was_asked_for(ragcli, tmp_path):
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb" / "comet.md").write_text("The comet grows a tail of dust.")
    variables = {"RAGCLI_HOME": str(tmp_path / "home")}
    assert ragcli("index", str(tmp_path / "usb"), "-i", "disks", **variables).returncode == 0
    (tmp_path / "usb" / "comet.md").unlink()
    done = ragcli("index", "-i", "disks", **variables)
    assert done.returncode == 3
    assert "ragcli index -i disks --yes" in done.stderr
    home = ragcli("index", "-i", "disks", "--home", str(tmp_path / "home"), RAGCLI_HOME="")
    assert f"ragcli index -i disks --home {tmp_path}/home --yes" in home.stderr
    missing = ragcli("query", "comet", "-i", "other", RAGCLI_HOME=str(tmp_path / "nowhere"))
    assert "make one with: ragcli index -i other PATH" in missing.stderr
    assert "ragcli index --yes\n" in ragcli("index", RAGCLI_INDEX="disks", **variables).stderr


def test_advice_can_be_pasted_into_a_shell(ragcli, tmp_path):
    folder = tmp_path / "my notes; rm -rf x"
    folder.mkdir()
    (folder / "-a b.md").write_text("The comet grows a tail of dust.")
    assert ragcli("index", str(folder)).returncode == 0
    note = ragcli("remove", str(folder / "-a b.md"), cwd=folder).stderr
    assert shell_words(note) == ["ragcli", "index", "./-a b.md"]
    assert ragcli(*shell_words(note)[1:], cwd=folder).returncode == 0
    folder.rename(tmp_path / "new")
    kept = ragcli("index").stderr.splitlines()[0]
    assert shell_words(kept) == ["ragcli", "remove", str(folder)]


def shell_words(message: str) -> list[str]:
    """Return the words of the last command in a message, as a shell reads them."""
    return shlex.split(message[message.rindex("ragcli ") :])


def test_status_names_folders_that_are_gone(ragcli, notes):
    ragcli("index", str(notes))
    shutil.move(notes, notes.with_name("unmounted"))
    assert record(ragcli("status", "--json"))["gone"] == [str(notes)]
    assert "(gone)" in ragcli("status").stdout


@pytest.mark.parametrize(
    ("answer", "code", "left"), [("y\n", 0, 1), ("n\n", 3, 4), ("\x04", 3, 4), ("\x03", 130, 4), ("what?\ny\n", 0, 1)]
)
def test_a_terminal_is_asked_before_a_large_loss(ragcli, tmp_path, answer, code, left):
    (tmp_path / "docs").mkdir()
    for i in range(4):
        (tmp_path / "docs" / f"{i}.md").write_text(f"Lighthouse number {i}.")
    ragcli("index", str(tmp_path / "docs"))
    for i in range(3):
        (tmp_path / "docs" / f"{i}.md").unlink()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"RAGCLI_HOME": str(tmp_path / "home"), "TERM": "xterm"}
        os.execv(sys.executable, [sys.executable, "-m", "ragcli", "index"])
    shown = b""
    while b"[y/N]" not in shown:  # the progress bar must not hide the question
        shown += os.read(terminal, 1024)
    assert b"3 of its 4 documents have no file any more" in shown
    os.write(terminal, answer.encode())
    with contextlib.suppress(OSError):  # the end, as Linux tells it
        while more := os.read(terminal, 1024):
            shown += more
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code, shown
    assert b"bug" not in shown
    assert len(record(ragcli("list", "--json"))["documents"]) == left
