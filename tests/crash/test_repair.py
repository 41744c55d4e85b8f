import random
import shutil

import pytest
from damage import DAMAGES, OPTIONS, assert_same, contents, kinds, make, try_one

from ragcli.errors import IndexDamaged, IndexNotFound
from ragcli.index.verify import verify
from ragcli.index.writer import open_writer
from ragcli.ingest.repair import repair
from ragcli.ingest.sync import SyncOptions, sync


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = make(tmp_path_factory.mktemp("repair"))
    assert len(list((made / "vectors").iterdir())) == 2
    return made


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "i")
    return tmp_path / "i"


def test_each_kind_of_file_is_among_those_that_are_damaged(made):
    assert set(kinds(made)) == {
        ".sqlite3", ".faiss", ".fast", ".fieldnorm", ".idx", ".pos", ".store", ".term", ".del",
        "meta.json", ".managed.json",
    }  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("seed", range(2))
def test_damage_is_found_and_mended_or_refused_and_what_is_sound_keeps_its_bytes(made, tmp_path, damage, seed):
    rng = random.Random(seed)
    outcomes = {kind: try_one(made, tmp_path / "copy", kind, damage, rng) for kind in kinds(made)}
    assert outcomes.pop(".sqlite3") in {"refused", "without effect"}
    assert set(outcomes.values()) == {"repaired"}


def test_a_sound_index_keeps_every_byte(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "catalog" not in path.name}
    assert not repair(folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and "catalog" not in p.name} == before


def test_only_what_is_missing_is_embedded(folder):
    large, small = sorted((folder / "vectors").iterdir(), key=lambda path: -path.stat().st_size)
    small.unlink()
    done = repair(folder)
    assert (done.segments, done.embedded, done.reused) == (1, 1, 0)
    assert large.exists()


def test_a_vector_that_another_chunk_has_is_taken_from_it(folder, made):
    copy = made.parent / "docs" / "copy.md"
    shutil.copyfile(copy.with_name("1.md"), copy)
    sync(folder, [], OPTIONS)
    copy.unlink()
    old = {path.name for path in (made / "vectors").iterdir()}
    (new,) = (path for path in (folder / "vectors").iterdir() if path.name not in old)
    new.unlink()
    done = repair(folder)
    assert (done.segments, done.embedded, done.reused) == (1, 1, 2)  # a smaller segment had been swallowed
    assert verify(folder).faults == ()


def test_everything_derived_gone(folder, made):
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    done = repair(folder)
    assert done.keywords
    assert done.segments == 2
    assert verify(folder).faults == ()
    assert_same(contents(folder), contents(made))


def test_a_damaged_catalog_is_refused_with_the_way_out(folder):
    with open_writer(folder) as writer:
        writer.catalog._db.run("DROP TRIGGER temp.sum_documents_UPDATE")
        with writer.catalog.transaction():
            writer.catalog._db.run("UPDATE documents SET mtime_ns = 5")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(IndexDamaged, match=r"documents.*ragcli index --force"):
        repair(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    sync(folder, [], SyncOptions(workers=1, offline=True, force=True))
    assert verify(folder).faults == ()


def test_no_index(tmp_path):
    with open_writer(tmp_path / "i"):
        pass
    with pytest.raises(IndexNotFound):
        repair(tmp_path / "i")
