import json
import os
import random
import shutil
import sqlite3
import string
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_index import SETTINGS, new_file

from ragcli.errors import IndexDamaged, IndexFormat, IndexNotFound, RagcliError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import FileState, NewDocument, SegmentRow, chunk_key
from ragcli.types import Chunk, Reason, Skipped

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)  # NUL and all other controls among them
big = st.integers(-(2**63), 2**63 - 1)
small = st.integers(0, 2**31)
# file names are bytes other than "/" and NUL
names = st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"\xff"))
paths = names.filter(lambda raw: raw not in {b".", b".."}).map(lambda raw: Path(os.fsdecode(b"/home/" + raw)))


@st.composite
def chunks_at(draw, path, title):
    start, length = draw(small), draw(st.integers(0, 50))
    pages = draw(st.none() | st.tuples(st.integers(1, 99), st.integers(1, 99)))
    return Chunk(
        0, path, title, start, start + length, draw(any_text), (draw(small), draw(small)), (draw(small), draw(small)),
        pages, tuple(draw(st.lists(any_text, max_size=3))), draw(any_text),
    )  # fmt: skip


@st.composite
def documents(draw):
    path, title = draw(paths), draw(any_text)
    chunks = draw(st.lists(chunks_at(path, title), max_size=4))
    chunks = tuple(sorted(chunks, key=lambda chunk: chunk.start))
    return NewDocument(
        0, path, draw(st.text(string.hexdigits, min_size=64, max_size=64)), draw(big), draw(big), draw(any_text),
        draw(small), title, tuple(draw(st.lists(any_text, max_size=2))),
        tuple(draw(st.lists(st.tuples(st.integers(1, 9), small), max_size=3))), chunks,
        tuple(chunk_key(chunk) for chunk in chunks),
    )  # fmt: skip


def numbered(new, first):
    chunks = tuple(replace(chunk, id=first + 1 + n) for n, chunk in enumerate(new.chunks))
    return new._replace(id=first, chunks=chunks)


def insert(catalog, new):
    with catalog.transaction():
        stored = numbered(new, catalog.ledger.reserve(1 + len(new.chunks)))
        catalog.insert_document(stored)
        catalog.ledger.clear_pending()
        return stored


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog.create(tmp_path)
    yield catalog
    catalog.close()


@settings(max_examples=30)
@given(st.lists(documents(), max_size=5, unique_by=lambda new: new.path), st.data())
def test_documents_and_chunks_come_back_as_they_went_in(tmp_path_factory, news, data):
    folder = tmp_path_factory.mktemp("c")
    writer = Catalog.create(folder)
    stored = [insert(writer, new) for new in news]
    gone = data.draw(st.sampled_from(stored)) if stored and data.draw(st.booleans()) else None
    if gone:
        with writer.transaction():
            writer.delete_document(gone.id)
        stored.remove(gone)
        assert writer.ledger.dead("in_vectors") == [chunk.id for chunk in gone.chunks]
    reader = Catalog.open(folder)
    rows = list(reader.documents())
    assert [row.path for row in rows] == sorted((new.path for new in stored), key=os.fsencode)
    for new in stored:
        row = reader.document(new.path)
        assert (row.id, row.title, row.loader, row.loader_version) == (
            new.id,
            new.title,
            new.loader,
            new.loader_version,
        )
        assert (row.sha256, row.size, row.mtime_ns) == (new.sha256, new.size, new.mtime_ns)
        assert (row.warnings, row.pages, row.chunks) == (new.warnings, new.pages, len(new.chunks))
        assert reader.document_chunks(new.id) == list(new.chunks)
        assert reader.file_states()[new.path] == FileState(
            new.path, new.id, new.size, new.mtime_ns, new.sha256, new.loader, new.loader_version, None
        )
    every = {chunk.id: chunk for new in stored for chunk in new.chunks}
    assert reader.chunk_ids() == sorted(every)
    assert reader.chunks([*every, 10**9]) == every
    assert reader.known_chunks([*every, 10**9]) == every.keys()
    some = [new.id for new in stored[::2]]
    assert reader.chunk_ids(some) == sorted(chunk.id for new in stored[::2] for chunk in new.chunks)
    newest = {key: chunk.id for new in stored for chunk, key in zip(new.chunks, new.keys, strict=True)}
    assert reader.chunk_for_keys([*newest, b"?"]) == newest
    assert reader.all_keys() == sorted(newest)
    assert reader.check() == []
    assert (reader.count("documents"), reader.count("chunks")) == (len(stored), len(every))
    reader.close()
    writer.close()


