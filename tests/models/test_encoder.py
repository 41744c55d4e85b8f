from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import ModelUnavailable
from ragcli.models.open import open_index_encoder, open_query_encoder
from ragcli.models.resolve import ModelFiles, resolve
from ragcli.models.torch.encoder import SentenceEncoder

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_opening_the_query_encoder_leaves_torch_alone(run_python: Run, default: ModelFiles) -> None:
    done = run_python("""
import json, sys
from ragcli.models.open import open_index_encoder, open_query_encoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve
files = resolve(DEFAULT_MODEL)
encoder = open_query_encoder(files)
few = open_index_encoder(files, 10)
row = encoder.encode(["how to borrow a value"], kind="query")[0]
heavy = {"torch", "transformers", "sentence_transformers", "huggingface_hub", "scipy", "sklearn", "platformdirs"}
print(json.dumps([encoder.runtime, few.runtime, sorted(heavy & set(sys.modules)), row.tolist()]))
""")
    assert done.stderr == ""
    runtime, few, heavy, row = json.loads(done.stdout)
    assert (runtime, few, heavy) == ("numpy", "numpy", [])
    # this process had numpy before: the other way of keeping BLAS to one thread
    assert np.allclose(row, open_query_encoder(default).encode(["how to borrow a value"], kind="query")[0], atol=1e-6)


def test_unknown_architecture_falls_back_and_says_so(
    make_model: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    files = resolve(str(make_model("tiny", hidden_act="relu")))
    with caplog.at_level(logging.INFO, "ragcli"):
        encoder = open_query_encoder(files)
    assert encoder.runtime == "sentence-transformers"
    assert [record.levelname for record in caplog.records if record.name == "ragcli"] == ["INFO"]
    assert "sentence-transformers" in caplog.text
    rows = encoder.encode(["the lazy dog", "gradient descent", "the lazy dog"])
    assert rows.shape == (3, encoder.dimension)
    assert rows.dtype == np.float32
    assert np.allclose(rows[0], rows[2], atol=1e-6)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert encoder.encode([]).shape == (0, 32)


@pytest.mark.skipif(
    sys.platform == "darwin" or any(Path(f"/dev/{name}").exists() for name in ("nvidia0", "kfd", "dxg")),
    reason="there may be a GPU here",
)
def test_without_a_gpu_sentence_transformers_never_pays(make_model: Callable[..., Path]) -> None:
    assert open_index_encoder(resolve(str(make_model("tiny"))), 100_000).runtime in ("numpy", "torch-bfloat16")


def test_both_runtimes_have_one_answer(make_model: Callable[..., Path]) -> None:
    files = resolve(str(make_model("tiny")))
    few, many = open_index_encoder(files, 20), SentenceEncoder(files)
    assert (few.runtime, many.runtime) == ("numpy", "sentence-transformers")
    texts = [f"the quick fox {number} " * (number % 9) for number in range(150)]
    assert np.abs(few.encode(texts) - many.encode(texts)).max() < 1e-4
    assert (few.dimension, few.window, few.files) == (many.dimension, many.window, many.files)
    assert few.length("the lazy dog") == many.length("the lazy dog") == few.tokenizer.count(["the lazy dog"])[0] + 2


def test_loading_a_folder_opens_no_socket_and_is_silent(run_python: Run, make_model: Callable[..., Path]) -> None:
    done = run_python(
        """
import sys
def refuse(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}:
        sys.stdout.write(f"{event} {args}\\n")
sys.addaudithook(refuse)
import os
import huggingface_hub
from ragcli.models.resolve import resolve
from ragcli.models.torch.encoder import SentenceEncoder
rows = SentenceEncoder(resolve(os.environ["MODEL"])).encode(["the fox", ""])
print(rows.shape, huggingface_hub.constants.HF_HUB_OFFLINE, os.environ.get("HF_HUB_OFFLINE"))
""",
        MODEL=str(make_model("tiny")),
    )
    assert (done.stdout, done.stderr) == ("(2, 32) False None\n", "")


def test_a_model_that_does_not_load_is_one_line(make_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_model("tiny", hidden_act="relu")
    (folder / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(ModelUnavailable, match="sentence-transformers cannot load") as caught:
        open_query_encoder(resolve(str(folder)))
    assert "\n" not in str(caught.value)
