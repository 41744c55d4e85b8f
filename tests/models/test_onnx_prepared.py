"""The optimized graph in the cache: the same logits to the bit, and whatever is wrong with it costs only time."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from ragcli.models.files import ModelFiles
from ragcli.models.onnx.cross_encoder import OnnxCrossEncoder
from ragcli.models.onnx.encoder import OnnxEncoder
from ragcli.models.packaged import ENCODER, RERANKER, find

QUESTION = "when do the boats leave the harbour?"
PASSAGES = ["They leave at six.", "", "naïve Straße 検索 " * 30, "The harbour opens at dawn. " * 90]


@pytest.fixture
def files() -> ModelFiles:
    found = find(RERANKER)
    assert found is not None
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAGCLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "onnx"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every path that onnxruntime is given to open."""
    paths: list[Path] = []
    real = onnxruntime.InferenceSession

    def session(path: str, *args: object, **options: object) -> object:
        paths.append(Path(path))
        return real(path, *args, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    return paths


def scores(files: ModelFiles) -> np.ndarray:
    reranker = OnnxCrossEncoder(files)
    found = reranker.scores(QUESTION, PASSAGES)
    reranker._session._pool.shutdown()  # what is kept is kept now
    return found


def uncached(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    with monkeypatch.context() as context:
        context.setenv("RAGCLI_CACHE", "/dev/null")
        return scores(files)


def test_logits_are_the_same_to_the_bit(
    files: ModelFiles, place: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = uncached(files, monkeypatch)
    np.testing.assert_array_equal(scores(files), expected)  # makes it
    (kept,) = place.iterdir()
    np.testing.assert_array_equal(scores(files), expected)
    assert opened == [files.folder / "model.onnx"] * 2 + [kept]
    assert list(place.iterdir()) == [kept]


def test_rows_of_the_encoder_are_the_same_to_the_bit(place: Path, opened: list[Path]) -> None:
    files = find(ENCODER)
    assert files is not None
    rows = []
    for _ in range(2):
        encoder = OnnxEncoder(files)
        rows.append(encoder.encode(PASSAGES))
        encoder._session._pool.shutdown()
    np.testing.assert_array_equal(*rows)
    assert opened == [files.folder / "model.onnx", *place.iterdir()]


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 64)


def shorten(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 3)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [overwrite, shorten, empty, replace_by_a_folder])
def test_a_damaged_file_is_ignored_and_made_again(
    damage, files: ModelFiles, place: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = uncached(files, monkeypatch)
    scores(files)
    (kept,) = place.iterdir()
    damage(kept)
    opened.clear()
    np.testing.assert_array_equal(scores(files), expected)
    assert opened == [files.folder / "model.onnx"]
    np.testing.assert_array_equal(scores(files), expected)
    if kept.is_file():
        assert opened[1:] == [kept]


def test_another_runtime_or_processor_does_not_use_it(
    files: ModelFiles, place: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores(files)
    monkeypatch.setattr(onnxruntime, "__version__", "99.0")
    scores(files)
    monkeypatch.setattr("ragcli.models.onnx.prepared.cpu_flags", lambda: frozenset({"avx2"}))
    scores(files)
    assert opened == [files.folder / "model.onnx"] * 3
    assert len(list(place.iterdir())) == 3


def test_where_the_processor_is_not_known_nothing_is_kept(
    files: ModelFiles, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragcli.models.onnx.prepared.cpu_flags", frozenset)
    scores(files)
    assert not place.exists()


def test_other_weights_do_not_use_it(files: ModelFiles, place: Path, tmp_path: Path, opened: list[Path]) -> None:
    scores(files)
    other = files._replace(folder=Path(shutil.copytree(files.folder, tmp_path / "copy")))
    weights = other.folder / "model.onnx"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1  # within a matrix
    weights.write_bytes(data)
    scores(other)
    assert opened[-1] == weights
    assert len(list(place.iterdir())) == 2


@pytest.mark.parametrize("cache", ["/dev/null", "/proc/none"])
def test_a_cache_that_cannot_be_written_costs_only_time(
    cache: str, files: ModelFiles, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGCLI_CACHE", cache)
    assert np.isfinite(scores(files)).all()
    assert opened == [files.folder / "model.onnx"]


def test_old_files_go(files: ModelFiles, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragcli.models.onnx.prepared._MOST_FILES", 2)
    for version in ("1", "2", "3"):
        monkeypatch.setattr(onnxruntime, "__version__", version)
        scores(files)
    assert len(list(place.iterdir())) == 2