def test_lone_surrogates_do_not_stop_a_commit(catalog):
    new = new_file("/a", ["x\ud800y", "plain"], title="t\udfff", headings=("h\udc00",))
    document = NewDocument(
        0, Path("/a"), "0", 1, 1, "text", 1, "t\udfff", ("w\ud800",), (), new.chunks, new.keys
    )  # fmt: skip
    stored = insert(catalog, document)
    first, second = catalog.document_chunks(stored.id)
    assert (first.text, first.title, second.text) == ("x\ufffdy", "t\ufffd", "plain")
    assert len(first.text.encode()) == first.bytes[1] - first.bytes[0]
    assert catalog.chunk_keys(stored.id)[first.id] == chunk_key(first) == chunk_key(new.chunks[0])


def test_thousands_of_ids_at_once(catalog):
    stored = insert(catalog, blank("/a")._replace(chunks=tuple(many_chunks(3000)), keys=(b"k",) * 3000))
    ids = [chunk.id for chunk in stored.chunks]
    assert catalog.chunks(ids).keys() == set(ids) == catalog.known_chunks(ids)
    assert catalog.chunk_ids([*range(5000, 9000), stored.id]) == ids


def blank(path):
    return NewDocument(0, Path(path), "0", 1, 1, "text", 1, "", (), (), (), ())


def many_chunks(count):
    return [Chunk(0, Path("/a"), "", n, n + 1, "x", (n, n + 1), (1, 1), None, ()) for n in range(count)]


def test_what_is_not_indexed(catalog):
    odd = Path(os.fsdecode(b"/a/\xff\xfe"))
    with catalog.transaction():
        catalog.set_skipped(Skipped(odd, Reason.DAMAGED, "at \udcff", 1), 5, 6, 7)
        catalog.set_skipped(Skipped(Path("/a/b"), Reason.IGNORED, files=40), 0, 0, 0)
        catalog.set_skipped(Skipped(Path("/a/b"), Reason.HIDDEN, files=41), 0, 0, 0)
    assert catalog.skipped() == [
        Skipped(Path("/a/b"), Reason.HIDDEN, "", 41), Skipped(odd, Reason.DAMAGED, "at \ufffd", 1)
    ]  # fmt: skip
    assert catalog.file_states()[odd] == FileState(odd, None, 5, 6, None, "", 7, Reason.DAMAGED)
    with catalog.transaction():
        catalog.drop_skipped([odd, Path("/none")])
    assert [skipped.path for skipped in catalog.skipped()] == [Path("/a/b")]


def test_settings_roots_and_touched_files(catalog):
    odd = Path(os.fsdecode(b"/\xff"))
    with catalog.transaction():
        catalog.set_value("rate", 2.5)
        catalog.set_value("index", SETTINGS.to_record())
        catalog.set_root(odd, {"hidden": True})
        catalog.set_root(Path("/a"), {})
    stored = insert(catalog, blank("/a/b"))
    with catalog.transaction():
        catalog.touch(stored.id, 77, 88)
        catalog.drop_root(Path("/a"))
    assert catalog.value("rate", float) == 2.5
    assert catalog.value("none", float) is None
    assert catalog.settings() == SETTINGS
    assert catalog.roots() == {odd: {"hidden": True}}
    assert (catalog.document(Path("/a/b")).size, catalog.document(Path("/a/b")).mtime_ns) == (77, 88)


