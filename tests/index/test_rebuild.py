import shutil

import pytest
from small_index import SETTINGS, assert_sound, change, commit, contents, ids_by_text, vector_of

from ragcli.index.catalog.documents import Catalog
from ragcli.index.layout import REBUILD
from ragcli.index.reader import open_index
from ragcli.index.verify import verify
from ragcli.index.writer import open_writer

OLD = {f"/d/{n}": [f"old {n} {i}" for i in range(3)] for n in range(5)}
NEW = {f"/d/{n}": [f"fresh {n} {i}" for i in range(3)] for n in range(5)}


def begin_rebuild(writer, documents):
    """Open the rebuild in the folder of ``writer``, or take it up again, and commit ``documents`` to it."""
    with open_writer(writer.folder / REBUILD) as rebuilt:
        if rebuilt.settings() is None:
            writer.seed(rebuilt)
            rebuilt.start(SETTINGS)
        commit(rebuilt, documents)


def finish_rebuild(writer):
    with open_writer(writer.folder / REBUILD) as rebuilt:
        writer.adopt(rebuilt)


def all_ids(folder):
    return set(ids_by_text(folder).values())


def test_a_rebuild_replaces_everything_at_once_and_leaves_nothing_behind(tmp_path):
    folder = tmp_path / "i"
    change(folder, OLD)
    old_ids = all_ids(folder)
    with open_index(folder) as before, open_writer(folder) as writer:
        begin_rebuild(writer, NEW)
        assert contents(folder) == OLD
        finish_rebuild(writer)
        # a reader of the old state goes on undisturbed
        assert {i for i, _ in before.dense(vector_of("q"), 99)} == old_ids
        assert {i for i, _ in before.keyword(["old"], 99)} == old_ids
    assert contents(folder) == NEW
    assert not old_ids & all_ids(folder)
    assert not (folder / REBUILD).exists()
    assert not (folder / "keywords").exists()
    assert (folder / "keywords-2").is_dir()
    assert_sound(folder)
    change(folder, {"/more": ["more"]}, ["/d/0"])
    assert_sound(folder)
    with open_writer(folder) as writer:
        begin_rebuild(writer, OLD)
        finish_rebuild(writer)
    assert contents(folder) == OLD
    assert (folder / "keywords-3").is_dir()
    assert_sound(folder)


def test_readers_notice_by_the_count_of_commits(tmp_path):
    folder = tmp_path / "i"
    change(folder, OLD)
    for _ in range(9):
        change(folder, {"/x": ["x"]})
    with open_index(folder) as index:
        before = index.catalog.commits()
    with open_writer(folder) as writer:
        begin_rebuild(writer, NEW)
        finish_rebuild(writer)
    with open_index(folder) as index:
        assert index.catalog.commits() > before


def test_an_unfinished_rebuild_is_taken_up_again_and_no_id_has_two_meanings(tmp_path):
    folder = tmp_path / "i"
    change(folder, OLD)
    seen = dict(by_id(folder))
    with open_writer(folder) as writer:
        begin_rebuild(writer, {"/d/0": NEW["/d/0"]})
    seen |= check_new(seen, by_id(folder / REBUILD))
    # the old index changes in between, also more than once
    for n in range(3):
        change(folder, {"/between": [f"between {n} {i}" for i in range(4)]})
        seen |= check_new(seen, by_id(folder))
        with open_writer(folder) as writer:
            begin_rebuild(writer, {f"/d/{n + 1}": NEW[f"/d/{n + 1}"]})
        seen |= check_new(seen, by_id(folder / REBUILD))
    with open_writer(folder) as writer:
        begin_rebuild(writer, NEW)
        finish_rebuild(writer)
    seen |= check_new(seen, by_id(folder))
    assert contents(folder) == NEW
    change(folder, {"/after": ["after"]})
    check_new(seen, by_id(folder))
    assert_sound(folder)


def by_id(folder):
    with open_index(folder) as index:
        return {i: (chunk.path, chunk.text) for i, chunk in index.chunks(index.catalog.chunk_ids()).items()}


def check_new(seen, found):
    assert all(seen.get(i, meaning) == meaning for i, meaning in found.items())
    return found


def test_a_rebuild_that_was_adopted_but_not_removed_is_not_taken_up_again(tmp_path):
    """Killed between the switch and the removal; then documents come, and then another rebuild."""
    folder = tmp_path / "i"
    change(folder, OLD)
    with open_writer(folder) as writer:
        begin_rebuild(writer, NEW)
        shutil.copytree(folder / REBUILD, tmp_path / "kept")
        finish_rebuild(writer)
    shutil.copytree(tmp_path / "kept", folder / REBUILD)
    with open_writer(folder) as writer:
        assert not (folder / REBUILD).exists()
        commit(writer, {"/more": ["more"]})
    assert contents(folder) == NEW | {"/more": ["more"]}
    assert_sound(folder)


def half_removed(folder):
    (folder / "catalog.sqlite3").unlink()


def damaged(folder):
    (folder / "catalog.sqlite3").write_bytes(b"x" * 5000)


def not_begun(folder):
    shutil.rmtree(folder)
    Catalog.create(made(folder)).close()


def made(folder):
    folder.mkdir()
    return folder


@pytest.mark.parametrize("harm", [half_removed, damaged, not_begun])
def test_what_is_left_of_a_rebuild_does_not_stand_in_the_way(tmp_path, harm):
    folder = tmp_path / "i"
    change(folder, OLD)
    with open_writer(folder) as writer:
        begin_rebuild(writer, NEW)
    harm(folder / REBUILD)
    with open_writer(folder) as writer:
        begin_rebuild(writer, {"/only": ["this"]})
        finish_rebuild(writer)
    assert contents(folder) == {"/only": ["this"]}
    assert_sound(folder)


def test_without_hard_links_files_are_copied(tmp_path, monkeypatch):
    folder = tmp_path / "i"
    change(folder, OLD)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    with open_writer(folder) as writer:
        begin_rebuild(writer, NEW)
        finish_rebuild(writer)
    assert contents(folder) == NEW
    assert_sound(folder)


def test_the_locks_of_the_two_keyword_indexes_are_not_one_file(tmp_path):
    folder = tmp_path / "i"
    change(folder, OLD)
    with open_writer(folder) as writer:
        begin_rebuild(writer, NEW)
        before = {path.stat().st_ino for path in (folder / REBUILD / "keywords-2").glob(".tantivy-*")}
        assert before
        finish_rebuild(writer)
        change_ino = {path.stat().st_ino for path in (folder / "keywords-2").glob(".tantivy-*")}
        assert not before & change_ino
    assert verify(folder).faults == ()
