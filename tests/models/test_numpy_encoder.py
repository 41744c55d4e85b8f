from __future__ import annotations

import json
import math
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragcli.errors import ModelUnavailable
from ragcli.models.numpy.encoder import NumpyEncoder, supports
from ragcli.models.numpy.transformer import _gelu
from ragcli.models.resolve import ModelFiles


def test_gelu_is_the_exact_one_in_float32() -> None:
    points = np.concatenate([np.linspace(-12, 12, 40_001), [-1e4, -0.0, 0.0, 1e-7, 1e4]]).astype(np.float32)
    exact = np.array([0.5 * x * (1 + math.erf(x / math.sqrt(2))) for x in points.tolist()])
    computed = points.copy()
    _gelu(computed)
    assert (np.abs(computed - exact) / np.maximum(1, np.abs(points))).max() < 3e-7


@pytest.fixture
def tiny(make_model: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(make_model("tiny"), tmp_path / "copy"))


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_one_thread_starts_no_other_and_computes_the_same_rows(tiny: Path) -> None:
    files = ModelFiles("tiny", tiny, "local", "")
    texts = [f"{'boats in the harbour ' * (n % 9)}{n}" for n in range(120)]  # some packs
    started: list[str] = []
    threading.setprofile(lambda *_: started.append(threading.current_thread().name))  # in threads that start from now
    try:
        alone = NumpyEncoder(files, threads=1).encode(texts)
        assert started == []
        beside = NumpyEncoder(files, threads=3).encode(texts)
        assert started != []
    finally:
        threading.setprofile(None)
    np.testing.assert_allclose(alone, beside, atol=1e-6)


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"model_type": "mpnet"}),
        ("config.json", {"hidden_act": "gelu_new"}),
        ("config.json", {"position_embedding_type": "relative_key"}),
        ("config.json", {"is_decoder": True}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("sentence_bert_config.json", {"transformer_task": "text-generation"}),
        ("sentence_bert_config.json", {"query_length": 32}),
        ("tokenizer_config.json", {"truncation_side": "left"}),
        ("config_sentence_transformers.json", {"truncate_dim": 16}),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}),
    ],
)
def test_what_it_does_not_compute_is_left_to_sentence_transformers(
    tiny: Path, file: str, values: dict[str, Any]
) -> None:
    assert supports(tiny)
    change(tiny / file, **values)
    assert not supports(tiny)


def test_prompts_left_out_of_the_pooling_are_not_supported(tiny: Path) -> None:
    change(tiny / "1_Pooling" / "config.json", include_prompt=False)
    assert supports(tiny)  # there is no prompt to leave out
    change(tiny / "config_sentence_transformers.json", prompts={"query": "q: "})
    assert not supports(tiny)


def test_other_modules_are_not_supported(tiny: Path) -> None:
    steps = json.loads((tiny / "modules.json").read_text())
    foreign = [steps[0], steps[1] | {"type": "custom_module.Pooling"}]
    dense = [*steps, {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}]
    for changed in (steps[:1], foreign, dense):
        (tiny / "modules.json").write_text(json.dumps(changed))
        assert not supports(tiny)
    (tiny / "modules.json").unlink()
    assert not supports(tiny)


def open_it(folder: Path) -> np.ndarray:
    return NumpyEncoder(ModelFiles("tiny", folder, "local", "")).encode(["the fox"])


@pytest.mark.parametrize("keep", [0, 4, 40, -100])
def test_cut_off_weights_are_refused(tiny: Path, keep: int) -> None:
    weights = tiny / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors is damaged"):
        open_it(tiny)


def test_missing_tensor_is_named(tiny: Path) -> None:
    change(tiny / "config.json", num_hidden_layers=3)
    with pytest.raises(ModelUnavailable, match=r"no tensor encoder\.layer\.2\.attention"):
        open_it(tiny)


def test_unaligned_tensors_are_read(tiny: Path) -> None:
    expected = open_it(tiny)
    weights = tiny / "model.safetensors"
    raw = weights.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = raw[8 : 8 + size].rstrip() + b" "
    header += b" " * (1 - len(header) % 2)  # an odd length: nothing behind it is aligned
    weights.write_bytes(len(header).to_bytes(8, "little") + header + raw[8 + size :])
    assert np.allclose(open_it(tiny), expected, atol=1e-6)
