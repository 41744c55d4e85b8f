import json
import shutil
import sqlite3
from contextlib import closing

import pytest


@pytest.fixture
def docs(tmp_path, ragcli):
    (tmp_path / "docs").mkdir()
    for name in ("boat", "comet"):
        (tmp_path / "docs" / f"{name}.md").write_text(f"# {name}\n\nThe {name} left the harbour.\n")
    assert ragcli("index", str(tmp_path / "docs")).returncode == 0
    return tmp_path / "docs"


def test_deep_compares_with_the_files(docs, ragcli):
    done = ragcli("verify", "--deep", "--json")
    assert (done.returncode, json.loads(done.stdout)["outdated"]) == (0, [])
    (docs / "boat.md").write_text("# Boat\n\nIt sank.\n")
    done = ragcli("verify", "--deep")
    assert done.returncode == 3
    assert done.stdout == f"{docs / 'boat.md'}: the file has changed since it was indexed\n"
    assert "ragcli index" in done.stderr
    assert ragcli("verify").returncode == 0


def test_what_verify_finds_repair_mends(docs, ragcli, tmp_path):
    assert ragcli("repair").stderr == "sound: nothing to repair\n"
    (segment,) = (tmp_path / "home" / "default" / "vectors").iterdir()
    segment.unlink()
    done = ragcli("verify")
    assert done.returncode == 2
    assert done.stdout == f"{segment}: No such file or directory\n"
    assert "ragcli repair" in done.stderr
    done = ragcli("repair", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "schema": 1, "keywords": False, "segments": 1, "approximate": False, "chunks": {"embedded": 2, "reused": 0},
        "removed": 0,
    }  # fmt: skip
    assert ragcli("verify", "--deep").returncode == 0
    assert ragcli("query", "a boat in the harbour").stdout.startswith(str(docs / "boat.md"))


def test_no_index_to_repair(ragcli):
    done = ragcli("repair")
    assert done.returncode == 2
    assert "there is no index" in done.stderr


def test_of_a_damaged_catalog_verify_advises_what_helps(docs, ragcli, tmp_path):
    with closing(sqlite3.connect(tmp_path / "home" / "default" / "catalog.sqlite3")) as catalog:
        catalog.execute("UPDATE chunks SET text = replace(text, 'harbour', 'pasture')")
        catalog.commit()
    done = ragcli("verify")
    assert (done.returncode, "ragcli repair" in done.stderr) == (2, False)
    assert "ragcli index --force" in done.stderr
    assert ragcli("index", "--force").returncode == 0
    assert ragcli("verify", "--deep").returncode == 0


def test_an_index_without_its_catalog_is_told_from_none(docs, ragcli, tmp_path):
    folder = tmp_path / "home" / "default"
    (folder / "catalog.sqlite3").unlink()
    for command in (["query", "boat"], ["verify"], ["repair"], ["index", str(docs)]):
        done = ragcli(*command)
        assert done.returncode == 2
        assert "the catalog of the index" in done.stderr
        assert "delete that folder and index again" in done.stderr
    shutil.rmtree(folder)
    assert ragcli("index", str(docs)).returncode == 0
