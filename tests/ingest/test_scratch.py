"""An index for one question: the same answer from the cache, and a cache that keeps to its bounds."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from ragcli.index.reader import open_index
from ragcli.ingest import scratch
from ragcli.ingest.options import ChunkOptions, SyncOptions
from ragcli.ingest.scratch import clear_cache, scratch_index

OPTIONS = SyncOptions(offline=True)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    # the digests of models stay where they are: hashing 90 MB for each test would take long
    monkeypatch.setattr(scratch, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "query-in"


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.txt").write_text(f"Ferry number {i} leaves the island at noon.\n")
    return folder


def look(files, **options):
    """What is indexed, what was embedded for it, and where."""
    with scratch_index(files, options=OPTIONS, **options) as (folder, summary), open_index(folder) as index:
        texts = [chunk.text.strip() for chunk in index.catalog.chunks(index.catalog.chunk_ids()).values()]
        return sorted(texts), summary.chunks_embedded, folder


def test_a_repeat_embeds_nothing_and_an_edit_embeds_its_chunk(cache, notes):
    files = sorted(notes.iterdir())
    texts, embedded, folder = look(files)
    assert (len(texts), embedded) == (3, 3)
    assert look(reversed(files)) == (texts, 0, folder)  # as a set of paths
    (notes / "1.txt").write_text("Ferry number 1 is late.\n")
    again, embedded, _ = look(files)
    assert embedded == 1
    assert again == sorted([texts[0], "Ferry number 1 is late.", texts[2]])


def test_without_the_cache_nothing_stays(cache, notes):
    texts, embedded, folder = look([notes], cache=False)
    assert (len(texts), embedded) == (3, 3)
    assert not folder.exists()
    assert not cache.exists()


def test_other_paths_options_and_texts_have_an_index_of_their_own(cache, notes):
    whole, _, _ = look([notes])
    one, embedded, _ = look([notes / "0.txt"])
    assert (one, embedded) == (whole[:1], 1)
    with scratch_index([notes], options=SyncOptions(offline=True, chunks=ChunkOptions(40, 0))) as (_, summary):
        assert summary.chunks_embedded == 3
    for text in (b"The moon is full.", b"The moon is new."):
        for expected in (1, 0):
            texts, embedded, folder = look([], text=text, text_name="(stdin).txt")
            assert (texts, embedded) == ([text.decode()], expected)
    with open_index(folder) as index:
        assert [row.path.name for row in index.catalog.documents()] == ["(stdin).txt"]


def test_the_least_recently_used_go_first(cache, notes, monkeypatch):
    monkeypatch.setattr(scratch, "MOST_INDEXES", 2)
    files = sorted(notes.iterdir())
    for time, path in enumerate(files):
        _, _, folder = look([path])
        os.utime(folder.parent, (time, time))
    assert len(list(cache.iterdir())) == 2
    assert [look([path])[1] for path in (files[2], files[1])] == [0, 0]
    assert look([files[0]])[1] == 1
    monkeypatch.setattr(scratch, "MOST_BYTES", 1)
    look([files[0]])
    assert len(list(cache.iterdir())) == 1  # the one in use
    assert clear_cache() == 1
    assert list(cache.iterdir()) == []


def test_a_damaged_index_is_made_again(cache, notes):
    texts, _, folder = look([notes])
    (folder / "catalog.sqlite3").write_bytes(b"not a catalog" * 1000)
    for leftover in folder.glob("catalog.sqlite3-*"):
        leftover.unlink()
    assert look([notes])[:2] == (texts, 3)
    assert look([notes])[:2] == (texts, 0)


def test_nobody_else_can_read_it_and_a_cache_that_cannot_be_written_costs_time_alone(cache, notes):
    folder = look([notes])[2]
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    clear_cache()
    cache.rmdir()
    cache.write_text("a file where the folder should be")
    texts, embedded, folder = look([notes])
    assert (len(texts), embedded) == (3, 3)
    assert not folder.exists()


def test_two_processes_with_the_same_question_wait_for_each_other(tmp_path, notes):
    code = f"""
from pathlib import Path
from ragcli.ingest import scratch
scratch.cache_folder = lambda: Path({str(tmp_path / "cache")!r})
with scratch.scratch_index([Path({str(notes)!r})], options=scratch.SyncOptions(offline=True)) as (_, summary):
    print(summary.chunks_embedded)
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate(timeout=120)[0] for process in processes) == ["0\n", "3\n"]
