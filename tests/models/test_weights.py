"""What a safetensors file holds, against the library that wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import ModelUnavailable
from ragcli.models.numpy.weights import Weights, _float8_values, float32


def test_every_float8_means_what_torch_reads() -> None:
    import torch

    expected = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float().numpy()
    assert np.isnan(expected).sum() == 2
    np.testing.assert_array_equal(_float8_values(), expected)  # NaN equals NaN here
    assert np.signbit(_float8_values()[0x80])  # which equality does not see: minus zero


TYPES = {
    "F8_E4M3": "float8_e4m3fn",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "I64": "int64",
}


def test_tensors_of_every_type_read_back_equal(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tensors = {
        f"{stored}.{shape}": (torch.randn(shape) * 8).to(getattr(torch, kind))
        for stored, kind in TYPES.items()
        for shape in ((7, 5), (3,), ())
    }
    path = tmp_path / "model.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    assert all(f'"{stored}"'.encode() in path.read_bytes() for stored in TYPES)
    weights = Weights(path)
    for name, tensor in tensors.items():
        read = float32(weights.whole(name))
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, tensor.float().numpy(), strict=True)


def test_rows_of_a_float8_table_are_read_one_by_one(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    table = torch.randn(50, 8).to(torch.float8_e4m3fn)
    save_file({"bert.embeddings.word_embeddings.weight": table}, tmp_path / "model.safetensors")
    weights = Weights(tmp_path / "model.safetensors")
    rows = weights.stored("embeddings.word_embeddings.weight")[[3, 3, 49]]
    np.testing.assert_array_equal(float32(rows), table.float().numpy()[[3, 3, 49]])
    assert weights.whole("bert.embeddings.word_embeddings.weight").nbytes == 400  # nothing was blown up


def test_a_type_that_is_not_known_and_a_tensor_that_is_not_there_are_named(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ModelUnavailable, match=r"no tensor b; fetch"):
        Weights(path).whole("b")
    save_file({"a": torch.zeros(2, dtype=torch.float8_e5m2)}, path)
    with pytest.raises(ModelUnavailable, match="F8_E5M2"):
        Weights(path)
