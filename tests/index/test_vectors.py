import contextlib
import random
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_index import nearest, stored

from ragcli.errors import IndexDamaged, RagcliError
from ragcli.index.vectors.segments import Segments, check_segment, write_segment


def unit_rows(count, dimension, seed=0):
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write(folder, name, rows):
    return write_segment(folder, name, sorted(rows.items()), [], [])


def split(rows, pieces):
    """``rows`` by ascending id in ``pieces`` groups."""
    ids = [ids.tolist() for ids in np.array_split(sorted(rows), pieces)]
    return [{i: rows[i] for i in group} for group in ids if group]


def open_split(folder, rows, pieces, dimension):
    written = [write(folder, f"{n}.faiss", group) for n, group in enumerate(split(rows, pieces))]
    return Segments(folder, written, dimension)


def assert_same(hits, expected):
    assert [i for i, _ in hits] == [i for i, _ in expected]
    assert np.allclose([s for _, s in hits], [s for _, s in expected], atol=1e-6)


@pytest.mark.parametrize("pieces", [1, 3, 7])
@pytest.mark.parametrize("k", [1, 10, 500, 2000])
def test_hits_and_their_order_equal_brute_force(tmp_path, pieces, k):
    rows = dict(zip(range(5, 5 + 3 * 500, 3), unit_rows(500, 32), strict=True))
    segments = open_split(tmp_path, rows, pieces, 32)
    for query in unit_rows(5, 32, seed=1):
        assert_same(segments.search(query, k), nearest(rows, query, k))


def grid_rows(draw, ids, dimension):
    """Rows of a few small integers, so that float16 holds them, sums are exact, and many scores are equal."""
    values = st.lists(st.integers(-2, 2), min_size=dimension, max_size=dimension)
    return {i: np.array(draw(values), np.float32) for i in ids}


@st.composite
def worlds(draw):
    ids = draw(st.lists(st.integers(1, 10**6), unique=True, max_size=60))
    rows = grid_rows(draw, ids, 4)
    some = st.lists(st.sampled_from(ids or [0]), unique=True).map(sorted)
    query = np.array(draw(st.lists(st.integers(-2, 2), min_size=4, max_size=4)), np.float32)
    allowed = draw(st.none() | some)
    return rows, query, draw(st.integers(0, 80)), allowed, draw(some), draw(st.integers(1, 5))


@settings(max_examples=80)
@given(worlds())
def test_ties_filters_and_dead_rows_equal_brute_force(tmp_path_factory, world):
    rows, query, k, allowed, dead, pieces = world
    segments = open_split(tmp_path_factory.mktemp("v"), rows, pieces, 4)
    live = {i: row for i, row in rows.items() if i not in dead and (allowed is None or i in allowed)}
    hits = segments.search(
        query,
        k,
        allowed=None if allowed is None else np.array(allowed, np.int64),
        dead=np.array(dead, np.int64),
    )
    assert hits == nearest(live, query, k)


def test_a_tie_far_wider_than_k_goes_to_the_lowest_ids(tmp_path):
    rows = {i: np.array([1, 0], np.float32) for i in range(1, 1001)}
    segments = open_split(tmp_path, rows, 3, 2)
    assert [i for i, _ in segments.search(np.array([1, 0], np.float32), 5)] == [1, 2, 3, 4, 5]
    dead = np.arange(1, 500, dtype=np.int64)
    assert [i for i, _ in segments.search(np.array([1, 0], np.float32), 3, dead=dead)] == [500, 501, 502]


def test_better_rows_that_come_late_push_out_the_highest_ids_of_a_tie(tmp_path):
    # what faiss pushes out is the lowest
    rows = {i: np.array([1, 0] if i <= 500 else [2, 0], np.float32) for i in range(1, 521)}
    segments = open_split(tmp_path, rows, 1, 2)
    found = [i for i, _ in segments.search(np.array([1, 0], np.float32), 100)]
    assert found == [*range(501, 521), *range(1, 81)]


