from __future__ import annotations

from pathlib import Path

import pytest

from ragcli.index.catalog.rows import FileState, FileStates
from ragcli.types import Reason

ROW = (b"/a/b.txt", 1, 10, 20, 30, "00", "text", 3)


def states(*names: str) -> FileStates:
    skipped = [FileState(Path("/a/c.bin"), None, 5, 6, None, "", 7, Reason.UNSUPPORTED)]
    return FileStates([(name.encode(), i, 10, 20, 30, "00", "text", 3) for i, name in enumerate(names)], skipped)


def test_a_state_is_found_by_its_path() -> None:
    found = states("/a/b.txt", "/d.txt")
    assert found[Path("/a/b.txt")] == FileState(Path("/a/b.txt"), 0, 10, 20, "00", "text", 3, None, 30)
    assert found[Path("/a/c.bin")].reason is Reason.UNSUPPORTED
    assert found.get(Path("/a")) is None
    assert set(found) == {Path("/a/b.txt"), Path("/d.txt"), Path("/a/c.bin")}
    assert len(found) == 3
    assert {path: state.path for path, state in found.items()} == {path: path for path in found}


def test_what_a_walk_did_not_see() -> None:
    found = states("/a/b.txt", "/ab/x.txt", "/d.txt", "/a/e/f.txt")
    assert set(found.besides({"/a/b.txt"}, [Path("/a"), Path("/d.txt")])) == {
        Path("/a/e/f.txt"), Path("/a/c.bin"), Path("/d.txt"),
    }  # fmt: skip
    assert set(found.besides(set(), [Path("/")])) == set(found)
    assert list(found.besides(set(), [])) == []


def test_only_what_a_loader_of_today_read_is_known() -> None:
    found = FileStates([ROW, (b"/old.txt", 2, 1, 1, 1, "", "text", 2), (b"/x.pdf", 3, 1, 1, 1, "", "pdf", 3)], [])
    assert found.stamps({"text": 3, "pdf": 4}.__getitem__) == {"/a/b.txt": (10, 20, 30)}


@pytest.mark.parametrize("place", range(len(ROW)))
def test_a_damaged_row_is_noticed(place: int) -> None:
    row = [*ROW]
    row[place] = None
    with pytest.raises(TypeError):
        FileStates([ROW, tuple(row)], [])
