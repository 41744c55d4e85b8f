import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from small_index import SETTINGS, begin, change, commit, contents, vector_of

from ragcli.errors import IndexBusy, IndexDamaged, IndexFormat, IndexNotFound
from ragcli.index import reader
from ragcli.index.catalog import database
from ragcli.index.catalog.documents import Catalog
from ragcli.index.reader import open_index
from ragcli.index.writer import open_writer

BUSY_WRITER = """
import sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path
import numpy.random, ragcli.index.vectors.segments
from small_index import commit
from ragcli.index.writer import open_writer
with open_writer(Path(sys.argv[1])) as writer:
    n = 0
    print("go", flush=True)
    while True:
        n += 1
        # every document has three chunks that bear its number; one document comes and one goes
        commit(writer, {f"/d/{n}": [f"apple {n} {i}" for i in range(3)]}, [f"/d/{n - 6}"])
        if n % 7 == 0:
            writer.tidy()
"""


def test_readers_never_fail_and_never_see_half_a_document_while_a_writer_commits(memory_path):
    folder = memory_path / "index"
    begin(folder)
    writer = subprocess.Popen(
        [sys.executable, "-c", BUSY_WRITER, folder, Path(__file__).parent], stdout=subprocess.PIPE, text=True
    )
    try:
        writer.stdout.readline()
        states, until = set(), time.monotonic() + 4
        while time.monotonic() < until or len(states) < 5:
            with open_index(folder) as index:
                states.add(index.catalog.commits())
                for _ in range(2):  # and still so after more commits
                    chunks = index.chunks(index.catalog.chunk_ids())
                    documents = [row.chunks for row in index.catalog.documents()]
                    assert documents == [3] * len(documents)
                    assert len(documents) <= 6
                    assert sum(documents) == len(chunks)
                    assert {i for i, _ in index.dense(vector_of("q"), 100)} == chunks.keys()
                    assert {i for i, _ in index.keyword(["appl"], 100)} == chunks.keys()
                    time.sleep(0.01)
            assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()


def test_an_open_index_stays_as_it_was(tmp_path):
    folder = tmp_path / "i"
    change(folder, {"/a": ["apple one"], "/b": ["apple two"]})
    with open_index(folder) as index:
        before = (index.dense(vector_of("q"), 9), index.keyword(["appl"], 9), index.chunks([2, 4]))
        change(folder, {"/c": ["apple three"]}, ["/a"])
        change(folder, {"/d": ["apple four"]}, ["/b"])
        change(folder, {"/e": ["apple five"]})
        time.sleep(0.6)  # tantivy looks for changes twice a second
        assert (index.dense(vector_of("q"), 9), index.keyword(["appl"], 9), index.chunks([2, 4])) == before
        assert len(before[0]) == len(before[1]) == len(before[2]) == 2
    assert contents(folder) == {"/c": ["apple three"], "/d": ["apple four"], "/e": ["apple five"]}


def test_the_filter_acts_before_the_cut_and_may_change_from_query_to_query(tmp_path):
    folder = tmp_path / "i"
    change(folder, {f"/{n}": [f"apple {n} {i}" for i in range(30)] for n in range(4)})
    with open_index(folder) as index:
        ids = {row.id: set(index.catalog.chunk_ids([row.id])) for row in index.catalog.documents()}
        first, second, _, fourth = ids
        for documents in ([first], [fourth, second], []):
            wanted = set().union(*(ids[i] for i in documents))
            for k in (5, 60):
                dense, keyword = index.dense(vector_of("q"), k, documents), index.keyword(["appl"], k, documents)
                assert len(dense) == len(keyword) == min(k, len(wanted))
                assert {i for i, _ in (*dense, *keyword)} <= wanted
        assert len(index.dense(vector_of("q"), 500)) == 120


def test_k_that_asks_for_nothing(tmp_path):
    change(tmp_path / "i", {"/a": ["apple"]})
    with open_index(tmp_path / "i") as index:
        for k in (0, -3):
            assert index.dense(vector_of("q"), k) == []
            assert index.keyword(["appl"], k) == []
        assert index.dense(np.full(8, np.nan, np.float32), 5) == []
        assert index.chunks([]) == {}


def test_entries_of_a_commit_in_progress_are_not_shown(tmp_path):
    folder = tmp_path / "i"
    change(folder, {"/a": ["apple one"]})
    with open_writer(folder) as writer:
        with writer.catalog.transaction():
            first = writer.catalog.ledger.reserve(200)
        from ragcli.index.keywords.tantivy_index import Keywords

        Keywords(folder / "keywords").update([(first + n, first, "apple appl") for n in range(200)], [])
        with open_index(folder) as index:
            assert [i for i, _ in index.keyword(["appl"], 1)] == index.catalog.chunk_ids()
            assert [i for i, _ in index.keyword(["appl"], 100)] == index.catalog.chunk_ids()


@pytest.mark.parametrize("mode", ["hybrid", "dense", "keyword", None])
def test_a_mode_opens_only_what_it_searches(tmp_path, mode):
    folder = tmp_path / "i"
    change(folder, {"/a": ["apple"]})
    if mode in {"keyword", None}:
        shutil.rmtree(folder / "vectors")
    if mode in {"dense", None}:
        shutil.rmtree(folder / "keywords")
    with open_index(folder, mode) as index:
        assert index.catalog.count("chunks") == 1
        if mode in {"hybrid", "dense"}:
            assert len(index.dense(vector_of("q"), 5)) == 1
        if mode in {"hybrid", "keyword"}:
            assert len(index.keyword(["appl"], 5)) == 1


