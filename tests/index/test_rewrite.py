import shutil

import pytest
from small_index import assert_sound, change, commit

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.documents import Catalog
from ragcli.index.keywords.files import check_files, dead_share, fingerprint, sweep_files
from ragcli.index.keywords.tantivy_index import Keywords
from ragcli.index.reader import open_index
from ragcli.index.writer import open_writer

DOCUMENTS = {f"/d/{n}": [f"apple {n} {i} " + "pear " * i for i in range(4)] for n in range(5)}
WORDS = ["appl", "pear", "3"]


def hits(folder):
    with open_index(folder) as index:
        texts = {i: chunk.text for i, chunk in index.chunks(index.catalog.chunk_ids()).items()}
        return sorted((round(score, 5), texts[i]) for i, score in index.keyword(WORDS, 99))


def test_scores_depend_on_what_is_in_the_index_and_not_on_how_it_came_there(tmp_path):
    change(tmp_path / "fresh", {path: texts for path, texts in DOCUMENTS.items() if path != "/d/1"})
    folder = tmp_path / "old"
    change(folder, DOCUMENTS)
    change(folder, removed=["/d/1"])
    assert hits(folder) != hits(tmp_path / "fresh")  # the dead still count
    with open_writer(folder) as writer:
        writer.tidy()
    assert hits(folder) == hits(tmp_path / "fresh")
    assert_sound(folder)
    assert len(list(folder.glob("keywords*"))) == 1


def test_a_reader_of_the_old_keyword_index_goes_on(tmp_path):
    folder = tmp_path / "i"
    change(folder, DOCUMENTS)
    change(folder, removed=["/d/1"])
    with open_index(folder) as index:
        with open_writer(folder) as writer:
            writer.tidy()
        assert len(index.keyword(["appl"], 99)) == 16


def test_little_that_is_dead_is_left_alone(tmp_path):
    folder = tmp_path / "i"
    change(folder, {f"/d/{n}": [f"apple {n}"] for n in range(60)})
    change(folder, removed=["/d/7"])
    with open_writer(folder) as writer:
        writer.tidy()
    assert dead_share(folder / "keywords") == pytest.approx(1 / 60)


def test_what_a_killed_tantivy_leaves_is_swept_and_nothing_else(tmp_path):
    folder = tmp_path / "i"
    change(folder, DOCUMENTS)
    change(folder, removed=["/d/1"])
    keywords = folder / "keywords"
    belongs = sorted(path.name for path in keywords.iterdir())
    litter = [f"{'0' * 32}.idx", f"{'0' * 32}.12.del", f"{'f' * 32}.store.temp", ".tmpAb3xyz"]
    mine = ["notes.txt", ".tmp", f"{'0' * 31}.idx", f"{'g' * 32}.idx"]
    for name in (*litter, *mine):
        (keywords / name).touch()
    assert check_files(keywords) == []
    with open_writer(folder):
        pass
    assert sorted(path.name for path in keywords.iterdir()) == sorted([*belongs, *mine])
    (keywords / "meta.json").write_text("{}")
    sweep_files(keywords)  # who cannot tell what belongs removes nothing
    assert set(belongs) <= {path.name for path in keywords.iterdir()}


def test_the_fingerprint_is_of_every_byte_that_has_no_checksum(tmp_path):
    change(tmp_path / "i", DOCUMENTS)
    keywords = tmp_path / "i" / "keywords"
    before = fingerprint(keywords)
    for path in sorted(path for path in keywords.iterdir() if path.stat().st_size):
        whole = path.read_bytes()
        for at in (len(whole) - 1, len(whole) - 60, *((0, len(whole) // 2) if path.suffix == ".json" else ())):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            try:
                assert fingerprint(keywords) != before, (path, at)
            except (OSError, ValueError):
                assert path.name == "meta.json"
        path.write_bytes(whole)
    assert fingerprint(keywords) == before


def flip(path, at=-20):
    whole = bytearray(path.read_bytes())
    whole[at] ^= 1
    path.write_bytes(whole)


def test_nothing_is_built_upon_damaged_vectors(tmp_path):
    folder = tmp_path / "i"
    change(folder, {"/d/1": ["apple"]})
    (segment,) = (folder / "vectors").iterdir()
    flip(segment, -26)  # within its one row, which the number of ids and the id follow
    with open_writer(folder) as writer:
        (key,) = writer.catalog.chunk_keys(1).values()
        with pytest.raises(IndexDamaged, match="ragcli repair"):
            writer.stored_vectors([key])
        with pytest.raises(IndexDamaged, match="ragcli repair"):
            commit(writer, {"/d/2": ["pear"]})
    with open_index(folder) as index:
        assert index.catalog.count("documents") == 1


def test_nothing_is_built_upon_a_keyword_index_of_another_state(tmp_path):
    folder = tmp_path / "i"
    change(folder, DOCUMENTS)
    shutil.copytree(folder / "keywords", tmp_path / "aside")
    Keywords(folder / "keywords").update([(999, 1, "ahead")], [])
    with open_writer(folder) as writer, pytest.raises(IndexDamaged, match="ragcli repair"):
        commit(writer, {"/d/2": ["pear"]})
    shutil.rmtree(folder / "keywords")
    shutil.copytree(tmp_path / "aside", folder / "keywords")
    change(folder, {"/d/2": ["pear"]})
    assert_sound(folder)


def test_an_index_without_checksums_gets_them(tmp_path):
    folder = tmp_path / "i"
    change(folder, DOCUMENTS)
    catalog = Catalog.create(folder)
    catalog._db.run("DELETE FROM settings WHERE key IN ('checksums', 'keywords_sha256')")
    catalog.close()
    assert_sound(folder)
    change(folder, {"/more": ["more"]})
    catalog = Catalog.open(folder)
    assert catalog.value("checksums", dict)
    catalog.close()
    assert_sound(folder)
