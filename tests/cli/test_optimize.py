import json

import pytest


@pytest.fixture
def indexed(tmp_path, ragcli):
    (tmp_path / "docs").mkdir()
    for number, name in enumerate(("boat", "comet", "lamp", "clock", "bread", "oven")):
        (tmp_path / "docs" / f"{name}.md").write_text(f"# {name}\n\nThe {name} left the harbour {number} days ago.\n")
    assert ragcli("index", str(tmp_path / "docs")).returncode == 0
    return tmp_path / "docs"


def search_of(ragcli):
    return json.loads(ragcli("status", "--json").stdout)["search"]


def test_the_same_is_found_before_and_after_and_status_tells_which_index_serves(indexed, ragcli):
    assert search_of(ragcli) == {"kind": "exact", "recall_at_10": 1.0}
    before = ragcli("query", "a loaf from the oven", "--json").stdout
    done = ragcli("optimize")
    assert done.returncode == 0
    assert done.stdout == ""
    assert "the ten nearest (mean of 6 queries)" in done.stderr
    told = search_of(ragcli)
    assert (told["kind"], told["queries_measured"], told["newer"]) == ("approximate", 6, 0)
    assert told["recall_at_10"] >= 0.98
    assert 1 <= told["lists_read"] <= told["lists"]
    assert ragcli("query", "a loaf from the oven", "--json").stdout == before
    assert json.loads(before)["hits"]
    (indexed / "rope.md").write_text("# Rope\n\nThe rope came late.\n")
    assert ragcli("index").returncode == 0
    assert search_of(ragcli)["newer"] == 1
    assert ragcli("query", "a rope", "--top", "1").stdout.startswith(str(indexed / "rope.md"))
    assert "1 newer chunks searched exactly" in ragcli("status").stdout


def test_exact_removes_it(indexed, ragcli):
    made = json.loads(ragcli("optimize", "--json").stdout)
    assert made["chunks"] == made["approximate"]["count"] == 6
    done = ragcli("optimize", "--exact")
    assert "search reads all 6 vectors" in done.stderr
    assert search_of(ragcli)["kind"] == "exact"


def test_it_travels_with_an_export(indexed, ragcli, tmp_path):
    ragcli("optimize")
    assert ragcli("export", str(tmp_path / "out.ragcli")).returncode == 0
    assert ragcli("import", str(tmp_path / "out.ragcli"), "--index", "copy").returncode == 0
    assert json.loads(ragcli("status", "--index", "copy", "--json").stdout)["search"]["kind"] == "approximate"


def test_nothing_to_optimize(ragcli, tmp_path):
    assert "there is no index" in ragcli("optimize").stderr
    (tmp_path / "empty").mkdir()
    ragcli("index", str(tmp_path / "empty"))
    done = ragcli("optimize")
    assert done.returncode == 2
    assert "holds no passages" in done.stderr
