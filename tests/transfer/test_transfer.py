"""An exported index comes back as it was, and nothing else comes in."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragcli.errors import IndexDamaged, RagcliError, UsageError
from ragcli.index.reader import open_index
from ragcli.index.verify import verify
from ragcli.index.writer import open_writer
from ragcli.transfer.export import export_index
from ragcli.transfer.manifest import NAME, is_member_name
from ragcli.transfer.take_in import Merged, import_index, merge_index

sys.path.insert(0, str(Path(__file__).parents[1] / "index"))
from small_index import SETTINGS, batch_of, change, contents, new_file, vector_of

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture(scope="module")
def exported(sample_home, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("export") / "samples.ragcli"
    export_index(sample_home / "samples", file)
    return file


def members_of(file: Path) -> Members:
    with tarfile.open(file) as archive:
        return [(entry, archive.extractfile(entry).read()) for entry in archive]


def written(members: Members, file: Path) -> Path:
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as archive:
        for entry, data in members:
            archive.addfile(entry, io.BytesIO(data))
    return file


def with_manifest(members: Members, change: Callable[[dict], object]) -> Members:
    (head, data), *rest = members
    record = json.loads(data)
    change(record)
    data = json.dumps(record).encode()
    head.size = len(data)
    return [(head, data), *rest]


def honest(members: Members) -> Members:
    """The members with a list that agrees with them: a forger can count too."""

    def relist(record: dict) -> None:
        record["files"] = [
            {"name": entry.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for entry, data in members[1:]
        ]

    for entry, data in members[1:]:
        entry.size = len(data)
    return with_manifest(members, relist)


def refused(file: Path, folder: Path) -> RagcliError:
    """The error of an import that leaves nothing behind."""
    before = sorted(path for path in folder.parent.rglob("*"))
    with pytest.raises(RagcliError) as caught:
        import_index(file, folder)
    assert sorted(path for path in folder.parent.rglob("*")) == before
    return caught.value


def test_what_was_exported_comes_back(ragcli, sample_home, exported, tmp_path):
    assert ragcli("import", str(exported), "--index", "copy").returncode == 0
    copy = tmp_path / "home" / "copy"
    assert verify(copy).faults == ()
    with open_index(sample_home / "samples") as one, open_index(copy) as two:
        assert [row.path for row in two.catalog.documents()] == [row.path for row in one.catalog.documents()]
        ids = one.catalog.chunk_ids()
        assert two.catalog.chunk_ids() == ids
        assert two.chunks(ids) == one.chunks(ids)
        assert two.catalog.roots() == {}
    question = ["query", "why rerank the first results?", "--json"]
    answers = [
        json.loads(ragcli(*question, "--index", str(folder)).stdout)["hits"]
        for folder in (sample_home / "samples", copy)
    ]
    assert answers[0] == answers[1]
    assert answers[0]


def test_the_same_index_gives_the_same_file(exported, sample_home, tmp_path):
    export_index(sample_home / "samples", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == exported.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_an_imported_index_is_kept_up_to_date_once_a_folder_is_named(ragcli, exported, tmp_path):
    assert ragcli("import", str(exported)).returncode == 0
    done = ragcli("index")
    assert done.returncode == 2
    assert "no folders" in done.stderr
    (tmp_path / "a.txt").write_text("The harbour is deep.")
    assert ragcli("index", str(tmp_path / "a.txt")).returncode == 0
    assert "harbour" in ragcli("query", "harbour", "-k", "1").stdout
    with sqlite3.connect(tmp_path / "home" / "default" / "catalog.sqlite3") as catalog:
        assert catalog.execute("PRAGMA journal_mode").fetchone() == ("wal",)  # else readers would wait for writers


def test_nothing_is_overwritten(exported, sample_home, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        export_index(sample_home / "samples", tmp_path / "file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    assert "exists" in str(refused(exported, tmp_path / "folder"))
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert "exists" in str(refused(exported, tmp_path / "link"))
    (tmp_path / "void").mkdir()
    import_index(exported, tmp_path / "void")
    assert verify(tmp_path / "void").faults == ()


EVIL_NAMES = [
    "../evil", "/tmp/evil", "vectors/../../evil", "vectors/seg-0001-00000001.faiss/../x", "keywords/../catalog.sqlite3",
    "writer.lock", "keywords/evil.so", "vectors/evil", "catalog.sqlite3-wal", "rebuild/catalog.sqlite3", "a\\..\\b",
    "keywords/.tantivy-writer.lock", "ragcli.toml", "", ".", "vectors", "keywords/meta.json\n", "./catalog.sqlite3",
]  # fmt: skip


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_no_name_leads_out_or_names_anything_else(exported, tmp_path, name):
    assert not is_member_name(name)
    members = members_of(exported)
    entry = tarfile.TarInfo(name)
    added = honest([*members, (entry, b"evil")])
    assert "is not a file of an index" in str(refused(written(added, tmp_path / "x"), tmp_path / "home" / "i"))
    unlisted = [*members_of(exported), (tarfile.TarInfo(name), b"")]
    assert "not in its manifest" in str(refused(written(unlisted, tmp_path / "x"), tmp_path / "home" / "i"))


@given(st.text())
def test_only_names_below_the_folder_are_ever_written(name):
    if is_member_name(name):
        assert os.path.normpath(name) == name
        assert name.split("/")[0] not in {"", "..", "."}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_no_regular_file_is_refused(exported, tmp_path, kind, place):
    members = members_of(exported)
    entry = tarfile.TarInfo(members[place][0].name)
    entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 0
    members[place] = (entry, b"")
    assert isinstance(refused(written(members, tmp_path / "x"), tmp_path / "home" / "i"), IndexDamaged)


def listed(record: dict, **values: object) -> None:
    record["files"][1] |= values


@pytest.mark.parametrize(
    "change",
    [
        lambda r: listed(r, size=-1), lambda r: listed(r, size=True), lambda r: listed(r, size=1 << 60),
        lambda r: listed(r, size="1"), lambda r: listed(r, sha256="0" * 64), lambda r: listed(r, sha256=None),
        lambda r: listed(r, name=None), lambda r: listed(r, size=1), lambda r: r["files"].pop(), lambda r: r.clear(),
        lambda r: r["files"].append(r["files"][1]), lambda r: r.update(files="abc"), lambda r: r.update(files=None),
        lambda r: r.update(files=r["files"][::-1]), lambda r: r["files"].pop(0), lambda r: r.update(chunks="many"),
        lambda r: r.update({"ragcli-export": 2}),
    ],
)  # fmt: skip
def test_a_list_that_lies_is_refused(exported, tmp_path, change):
    members = with_manifest(members_of(exported), change)
    refused(written(members, tmp_path / "x"), tmp_path / "home" / "i")


def test_more_than_the_disk_holds_is_refused_before_anything_is_written(exported, tmp_path):
    members = with_manifest(members_of(exported), lambda r: listed(r, size=1 << 43))
    assert "are free" in str(refused(written(members, tmp_path / "x"), tmp_path / "home" / "i"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_with_any_byte_changed_or_cut_off_is_refused_or_the_same_index(exported, tmp_path, data):
    content = bytearray(exported.read_bytes())
    if data.draw(st.booleans(), "cut"):
        del content[data.draw(st.integers(0, len(content) - 1), "length") :]
    else:
        at = data.draw(st.integers(0, len(content) - 1), "at")
        content[at] ^= 1 << data.draw(st.integers(0, 7), "bit")
    (tmp_path / "x").write_bytes(content)
    target = tmp_path / "home" / "i"
    try:
        import_index(tmp_path / "x", target)
    except RagcliError:
        assert not target.exists()
        assert list(target.parent.glob(".importing-*")) == []
    else:  # the change was in what a tar file does not use
        assert verify(target).faults == ()
        shutil.rmtree(target)


def forged(exported: Path, tmp_path: Path, sql: str) -> Path:
    """The export with its catalog changed by ``sql``, and digests that agree."""
    members = members_of(exported)
    (tmp_path / "forged.sqlite3").write_bytes(members[1][1])
    with sqlite3.connect(tmp_path / "forged.sqlite3") as catalog:
        catalog.executescript(sql)
    catalog.close()
    members[1] = (members[1][0], (tmp_path / "forged.sqlite3").read_bytes())
    return written(honest(members), tmp_path / "forged")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "UPDATE segments SET name = '../../evil.faiss' WHERE name = (SELECT min(name) FROM segments)",
            "does not hold what was written",
        ),
        ("UPDATE segments SET count = 1 << 60", "does not hold what was written"),
        ("UPDATE settings SET value = '\"../evil\"' WHERE key = 'keywords'", "does not hold what was written"),
        ("UPDATE documents SET path = CAST('--evil' AS BLOB) WHERE id = 1", "without an absolute path"),
        ("UPDATE chunks SET text = 'other' WHERE id = 2", "not sound"),
        ("DELETE FROM chunks WHERE id = 2", "not sound"),
        ("INSERT INTO pending VALUES (1, 1 << 62)", "not whole"),
        ("CREATE TRIGGER t AFTER DELETE ON roots BEGIN DELETE FROM documents; END", "never makes"),
        ("ALTER TABLE roots RENAME TO r; CREATE VIEW roots AS SELECT * FROM r", "never makes"),
        ("DROP TABLE dead", "damaged"),
        ("PRAGMA user_version = 99", "format 99"),
        (
            "UPDATE settings SET value = replace(value, '{', '{\"store\": \"milvus://127.0.0.1:9/c\", ') "
            "WHERE key = 'index'; DELETE FROM settings WHERE key = 'checksums'",
            "keeps its vectors elsewhere",
        ),
        ("UPDATE settings SET value = printf('%.*c', 100000, '[') WHERE key = 'index'", "does not hold"),
    ],
)
def test_a_forged_catalog_is_refused(exported, tmp_path, sql, said):
    assert said in str(refused(forged(exported, tmp_path, sql), tmp_path / "home" / "i"))


def test_the_folders_and_the_model_of_an_imported_index_are_not_used(ragcli, exported, tmp_path):
    rules = json.dumps({"include": [], "exclude": [], "hidden": True, "ignore_files": False, "max_file_size": 1 << 40})
    sql = f"""
        UPDATE settings SET value = replace(value, 'all-MiniLM-L6-v2', 'evil/model') WHERE key = 'index';
        INSERT INTO roots VALUES (CAST('{tmp_path}' AS BLOB), '{rules}');
        INSERT INTO settings VALUES ('store_owner', '"{"0" * 32}"'), ('left_over', '[["milvus://127.0.0.1:9/c", "c"]]');
        DELETE FROM settings WHERE key = 'checksums';  -- an attacker would make ones that match
    """
    assert ragcli("import", str(forged(exported, tmp_path, sql))).returncode == 0
    assert "no folders" in ragcli("index").stderr
    with sqlite3.connect(tmp_path / "home" / "default" / "catalog.sqlite3") as catalog:
        assert not {"store", "store_owner", "left_over"} & {
            row[0] for row in catalog.execute("SELECT key FROM settings")
        }
    catalog.close()
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "HF_ENDPOINT": "http://127.0.0.1:9"}
    for command in (["query", "x"], ["ask", "x"], ["index", "--force"]):
        done = ragcli(*command, **proxy)
        assert done.returncode == 2
        if command != ["index", "--force"]:
            assert "the model evil/model, which is not on this machine" in done.stderr
    assert ragcli("query", "attention", "--mode", "keyword", **proxy).returncode == 0


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4", bytes(10240), b"\x1f\x8b" + bytes(100)])
def test_what_is_no_export_is_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    refused(tmp_path / "x", tmp_path / "home" / "i")


def test_files_that_are_not_there(ragcli, tmp_path):
    for arguments in (["import", "nowhere"], ["import", str(tmp_path)], ["export", str(tmp_path / "x")]):
        done = ragcli(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1


KILLED = """
import sys
from pathlib import Path
from ragcli.transfer.take_in import import_index
print("ready", flush=True)
import_index(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_an_import_that_is_killed_leaves_no_index_and_the_next_one_clears_up(exported, tmp_path):
    target = tmp_path / "home" / "i"
    for delay in (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2):
        child = subprocess.Popen([sys.executable, "-c", KILLED, exported, target], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(delay)
        child.kill()
        child.communicate()
        if target.exists():  # it was quicker
            assert verify(target).faults == ()
            shutil.rmtree(target)
    import_index(exported, target)
    assert verify(target).faults == ()
    assert [path.name for path in target.parent.iterdir()] == ["i"]


def test_a_damaged_index_is_not_exported(sample_home, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(sample_home / "samples", folder)
    segment = min((folder / "vectors").iterdir())  # a busy machine makes more than one
    content = bytearray(segment.read_bytes())
    content[-100] ^= 1
    segment.write_bytes(content)
    with pytest.raises(IndexDamaged, match="checksum"):
        export_index(folder, tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert members_of_name(tmp_path, sample_home) == NAME


def members_of_name(tmp_path: Path, sample_home: Path) -> str:
    export_index(sample_home / "samples", tmp_path / "whole")
    return members_of(tmp_path / "whole")[0][0].name


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount of its own")
def test_an_index_on_a_read_only_disk_is_exported(sample_home, tmp_path):
    folder = sample_home / "samples"
    script = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && exec {sys.executable} -m ragcli "
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{script} export {tmp_path / 'x'} -i {folder}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "mount:" in done.stderr:
        pytest.skip("mounting takes rights that this user lacks")
    assert done.returncode == 0, done.stderr
    import_index(tmp_path / "x", tmp_path / "home" / "i")
    assert verify(tmp_path / "home" / "i").faults == ()


def test_an_index_in_use_is_exported_whole(tmp_path):
    folder, stop = tmp_path / "index", threading.Event()
    change(folder, {"/0": ["apple 0"]})

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            change(folder, {f"/{n}": [f"apple {n}", "pear"]}, [f"/{n - 1}"])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(5):
            export_index(folder, tmp_path / f"{n}.ragcli")
            import_index(tmp_path / f"{n}.ragcli", tmp_path / "home" / str(n))  # verifies it
            with open_index(tmp_path / "home" / str(n)) as index:
                assert index.catalog.count("documents") == 1
    finally:
        stop.set()
        writer.join()


def test_an_index_whose_commit_was_cut_off_says_so_and_is_exported_after_the_next_run(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    change(folder, {"/a": ["apple one"]})
    with open_writer(folder) as writer, writer.catalog.transaction():
        writer.catalog.ledger.reserve(2)  # as a run that is killed in the midst of a commit leaves it
    monkeypatch.setattr("ragcli.transfer.export._COMMIT_SECONDS", 0.2)
    with pytest.raises(RagcliError, match="stopped in the midst of a commit"):
        export_index(folder, tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    with open_writer(folder):
        pass
    assert export_index(folder, tmp_path / "x").documents == 1


def test_a_rebuild_keeps_what_was_imported_and_a_run_says_that_it_does_not_look_at_it(ragcli, tmp_path):
    for name, text in (("one", "The heron stands in the reeds."), ("two", "The otter swims at dawn.")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(text)
        assert ragcli("index", str(tmp_path / name), "-i", name).returncode == 0
    assert ragcli("export", "one.ragcli", "-i", "one", cwd=tmp_path).returncode == 0
    assert ragcli("import", "one.ragcli", "-i", "two", "--merge", cwd=tmp_path).returncode == 0
    (tmp_path / "one" / "a.md").write_text("The heron stands in the water.")
    for options in ([], ["--force"], ["--chunk-size", "100"]):
        done = ragcli("index", "-i", "two", *options)
        assert done.returncode == 0
        assert "1 document is in no folder of this index" in done.stderr
        assert "heron stands in the reeds" in ragcli("query", "heron", "-i", "two").stdout
    assert ragcli("index", "one", "-i", "two", cwd=tmp_path).returncode == 0  # as it advises
    assert "heron stands in the water" in ragcli("query", "heron", "-i", "two").stdout
    assert "in no folder" not in ragcli("index", "-i", "two").stderr
    assert ragcli("verify", "--deep", "-i", "two").returncode == 0


def test_an_import_adds_to_an_index_what_it_does_not_have(tmp_path):
    mine, theirs = tmp_path / "home" / "mine", tmp_path / "theirs"
    change(mine, {"/a": ["apple one"], "/b": ["apple of mine"]})
    change(theirs, {"/b": ["apple of theirs"], "/c": ["apple three", "pear three"], "/d": ["apple one"]})
    export_index(theirs, tmp_path / "x")
    for expected in (Merged(2, 3, 1), Merged(0, 0, 3)):
        assert merge_index(tmp_path / "x", mine) == expected
        assert contents(mine) == {
            "/a": ["apple one"], "/b": ["apple of mine"], "/c": ["apple three", "pear three"], "/d": ["apple one"],
        }  # fmt: skip
        assert verify(mine).faults == ()
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]
    with open_index(theirs) as index, open_index(mine) as merged:
        for query in ("apple three", "pear"):
            (best, score), *_ = index.dense(vector_of(query), 1)
            found = dict(merged.dense(vector_of(query), 9))
            same = [i for i, c in merged.chunks(list(found)).items() if c.text == index.chunks([best])[best].text]
            assert [found[i] for i in same] == [score] * len(same)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")
def test_an_export_to_a_disk_without_room_says_so_and_leaves_nothing(exported, tmp_path, ragcli):
    import_index(exported, tmp_path / "home" / "default")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True)
    try:
        done = ragcli("export", str(place / "file.ragcli"))
        assert done.returncode == 2
        assert "no space left" in done.stderr
        assert list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_message_keeps_its_date_when_its_index_is_added_to_another(tmp_path):
    mine, theirs = tmp_path / "home" / "mine", tmp_path / "theirs"
    change(mine, {"/a": ["apple one"]})
    sent = 1_700_000_000_000_000_000
    with open_writer(theirs) as writer:
        writer.start(SETTINGS)
        new = new_file("/mail.eml", ["apple two"])
        writer.commit(batch_of([new._replace(document=replace(new.document, dated_ns=sent))]))
    export_index(theirs, tmp_path / "x")
    merge_index(tmp_path / "x", mine)
    with open_index(mine, None) as index:
        assert index.catalog.document(Path("/mail.eml")).time_ns == sent


def test_a_merge_with_another_model_or_of_a_broken_file_changes_nothing(exported, tmp_path):
    mine = tmp_path / "home" / "mine"
    change(mine, {"/a": ["apple one"]})
    with pytest.raises(UsageError, match="all-MiniLM-L6-v2"):
        merge_index(exported, mine)
    (tmp_path / "broken").write_bytes(exported.read_bytes()[: 1 << 17])
    with pytest.raises(IndexDamaged):
        merge_index(tmp_path / "broken", mine)
    assert contents(mine) == {"/a": ["apple one"]}
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]
