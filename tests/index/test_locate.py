import os
import re
from pathlib import Path

import pytest

from ragcli.config import find_config
from ragcli.errors import IndexNotFound, UsageError
from ragcli.index.locate import Home, find_home, find_index, index_names, require_index


@pytest.fixture
def home(tmp_path):
    for name in ("notes", "work", "default"):
        (tmp_path / "home" / name).mkdir(parents=True)
        (tmp_path / "home" / name / "catalog.sqlite3").touch()
    (tmp_path / "home" / "empty").mkdir()
    (tmp_path / "home" / ".gitignore").touch()
    return Home(tmp_path / "home", "test")


def test_a_given_home_wins_and_need_not_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ragcli.toml").touch()
    assert find_home(Path("there"), find_config()).path == tmp_path / "there"
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert find_home(Path("~/x"), find_config()).path == tmp_path / "me" / "x"


def test_else_indexes_beside_the_nearest_settings_file_upward(tmp_path, monkeypatch):
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "ragcli.toml").touch()
    (tmp_path / "a" / "b" / "ragcli.toml").touch()
    monkeypatch.chdir(tmp_path / "a" / "b" / "c")
    home = find_home(None, find_config())
    assert home.path == tmp_path / "a" / "b" / "indexes"
    assert str(tmp_path / "a" / "b" / "ragcli.toml") in home.origin
    monkeypatch.chdir(tmp_path / "a")
    assert find_home(None, find_config()).path == tmp_path / "indexes"
    assert find_config(tmp_path / "a") == tmp_path / "ragcli.toml"
    (tmp_path / "ragcli.toml").unlink()
    (tmp_path / "ragcli.toml").mkdir()
    assert find_config(tmp_path / "a") is None


@pytest.mark.skipif(os.sys.platform != "linux", reason="where Linux keeps user data")
def test_else_the_user_data_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert find_home(None, find_config()) == Home(tmp_path / "data" / "ragcli" / "indexes", "the user data folder")


def test_a_name_stands_under_the_home_and_a_path_for_itself(tmp_path, monkeypatch, home):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for name in ("notes", "my.notes-2_x", "bücher", "2024"):
        assert find_index(home, name) == home.path / name
    assert find_index(home, "./notes") == tmp_path / "notes"
    assert find_index(home, "sub/notes") == tmp_path / "sub" / "notes"
    assert find_index(home, "/abs/notes") == Path("/abs/notes")
    assert find_index(home, "~/notes") == tmp_path / "me" / "notes"
    assert find_index(home, ".") == tmp_path
    assert find_index(home, "..").resolve() == tmp_path.parent


@pytest.mark.parametrize("name", ["", " ", ".hidden", "-x", "a b", "a:b", "a*", "a\n", "~", "a\0b"])
def test_names_that_would_be_trouble_are_refused(home, name):
    with pytest.raises(UsageError, match=re.escape(repr(name))):
        find_index(home, name)


def test_only_folders_with_a_catalog_are_indexes(home, tmp_path):
    assert index_names(home) == ["default", "notes", "work"]
    assert index_names(Home(tmp_path / "none", "test")) == []
    (tmp_path / "file").touch()
    assert index_names(Home(tmp_path / "file", "test")) == []


def test_an_index_that_must_exist(home, tmp_path):
    assert require_index(home, "notes") == home.path / "notes"
    with pytest.raises(IndexNotFound, match=r"'note' .*did you mean 'notes'.*default, notes, work"):
        require_index(home, "note")
    with pytest.raises(IndexNotFound, match="'zzzzzz'") as caught:
        require_index(home, "zzzzzz")
    assert "did you mean" not in str(caught.value)
    assert "default, notes, work" in str(caught.value)
    with pytest.raises(IndexNotFound, match="make one with: ragcli index PATH"):
        require_index(Home(tmp_path / "none", "test"), "default")


def test_a_path_that_is_no_index_is_not_looked_for_in_the_home(home, tmp_path):
    assert require_index(home, str(home.path / "work")) == home.path / "work"
    with pytest.raises(IndexNotFound, match=re.escape(f"there is no index in {tmp_path / 'x'}")):
        require_index(home, str(tmp_path / "x"))
