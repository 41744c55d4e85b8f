from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import ModelMismatch, ModelUnavailable, UsageError
from ragcli.models import library
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import resolve


@pytest.fixture
def tiny(make_model: Callable[..., Path], tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(make_model("tiny"), tmp_path / "sources" / "my-tiny"))
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"a second copy of the weights")
    (folder / "pytorch_model.bin").write_bytes(b"a third")
    (folder / "README.md").write_text("about")
    return folder


def test_an_added_model_works_by_name_without_its_source(tiny: Path, tmp_path: Path) -> None:
    expected = open_query_encoder(resolve(str(tiny))).encode(["the lazy dog"])
    added = library.add(str(tiny))
    shutil.rmtree(tiny)
    found = resolve("my-tiny", offline=True)
    assert found == added
    assert found.folder == tmp_path / "models" / "my-tiny"
    assert library.installed() == [(added, str(tiny))]
    assert np.array_equal(open_query_encoder(found).encode(["the lazy dog"]), expected)
    assert not list(found.folder.rglob("*.onnx"))
    assert not list(found.folder.rglob("*.bin"))


def test_adding_again_replaces_and_leaves_nothing_beside(
    tiny: Path, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    first = library.add(str(tiny))
    shutil.rmtree(tiny)
    shutil.copytree(make_model("other", dtype="float16"), tiny)
    second = library.add(str(tiny))
    assert first.sha256 != second.sha256
    assert resolve("my-tiny") == second
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["my-tiny"]


def test_a_model_that_cannot_be_copied_leaves_the_old_one(tiny: Path, tmp_path: Path) -> None:
    kept = library.add(str(tiny))
    (tiny / "tokenizer.json").chmod(0)
    (tiny / "tokenizer.json").unlink()
    (tiny / "tokenizer.json").symlink_to(tiny / "nowhere")
    (tiny / "model.safetensors").unlink()
    (tiny / "pytorch_model.bin").unlink()
    with pytest.raises(ModelUnavailable, match="has no weights"):
        library.add(str(tiny))
    assert library.installed() == [(kept, str(tiny))]
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["my-tiny"]


def test_removed_models_are_gone(tiny: Path, tmp_path: Path) -> None:
    library.add(str(tiny))
    with pytest.raises(ModelUnavailable, match=r"no model other was added \(added: my-tiny\)"):
        library.remove("other")
    library.remove("my-tiny")
    assert library.installed() == []
    assert list((tmp_path / "models").iterdir()) == []
    with pytest.raises(ModelUnavailable, match=r"added: none"):
        library.remove("my-tiny")


def test_weights_that_changed_in_the_library_are_refused(tiny: Path) -> None:
    weights = library.add(str(tiny)).folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelMismatch, match=r"my-tiny.* changed.*ragcli models add"):
        resolve("my-tiny")


@pytest.mark.parametrize("name", ["..", "../outside", "/etc", "a/../../b", "a/b/c", "", ".hidden", "a\\b", "nul\0"])
def test_no_name_leads_out_of_the_library(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "ragcli-model.json").write_text('{"name": "../outside"}')
    with pytest.raises(UsageError, match="invalid model name"):
        library.remove(name)
    assert library.find(name) is None
    assert outside.is_dir()


def test_organisations_do_not_collide_with_dashes(tiny: Path) -> None:
    library.add(str(tiny.rename(tiny.with_name("org--tiny"))))
    assert library.find("org--tiny") is not None
    assert library.find("org/tiny") is None


def test_the_default_name_is_taken(tiny: Path) -> None:
    with pytest.raises(UsageError, match="built-in model"):
        library.add(str(tiny.rename(tiny.with_name("all-MiniLM-L6-v2"))))
