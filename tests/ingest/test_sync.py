"""A run whose commit fails: what was there stays whole, and the next run goes on."""

from pathlib import Path

import pytest

from ragcli.errors import RagcliError
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
