"""`ragcli watch` in real folders: what is seen, when it is indexed, and what it costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ragcli.index.reader import open_index
from ragcli.serve.watch import Look


class Watching:
    """A process that watches, and what it says."""

    def __init__(self, home: Path, *arguments: str, cwd: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ragcli", "watch", "--home", str(home), "--jsonl", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
        )  # fmt: skip
        self.index = home / "default"

    def run(self) -> dict:
        return json.loads(self.process.stdout.readline())

    def documents(self) -> set[str]:
        with open_index(self.index, None) as index:
            return {row.path.name for row in index.catalog.documents()}

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("The boats are painted in spring.")
    return folder


@pytest.fixture
def watching(tmp_path):
    made: list[Watching] = []

    def start(*arguments: str, **options) -> Watching:
        made.append(Watching(tmp_path / "home", *arguments, **options))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()
        one.process.stdout.close()
        one.process.stderr.close()


def test_changes_of_every_kind_are_indexed(notes, watching):
    one = watching(str(notes))
    assert one.run()["added"] == 1
    (notes / "b.md").write_text("Bread rises near the oven.")
    assert one.run()["added"] == 1
    (notes / "b.md").write_text("Bread rises near a warm oven, and cools at the window.")  # in place
    assert one.run()["changed"] == 1
    (notes / "new.tmp").write_text("The harbour is closed in winter.")
    (notes / "new.tmp").rename(notes / "a.md")  # as editors save
    assert one.run()["changed"] == 1
    deep = notes / "x" / "y" / "z"
    deep.mkdir(parents=True)
    (deep / "deep.md").write_text("A comet grows a tail.")
    assert one.run()["added"] == 1
    (notes / "x").rename(notes / "moved")
    assert one.run()["chunks"]["reused"] == 1
    (notes / "b.md").unlink()
    assert one.run()["removed"] == 1
    assert one.documents() == {"a.md", "deep.md"}
    assert one.end() == 0


def test_a_burst_is_one_run_and_nothing_of_it_is_lost(notes, watching):
    one = watching(str(notes))
    one.run()
    for number in range(40):
        (notes / f"n{number}.md").write_text(f"Note {number} is about boats.")
        time.sleep(0.02)
    assert one.run()["added"] == 40


def test_files_that_are_never_quiet_are_indexed_all_the_same(notes, watching):
    one = watching(str(notes), "--quiet-for", "1h", "--at-most", "2s")
    one.run()
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.1):
            number += 1
            (notes / "log.md").write_text(f"Line {number} of the log.")

    writer = threading.Thread(target=write)
    writer.start()
    record = one.run()
    stop.set()
    writer.join()
    assert record["added"] == 1


def test_what_changes_during_a_sync_is_in_the_next_one(notes, watching):
    """The command after a run writes a file: it stands for an edit that comes while the index is busy."""
    command = (
        f'{sys.executable} -c "import pathlib; p = pathlib.Path({str(notes / "late.md")!r}); '
        "p.exists() or p.write_text('Late.')\""
    )
    one = watching(str(notes), "--exec", command)
    assert one.run()["added"] == 1
    assert one.run()["added"] == 1
    assert one.documents() == {"a.md", "late.md"}


def test_hidden_generated_and_own_files_start_no_run(notes, watching, tmp_path):
    (notes / ".git").mkdir()
    (notes / "node_modules").mkdir()
    one = Watching(notes / "indexes-here", str(notes))
    try:
        one.run()
        (notes / ".git" / "x").write_text("x")
        (notes / "node_modules" / "x.md").write_text("x")
        time.sleep(3)
        (notes / "b.md").write_text("Bread rises.")
        record = one.run()
        assert (record["added"], record["unchanged"]) == (1, 1)
    finally:
        one.end(signal.SIGKILL)


def test_another_writer_is_waited_for(notes, watching, ragcli, tmp_path):
    assert ragcli("index", str(notes), RAGCLI_HOME=str(tmp_path / "home")).returncode == 0
    hold = (
        "import sys, time; from pathlib import Path; from ragcli.index.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "home" / "default")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    one = watching()
    assert "is being written by process" in one.process.stderr.readline()
    holder.communicate(b"")
    assert one.run()["unchanged"] == 1


def test_a_busy_writer_does_not_keep_a_watcher_from_its_turn(notes, watching, tmp_path):
    """The lock is taken again a moment after it was given back, as by a script that indexes in a loop."""
    one = watching(str(notes), "--quiet-for", "0.1s")
    assert one.run()["added"] == 1
    loop = (
        "import sys, time; from pathlib import Path; from ragcli.index.lock import writer_lock\n"
        "while True:\n"
        "    with writer_lock(Path(sys.argv[1]), on_wait=print): time.sleep(0.3)\n"
        "    print('held', flush=True)\n    time.sleep(0.002)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", loop, str(tmp_path / "home" / "default")], stdout=subprocess.PIPE, text=True
    )
    try:
        for number in range(3):
            (notes / "a.md").write_text(f"The boats are painted for the time number {number}.")
            assert one.run()["changed"] == 1
    finally:
        holder.kill()
        holder.communicate()
        one.end()


def test_once_ends(ragcli, notes):
    done = ragcli("watch", str(notes), "--once", "--jsonl")
    assert (done.returncode, json.loads(done.stdout)["added"]) == (0, 1)
    (notes / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    assert ragcli("watch", "--once").returncode == 3


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ((), "there is no index"), (("/no/such/folder",), "does not exist"), (("/",), "--yes"),
        ((".", "--quiet-for", "soon"), "invalid time 'soon'"), ((".", "--exec", "'"), "invalid --exec"),
    ],
)  # fmt: skip
def test_what_cannot_be_watched_is_said(ragcli, call, told, tmp_path):
    done = ragcli("watch", *call, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr


def test_the_unit_runs_the_same_command(ragcli, notes, tmp_path):
    folder = tmp_path / 'a "b" 100%'
    folder.mkdir()
    done = ragcli("watch", str(folder), "--print-unit", "-i", "n")
    if sys.platform == "linux":
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("ExecStart=")]
        assert r'\"b\" 100%%"' in line
        assert line.endswith("--index n")
        assert Path(line.removeprefix("ExecStart=").split()[0]).is_absolute()


def test_a_server_watches_too(start, ragcli, notes, tmp_path, short_folder, wait_until):
    home = tmp_path / "home"
    variables = {"RAGCLI_HOME": str(home), "RAGCLI_SOCKET": str(short_folder / "serve.sock")}
    assert ragcli("index", str(notes), "-i", "samples", **variables).returncode == 0
    with start("--home", str(home), "--watch", folder=short_folder, XDG_CONFIG_HOME=str(tmp_path / "settings")):
        (notes / "b.md").write_text("Bread rises near a warm oven.")

        def found() -> bool:
            asked = ("query", "bread", "-i", "samples", "--server", "always", "--no-rerank", "-l")
            return "b.md" in ragcli(*asked, **variables).stdout

        wait_until(found, 60)


# -- looking ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    top = tmp_path / "tree"
    for number in range(30):
        folder = top / f"d{number % 5}" / f"e{number}"
        folder.mkdir(parents=True)
        for file in range(20):
            (folder / f"{file}.txt").write_text("x")
    return top


def test_every_change_is_seen_however_little_time_a_call_has(tree):
    look = Look([tree], [])
    assert len(look) == 30 + 5 + 1 + 600
    assert not any(look.changed(0.0) for _ in range(20))
    file = tree / "d3" / "e28" / "17.txt"
    os.utime(file, ns=(1, 1))
    assert any(look.changed(0.0) for _ in range(20))
    assert not any(look.changed(0.0) for _ in range(20))
    os.utime(file, ns=(2, 2))
    assert look.changed(0.0)  # what changed once is looked at first
    file.unlink()
    assert look.changed(0.0)
    (tree / "d1" / "new").mkdir()
    assert look.changed(0.0)


def test_the_files_that_changed_last_are_looked_at_first(tree):
    files = sorted(tree.rglob("*.txt"))
    for number, file in enumerate(files):
        os.utime(file, ns=(number, number))
    look = Look([tree], [])
    assert not any(look.changed(0.0) for _ in range(20))
    for file in (files[-1], files[-50]):
        os.utime(file, ns=(10**9, 10**9))
        assert look.changed(0.0)


def test_own_hidden_and_generated_folders_are_left_out(tree):
    for name in ("index", ".cache", "node_modules", ".git"):
        (tree / name).mkdir()
        (tree / name / "x.txt").write_text("x")
    look = Look([tree], [tree / "index"])
    assert len(look) == 30 + 5 + 1 + 600
    (tree / "index" / "x.txt").write_text("changed")
    assert not any(look.changed(1.0) for _ in range(3))


def test_a_root_that_is_a_file_or_is_gone_is_watched(tmp_path):
    file, gone = tmp_path / "a.txt", tmp_path / "later"
    file.write_text("x")
    look = Look([file, gone], [])
    assert not look.changed(1.0)
    gone.mkdir()
    assert look.changed(1.0)
    file.write_text("longer")
    assert look.changed(1.0)
