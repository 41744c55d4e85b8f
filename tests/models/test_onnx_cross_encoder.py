"""The quantized cross-encoder against the figures of its published model card, and with files that are wrong."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import ModelUnavailable
from ragcli.models.files import ModelFiles
from ragcli.models.onnx.cross_encoder import OnnxCrossEncoder
from ragcli.models.open import open_reranker
from ragcli.models.packaged import RERANKER, find

WORDS = ["harbour", "boats", "painted", "bread", "comet", "clock", "naïve", "Straße", "検索", "don't", "1,234"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def files() -> ModelFiles:
    found = find(RERANKER)
    assert found is not None
    return found


def test_logits_are_those_of_the_model_card(files: ModelFiles) -> None:
    passages = [
        "Berlin had a population of 3,520,031 registered inhabitants in an area of 891.82 square kilometers.",
        "Berlin is well known for its museums.",
    ]
    logits = open_reranker(files).scores("How many people live in Berlin?", passages)
    # published in float32, here with weights and activations of 8 bits
    np.testing.assert_allclose(logits, [9.218911, -4.0780287], atol=0.15)


def test_a_score_does_not_depend_on_its_neighbours(files: ModelFiles) -> None:
    draw = random.Random(2)
    passages = ["", " ", *(" ".join(draw.choices(WORDS, k=n)) for n in (1, 7, 30, 90, 300)), "a\ud800b [SEP] c"]
    reranker = open_reranker(files)
    together = reranker.scores("when are boats painted?", passages)
    assert together.dtype == np.float32
    assert together.shape == (len(passages),)
    alone = [reranker.scores("when are boats painted?", [passage])[0] for passage in passages]
    np.testing.assert_array_equal(together, alone)
    assert together.std() > 0.1
    assert reranker.scores("boats", []).shape == (0,)


def test_what_lies_beyond_the_window_is_not_read(files: ModelFiles) -> None:
    reranker = open_reranker(files)
    assert reranker.window == 256
    one, other = reranker.scores("sun", ["moon " * 400, "moon " * 400 + "sun"])
    assert one == other


def copied(files: ModelFiles, folder: Path) -> ModelFiles:
    return files._replace(folder=Path(shutil.copytree(files.folder, folder / "copy")))


@pytest.mark.parametrize("keep", [0, 100, 1 << 20])
def test_a_file_cut_short_is_one_sentence_with_the_way_out(files: ModelFiles, keep: int, tmp_path: Path) -> None:
    broken = copied(files, tmp_path)
    with (broken.folder / "model.onnx").open("r+b") as file:
        file.truncate(keep)
    with pytest.raises(ModelUnavailable) as caught:
        OnnxCrossEncoder(broken).scores("why", ["because"])
    line = str(caught.value)
    assert "model.onnx cannot be" in line
    assert "--reranker ragcli-reranker" in line
    assert "\n" not in line


def test_a_model_with_an_output_of_another_shape_is_refused(files: ModelFiles, tmp_path: Path) -> None:
    package = files.folder.parent
    other = copied(files, tmp_path)
    shutil.copyfile(package / "bge_small_en" / "model.onnx", other.folder / "model.onnx")
    with pytest.raises(ModelUnavailable, match=r"is not a cross-encoder: its output has the shape \(1, \d+, 384\)"):
        OnnxCrossEncoder(other).scores("why", ["because"])


def test_without_onnxruntime_the_line_says_what_to_do(run_python: Run) -> None:
    done = run_python("""
import sys
sys.modules["onnxruntime"] = None
from ragcli.models.open import open_reranker
from ragcli.models.packaged import RERANKER, find
try:
    open_reranker(find(RERANKER)).scores("why", ["because"])
except Exception as error:
    print(type(error).__name__, error)
""")
    assert done.stdout.startswith("ModelUnavailable onnxruntime cannot be loaded: ")
    assert "--reranker ragcli-reranker" in done.stdout


def test_onnxruntime_leaves_nothing_behind_and_opens_no_socket(tmp_path):
    """It would write an identifier of the device, and send events from C++, which Python cannot refuse."""
    code = (
        "import os, sys\n"
        "from ragcli.models.open import open_reranker\n"
        "from ragcli.models.resolve import resolve_reranker\n"
        "open_reranker(resolve_reranker('default')).scores('a', ['b'])\n"
        "assert 'onnxruntime' in sys.modules\n"
        "from pathlib import Path\n"
        "links = []\n"
        "for fd in list(Path('/proc/self/fd').iterdir()):\n"
        "    try:\n"
        "        links.append(os.readlink(fd))\n"
        "    except OSError:\n"
        "        pass\n"
        "print([link for link in links if link.startswith('socket:') or 'onnxruntime.db' in link])\n"
    )
    # under a test runner or in CI it holds back by itself: this is a user's environment
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip() == "[]"
    assert [path.name for path in (tmp_path / ".cache").iterdir()] == ["ragcli"]