def test_nothing_in_nothing_out(tmp_path):
    query = unit_rows(1, 4)[0]
    assert Segments(tmp_path, [], 4).search(query, 5) == []
    assert Segments(tmp_path, [], 4).reconstruct([1]) == {}
    assert Segments(tmp_path, [], 4).ids().tolist() == []
    assert write_segment(tmp_path, "a.faiss", [], [], []) is None
    assert list(tmp_path.iterdir()) == []
    segments = open_split(tmp_path, {7: query}, 1, 4)
    assert segments.search(query, 0) == []
    assert segments.search(query, -1) == []
    assert segments.search(np.full(4, np.nan, np.float32), 5) == []
    assert segments.search(query, 5, allowed=np.array([], np.int64)) == []
    assert [i for i, _ in segments.search(query, 5)] == [7]


def test_a_query_of_another_dimension_is_named(tmp_path):
    segments = open_split(tmp_path, {7: unit_rows(1, 4)[0]}, 1, 4)
    with pytest.raises(ValueError, match=r"\(5,\).*4"):
        segments.search(unit_rows(1, 5)[0], 3)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.integers(1, 2**40), st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=40
    ),
    st.integers(1, 4),
)
def test_rows_come_back_as_float16_holds_them(tmp_path_factory, values, pieces):
    rows = {i: np.array(row, np.float32) for i, row in values.items()}
    segments = open_split(tmp_path_factory.mktemp("v"), rows, pieces, 3)
    assert segments.ids().tolist() == sorted(rows)
    found = segments.reconstruct([*rows, 2**50, 0])
    assert found.keys() == rows.keys()
    for i, row in rows.items():
        assert np.array_equal(found[i], stored(row))


@settings(max_examples=40)
@given(st.data())
def test_rewriting_keeps_the_live_rows_exactly(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("v")
    count = data.draw(st.integers(1, 60))
    rows = dict(zip(range(1, count + 1), unit_rows(count, 5), strict=True))
    old = [write(folder, f"{n}.faiss", group) for n, group in enumerate(split(rows, data.draw(st.integers(1, 4))))]
    dead = data.draw(st.lists(st.sampled_from(sorted(rows)), unique=True).map(sorted))
    added = (
        dict(zip(range(count + 1, count + 4), unit_rows(3, 5, seed=2), strict=True)) if data.draw(st.booleans()) else {}
    )
    row = write_segment(folder, "new.faiss", sorted(added.items()), old, dead)
    live = {i: vector for i, vector in (rows | added).items() if i not in dead}
    if not live:
        assert row is None
        assert not (folder / "new.faiss").exists()
        return
    assert (row.count, row.first, row.last) == (len(live), min(live), max(live))
    found = Segments(folder, [row], 5).reconstruct(live)
    assert all(np.array_equal(found[i], stored(vector)) for i, vector in live.items())
    assert check_segment(folder, row) is None


def test_a_rewrite_of_more_rows_than_one_block(tmp_path):
    rows = dict(zip(range(1, 40_001), unit_rows(40_000, 4), strict=True))
    old = write(tmp_path, "old.faiss", rows)
    dead = list(range(3, 40_000, 7))
    new = write_segment(tmp_path, "new.faiss", [], [old], dead)
    held = Segments(tmp_path, [new], 4).ids()
    assert held.tolist() == sorted(rows.keys() - set(dead))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_rows_that_float16_cannot_hold_are_refused(tmp_path, bad):
    rows = unit_rows(3, 4)
    rows[1, 2] = bad
    with pytest.raises(ValueError, match="finite"):
        write_segment(tmp_path, "a.faiss", list(enumerate(rows)), [], [])
    assert list(tmp_path.iterdir()) == []


def test_ids_out_of_order_are_refused(tmp_path):
    rows = unit_rows(2, 4)
    for ids in ([2, 1], [1, 1]):
        with pytest.raises(ValueError, match="ascend"):
            write_segment(tmp_path, "a.faiss", list(zip(ids, rows, strict=True)), [], [])


def test_a_changed_or_missing_file_is_told_by_its_checksum(tmp_path):
    row = write(tmp_path, "a.faiss", dict(enumerate(unit_rows(20, 4), 1)))
    path = tmp_path / "a.faiss"
    whole = path.read_bytes()
    assert check_segment(tmp_path, row) is None
    for at in random.Random(0).sample(range(len(whole)), 40):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert "checksum" in check_segment(tmp_path, row)
    path.write_bytes(whole[:-1])
    assert "checksum" in check_segment(tmp_path, row)
    path.unlink()
    assert "No such file" in check_segment(tmp_path, row)
    with pytest.raises(IndexDamaged, match=r"a\.faiss.*No such file"):
        Segments(tmp_path, [row], 4)


def test_a_file_of_another_form_never_reaches_faiss(tmp_path):
    """Truncated anywhere, or any bit of the header or of the count of ids flipped."""
    row = write(tmp_path, "a.faiss", dict(enumerate(unit_rows(20, 4), 1)))
    path = tmp_path / "a.faiss"
    whole = path.read_bytes()
    ids_at = len(whole) - 20 * 8 - 8
    rows_at = ids_at - 20 * 4 * 2
    damaged = [whole[:length] for length in range(len(whole))] + [whole + b"\0", b""]
    for at in (*range(rows_at), *range(ids_at, ids_at + 8)):
        damaged += [whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for bit in range(8)]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(IndexDamaged):
            Segments(tmp_path, [row], 4)
    path.write_bytes(whole)
    assert Segments(tmp_path, [row], 4).ids().tolist() == list(range(1, 21))


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.integers(1, 255))
def test_flipped_rows_and_ids_can_be_searched_without_a_crash(tmp_path_factory, places, flip):
    folder = tmp_path_factory.mktemp("v")
    row = write(folder, "a.faiss", dict(enumerate(unit_rows(20, 4), 1)))
    content = bytearray((folder / "a.faiss").read_bytes())
    ids_at = len(content) - 20 * 8 - 8
    rows_at = ids_at - 20 * 4 * 2
    for place in places:
        at = rows_at + place % (len(content) - rows_at)
        if not ids_at <= at < ids_at + 8:
            content[at] ^= flip
    (folder / "a.faiss").write_bytes(content)
    segments = Segments(folder, [row], 4)
    assert len(segments.search(unit_rows(1, 4)[0], 5)) <= 5
    segments.reconstruct(range(30))
    write_segment_or_refuse(folder, row)


