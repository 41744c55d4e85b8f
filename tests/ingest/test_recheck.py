import os
import sqlite3

import pytest

from ragcli.ingest.repair import recheck
from ragcli.ingest.sync import SyncOptions, sync


@pytest.fixture
def place(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    for n in range(3):
        (docs / f"{n}.md").write_text(f"# Ünïcode {n}\n\nBoat {n} left.\n\n## More\n\nApples in May, {n} of them.\n")
    sync(tmp_path / "i", [docs], SyncOptions(workers=1, offline=True))
    return tmp_path


def test_files_as_they_were_indexed(place):
    found = recheck(place / "i")
    assert (found.documents, found.faults, found.outdated) == (3, [], [])


def test_files_that_changed_are_no_fault_of_the_index(place):
    one, two = (place / "docs" / f"{n}.md" for n in range(2))
    state = one.stat()
    one.write_text(one.read_text().replace("left", "sank"))
    os.utime(one, ns=(state.st_atime_ns, state.st_mtime_ns))  # nothing but its content tells
    two.unlink()
    found = recheck(place / "i")
    assert found.faults == []
    assert found.documents == 1
    assert [line.partition(": ")[2] for line in found.outdated] == [
        "the file has changed since it was indexed", "its file is not there"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE chunks SET start = start + 1, end = end + 1",
        "UPDATE chunks SET byte_start = byte_start + 1",
        "UPDATE chunks SET line_first = line_first + 1",
        "UPDATE chunks SET text = replace(text, 'Boat', 'Goat')",
    ],
)
def test_spans_that_are_not_those_of_the_file(place, change):
    db = sqlite3.connect(place / "i" / "catalog.sqlite3")
    db.execute(f"{change} WHERE text LIKE '%Boat 1%'")
    db.commit()
    db.close()
    (fault,) = recheck(place / "i").faults
    assert fault.startswith(f"{place / 'docs' / '1.md'}: 1 chunk without the text at its span")
