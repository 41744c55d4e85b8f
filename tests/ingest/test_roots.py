"""What a run walks, and what ``remove`` keeps out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ragcli.errors import UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.ingest.discover import Rules
from ragcli.ingest.roots import forget
from ragcli.ingest.sync import Summary, SyncOptions, sync

OPTIONS = SyncOptions(workers=1, offline=True)


class Case:
    """Files below docs/ and an index of them."""

    def __init__(self, base: Path) -> None:
        self.docs, self.index = base / "docs", base / "index"
        for name in ("a.txt", "old/b.txt", "old/deep/c.txt", "older/d.txt"):
            self.write(name)
        self.run(self.docs)

    def write(self, name: str) -> None:
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"The text of {name}.\n")

    def run(self, *roots: Path, options: SyncOptions = OPTIONS) -> Summary:
        return sync(self.index, roots, options)

    def remove(self, name: str) -> None:
        forget(self.index, [self.docs / name])

    def indexed(self) -> list[str]:
        catalog = Catalog.open(self.index)
        names = [os.path.relpath(row.path, self.docs) for row in catalog.documents()]
        catalog.close()
        return names

    def left_out(self) -> dict[str, tuple[str, int]]:
        catalog = Catalog.open(self.index)
        found = {os.path.relpath(s.path, self.docs): (f"{s.reason}: {s.detail}", s.files) for s in catalog.skipped()}
        catalog.close()
        return found


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path)


REMOVED = "excluded: taken out with ragcli remove"


def test_a_removed_folder_stays_out_and_the_next_run_says_so_once(case):
    case.remove("old")
    assert case.indexed() == ["a.txt", "older/d.txt"]
    case.write("old/new.txt")
    summary = case.run()
    assert case.indexed() == ["a.txt", "older/d.txt"]
    assert case.left_out() == {"old": (REMOVED, 3)}
    assert summary.warnings == [(case.docs / "old", "it was removed; to index it again: ragcli index PATH")]
    assert case.run().warnings == []
    assert case.run(case.docs).added == 0  # the whole folder by name is no word about what was removed from it


@pytest.mark.parametrize("options", [SyncOptions(force=True), SyncOptions(rules=Rules(exclude=("*.tmp",)))])
def test_other_rules_and_a_rebuild_keep_it_out(case, options):
    case.remove("old")
    case.run(case.docs, options=options)
    case.run()
    assert case.indexed() == ["a.txt", "older/d.txt"]


def test_it_comes_back_when_it_is_named(case):
    case.remove("old")
    case.remove("a.txt")
    summary = case.run(case.docs / "old")
    assert (summary.added, summary.warnings) == (2, [])
    case.run()
    assert case.indexed() == ["old/b.txt", "old/deep/c.txt", "older/d.txt"]
    assert case.run(case.docs, case.docs / "a.txt").added == 1
    case.run()
    assert case.indexed() == ["a.txt", "old/b.txt", "old/deep/c.txt", "older/d.txt"]
    assert case.left_out() == {}


def test_a_file_of_it_that_is_named_brings_the_folder_back_with_a_word(case):
    case.remove("old")
    case.run()
    summary = case.run(case.docs / "old" / "b.txt")
    assert summary.warnings == [(case.docs / "old", "it was removed, and is indexed again")]
    assert case.run().added == 1
    assert case.indexed() == ["a.txt", "old/b.txt", "old/deep/c.txt", "older/d.txt"]


def test_a_folder_around_or_below_it_keeps_it_out(case):
    case.remove("old/deep")
    case.run(case.docs / "old")
    assert case.indexed() == ["a.txt", "old/b.txt", "older/d.txt"]
    case.run(case.docs.parent)  # swallows the root that remembers it; the index is inside and is left out
    assert case.indexed() == ["a.txt", "old/b.txt", "older/d.txt"]
    case.run()
    assert case.indexed() == ["a.txt", "old/b.txt", "older/d.txt"]


def test_a_path_that_is_gone_may_come_back(case):
    (case.docs / "a.txt").unlink()
    case.remove("a.txt")
    case.write("a.txt")
    assert case.run().added == 1


def test_a_root_is_forgotten_and_takes_its_removed_paths_along(case):
    case.remove("old")
    case.remove("")
    assert case.indexed() == []
    case.run(case.docs)
    assert case.indexed() == ["a.txt", "old/b.txt", "old/deep/c.txt", "older/d.txt"]


def test_a_link_to_nothing_is_refused_and_becomes_no_root(tmp_path):
    case = Case(tmp_path)
    (tmp_path / "link").symlink_to("nowhere")
    (case.docs / "link").symlink_to("nowhere")
    for link in (tmp_path / "link", case.docs / "link"):
        with pytest.raises(UsageError, match="link to nothing"):
            case.run(link)
    assert case.run().failures == []


def test_a_linked_root_whose_target_is_away_keeps_its_documents(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.txt").write_text("The text of a.")
    (tmp_path / "link").symlink_to("disk")
    sync(tmp_path / "index", tmp_path / "link", OPTIONS)
    (tmp_path / "disk").rename(tmp_path / "away")
    for named in ([], [tmp_path / "link"]):
        summary = sync(tmp_path / "index", named, OPTIONS)
        assert (summary.removed, len(summary.failures)) == (0, 1)