def write_segment_or_refuse(folder, row):
    with contextlib.suppress(ValueError, IndexDamaged):
        write_segment(folder, "b.faiss", [], [row], [1])


@pytest.mark.parametrize("wrong", [{"count": 19}, {"count": 21}, {"count": 2**40}])
def test_a_row_that_promises_another_count_is_damage(tmp_path, wrong):
    row = write(tmp_path, "a.faiss", dict(enumerate(unit_rows(20, 4), 1)))
    with pytest.raises(IndexDamaged):
        Segments(tmp_path, [replace(row, **wrong)], 4)
    with pytest.raises(IndexDamaged):
        Segments(tmp_path, [row], 5)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_segments_are_mapped_not_read(tmp_path):
    rows = dict(enumerate(unit_rows(20_000, 32), 1))
    segments = open_split(tmp_path, rows, 2, 32)
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8")
    for name in ("0.faiss", "1.faiss"):
        assert str(tmp_path / name) in mapped
    assert len(segments.search(rows[1], 3)) == 3


def test_a_full_disk_at_any_byte_leaves_no_file(tmp_path):
    """faiss does not report what closing the file says, so that the last bytes could be missing."""
    rows = dict(enumerate(unit_rows(600, 4), 1))
    whole = (tmp_path / write(tmp_path, "a.faiss", rows).name).stat().st_size
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import resource, signal
from pathlib import Path
from test_vectors import full_disk, unit_rows
full_disk(Path({str(tmp_path)!r}), [0, 50, 4096, 8192, {whole} - 4097, {whole} - 1, {whole}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused " * 6 + "written "), done.stderr


def full_disk(folder, sizes):
    rows = dict(enumerate(unit_rows(600, 4), 1))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for size in sizes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            write(folder, "b.faiss", rows)
            outcome = "written"
        except RagcliError:
            outcome = "refused"
            assert sorted(path.name for path in folder.iterdir()) == ["a.faiss"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        sys.stdout.write(f"{outcome} ")
