from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import platformdirs
import pytest

from ragcli.models.digest import cache_folder, weights_sha256


@pytest.fixture(autouse=True)
def stamps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAGCLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "model-digests.json"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"published")
    return path


def sha(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(contents)).hexdigest()


def test_digest_is_remembered_for_an_unchanged_file(weights: Path, stamps: Path) -> None:
    assert weights_sha256([weights]) == sha(b"published")
    saved = json.loads(stamps.read_text())
    saved[os.path.realpath(weights)]["sha256"] = "remembered"
    stamps.write_text(json.dumps(saved))
    assert weights_sha256([weights]) == "remembered"


def test_same_size_and_mtime_do_not_hide_a_change(weights: Path) -> None:
    weights_sha256([weights])
    before = weights.stat()
    weights.write_bytes(b"tampered!")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert weights.stat().st_size == before.st_size
    assert weights_sha256([weights]) == sha(b"tampered!")


def test_another_file_in_its_place_is_hashed(weights: Path, tmp_path: Path) -> None:
    weights_sha256([weights])
    other = tmp_path / "other"
    other.write_bytes(b"tampered!")
    other.replace(weights)
    assert weights_sha256([weights]) == sha(b"tampered!")


def test_a_link_is_known_by_what_it_points_to(weights: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(weights)
    assert weights_sha256([link]) == sha(b"published")
    other = tmp_path / "other"
    other.write_bytes(b"another")
    link.unlink()
    link.symlink_to(other)
    assert weights_sha256([link]) == sha(b"another")


def test_shards_are_hashed_one_after_the_other(tmp_path: Path) -> None:
    shards = [tmp_path / "a", tmp_path / "b"]
    for shard, content in zip(shards, (b"first", b"second"), strict=True):
        shard.write_bytes(content)
    assert weights_sha256(shards) == weights_sha256(shards) == sha(b"first", b"second")
    shards[1].write_bytes(b"third!")
    assert weights_sha256(shards) == sha(b"first", b"third!")


@pytest.mark.parametrize("content", ["{", "[]", "\x00", '{"%s": 3}', '{"%s": {"sha256": 5}}'])
def test_damaged_stamps_are_replaced(weights: Path, stamps: Path, content: str) -> None:
    stamps.parent.mkdir()
    stamps.write_text(content.replace("%s", os.path.realpath(weights)))
    assert weights_sha256([weights]) == sha(b"published")
    assert json.loads(stamps.read_text())[os.path.realpath(weights)]["sha256"] == sha(b"published")


def test_cache_that_cannot_be_written_is_no_obstacle(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RAGCLI_CACHE", str(tmp_path / "file" / "cache"))
    assert weights_sha256([weights]) == sha(b"published")


def test_stamps_of_deleted_files_are_dropped(weights: Path, stamps: Path, tmp_path: Path) -> None:
    weights_sha256([weights])
    weights.unlink()
    other = tmp_path / "other"
    other.write_bytes(b"another")
    weights_sha256([other])
    assert list(json.loads(stamps.read_text())) == [os.path.realpath(other)]


@pytest.mark.parametrize("caches", [None, "", "/var/tmp/caches", "relative/caches", "~/caches"])
def test_the_cache_is_where_the_platform_has_its_caches(monkeypatch: pytest.MonkeyPatch, caches: str | None) -> None:
    monkeypatch.delenv("RAGCLI_CACHE", raising=False)
    if caches is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", caches)
    assert cache_folder() == platformdirs.user_cache_path("ragcli")
