"""Approximate search against brute force: what it may miss is measured, what it returns is right."""

import hashlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest
from small_index import SETTINGS, change, commit, nearest, stored, vector_of

from ragcli.errors import IndexDamaged
from ragcli.index.reader import open_index
from ragcli.index.vectors import lists
from ragcli.index.vectors import optimize as optimizing
from ragcli.index.vectors import segments as segments_module
from ragcli.index.vectors.approximate import lists_for
from ragcli.index.vectors.optimize import is_due, optimize, search_exactly
from ragcli.index.vectors.segments import Segments
from ragcli.index.verify import verify
from ragcli.index.writer import open_writer
from ragcli.ingest.repair import repair
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.transfer.export import export_index
from ragcli.transfer.take_in import import_index, merge_index

DIMENSION = SETTINGS.dimension
QUERIES = np.stack([vector_of(f"query {n}") for n in range(60)])


def texts(start, count):
    return {f"/d/{n}": [f"passage {n} {part}" for part in range(10)] for n in range(start, start + count)}


def make(folder, queries=QUERIES):
    with open_writer(folder) as writer:
        return optimize(folder, writer.catalog, DIMENSION, queries)


@pytest.fixture
def folder(memory_path):
    """300 documents of 10 passages, some of them deleted and some as old as the segment before."""
    folder = memory_path / "index"
    change(folder, texts(0, 200))
    change(folder, texts(200, 100))
    change(folder, {}, ["/d/7", "/d/250"])
    return folder


def rows_of(folder):
    """{id: row} of every passage, as the bytes of the files have it."""
    with open_index(folder) as index:
        segments, live = index.catalog.ledger.segments(), set(index.catalog.chunk_ids())
        listed = index.catalog.ledger.approximate()
    rows = {}
    if listed is not None and listed.is_alone:
        data = (folder / "vectors" / listed.name).read_bytes()
        at = data.rindex(b"ilar") + 32
        lengths = np.frombuffer(data[at : at + 8 * listed.lists], "<i8")
        at += 8 * listed.lists
        for length in lengths.tolist():
            held = np.frombuffer(data[at : at + 2 * DIMENSION * length], "<f2").reshape(-1, DIMENSION)
            at += 2 * DIMENSION * length
            ids = np.frombuffer(data[at : at + 8 * length], "<i8")
            at += 8 * length
            rows |= {int(i): row for i, row in zip(ids, held.astype(np.float32), strict=True) if int(i) in live}
    for segment in segments:
        data = (folder / "vectors" / segment.name).read_bytes()
        ids_at = len(data) - 8 * segment.count
        size = 2 * DIMENSION * segment.count
        held = np.frombuffer(data[ids_at - 8 - size : ids_at - 8], "<f2").reshape(-1, DIMENSION).astype(np.float32)
        ids = np.frombuffer(data[ids_at:], "<i8").tolist()
        assert rows.keys().isdisjoint(i for i in ids if i in live)
        rows |= {i: row for i, row in zip(ids, held, strict=True) if i in live}
    assert rows.keys() == live
    return rows


def found(folder, query, k, documents=None):
    with open_index(folder) as index:
        return index.dense(query, k, documents)


def read_every_list(folder):
    with open_writer(folder) as writer, writer.catalog.transaction():
        row = writer.catalog.ledger.approximate()
        writer.catalog.ledger.set_approximate(replace(row, probes=row.lists))


def assert_same(hits, expected, rows, query):
    """The same scores, each the score of its passage, ties in any order here; sums of floats differ in the last bit."""
    scores = [score for _, score in hits]
    assert np.allclose(scores, [score for _, score in expected], atol=1e-6)
    assert np.allclose(scores, [float(rows[i] @ query) for i, _ in hits], atol=1e-6)
    assert scores == sorted(scores, reverse=True)
    assert len({i for i, _ in hits}) == len(hits)


def test_the_recall_it_tells_is_that_of_brute_force(folder):
    row = make(folder)
    rows = rows_of(folder)
    assert (row.count, row.sampled, row.last) == (2980, len(QUERIES), max(rows))
    assert 1 <= row.probes < row.lists  # not all of them, or this would test the exact search
    shares = []
    for query in QUERIES:
        tenth = nearest(rows, query, 10)[-1][1]
        hits = [i for i, _ in found(folder, query, 10)]
        shares.append(sum(float(stored(rows[i]) @ query) >= tenth - 1e-6 for i in hits) / 10)
    assert np.mean(shares) == pytest.approx(row.recall)
    assert row.recall >= 0.98


