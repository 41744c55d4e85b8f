"""A run that fails or is stopped: what was there stays whole, a reader learns of it, and the next run goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from ragcli.errors import RagcliError
from ragcli.index.catalog.bookkeeping import UnfinishedRun
from ragcli.index.reader import open_index
from ragcli.index.writer import Writer
from ragcli.ingest.sync import SyncOptions, sync

OPTIONS = SyncOptions(workers=1, offline=True)


def passages(index: Path) -> list[str]:
    with open_index(index) as opened:
        return [chunk.text.strip() for chunk in opened.catalog.chunks(opened.catalog.chunk_ids()).values()]


def test_a_changed_file_stays_in_the_index_when_its_commit_fails(tmp_path, monkeypatch):
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    (docs / "a.txt").write_text("The harbour opens at six.\n")
    sync(index, [docs], OPTIONS)
    (docs / "a.txt").write_text("The harbour opens at seven.\n")

    commit = Writer.commit
    refusals = [RagcliError("no space left")]

    def refuse_once(self, batch):
        if refusals:
            raise refusals.pop()
        commit(self, batch)

    monkeypatch.setattr(Writer, "commit", refuse_once)
    # a commit in the course of the run, so that the one at its end still comes
    monkeypatch.setattr("ragcli.ingest.sync._COMMIT_CHUNKS", 1)
    with pytest.raises(RagcliError, match="no space left"):
        sync(index, [docs], OPTIONS)
    assert passages(index) == ["The harbour opens at six."]

    sync(index, [docs], OPTIONS)
    assert passages(index) == ["The harbour opens at seven."]


def test_a_python_user_names_paths_as_text_one_or_several(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("notes", "more"):
        Path(name).mkdir()
        Path(name, "a.txt").write_text(f"The harbour of {name} opens at six.\n")
    assert sync("indexes/notes", "notes").added == 1
    assert sync("indexes/notes", ["more", Path("notes")]).added == 1
    assert sync(Path("indexes/notes")).unchanged == 2
    with open_index(Path("indexes/notes")) as index:
        assert sorted(row.path for row in index.catalog.documents()) == [
            tmp_path / "more" / "a.txt",
            tmp_path / "notes" / "a.txt",
        ]


def unfinished(index: Path) -> UnfinishedRun | None:
    with open_index(index) as opened:
        return opened.catalog.ledger.unfinished_run()


def test_a_reader_learns_of_a_run_that_goes_on_or_was_interrupted(tmp_path, monkeypatch):
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    for i in range(3):
        (docs / f"{i}.txt").write_text("The harbour opens at six. " * (i + 1))
    monkeypatch.setattr("ragcli.ingest.sync._COMMIT_CHUNKS", 1)
    seen = []

    def look(progress):
        if index.exists():
            seen.append(unfinished(index))
        if progress.files_done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync(index, docs, OPTIONS, look)
    assert seen
    assert set(seen) == {UnfinishedRun(0, 3, is_running=True)}

    # the same notes as left by a process that was killed
    child = f"""
import os, sys
from ragcli.ingest import sync as line
def die(progress):
    if progress.doing == "loading the model":
        os.kill(os.getpid(), 9)
line.sync({str(index)!r}, {str(docs)!r}, line.SyncOptions(offline=True), die)
"""
    (docs / "3.txt").write_text("A comet has a tail.")
    subprocess.run([sys.executable, "-c", child], check=False)
    assert unfinished(index) == UnfinishedRun(0, 4, is_running=False)
    sync(index, docs, OPTIONS)
    assert unfinished(index) is None
