"""A file costs at most itself: whatever its name, times, rights, kind or content, the others are indexed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragcli.index.catalog.documents import Catalog
from ragcli.index.verify import verify
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.types import Reason

OPTIONS = SyncOptions(workers=1, offline=True, limits=Limits(seconds=5))
YEAR = 365 * 86_400 * 10**9

names = st.binary(min_size=1, max_size=40).filter(lambda name: b"/" not in name and b"\0" not in name)
suffixes = st.sampled_from([b"", b".txt", b".md", b".pdf", b".docx", b".eml", b".csv", b".html", b".py", b".zip"])
times = st.one_of(
    st.integers(-(2**63) - YEAR, 2**63 + YEAR),  # in nanoseconds: from before 1677 until after 2262
    st.sampled_from([-(2**63), 2**63 - 1, 2**63, -1, 0, 1, 2**31 * 10**9, 253_402_300_800 * 10**9]),
)
contents = st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda t: t.encode("utf-8", "surrogatepass")))
kinds = st.sampled_from(["file"] * 6 + ["sparse", "fifo", "socket", "link", "broken link", "loop", "folder"])


def make(path: Path, kind: str, content: bytes) -> None:
    match kind:
        case "file":
            path.write_bytes(content)
        case "sparse":
            with path.open("wb") as file:
                file.truncate(1 << 36)
        case "fifo":
            os.mkfifo(path)
        case "socket":
            made = socket.socket(socket.AF_UNIX)
            made.bind(os.fsencode(path))
            made.close()
        case "link":
            path.symlink_to("good.txt")
        case "broken link":
            path.symlink_to("nowhere")
        case "loop":
            path.symlink_to(path.name)
        case "folder":
            path.mkdir()


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    files=st.lists(st.tuples(names, suffixes, times, kinds, contents, st.sampled_from([0o644, 0, 0o4755])), max_size=8)
)
def test_every_file_is_accounted_for_and_the_sound_one_is_indexed(files):
    base = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        docs = base / "docs"
        docs.mkdir()
        (docs / "good.txt").write_text("The sound file is about harbours.")
        for name, suffix, mtime, kind, content, mode in files:
            path = docs / os.fsdecode(name + suffix)
            if os.path.lexists(path):
                continue
            try:
                make(path, kind, content)
            except OSError:  # a name that this file system or this kind of file does not take
                continue
            if not path.is_symlink():
                try:
                    os.utime(path, ns=(mtime, mtime))
                except (OSError, OverflowError):  # a time that this system does not take
                    os.utime(path, ns=(0, 2**63 // 10**9 * 10**9))
                if kind != "folder":
                    path.chmod(mode)
        for _ in range(2):
            summary = sync(base / "index", docs, OPTIONS)
            there = sum(1 for entry in os.scandir(docs) if not entry.is_dir(follow_symlinks=False))
            counted = summary.added + summary.changed + summary.unchanged + sum(summary.skipped.values())
            assert counted == there
        catalog = Catalog.open(base / "index")
        assert docs / "good.txt" in {row.path for row in catalog.documents()}
        assert (summary.added, summary.changed, summary.removed) == (0, 0, 0)
        catalog.close()
        assert verify(base / "index").faults == ()
    finally:
        shutil.rmtree(base)


@pytest.mark.parametrize("year", [1, 1600, 1901, 1969, 2038, 2262, 2263, 2500, 9999])
def test_a_file_of_any_year_is_indexed_and_found_unchanged(tmp_path, ragcli, year):
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("a.txt", "b.txt"):
        (docs / name).write_text(f"The text of {name}.")
    seconds = int(datetime(year, 6, 1, tzinfo=UTC).timestamp())
    os.utime(docs / "a.txt", (seconds, seconds))
    if int((docs / "a.txt").stat().st_mtime) != seconds:
        pytest.skip("the file system does not hold that time")
    index = tmp_path / "index"
    assert sync(index, docs, OPTIONS).added == 2
    assert sync(index, docs, OPTIONS).unchanged == 2
    listed = ragcli("list", "-i", str(index), "--json")
    assert (listed.returncode, listed.stderr) == (0, "")


def edit(path: Path, text: str) -> None:
    """Change the content, and neither the size nor the time that a program can set."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def settle(path: Path) -> None:
    """Wait until the times of a file are so old that another change would show in them."""
    while abs(time.time_ns() - path.stat().st_ctime_ns) < 200_000_000:
        time.sleep(0.02)