def test_scores_and_order_are_those_of_brute_force_where_all_lists_are_read(folder):
    make(folder)
    read_every_list(folder)
    rows = rows_of(folder)
    for query in QUERIES[:10]:
        for k in (1, 10, 200, 5000):
            assert_same(found(folder, query, k), nearest(rows, query, k), rows, query)


def test_what_came_later_is_searched_too_and_what_went_is_not_found(folder):
    make(folder)
    read_every_list(folder)
    change(folder, texts(1000, 30) | {"/d/3": ["passage 3 again"]}, ["/d/9"])
    for step in range(12):  # small commits, until segments with old and new ids are written as one
        change(folder, texts(2000 + 20 * step, 20), [f"/d/{20 + step}"])
    with open_index(folder) as index:
        row = index.catalog.ledger.approximate()
        assert all(segment.first > row.last for segment in index.catalog.ledger.segments())
        assert index.catalog.ledger.dead_up_to(row.last) >= 130
    rows = rows_of(folder)
    for query in QUERIES[:10]:
        for k in (1, 10, 300, 9000):
            assert_same(found(folder, query, k), nearest(rows, query, k), rows, query)
    assert verify(folder).faults == ()


def test_a_filter_is_exact(folder):
    make(folder)
    rows = rows_of(folder)
    with open_index(folder) as index:
        documents = [row.id for row in index.catalog.documents()][::3]
        ids = set(index.catalog.chunk_ids(documents))
        for query in QUERIES[:10]:
            hits = index.dense(query, 10, documents)
            assert_same(hits, nearest({i: row for i, row in rows.items() if i in ids}, query, 10), rows, query)


def test_passages_that_are_all_alike_can_be_indexed(memory_path):
    folder = memory_path / "index"
    same = {"/d/1": ["the same"] * 500}
    change(folder, same | {"/d/2": ["another one"]})
    row = make(folder)
    assert row.recall == 1
    assert [i for i, _ in found(folder, vector_of("the same"), 5)] == sorted(rows_of(folder))[:5]


@pytest.mark.parametrize(
    ("count", "lists"), [(1, 1), (10, 8), (10_000, 256), (300_000, 1024), (1_000_000, 2048), (5_000_000, 8192)]
)
def test_there_are_a_few_times_the_square_root_of_the_rows_lists(count, lists):
    assert lists_for(count) == lists


def test_it_is_made_when_there_is_much_and_again_when_much_has_changed(folder, monkeypatch):
    def due():
        with open_writer(folder) as writer:
            return is_due(writer.catalog)

    assert not due()
    monkeypatch.setattr(optimizing, "FEW_ENOUGH", 2000)
    assert due()
    make(folder)
    assert not due()
    change(folder, texts(1000, 90))  # 900 of 3,880 came later
    assert not due()
    change(folder, texts(2000, 20))
    assert due()
    make(folder)
    assert not due()
    with open_writer(folder) as writer:
        search_exactly(folder, writer.catalog, DIMENSION)
    assert not due()
    make(folder)  # asked for by name
    change(folder, {}, [f"/d/{n}" for n in range(1000, 1090)])
    with open_index(folder) as index:
        assert index.catalog.ledger.approximate() is not None
    assert due()


def test_its_file_goes_with_it_and_a_new_one_takes_the_place_of_the_old(folder):
    def files():
        return [path.name for path in (folder / "vectors").iterdir() if path.name.startswith("ivf")]

    first = make(folder)
    assert files() == [first.name]
    change(folder, texts(500, 1))
    second = make(folder)
    assert files() == [second.name] != [first.name]
    with open_writer(folder) as writer:
        search_exactly(folder, writer.catalog, DIMENSION)
    assert files() == []


def test_one_that_was_being_written_is_removed_by_the_next_writer(folder):
    for name in ("ivf-0001-00000099.faiss.tmp", "ivf-0001-00000099.faiss"):
        (folder / "vectors" / name).write_bytes(b"half")
    with open_writer(folder):
        pass
    assert not list((folder / "vectors").glob("ivf*"))


def test_a_reader_keeps_the_one_it_has_opened(folder):
    make(folder)
    read_every_list(folder)
    rows = rows_of(folder)
    with open_index(folder) as index:
        change(folder, texts(500, 1))
        make(folder)
        assert_same(index.dense(QUERIES[0], 10), nearest(rows, QUERIES[0], 10), rows, QUERIES[0])


