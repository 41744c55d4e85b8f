"""The layers in bfloat16 against the numpy encoder, and where they are used."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ragcli.models import open as opening
from ragcli.models.numpy.encoder import NumpyEncoder
from ragcli.models.resolve import ModelFiles, resolve
from ragcli.models.torch.bfloat16 import Bfloat16Encoder

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"
Run = Callable[..., subprocess.CompletedProcess[str]]


def texts() -> list[str]:
    """Pieces of the sample documents, 1 to 150 words, and what is odd."""
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted(SAMPLES.glob("*.md"))).split()
    found, start = ["", "a\ud800 lone surrogate", "sun " * 400], 0
    for length in [1, 5, 20, 60, 100, 150] * 12:
        found.append(" ".join(words[start : start + length]))
        start = (start + length) % max(1, len(words) - 200)
    return found


def test_rows_are_as_good_as_those_in_float32(default: ModelFiles) -> None:
    passages = texts()
    exact, fast = NumpyEncoder(default).encode(passages), Bfloat16Encoder(default).encode(passages)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(fast, axis=1), 1, atol=1e-5)
    assert (exact * fast).sum(axis=1).min() >= 0.999
    nearest = [np.argsort(-(rows @ rows.T), axis=1)[:, :10] for rows in (exact, fast)]
    overlap = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(*nearest, strict=True)])
    assert overlap >= 0.98


@pytest.mark.parametrize("model", [{"pooling": "cls"}, {"kind": "Roberta", "type_vocab_size": 1}])
def test_other_poolings_and_positions_agree_too(model: dict[str, str | int], make_model: Callable[..., Path]) -> None:
    files = resolve(str(make_model("tiny", **model)))
    passages = ["the lazy dog", "gradient descent", "a", "Straßen und Öl " * 30]
    exact, fast = NumpyEncoder(files).encode(passages), Bfloat16Encoder(files, threads=1).encode(passages)
    # the random weights of these models are large: each rounding shows
    assert (exact * fast).sum(axis=1).min() >= 0.99


def test_it_serves_long_runs_on_a_cpu_that_has_the_instructions(
    default: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_may_have_gpu", lambda: False)
    for has, runtimes in ((True, ["numpy", "torch-bfloat16"]), (False, ["numpy", "numpy"])):
        monkeypatch.setattr(opening, "_has_bfloat16", lambda has=has: has)
        assert [opening.open_index_encoder(default, count).runtime for count in (100, 10_000)] == runtimes


def test_it_loads_torch_and_none_of_the_libraries_above(run_python: Run) -> None:
    done = run_python("""
import json, sys
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.models.torch.bfloat16 import Bfloat16Encoder
Bfloat16Encoder(resolve(DEFAULT_MODEL)).encode(["one"])
print(json.dumps(sorted({"torch", "transformers", "sentence_transformers", "sklearn"} & set(sys.modules))))
""")
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["torch"]