def test_an_edit_that_size_and_time_hide_is_seen(tmp_path):
    path, index = tmp_path / "docs" / "a.txt", tmp_path / "index"
    path.parent.mkdir()
    path.write_text("alpha meeting minutes")
    settle(path)
    sync(index, path.parent, OPTIONS)
    edit(path, "omega meeting minutes")
    assert sync(index, [], OPTIONS).changed == 1
    # another file under the old name
    settle(path)
    sync(index, [], OPTIONS)
    other = path.with_name("b.tmp")
    shutil.copy2(path, other)
    edit(other, "sigma meeting minutes")
    other.replace(path)
    assert sync(index, [], OPTIONS).changed == 1


def test_an_edit_within_the_tick_of_the_clock_is_seen(tmp_path):
    path, index = tmp_path / "docs" / "a.txt", tmp_path / "index"
    path.parent.mkdir()
    for i in range(5):
        path.write_text(f"text number {i}")  # just before it is read
        sync(index, path.parent, OPTIONS)
        edit(path, f"TEXT number {i}")
        assert sync(index, [], OPTIONS).changed == 1


def test_new_rights_and_a_new_link_cost_a_look_and_no_parsing(tmp_path):
    path, index = tmp_path / "docs" / "a.txt", tmp_path / "index"
    path.parent.mkdir()
    path.write_text("alpha meeting minutes")
    settle(path)
    sync(index, path.parent, OPTIONS)
    path.chmod(0o600)
    os.link(path, tmp_path / "link")
    for _ in range(2):
        summary = sync(index, [], OPTIONS)
        assert (summary.unchanged, summary.changed, summary.chunks_reused) == (1, 0, 0)


def test_an_index_of_an_older_version_is_read_and_learns_the_times_without_reading_a_file(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    (docs / "a.txt").write_text("alpha meeting minutes")
    settle(docs / "a.txt")
    sync(index, docs, OPTIONS)
    catalog = Catalog.create(index)
    with catalog.transaction():
        catalog._db.run("DELETE FROM changed")
        catalog._db.run("DELETE FROM settings WHERE key = 'places'")
    catalog._db.run("DROP TABLE changed")
    catalog.close()
    assert verify(index).faults == ()
    catalog = Catalog.open(index)
    assert [state.ctime_ns for state in catalog.file_states().values()] == [0]
    catalog.close()
    assert sync(index, [], OPTIONS).unchanged == 1
    edit(docs / "a.txt", "omega meeting minutes")
    assert sync(index, [], OPTIONS).changed == 1
    assert verify(index).faults == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the rights of a file away and still change them")
def test_a_document_whose_file_cannot_be_read_stays_with_a_word(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    (docs / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "sub/c.txt", "sub/d.txt"):
        (docs / name).write_text(f"The text of {name}.")
    sync(index, docs, OPTIONS)
    (docs / "a.txt").chmod(0)
    (docs / "sub").chmod(0)
    script = f"""
from pathlib import Path
from ragcli.ingest.sync import SyncOptions, sync
for force in (False, True):
    summary = sync({str(index)!r}, {str(docs)!r}, SyncOptions(workers=1, offline=True, force=force))
    print(sorted((str(f.reason), f.path.name) for f in summary.failures))
"""
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    done = subprocess.run([*drop, sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["[('unreadable', 'a.txt'), ('unreadable', 'sub')]"] * 2, done.stderr
    catalog = Catalog.open(index)
    assert len(list(catalog.documents())) == 4
    assert not [skipped for skipped in catalog.skipped() if skipped.path == docs / "a.txt"]
    catalog.close()
    assert verify(index).faults == ()
    assert Reason.UNREADABLE.is_failure