def test_an_exception_rolls_everything_back(catalog):
    insert(catalog, blank("/a"))
    before = (values_of(catalog.path), list(catalog.documents()), catalog.ledger.pending())

    def interrupted():
        with catalog.transaction():
            catalog.insert_document(numbered(blank("/b"), catalog.ledger.reserve(1)))
            catalog.set_value("x", 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (values_of(catalog.path), list(catalog.documents()), catalog.ledger.pending()) == before
    insert(catalog, blank("/b"))


def test_a_reader_keeps_its_state_while_a_writer_commits(tmp_path, catalog):
    stored = insert(catalog, blank("/a"))
    reader = Catalog.open(tmp_path)
    with reader.snapshot():
        insert(catalog, blank("/b"))
        with catalog.transaction():
            catalog.delete_document(stored.id)
            catalog.count_commit()
        assert [str(row.path) for row in reader.documents()] == ["/a"]
        assert reader.commits() == 0
    assert [str(row.path) for row in reader.documents()] == ["/b"]
    assert reader.commits() == 1
    reader.close()


def test_ids_are_handed_out_once(catalog):
    with catalog.transaction():
        assert catalog.ledger.reserve(3) == 1
        assert catalog.ledger.reserve(1) == 4

    def failed():
        with catalog.transaction():
            assert catalog.ledger.reserve(5) == 5
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failed()
    with catalog.transaction():
        catalog.ledger.skip_ids(3)
        assert catalog.ledger.next_id() == 5
        catalog.ledger.skip_ids(9)
        assert catalog.ledger.reserve(1) == 9
    assert catalog.ledger.pending() == [(1, 3), (4, 4), (9, 9)]


def test_segments_are_listed_by_age_and_the_dead_are_forgotten_when_nothing_holds_them(catalog):
    rows = [SegmentRow(f"seg-0001-{n:08d}.faiss", "0", 1, n, n) for n in (1, 2, 10)]
    stored = insert(catalog, blank("/a")._replace(chunks=tuple(many_chunks(3)), keys=(b"k",) * 3))
    with catalog.transaction():
        catalog.ledger.replace_segments([], reversed(rows))
        catalog.delete_document(stored.id)
    assert catalog.ledger.segments() == rows
    a, b, c = (chunk.id for chunk in stored.chunks)
    with catalog.transaction():
        catalog.ledger.replace_segments([rows[1].name], [])
        catalog.ledger.bury("in_vectors", [a, b])
        catalog.ledger.bury("in_keywords", [b, c])
    assert catalog.ledger.segments() == [rows[0], rows[2]]
    assert (catalog.ledger.dead("in_vectors"), catalog.ledger.dead("in_keywords")) == ([c], [a])
    assert catalog.count("dead") == 2


def test_replace_all_takes_over_every_row_and_keeps_counting(tmp_path, catalog):
    other = Catalog.create(made(tmp_path / "other"))
    theirs = insert(other, blank("/theirs"))
    with other.transaction():
        other.set_value("x", 1)
        other.set_root(Path("/r"), {"hidden": True})
        other.set_skipped(Skipped(Path("/s"), Reason.EMPTY), 1, 2, 3)
    other.close()
    for name in ("/mine", "/too"):
        insert(catalog, blank(name))
    with catalog.transaction():
        catalog.set_value("mine", 1)
        catalog.set_value("commits", 41)
    reader = Catalog.open(tmp_path)
    catalog.replace_all(tmp_path / "other")
    for view in (catalog, reader):
        assert [row.id for row in view.documents()] == [theirs.id]
        values = values_of(view.path)
        assert values.pop("checksums")
        assert values == {"x": 1, "commits": 42, "next_id": 3}
        assert view.check_values() == []
        assert view.roots() == {Path("/r"): {"hidden": True}}
        assert [skipped.path for skipped in view.skipped()] == [Path("/s")]
    reader.close()


def made(folder):
    folder.mkdir()
    return folder


# -- opening ----------------------------------------------------------------------------------------------------------


def test_no_catalog_and_an_empty_one_are_not_found(tmp_path):
    with pytest.raises(IndexNotFound):
        Catalog.open(tmp_path)
    (tmp_path / "catalog.sqlite3").touch()  # as left by a process that was killed while making it
    with pytest.raises(IndexNotFound):
        Catalog.open(tmp_path)
    Catalog.create(tmp_path).close()
    Catalog.open(tmp_path).close()


def test_an_empty_catalog_beside_vectors_is_damage_and_not_a_new_index(tmp_path):
    (tmp_path / "catalog.sqlite3").touch()
    (tmp_path / "vectors").mkdir()
    for opening in (Catalog.open, Catalog.create):
        with pytest.raises(IndexDamaged, match="empty"):
            opening(tmp_path)


@pytest.mark.parametrize("version", [0, 3, 999])
def test_another_format_is_refused(tmp_path, version):
    Catalog.create(tmp_path).close()
    db = sqlite3.connect(tmp_path / "catalog.sqlite3")
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    for opening in (Catalog.open, Catalog.create):
        with pytest.raises(IndexFormat, match=f"format {version}, this one knows 2.*ragcli index --index"):
            opening(tmp_path)


def filled(folder):
    catalog = Catalog.create(folder)
    for n in range(40):
        new = new_file(f"/d/{n}", [f"text {n} {i} " * 9 for i in range(6)], title=f"title {n}", headings=("h",), page=1)
        document = NewDocument(
            0, Path(f"/d/{n}"), "0" * 64, 1, 1, "text", 1, f"title {n}", ("w",), ((1, 0),), new.chunks, new.keys
        )
        insert(catalog, document)
    with catalog.transaction():
        catalog.set_value("index", SETTINGS.to_record())
        catalog.set_root(Path("/d"), {"hidden": False})
        catalog.set_skipped(Skipped(Path("/s"), Reason.EMPTY), 1, 2, 3)
        catalog.ledger.replace_segments([], [SegmentRow("seg-0001-00000001.faiss", "0", 1, 1, 1)])
        catalog.delete_document(1)
    catalog.close()


def values_of(path):
    """The table settings, read by SQLite alone."""
    with closing(sqlite3.connect(path)) as connection:
        return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM settings")}


def read_everything(folder):
    catalog = Catalog.open(folder)
    try:
        with catalog.snapshot():
            catalog.check()
            catalog.settings()
            catalog.keywords_name()
            catalog.generation()
            catalog.commits()
            catalog.roots()
            catalog.file_states()
            catalog.skipped()
            for row in catalog.documents():
                for chunk in catalog.document_chunks(row.id):
                    assert len(chunk.text) >= 0
                    assert len(chunk.embedded) >= 0
            catalog.chunks(catalog.chunk_ids())
            catalog.chunk_for_keys([b"k"])
            catalog.ledger.segments()
            catalog.ledger.dead("in_vectors")
            catalog.ledger.pending()
            catalog.ledger.next_id()
    finally:
        catalog.close()


def test_a_damaged_file_is_reported_as_such_wherever_it_is_damaged(tmp_path):
    filled(made(tmp_path / "good"))
    read_everything(tmp_path / "good")
    whole = (tmp_path / "good" / "catalog.sqlite3").read_bytes()
    rng = random.Random(7)
    damages = [
        whole[:length] for length in (1, 50, 99, 100, 101, 1000, 4096, 5000, 8192, len(whole) // 2, len(whole) - 1)
    ]
    damages += [b"x" * 100 + whole[100:], b"\0" * 4096 + whole[4096:], whole[:4096] + rng.randbytes(len(whole) - 4096)]
    for start in range(0, len(whole), 4096):
        damages.append(whole[:start] + rng.randbytes(4096) + whole[start + 4096 :])
    for _ in range(200):
        at = rng.choice(
            [rng.randrange(len(whole)), rng.randrange(8192), rng.randrange(0, len(whole), 4096) + rng.randrange(60)]
        )
        at = min(at, len(whole) - 1)
        damages.append(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
    found = 0
    for content in damages:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        made(copy)
        made(copy / "vectors")
        (copy / "catalog.sqlite3").write_bytes(content)
        try:
            read_everything(copy)
        except (IndexDamaged, IndexFormat):
            found += 1
    assert found > 60


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE settings SET value = '{' WHERE key = 'index'",
        "UPDATE settings SET value = '7' WHERE key = 'index'",
        "UPDATE settings SET value = '{\"model\": 1}' WHERE key = 'index'",
        "INSERT INTO settings VALUES ('keywords', '\"../../../etc\"')",
        "INSERT INTO settings VALUES ('keywords', '\"..\"')",
        "INSERT INTO settings VALUES ('generation', '[]')",
        "UPDATE segments SET name = '../catalog.sqlite3'",
        "UPDATE segments SET name = '/etc/passwd'",
        "UPDATE segments SET count = 0",
        "UPDATE segments SET count = 'many'",
        "UPDATE chunks SET text = x'ff'",
        "UPDATE chunks SET text = CAST(x'ff' AS TEXT)",
        "UPDATE chunks SET headings = 'no json'",
        "UPDATE documents SET path = 'text' WHERE id = 8",
        "UPDATE documents SET pages = '[1]'",
        "UPDATE skipped SET reason = 'because'",
        "DROP TABLE dead",
    ],
)
def test_rows_that_nothing_of_ours_wrote_are_damage(tmp_path, change):
    """Also names that lead out of the folder: a writer deletes the files that its catalog names."""
    filled(tmp_path)
    db = sqlite3.connect(tmp_path / "catalog.sqlite3")
    db.execute(change)
    db.commit()
    db.close()
    with pytest.raises(IndexDamaged, match=r"catalog\.sqlite3 is damaged"):
        read_everything(tmp_path)


def test_a_schema_that_is_not_text_is_damage(tmp_path):
    """SQLite quotes it in its message, which Python then cannot decode."""
    filled(tmp_path)
    db = sqlite3.connect(tmp_path / "catalog.sqlite3")
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_schema SET name = CAST(x'64ed64' AS TEXT), sql = 'CREATE' WHERE name = 'dead'")
    db.commit()
    db.close()
    with pytest.raises(IndexDamaged):
        read_everything(tmp_path)


def test_a_folder_that_cannot_be_written_can_be_read(tmp_path):
    filled(tmp_path)
    assert not (tmp_path / "catalog.sqlite3-wal").exists()
    done = as_nobody(tmp_path, "print(Catalog.open(folder).count('documents'))")
    assert done.stdout == "39\n", done.stderr


def test_a_log_that_a_killed_writer_left_is_read_or_refused_but_never_overlooked(tmp_path):
    filled(tmp_path)
    code = f"""
        import os
        from pathlib import Path
        from ragcli.index.catalog.documents import Catalog
        catalog = Catalog.create(Path({str(tmp_path)!r}))
        with catalog.transaction():
            catalog.set_value("late", 1)
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
    assert (tmp_path / "catalog.sqlite3-wal").stat().st_size > 0
    assert as_nobody(tmp_path, "print(Catalog.open(folder).value('late', int))").stdout == "1\n"
    (tmp_path / "catalog.sqlite3-shm").unlink()
    done = as_nobody(tmp_path, "print(Catalog.open(folder).value('late', int))")
    assert done.stdout == "1\n" or "RagcliError: cannot use" in done.stderr


def as_nobody(folder, code):
    """Run ``code`` where ``folder`` cannot be written: by the mode, or as another user when we are root."""
    script = f"""
        import os
        from pathlib import Path
        from ragcli.index.catalog.documents import Catalog
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        folder = Path({str(folder)!r})
        assert not os.access(folder, os.W_OK)
        {code}
    """
    for above in (folder, *folder.parents[:3]):
        if above.stat().st_uid == os.getuid() and above != Path("/tmp"):
            above.chmod(0o755)
    folder.chmod(0o555)
    try:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
        )
    finally:
        folder.chmod(0o755)


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path):
    filled(tmp_path)
    code = f"""
        import resource, signal
        from pathlib import Path
        from ragcli.errors import RagcliError
        from ragcli.index.catalog.documents import Catalog
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        catalog = Catalog.create(Path({str(tmp_path)!r}))
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY))
        try:
            with catalog.transaction():
                catalog.set_value("x", "y" * 10**6)
        except RagcliError as error:
            print(str(error).split(" ")[0], catalog.value("x", str))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with catalog.transaction():
            catalog.set_value("x", 1)
        print(catalog.value("x", int), catalog.check())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout in ("cannot None\n1 []\n", "no None\n1 []\n")


def test_a_catalog_that_is_a_folder_is_one_sentence(tmp_path):
    (tmp_path / "catalog.sqlite3").mkdir()
    with pytest.raises(RagcliError):
        Catalog.open(tmp_path)
    with pytest.raises(RagcliError, match="cannot use"):
        Catalog.create(tmp_path)
