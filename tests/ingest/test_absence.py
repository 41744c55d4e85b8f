"""Nothing is removed because a disk is away: what stays, what is said of it, and what removes it after all."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ragcli.index.catalog.documents import Catalog
from ragcli.ingest.changes import MANY
from ragcli.ingest.discover import Rules
from ragcli.ingest.plan import preview
from ragcli.ingest.sync import Summary, SyncOptions, sync
from ragcli.types import Reason

OPTIONS = SyncOptions(workers=1, offline=True)
YES = SyncOptions(workers=1, offline=True, remove_missing=True)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"The text of {name}.\n")


def indexed(index: Path, base: Path) -> list[str]:
    catalog = Catalog.open(index)
    names = [os.path.relpath(row.path, base) for row in catalog.documents()]
    catalog.close()
    return names


def absent(summary: Summary) -> list[Path]:
    return [failure.path for failure in summary.failures if failure.reason is Reason.ABSENT]


def test_a_root_that_holds_nothing_any_more_keeps_its_documents_until_somebody_says_yes(tmp_path):
    mnt, local, index = tmp_path / "mnt", tmp_path / "local", tmp_path / "index"
    write(mnt, "1.md", "deep/2.md")
    write(local, "c.md")
    sync(index, [mnt, local], OPTIONS)
    mnt.rename(tmp_path / "away")
    (mnt / "deep").mkdir(parents=True)  # also with empty folders in it
    for named in ([], [mnt], [mnt / "deep"]):
        summary = sync(index, named, OPTIONS)
        assert (summary.removed, len(absent(summary))) == (0, 1)
        assert indexed(index, tmp_path) == ["local/c.md", "mnt/1.md", "mnt/deep/2.md"]
    assert [entry.action for entry in preview(index, [], OPTIONS)] == ["skip"]
    # it is back: nothing is read again
    (mnt / "deep").rmdir()
    mnt.rmdir()
    (tmp_path / "away").rename(mnt)
    summary = sync(index, [], OPTIONS)
    assert (summary.unchanged, summary.chunks_embedded, summary.failures) == (3, 0, [])
    for path in (mnt / "1.md", mnt / "deep" / "2.md"):
        path.unlink()
    assert sync(index, [], YES).removed == 2
    assert indexed(index, tmp_path) == ["local/c.md"]
    assert sync(index, [], OPTIONS).failures == []


def test_files_that_were_left_out_show_that_the_disk_is_there(tmp_path):
    write(tmp_path / "docs", "a.md", "picture.png")
    (tmp_path / "docs" / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    sync(tmp_path / "index", tmp_path / "docs", OPTIONS)
    (tmp_path / "docs" / "a.md").unlink()
    assert sync(tmp_path / "index", [], OPTIONS).removed == 1


def test_a_root_that_is_gone_is_named_with_what_helps(tmp_path):
    write(tmp_path / "docs", "a.md")
    sync(tmp_path / "index", tmp_path / "docs", OPTIONS)
    (tmp_path / "docs" / "a.md").unlink()
    (tmp_path / "docs").rmdir()
    (failure,) = sync(tmp_path / "index", [], OPTIONS).failures
    assert failure.reason is Reason.ABSENT
    assert "1 document stays" in failure.detail
    assert "--relocate" in failure.detail
    assert "ragcli remove" in failure.detail


@pytest.mark.parametrize(
    ("files", "deleted", "asks"),
    [(2, 1, False), (3, 2, True), (MANY + 2, MANY, True), (3 * MANY, MANY, False), (2 * MANY, 2 * MANY - 1, True)],
)
def test_a_loss_of_more_than_half_of_a_root_is_asked_about(tmp_path, files, deleted, asks):
    docs, index = tmp_path / "docs", tmp_path / "index"
    write(docs, *(f"{i}.md" for i in range(files)))
    sync(index, docs, OPTIONS)
    for i in range(deleted):
        (docs / f"{i}.md").unlink()
    summary = sync(index, [], OPTIONS)
    assert (summary.removed, bool(summary.failures)) == ((0, True) if asks else (deleted, False))
    if asks:
        asked = []
        sync(index, [], OPTIONS, confirm=lambda doubt: bool(asked.append(str(doubt))))
        assert asked == [f"{deleted} of its {files} documents have no file any more"]
        assert len(indexed(index, docs)) == files
        assert sync(index, [], OPTIONS, confirm=lambda _: True).removed == deleted
    assert len(indexed(index, docs)) == files - deleted


@pytest.mark.parametrize("names", [("1.md", "2.md"), ("1.md", "2.md", "deep/3.md")])
def test_a_placeholder_at_a_mount_point_does_not_empty_a_small_root(tmp_path, names):
    mnt, index = tmp_path / "mnt", tmp_path / "index"
    write(mnt, *names)
    sync(index, mnt, OPTIONS)
    mnt.rename(tmp_path / "away")
    write(mnt, "NOT_MOUNTED.txt")
    summary = sync(index, [], OPTIONS)
    assert (summary.added, summary.removed, absent(summary)) == (1, 0, [mnt])
    assert len(indexed(index, mnt)) == len(names) + 1


def test_files_that_are_renamed_and_edited_are_no_loss(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    write(docs, "1.md", "2.md", "3.md")
    sync(index, docs, OPTIONS)
    for i in (1, 2):
        (docs / f"{i}.md").rename(docs / f"new{i}.md")
        (docs / f"new{i}.md").write_text("Another and longer text.\n")
    assert sync(index, [], OPTIONS).removed == 2
    assert indexed(index, docs) == ["3.md", "new1.md", "new2.md"]


def test_an_archive_that_is_renamed_takes_what_is_in_it_along(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    write(docs, "a.md")
    with zipfile.ZipFile(docs / "old.zip", "w") as archive:
        for i in range(MANY + 2):
            archive.writestr(f"{i}.md", f"The text of member {i}.\n")
    sync(index, docs, OPTIONS)
    (docs / "old.zip").rename(docs / "new.zip")
    summary = sync(index, [], OPTIONS)
    assert (summary.failures, summary.chunks_embedded) == ([], 0)
    assert sum(name.startswith("new.zip/") for name in indexed(index, docs)) == MANY + 2
    assert not [name for name in indexed(index, docs) if name.startswith("old.zip")]


def test_files_that_moved_to_another_root_are_no_loss(tmp_path):
    one, other, index = tmp_path / "one", tmp_path / "other", tmp_path / "index"
    write(one, "1.md", "2.md", "3.md")
    write(other, "a.md")
    sync(index, [other, one], OPTIONS)
    for i in (1, 2):
        (one / f"{i}.md").rename(other / f"{i}.md")
    assert sync(index, [], OPTIONS).removed == 2


def test_files_that_moved_within_a_root_or_are_left_out_by_a_rule_are_not_lost(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    names = [f"{i}.md" for i in range(2 * MANY)]
    write(docs / "old", *names)
    sync(index, docs, OPTIONS)
    (docs / "old").rename(docs / "new")
    summary = sync(index, [], OPTIONS)
    assert (summary.added, summary.removed, summary.chunks_embedded) == (2 * MANY, 2 * MANY, 0)
    assert sync(index, docs, SyncOptions(workers=1, offline=True, rules=Rules(exclude=("new/",)))).removed == 2 * MANY


def test_a_rebuild_keeps_what_it_cannot_read(tmp_path):
    mnt, local, index = tmp_path / "mnt", tmp_path / "local", tmp_path / "index"
    write(mnt, "1.md", "2.md")
    write(local, "c.md")
    sync(index, [mnt, local], OPTIONS)
    for path in mnt.iterdir():
        path.unlink()
    summary = sync(index, [], SyncOptions(workers=1, offline=True, force=True))
    assert absent(summary) == [mnt]
    assert indexed(index, tmp_path) == ["local/c.md", "mnt/1.md", "mnt/2.md"]
    assert passages(index) == ["The text of 1.md.", "The text of 2.md.", "The text of c.md."]
    mnt.rmdir()
    sync(index, [], SyncOptions(workers=1, offline=True, force=True))
    assert len(indexed(index, tmp_path)) == 3
    write(mnt, "1.md", "2.md")
    assert sync(index, [], OPTIONS).chunks_embedded == 0
    assert sync(index, [], SyncOptions(workers=1, offline=True, force=True)).failures == []


def passages(index: Path) -> list[str]:
    catalog = Catalog.open(index)
    found = sorted(chunk.text.strip() for chunk in catalog.chunks(catalog.chunk_ids()).values())
    catalog.close()
    return found


def can_mount() -> bool:
    place = Path(__file__).parent  # a bind mount of a folder on itself, in a name space of its own, changes nothing
    script = f"mount --bind {place} {place}"
    return subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, check=False).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="mounting takes rights that this user lacks")


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """An empty file system at ``folder``."""
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@needs_mount
def test_a_mount_point_below_a_root_keeps_its_documents_while_nothing_is_mounted(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    write(docs, "a.md")
    (docs / "usb").mkdir()
    with mounted(docs / "usb"):
        write(docs / "usb", "b.md", "c.md")
        sync(index, docs, OPTIONS)
    for _ in range(2):
        summary = sync(index, [], OPTIONS)
        assert (absent(summary), summary.removed) == ([docs / "usb"], 0)
    write(docs / "usb", "note.md")  # somebody wrote to the mount point
    assert absent(sync(index, [], OPTIONS)) == [docs / "usb"]
    (docs / "usb" / "note.md").unlink()
    (docs / "usb").rmdir()  # as where mount points are made when a disk is plugged in
    assert absent(sync(index, [], OPTIONS)) == [docs / "usb"]
    assert indexed(index, docs) == ["a.md", "usb/b.md", "usb/c.md", "usb/note.md"]
    assert sync(index, [], YES).removed == 3
    assert sync(index, [], OPTIONS).failures == []


@needs_mount
def test_another_disk_at_a_root_takes_nothing_away(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    (tmp_path / "first").mkdir()
    with mounted(tmp_path / "first"), mounted(docs):  # both at once, or they would have the same number
        subprocess.run(["umount", docs], check=True)
        subprocess.run(["mount", "--bind", tmp_path / "first", docs], check=True)
        write(docs, "a.md", "b.md")
        sync(index, docs, OPTIONS)
        subprocess.run(["umount", docs], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", docs], check=True)
        write(docs, "c.md")
        for _ in range(2):
            assert absent(sync(index, [], OPTIONS)) == [docs]
            assert indexed(index, docs) == ["a.md", "b.md", "c.md"]
        assert sync(index, [], YES).removed == 2
        (docs / "c.md").unlink()
        write(docs, "d.md")
        assert sync(index, [], OPTIONS).removed == 1


def test_a_disk_that_got_another_number_is_the_same_disk(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    write(docs, "a.md", "b.md")
    sync(index, docs, OPTIONS)
    catalog = Catalog.create(index)
    with catalog.transaction():
        catalog.set_places(
            {root: place._replace(file_system=place.file_system + 1) for root, place in catalog.places().items()}
        )
    catalog.close()
    (docs / "a.md").unlink()
    assert sync(index, [], OPTIONS).removed == 1