def damaged(data, name):
    if name == "short":
        return data[:-1]
    if name == "long":
        return data + b"\0"
    at = {"magic": 0, "dimension": 4, "rows": 8, "lists": 33, "centres": data.index(b"IxFI") + 4}.get(name)
    if at is None:
        at = data.rindex(b"ilar") + {"kind": 20, "number of lists": 4, "first length": 32}[name]
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


@pytest.mark.parametrize(
    "name",
    ["short", "long", "magic", "dimension", "rows", "lists", "centres", "kind", "number of lists", "first length"],
)
def test_a_file_that_lies_about_itself_is_damage(folder, name):
    row = make(folder)
    path = folder / "vectors" / row.name
    path.write_bytes(damaged(path.read_bytes(), name))
    with pytest.raises(IndexDamaged):
        Segments(folder / "vectors", [], DIMENSION, row)
    with pytest.raises(IndexDamaged):
        found(folder, QUERIES[0], 10)


LIE = """
import ast, sys
from pathlib import Path
from ragcli.index.catalog.rows import ApproximateRow
from ragcli.index.vectors.segments import Segments
import numpy as np
row = ApproximateRow(*ast.literal_eval(sys.argv[2]))
Segments(Path(sys.argv[1]), [], 8, row).search(np.ones(8, np.float32), 10)
"""


