import random
import shutil

import numpy as np
import pytest

from ragcli.errors import IndexDamaged, IndexNotFound, RagcliError
from ragcli.index import rewrite
from ragcli.index.reader import open_index
from ragcli.index.vectors import Segments
from ragcli.index.verify import verify
from ragcli.index.writer import open_writer
from ragcli.ingest.forget import forget
from ragcli.ingest.repair import repair
from ragcli.ingest.sync import SyncOptions, sync

OPTIONS = SyncOptions(workers=1, offline=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index with two segments, one of them with a dead vector, and a keyword index with two."""
    place = tmp_path_factory.mktemp("repair")
    docs = place / "docs"
    docs.mkdir()
    for n in range(12):
        (docs / f"{n}.md").write_text(
            f"# Note {n}\n\nBoat number {n} left the harbour.\n\n## More\n\nApples, {n} of them.\n"
        )
    sync(place / "i", [docs], OPTIONS)
    (docs / "late.md").write_text("# Late\n\nA comet grows a tail of dust beside the sun.\n")
    sync(place / "i", [docs], OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewrite, "MOST_DEAD", 1.0)  # so that the keyword index has a list of the dead
        forget(place / "i", [docs / "3.md"])
    (docs / "3.md").unlink()
    assert len(list((place / "i" / "vectors").iterdir())) == 2
    return place / "i"


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "i")
    return tmp_path / "i"


def contents(folder):
    """{chunk id: (chunk, its vector)}, and what the words find."""
    with open_index(folder) as index:
        chunks = index.chunks(index.catalog.chunk_ids())
        segments = Segments(folder / "vectors", index.catalog.ledger.segments(), index.settings.dimension)
        rows = segments.reconstruct(list(chunks))
        return {i: (chunks[i], rows[i]) for i in chunks}, index.keyword(["boat", "appl", "comet"], 99)


def assert_same(found, wanted):
    (chunks, hits), (chunks_before, hits_before) = found, wanted
    assert chunks.keys() == chunks_before.keys()
    for i, (chunk, row) in chunks.items():
        assert chunk == chunks_before[i][0]
        assert np.abs(row - chunks_before[i][1]).max() < 1e-4  # a float16 may be rounded the other way
    assert [i for i, _ in hits] == [i for i, _ in hits_before]


def kinds(folder):
    """One file of each kind, which are told apart by their suffixes."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size)
    # SQLite makes the -shm anew whenever it opens the catalog first
    return {p.name if p.suffix == ".json" else p.suffix: p for p in files if p.suffix != ".sqlite3-shm"}


def flipped(path, rng):
    whole = bytearray(path.read_bytes())
    whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
    path.write_bytes(whole)


def truncated(path, rng):
    with path.open("rb+") as file:
        file.truncate(rng.randrange(path.stat().st_size))


def deleted(path, rng):
    path.unlink()


def faults_of(folder):
    try:
        return verify(folder).faults
    except RagcliError as error:
        return (str(error),)


def test_each_kind_of_file_is_among_those_that_are_damaged(made):
    assert set(kinds(made)) == {
        ".sqlite3", ".faiss", ".fast", ".fieldnorm", ".idx", ".pos", ".store", ".term", ".del",
        "meta.json", ".managed.json",
    }  # fmt: skip


@pytest.mark.parametrize("damage", [flipped, truncated, deleted])
@pytest.mark.parametrize("seed", range(3))
def test_damage_is_found_and_mended_or_refused_and_what_is_sound_keeps_its_bytes(made, tmp_path, damage, seed):
    before, rng = contents(made), random.Random(f"{damage.__name__} {seed}")
    for n, kind in enumerate(kinds(made)):
        folder = tmp_path / str(n)
        shutil.copytree(made, folder)
        path = kinds(folder)[kind]
        bytes_before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        damage(path, rng)
        faults = faults_of(folder)
        if path.suffix == ".sqlite3":
            if not faults:  # space of the file that SQLite does not use
                assert_same(contents(folder), before)
            else:
                with pytest.raises(RagcliError):
                    repair(folder)
            continue
        assert faults, path
        done = repair(folder)
        assert done.keywords == path.parent.name.startswith("keywords")
        assert done.segments == (path.suffix == ".faiss")
        assert verify(folder).faults == ()
        assert_same(contents(folder), before)
        for other, content in bytes_before.items():
            is_part_of_it = other == path or (done.keywords and other.parent == path.parent)
            if not is_part_of_it and other.name != "catalog.sqlite3":
                assert other.read_bytes() == content


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
