import random
import re
import shutil
import sqlite3

import pytest
from small_index import change

from ragcli.errors import IndexDamaged, IndexNotFound
from ragcli.index.keywords.files import fingerprint
from ragcli.index.keywords.tantivy_index import Keywords
from ragcli.index.verify import verify
from ragcli.index.writer import open_writer

DOCUMENTS = {f"/d/{n}": [f"apple {n} {i}" for i in range(4)] for n in range(5)}


@pytest.fixture
def folder(tmp_path):
    change(tmp_path / "i", DOCUMENTS)
    change(tmp_path / "i", {"/x": ["pear"]}, ["/d/1"])
    return tmp_path / "i"


def in_sql(folder, *statements):
    db = sqlite3.connect(folder / "catalog.sqlite3")
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def only_fault(folder):
    (fault,) = verify(folder).faults
    return fault


def values_changed(table):
    return f"the table {table} of the catalog does not hold what was written"


def test_a_sound_index(folder):
    report = verify(folder)
    assert (report.documents, report.chunks, report.faults) == (5, 17, ())
    assert report.segments >= 1


def test_no_index(tmp_path):
    with pytest.raises(IndexNotFound):
        verify(tmp_path)


@pytest.mark.parametrize(
    ("change_of", "table", "fault"),
    [
        (
            "UPDATE chunks SET text = replace(text, 'apple', 'angle') WHERE id = 2",
            "chunks",
            "chunk 2 of /d/0: .*checksum",
        ),
        ("UPDATE chunks SET text = text || 'x' WHERE id = 2", "chunks", "chunk 2 of /d/0: .*span"),
        ("UPDATE documents SET title = 'x' WHERE path = CAST('/x' AS BLOB)", "documents", "of /x: .*checksum"),
    ],
)
def test_text_that_is_not_what_was_stored(folder, change_of, table, fault):
    in_sql(folder, change_of)
    whole, one = verify(folder).faults
    assert whole == values_changed(table)
    assert re.search(fault, one)


def test_chunks_without_their_document(folder):
    in_sql(folder, "DELETE FROM documents WHERE id = 1")
    assert only_fault(folder) == "4 chunks without a document"


@pytest.mark.parametrize(
    ("change_of", "table"),
    [
        ("UPDATE chunks SET line_first = line_first + 1 WHERE id = 2", "chunks"),
        ("UPDATE documents SET mtime_ns = mtime_ns + 1 WHERE id = 1", "documents"),
        ("UPDATE settings SET value = '9' WHERE key = 'generation' OR key = 'next_id'", "settings"),
        ("INSERT INTO roots VALUES (CAST('/r' AS BLOB), '{}')", "roots"),
        ("DELETE FROM dead", "dead"),
    ],
)
def test_values_that_nothing_else_would_tell(folder, change_of, table):
    in_sql(folder, change_of)
    assert values_changed(table) in verify(folder).faults


def test_chunks_without_vector_or_entry_and_the_other_way_round(folder):
    in_sql(folder, "UPDATE chunks SET id = 1000 WHERE id = 2")
    changed, *faults = verify(folder).faults
    assert changed == values_changed("chunks")
    assert [fault.split(",")[0] for fault in faults] == [
        "1 chunk without a vector", "vector of 1 unknown chunk",
        "1 chunk without a keyword entry", "keyword entry of 1 unknown chunk",
    ]  # fmt: skip
    assert [fault.split()[-1] for fault in faults] == ["1000", "2", "1000", "2"]


def test_an_entry_twice(folder):
    Keywords(folder / "keywords").update([(2, 1, "again")], [])
    assert only_fault(folder) == f"{folder / 'keywords'}: its files are not those of the last commit"
    with open_writer(folder) as writer, writer.catalog.transaction():
        writer.catalog.set_value("keywords_sha256", fingerprint(folder / "keywords"))
    assert only_fault(folder) == "1 chunk with more than one keyword entry, the first is 2"


def test_a_flipped_bit_in_any_derived_file_is_found(folder, tmp_path):
    rng = random.Random(0)
    paths = [*(folder / "vectors").iterdir(), *(folder / "keywords").glob("*.*")]
    checked = 0
    for path in paths:
        if path.name.startswith(".") or path.suffix == ".json":
            continue
        whole = path.read_bytes()
        body = len(whole) if path.suffix == ".faiss" else len(whole) - 100  # after it, tantivy's own checksum
        at = rng.randrange(max(1, body))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
        assert only_fault(folder) == f"{path}: the content does not match its checksum"
        path.write_bytes(whole)
        checked += 1
    assert checked >= 7
    assert verify(folder).faults == ()


def test_missing_files(folder):
    (segment, *_) = (folder / "vectors").iterdir()
    whole = segment.read_bytes()
    segment.unlink()
    assert only_fault(folder) == f"{segment}: No such file or directory"
    segment.write_bytes(whole)
    some = next((folder / "keywords").glob("*.idx"))
    whole = some.read_bytes()
    some.unlink()
    assert only_fault(folder) == f"{some}: No such file or directory"
    some.write_bytes(whole)
    shutil.rmtree(folder / "keywords")
    assert only_fault(folder) == f"{folder / 'keywords' / 'meta.json'}: No such file or directory"


def test_a_damaged_catalog(folder):
    path = folder / "catalog.sqlite3"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    with pytest.raises(IndexDamaged):
        verify(folder)


def test_a_commit_that_is_under_way_is_no_fault(folder):
    with open_writer(folder) as writer:
        with writer.catalog.transaction():
            first = writer.catalog.ledger.reserve(2)
        Keywords(folder / "keywords").update([(first + 1, first, "apple")], [])
        assert verify(folder).faults == ()
    assert verify(folder).faults == ()