def test_numbers_and_ids_from_elsewhere_do_not_crash_it(folder):
    """What the header allows to vary: centres, rows and ids may hold anything."""
    row = make(folder)
    path = folder / "vectors" / row.name
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    start = data.index(b"IxFI") + 45
    middle = data.rindex(b"ilar")
    after = middle + 32 + 8 * row.lists
    for _ in range(3):
        changed = bytearray(data)
        changed[start : start + 4 * 8 * row.lists] = rng.bytes(4 * 8 * row.lists)
        changed[after:] = rng.bytes(len(data) - after)
        path.write_bytes(changed)
        arguments = repr(tuple(getattr(row, name) for name in type(row).__slots__))
        done = subprocess.run(
            [sys.executable, "-c", LIE, folder / "vectors", arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found(folder, QUERIES[0], 10)


@pytest.mark.parametrize("field", ["probes", "lists", "count", "last", "recall", "name"])
def test_a_row_that_cannot_be_is_damage(folder, field):
    row = make(folder)
    bad = {"probes": row.lists + 1, "lists": 0, "count": 1 << 50, "last": -1, "recall": 7.0, "name": "../x.faiss"}
    with open_writer(folder) as writer, writer.catalog.transaction():
        writer.catalog.ledger.set_approximate(replace(row, **{field: bad[field]}))
    with pytest.raises(IndexDamaged):
        found(folder, QUERIES[0], 10)


def test_a_row_with_more_lists_than_memory_is_damage(folder):
    row = make(folder)
    huge = replace(row, probes=1, lists=1 << 39, count=1 << 39, last=1 << 40)
    with open_writer(folder) as writer, writer.catalog.transaction():
        writer.catalog.ledger.set_approximate(huge)
    with pytest.raises(IndexDamaged, match="its size"):
        found(folder, QUERIES[0], 10)


ENDLESS = """
import sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path
import numpy as np
from small_index import vector_of
from ragcli.index.vectors.optimize import optimize
from ragcli.index.writer import open_writer
folder = Path(sys.argv[1])
queries = np.stack([vector_of(str(n)) for n in range(20)])
print("go", flush=True)
while True:
    with open_writer(folder) as writer:
        optimize(folder, writer.catalog, 8, queries)
"""


def test_killed_at_any_time_the_index_answers(folder):
    here = Path(__file__).parent
    for milliseconds in (1, 30, 60, 90, 120):
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS, folder, here], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout.readline() == "go\n"
            try:
                child.wait(milliseconds / 1000)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
        assert verify(folder).faults == ()
        assert len(found(folder, QUERIES[0], 10)) == 10
    with open_writer(folder) as writer:
        commit(writer, texts(900, 1))
        known = {row.name for row in writer.catalog.ledger.vector_files()}
    assert {path.name for path in (folder / "vectors").iterdir()} == known


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A small index of real embeddings, optimized."""
    base = tmp_path_factory.mktemp("real")
    (base / "docs").mkdir()
    for n in range(6):
        (base / "docs" / f"{n}.md").write_text(f"# Part {n}\n\nThe harbour of town {n} is deep and its lamp burns.\n")
    sync(base / "index", [base / "docs"], SyncOptions())
    from ragcli.ingest.optimize import optimize_index as run

    assert run(base / "index").row is not None
    return base / "index"


def test_damage_to_it_is_found_and_mended(real, tmp_path):
    for damage in ("flip", "truncate", "delete"):
        folder = tmp_path / damage
        shutil.copytree(real, folder)
        (path,) = (folder / "vectors").glob("ivf*")
        kept = faiss.read_index(str(path))
        sizes = [size for size in map(kept.invlists.list_size, range(kept.nlist)) if size]
        data = bytearray(path.read_bytes())
        data[-9] ^= 1  # of the last list that holds a row
        path.write_bytes(data[:-5] if damage == "truncate" else data)
        if damage == "delete":
            path.unlink()
        assert any("ivf" in fault for fault in verify(folder).faults)
        done = repair(folder)
        assert done.approximate
        assert done.embedded == (sizes[-1] if damage == "flip" else sum(sizes))  # one list, or the file
        assert verify(folder).faults == ()
        with open_index(folder) as index:
            assert index.catalog.ledger.approximate() is not None


def test_a_rebuild_makes_its_own_or_none(real, tmp_path, monkeypatch):
    folder = tmp_path / "index"
    shutil.copytree(real, folder)
    monkeypatch.setattr(optimizing, "FEW_ENOUGH", 3)
    assert sync(folder, [], SyncOptions(force=True)).approximate is not None
    assert verify(folder).faults == ()
    monkeypatch.setattr(optimizing, "FEW_ENOUGH", 1000)
    assert sync(folder, [], SyncOptions(force=True)).approximate is None
    assert not list((folder / "vectors").glob("ivf*"))
    assert verify(folder).faults == ()


def test_a_run_that_comes_to_many_chunks_makes_one(tmp_path, monkeypatch):
    monkeypatch.setattr(optimizing, "FEW_ENOUGH", 3)
    (tmp_path / "docs").mkdir()
    for n in range(5):
        (tmp_path / "docs" / f"{n}.txt").write_text(f"A lamp burns in house {n}.")
    made = sync(tmp_path / "index", [tmp_path / "docs"], SyncOptions()).approximate
    assert made is not None
    assert made.count == 5
    assert sync(tmp_path / "index", [], SyncOptions()).approximate is None  # nothing changed


def test_the_vectors_are_on_disk_once(folder):
    before = rows_of(folder)
    row = make(folder)
    assert [path.name for path in (folder / "vectors").iterdir()] == [row.name]
    assert row.is_alone
    after = rows_of(folder)
    assert before.keys() == after.keys()
    assert all((before[i] == after[i]).all() for i in before)
    with open_writer(folder) as writer:
        search_exactly(folder, writer.catalog, DIMENSION)
    again = rows_of(folder)
    assert all((before[i] == again[i]).all() for i in before)
    (path,) = (folder / "vectors").iterdir()
    assert path.name.startswith("seg")
    assert verify(folder).faults == ()


def test_later_passages_join_the_lists_that_are_there_until_the_index_has_doubled(folder):
    first = make(folder)
    change(folder, texts(1000, 100), [f"/d/{n}" for n in range(50)])
    second = make(folder)
    assert (second.lists, second.trained, second.count) == (first.lists, first.count, first.count + 1000 - 490)
    read_every_list(folder)
    rows = rows_of(folder)
    for query in QUERIES[:10]:
        for k in (1, 10, 9000):
            assert_same(found(folder, query, k), nearest(rows, query, k), rows, query)
    with open_index(folder) as index:
        assert index.catalog.ledger.dead("in_vectors") == []
    assert verify(folder).faults == ()
    change(folder, texts(2000, 400))
    third = make(folder)
    assert third.trained == third.count > 2 * first.trained


def test_an_index_that_shrank_gets_fewer_lists_and_an_empty_one_keeps_none_it_needs(folder, monkeypatch):
    first = make(folder)
    with open_index(folder) as index:
        paths = [str(row.path) for row in index.catalog.documents()]
    change(folder, {}, paths[1:])
    second = make(folder)
    assert (second.count, second.trained) == (10, 10)
    assert second.lists < first.lists
    rows = rows_of(folder)
    assert_same(found(folder, QUERIES[0], 10), nearest(rows, QUERIES[0], 10), rows, QUERIES[0])
    change(folder, {}, paths[:1])
    assert found(folder, QUERIES[0], 10) == []
    with open_writer(folder) as writer:
        assert not is_due(writer.catalog)
    monkeypatch.setattr(optimizing, "FEW_ENOUGH", 5)
    change(folder, texts(0, 5))
    with open_writer(folder) as writer:
        assert is_due(writer.catalog)
    assert make(folder).count == 50
    assert verify(folder).faults == ()


def test_a_text_that_is_there_takes_its_vector_from_the_lists_which_are_checked_first(folder):
    row = make(folder)
    with open_index(folder) as index:
        (chunk, *_) = index.catalog.document_chunks(index.catalog.document(Path("/d/3")).id)
        key = index.catalog.keys_of([chunk.id])[chunk.id]
    with open_writer(folder) as writer:
        kept = writer.stored_vectors([key])[key]
    assert (kept == stored(vector_of(chunk.embedded))).all()
    path = folder / "vectors" / row.name
    data = path.read_bytes()
    at = data.index(kept.astype("<f2").tobytes())
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with open_writer(folder) as writer, pytest.raises(IndexDamaged, match=r"list \d+ does not match"):
        writer.stored_vectors([key])


def test_an_older_version_is_kept_out_while_only_the_lists_have_the_vectors(folder):
    def version():
        with sqlite3.connect(folder / "catalog.sqlite3") as db:
            return db.execute("PRAGMA user_version").fetchone()[0]

    assert version() == 1
    make(folder)
    assert version() == 2
    with open_writer(folder) as writer:
        search_exactly(folder, writer.catalog, DIMENSION)
    assert version() == 1


def test_an_index_of_an_older_version_with_its_rows_in_segments_too_still_answers(folder):
    """Made here as it was made: the lists beside the segments."""
    before = [path.name for path in (folder / "vectors").iterdir()]
    kept = {name: (folder / "vectors" / name).read_bytes() for name in before}
    with open_index(folder) as index:
        segments, dead = index.catalog.ledger.segments(), index.catalog.ledger.dead("in_vectors")
    row = make(folder)
    path = folder / "vectors" / row.name
    path.write_bytes(path.read_bytes()[: -16 * (row.lists + 1)])
    for name, data in kept.items():
        (folder / "vectors" / name).write_bytes(data)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with open_writer(folder) as writer, writer.catalog.transaction():
        writer.catalog.ledger.set_approximate(replace(row, is_alone=False, sha256=digest, probes=row.lists))
        writer.catalog.ledger.replace_segments([], segments)
        writer.catalog._db.run_many("INSERT OR REPLACE INTO dead VALUES (?, 1, 1)", ((i,) for i in dead))
    for name, data in kept.items():  # the writer removed what no row named
        (folder / "vectors" / name).write_bytes(data)
    assert verify(folder).faults == ()
    change(folder, texts(500, 3), ["/d/5"])
    rows = rows_of(folder)
    for query in QUERIES[:5]:
        assert_same(found(folder, query, 20), nearest(rows, query, 20), rows, query)
    with open_writer(folder) as writer:
        assert is_due(writer.catalog)
    assert make(folder).is_alone
    assert verify(folder).faults == ()


def test_pages_of_the_file_are_given_back_and_the_answers_stay(folder, monkeypatch):
    monkeypatch.setattr(lists, "_MOST_MAPPED", 1)
    make(folder)
    read_every_list(folder)
    rows = rows_of(folder)
    with open_index(folder) as index:
        for query in QUERIES[:20]:
            assert_same(index.dense(query, 10), nearest(rows, query, 10), rows, query)


def test_many_deleted_passages_are_told_by_bits_and_few_by_a_table():
    rng = np.random.default_rng(0)
    for ids in (rng.choice(5000, 2000, replace=False), np.array([3, 1 << 40]), rng.integers(1 << 40, 1 << 41, 2000)):
        selector = segments_module._among(ids)
        asked = [*ids.tolist(), *rng.integers(0, 6000, 200).tolist(), 1 << 50]
        assert [selector.is_member(i) for i in asked] == [i in set(ids.tolist()) for i in asked]


def test_an_export_holds_the_lists_and_an_import_of_it_answers(folder, tmp_path):
    make(folder)
    read_every_list(folder)
    export_index(folder, tmp_path / "file.ragcli")
    import_index(tmp_path / "file.ragcli", tmp_path / "copy")
    for query in QUERIES[:5]:
        assert found(tmp_path / "copy", query, 10) == found(folder, query, 10)
    change(tmp_path / "other", texts(295, 20))
    merged = merge_index(tmp_path / "file.ragcli", tmp_path / "other")
    assert (merged.documents, merged.there) == (293, 5)
    assert verify(tmp_path / "other").faults == ()
