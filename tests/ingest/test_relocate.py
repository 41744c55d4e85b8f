"""Folders that move: their documents follow, and no file is known under two paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ragcli.errors import UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.verify import verify
from ragcli.ingest.discover import Rules
from ragcli.ingest.plan import preview
from ragcli.ingest.roots import forget, known_roots
from ragcli.ingest.sync import Summary, SyncOptions, sync

OPTIONS = SyncOptions(workers=1, offline=True)


class Case:
    """A folder ``notes`` with two documents, indexed with rules of its own."""

    def __init__(self, base: Path) -> None:
        self.base, self.index, self.notes = base, base / "index", base / "notes"
        for name in ("a.md", "deep/b.md"):
            self.write(self.notes / name)
        self.run("notes", rules=Rules(exclude=("*.tmp",)))

    def write(self, path: Path, text: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"The text of {path.name}.\n")

    def run(self, *names: str, rules: Rules | None = None, **more) -> Summary:
        options = SyncOptions(workers=1, offline=True, rules=rules)
        summary = sync(self.index, [self.base / name for name in names], options, **more)
        assert verify(self.index).faults == ()
        return summary

    def indexed(self) -> list[str]:
        catalog = Catalog.open(self.index)
        paths = [os.path.relpath(row.path, self.base) for row in catalog.documents()]
        catalog.close()
        return paths

    def roots(self) -> dict[str, Rules]:
        catalog = Catalog.open(self.index)
        roots = {os.path.relpath(root, self.base): rules for root, rules in known_roots(catalog).items()}
        catalog.close()
        return roots


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path)


@pytest.mark.parametrize(("target", "named"), [("archive", "archive"), ("old/notes", "old"), ("x/y/z", "x/y/z")])
def test_a_renamed_folder_takes_its_documents_along(case, target, named):
    (case.base / target).parent.mkdir(parents=True, exist_ok=True)
    case.notes.rename(case.base / target)
    actions = preview(case.index, [case.base / named], OPTIONS)
    assert [(entry.action, entry.path, entry.files) for entry in actions] == [("move", case.notes, 2)]
    summary = case.run(named)
    assert [(move.old, move.new) for move in summary.moved] == [(case.notes, case.base / target)]
    assert (summary.added, summary.removed, summary.unchanged, summary.failures) == (0, 0, 2, [])
    assert case.indexed() == [f"{target}/a.md", f"{target}/deep/b.md"]
    assert list(case.roots()) == [named]
    assert case.run().moved == []


def test_it_is_noticed_without_a_name_when_it_is_in_a_known_folder_now(case):
    case.write(case.base / "docs" / "c.md")
    case.run("docs")
    case.notes.rename(case.base / "docs" / "notes")
    assert len(case.run().moved) == 1
    assert case.indexed() == ["docs/c.md", "docs/notes/a.md", "docs/notes/deep/b.md"]
    assert list(case.roots()) == ["docs"]


def test_the_rules_of_the_folder_move_too(case):
    forget(case.index, [case.notes / "deep"])
    case.notes.rename(case.base / "archive")
    case.run("archive")
    removed = (str(case.base / "archive" / "deep"),)
    assert case.roots() == {"archive": Rules(exclude=("*.tmp",), removed=removed)}
    assert case.indexed() == ["archive/a.md"]


def test_a_copy_elsewhere_counts_by_its_content(case):
    for name in ("a.md", "deep/b.md"):  # other times, other inodes
        case.write(case.base / "copy" / name, (case.notes / name).read_text())
        (case.notes / name).unlink()
    (case.notes / "deep").rmdir()
    case.notes.rmdir()
    assert len(case.run("copy").moved) == 1
    assert case.indexed() == ["copy/a.md", "copy/deep/b.md"]


@pytest.mark.parametrize("how", ["edited", "same size and time", "lost"])
def test_only_a_whole_folder_moves_by_itself_and_relocate_moves_the_rest(case, how):
    archive = case.base / "archive"
    case.notes.rename(archive)
    if how == "edited":
        case.write(archive / "a.md", "Something else stands here.\n")
    elif how == "lost":
        (archive / "a.md").unlink()
    else:
        state = (archive / "a.md").stat()
        case.write(archive / "a.md", "the TEXT of a.md.\n")
        os.utime(archive / "a.md", ns=(state.st_atime_ns, state.st_mtime_ns))
    summary = case.run("archive")
    assert summary.moved == []
    assert "notes/a.md" in case.indexed()
    summary = case.run("archive", relocated=(case.notes, archive))
    assert len(summary.moved) == 1
    there = ["archive/deep/b.md"] if how == "lost" else ["archive/a.md", "archive/deep/b.md"]
    assert case.indexed() == there
    assert list(case.roots()) == ["archive"]


def test_several_folders_below_another_mount_point_are_relocated_at_once(case):
    case.write(case.base / "mnt" / "one" / "c.md")
    case.write(case.base / "mnt" / "two" / "d.md")
    case.run("mnt/one", "mnt/two")
    (case.base / "mnt").rename(case.base / "media")
    case.run("media/one", relocated=(case.base / "mnt", case.base / "media"))
    assert case.indexed() == ["media/one/c.md", "media/two/d.md", "notes/a.md", "notes/deep/b.md"]
    assert list(case.roots()) == ["media/one", "media/two", "notes"]


def test_what_cannot_be_relocated_is_refused_and_nothing_changes(case):
    for old, new, why in (("nowhere", "notes", "not a folder"), ("notes", "notes/deep", "lie in each other")):
        with pytest.raises(UsageError, match=why):
            case.run("notes", relocated=(case.base / old, case.base / new))
    assert case.indexed() == ["notes/a.md", "notes/deep/b.md"]


def test_a_folder_has_one_name_however_it_is_reached(case):
    (case.base / "link").symlink_to("notes")
    assert case.run("link").unchanged == 2
    assert case.run("link/deep").unchanged == 1
    assert case.run("link", "notes").unchanged == 2
    assert case.indexed() == ["notes/a.md", "notes/deep/b.md"]
    # the link first, then the folder, then a folder around it
    other = case.base / "other"
    sync(other, [case.base / "link"], OPTIONS)
    assert sync(other, [case.notes], OPTIONS).unchanged == 2
    around = case.base / "around"
    around.mkdir()
    case.notes.rename(around / "notes")
    (case.base / "link").unlink()
    (case.base / "link").symlink_to("around/notes")
    summary = sync(other, [around], OPTIONS)
    assert (summary.unchanged, summary.added) == (2, 0)
    catalog = Catalog.open(other)
    assert [row.path for row in catalog.documents()] == [around / "notes/a.md", around / "notes/deep/b.md"]
    assert list(catalog.roots()) == [around]
    catalog.close()


def test_hard_links_are_two_files(case):
    os.link(case.notes / "a.md", case.base / "again.md")
    sync(case.base / "two", [case.notes / "a.md", case.base / "again.md"], OPTIONS)
    catalog = Catalog.open(case.base / "two")
    assert catalog.count("documents") == 2
    catalog.close()


def test_a_folder_is_removed_by_any_of_its_names(case, ragcli):
    (case.base / "link").symlink_to("notes")
    assert ragcli("remove", "link/deep", "-i", "./index", cwd=case.base).returncode == 0
    assert case.indexed() == ["notes/a.md"]
    assert ragcli("remove", "link", "-i", "./index", cwd=case.base).returncode == 0
    assert case.indexed() == []


def test_a_folder_that_moved_is_known_by_most_of_its_files(case):
    """Those that changed or went after the move are read, or removed, as any others."""
    for number in range(6):
        case.write(case.notes / f"{number}.md")
    case.run("notes")
    archive = case.base / "archive"
    case.notes.rename(archive)
    case.write(archive / "a.md", "Something else stands here.\n")
    (archive / "0.md").unlink()
    (archive / "1.md").rename(archive / "one.md")
    summary = case.run("archive")
    assert [move.documents for move in summary.moved] == [8]
    assert (summary.changed, summary.added, summary.removed, summary.unchanged) == (1, 1, 2, 5)
    assert case.indexed() == [os.path.relpath(path, case.base) for path in sorted(archive.rglob("*.md"))]


def test_a_known_folder_that_is_gone_is_named_when_another_one_is_indexed(case):
    archive = case.base / "archive"
    case.notes.rename(archive)
    case.write(archive / "a.md", "Something else stands here.\n")
    ((path, told),) = case.run("archive").warnings
    assert path == case.notes
    assert "--relocate" in told
    assert "ragcli remove" in told
    case.run("archive", relocated=(case.notes, archive))
    assert case.run("archive").warnings == []


@pytest.mark.parametrize(
    ("target", "named"), [("other.md", "other.md"), ("x/lone.md", "x/lone.md"), ("x/lone.md", "x")]
)
def test_a_root_that_is_a_file_moves_and_may_have_another_name(case, target, named):
    case.write(case.base / "lone.md", "The lone file is about dragons.")
    case.run("lone.md")
    (case.base / "x").mkdir()
    (case.base / "lone.md").rename(case.base / target)
    summary = case.run(named)
    assert [(move.old.name, move.new) for move in summary.moved] == [("lone.md", case.base / target)]
    assert target in case.indexed()
    assert "lone.md" not in case.indexed()
    assert sorted(case.roots()) == sorted(["notes", named])
    assert case.run().failures == []


def test_a_file_with_another_name_and_text_is_relocated_when_it_is_said(case):
    case.write(case.base / "lone.md", "The lone file is about dragons.")
    case.run("lone.md")
    (case.base / "lone.md").unlink()
    case.write(case.base / "other.md", "The other file is about dragons.")
    case.run("other.md")
    case.run("other.md", relocated=(case.base / "lone.md", case.base / "other.md"))
    assert sorted(case.indexed()) == ["notes/a.md", "notes/deep/b.md", "other.md"]
    with pytest.raises(UsageError, match="is a file"):
        case.run("notes", relocated=(case.notes, case.base / "other.md"))
    assert len(case.indexed()) == 3
