"""Whether the file behind a hit is still the one that was indexed, checked on files that are changed between."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from ragcli.index.reader import open_index
from ragcli.retrieve.freshness import Freshness, fresh_notes

TEXT = "The zebra password is kumquat.\n"


@pytest.fixture
def notes(ragcli, tmp_path):
    """A folder with one indexed file."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text(TEXT)
    assert ragcli("index", str(folder), "-q").returncode == 0
    return folder


def state(ragcli, *arguments):
    done = ragcli("query", "zebra password", "--no-rerank", "--json", *arguments)
    (hit,) = json.loads(done.stdout)["hits"]
    return hit["fresh"], hit["path"], done.stderr


def test_an_untouched_file_is_the_same(ragcli, notes):
    assert state(ragcli) == ("same", str(notes / "a.md"), "")


def test_a_file_that_was_only_touched_is_the_same(ragcli, notes):
    os.utime(notes / "a.md", (1, 1))
    assert state(ragcli)[0] == "same"


@pytest.mark.parametrize(
    "text", ["Why do birds fly south?\n", TEXT.replace("kumquat", "avocado")]
)  # of equal size, too
def test_a_file_with_other_text_has_changed(ragcli, notes, text):
    (notes / "a.md").write_text(text)
    os.utime(notes / "a.md", (1, 1))
    fresh, _, said = state(ragcli)
    assert fresh == "changed"
    assert said == "note: 1 file has changed since the index was made; update it: ragcli index\n"


def test_an_edit_that_keeps_size_and_time_is_seen(ragcli, notes):
    before = (notes / "a.md").stat()
    (notes / "a.md").write_text(TEXT.replace("kumquat", "avocado"))
    os.utime(notes / "a.md", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert state(ragcli)[0] == "changed"


def test_a_copy_that_keeps_the_time_is_the_same(ragcli, notes):
    shutil.copy2(notes / "a.md", notes / "b.md")
    (notes / "b.md").replace(notes / "a.md")
    assert state(ragcli) == ("same", str(notes / "a.md"), "")


def test_a_removed_file_is_gone(ragcli, notes):
    (notes / "a.md").unlink()
    assert state(ragcli)[0] == "gone"


def test_a_file_whose_name_a_folder_has_taken_is_gone(ragcli, notes):
    (notes / "a.md").unlink()
    (notes / "a.md").mkdir()
    assert state(ragcli)[0] == "gone"


def test_every_format_for_people_says_so(ragcli, notes):
    (notes / "a.md").write_text("Why do birds fly south?\n")

    def shown(*arguments):
        return ragcli("query", "zebra password", "--no-rerank", *arguments, cwd=notes).stdout

    assert shown("-f", "text").splitlines()[0].split()[:4] == ["1", "a.md:1", "(changed", "since)"]
    assert shown("-f", "plain") == f"a.md:1: (changed since) {TEXT}"
    assert shown("-f", "markdown").startswith("1. [a.md:1](a.md#L1) (changed since)\n")
    assert shown("-f", "csv").splitlines()[1].endswith(",changed,0")
    # editors read these: they stay as they are, and the note on stderr tells
    assert shown("-f", "vimgrep").startswith("a.md:1:5:The zebra")
    assert shown("-l") == "a.md\n"


def test_an_answer_says_so(ragcli, notes):
    (notes / "a.md").unlink()
    done = ragcli("ask", "what is the zebra password?", cwd=notes)
    assert done.stdout.splitlines()[0].split("  ")[:2] == ["[1] a.md:1", "(gone)"]
    assert "1 file is gone" in done.stderr
    (citation,) = json.loads(ragcli("ask", "what is the zebra password?", "--json").stdout)["citations"]
    assert citation["fresh"] == "gone"


def test_show_says_so_too(ragcli, notes):
    (notes / "a.md").write_text("Why do birds fly south?\n")
    done = ragcli("show", "a.md:1", cwd=notes)
    assert (done.stdout, done.stderr) == (TEXT, "a.md (changed since), lines 1-1\n")


def test_of_equal_passages_the_one_that_exists_is_shown(ragcli, notes):
    moved = notes.rename(notes.with_name("archive"))
    ragcli("index", str(moved), "-q")
    fresh, path, said = state(ragcli)
    assert (fresh, path, said) == ("same", str(moved / "a.md"), "")


def test_a_file_of_another_machine_is_unknown(ragcli, notes, tmp_path):
    exported = str(tmp_path / "notes.tar")
    assert ragcli("export", exported).returncode == 0
    assert ragcli("import", exported, "--index", "other").returncode == 0
    (notes / "a.md").unlink()
    assert state(ragcli, "--index", "other")[0] is None
    assert state(ragcli)[0] == "gone"


def test_a_member_is_as_old_as_the_file_that_holds_it(ragcli, notes, tmp_path):
    with open_index(tmp_path / "home" / "default", None) as index:
        freshness = Freshness(index.catalog)
        for member in ("a.md/invoice.pdf", "a.md/inner/b.txt"):
            assert freshness.of(notes / member) == "same"
            assert freshness.of(notes / f"no-{member}") == "gone"
        (notes / "a.md").write_text("something else")
        assert {Freshness(index.catalog).of(notes / member) for member in ("a.md/i.pdf", "a.md/b.txt")} == {"changed"}


def test_notes_count_files():
    assert fresh_notes(["same", None]) == ()
    (note,) = fresh_notes(["changed", "gone", "changed", "same"])
    assert note.startswith("2 files have changed and 1 file is gone since")