def test_what_is_missing_or_damaged_is_named_with_what_to_do(tmp_path):
    folder = tmp_path / "i"
    with pytest.raises(IndexNotFound), open_index(folder):
        pass
    Catalog.create(made(folder)).close()
    with pytest.raises(IndexNotFound, match="nothing has been indexed"), open_index(folder):
        pass
    shutil.rmtree(folder)
    change(folder, {"/a": ["apple"]})
    (segment,) = (folder / "vectors").iterdir()
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-1])
    with pytest.raises(IndexDamaged, match=r"seg-.*ragcli repair"), open_index(folder):
        pass
    segment.unlink()
    with pytest.raises(IndexDamaged, match=r"seg-.*No such file.*ragcli repair"), open_index(folder):
        pass
    segment.write_bytes(whole)
    (folder / "keywords" / "meta.json").write_text("{", encoding="utf-8")
    with pytest.raises(IndexDamaged, match=r"keywords.*ragcli repair"), open_index(folder):
        pass
    shutil.rmtree(folder / "keywords")
    with pytest.raises(IndexDamaged, match=r"keywords.*ragcli repair"), open_index(folder):
        pass


def made(folder):
    folder.mkdir()
    return folder


def test_another_format_is_refused_by_readers_and_writers(tmp_path):
    folder = tmp_path / "i"
    change(folder, {"/a": ["apple"]})
    db = database.sqlite3.connect(folder / "catalog.sqlite3")
    db.execute("PRAGMA user_version = 3")
    db.close()
    with pytest.raises(IndexFormat), open_index(folder):
        pass
    with pytest.raises(IndexFormat), open_writer(folder):
        pass


def test_an_index_that_never_holds_still_is_busy_and_not_damaged(tmp_path, monkeypatch):
    folder = tmp_path / "i"
    change(folder, {"/a": ["apple"]})
    monkeypatch.setattr(reader, "_PATIENCE_SECONDS", 0.0)
    with pytest.raises(IndexBusy), open_index(folder):
        pass


@pytest.mark.skipif(os.name != "posix", reason="users and modes")
def test_an_index_on_a_read_only_place_is_searched(tmp_path):
    folder = tmp_path / "i"
    change(folder, {"/a": ["apple one"], "/b": ["pear"]})
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for above in folder.parents[:4]:
        if above.stat().st_uid == os.getuid() and above != Path("/tmp"):
            above.chmod(0o755)
    code = """
import os, sys, tempfile; sys.path.insert(0, sys.argv[2])  # all imports before we are nobody
from pathlib import Path
import numpy.random, ragcli.index.vectors.segments
from small_index import contents, vector_of
from ragcli.errors import RagcliError
from ragcli.index.reader import open_index
from ragcli.index.verify import verify
from ragcli.index.writer import open_writer
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
folder = Path(sys.argv[1])
assert not os.access(folder, os.W_OK)
with open_index(folder) as index:
    print(len(index.dense(vector_of("q"), 9)), index.keyword(["pear"], 9)[0][0], verify(folder).faults)
try:
    with open_writer(folder):
        pass
except RagcliError as error:
    print(str(error).startswith("cannot write to"))
"""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, folder, Path(__file__).parent], capture_output=True, text=True, check=False
        )
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
    assert (done.returncode, done.stdout) == (0, "2 4 ()\nTrue\n"), done.stderr


def test_many_readers_in_threads(tmp_path):
    folder = tmp_path / "i"
    change(folder, {f"/{n}": [f"apple {n}"] for n in range(20)})
    found = []

    def read():
        with open_index(folder) as index:
            found.append((len(index.dense(vector_of("q"), 50)), len(index.keyword(["appl"], 50))))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(20, 20)] * 8


def test_settings_come_back(tmp_path):
    with open_writer(tmp_path / "i") as writer:
        assert writer.settings() is None
        writer.start(SETTINGS)
        commit(writer, {})
        assert writer.settings() == SETTINGS
    with open_index(tmp_path / "i", None) as index:
        assert index.settings == SETTINGS


def test_equal_scores_go_by_path_and_place_whatever_came_first(tmp_path):
    texts = ["apple pie", "apple pie", "apple cake"]
    paths = [f"/{name}" for name in "hdbfaceg"]
    orders = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        for path in random.Random(seed).sample(paths, len(paths)):
            change(folder, {path: texts})
        with open_index(folder) as index:
            for k in (3, 5, 9, 40):
                found = []
                for hits in (index.dense(vector_of("apple pie"), k), index.keyword(["appl", "pie"], k)):
                    chunks = index.chunks([i for i, _ in hits])
                    found.append([(round(score, 5), str(chunks[i].path), chunks[i].start) for i, score in hits])
                    assert found[-1] == sorted(found[-1], key=lambda hit: (-hit[0], *hit[1:]))
                    assert len(hits) == min(k, 24)
                orders.append((k, found))
    for k in (3, 5, 9, 40):
        one, *others = [found for asked, found in orders if asked == k]
        assert all(other == one for other in others)
