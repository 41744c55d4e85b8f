"""The numpy encoder with its layers in bfloat16 on torch: twice as fast on a CPU with instructions for it.

Only torch is loaded (1 s), neither transformers nor sentence-transformers. Rows have a cosine of at least 0.999 with
those in float32 (benchmarks/engine.py measures it), so an index may hold both.
"""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

from ragcli.models.files import ModelFiles
from ragcli.models.numpy.encoder import NumpyEncoder
from ragcli.models.numpy.transformer import Transformer
from ragcli.models.numpy.weights import Array

_QUERY_KEY_VALUE = tuple(f"attention.self.{part}" for part in ("query", "key", "value"))


class Bfloat16Encoder(NumpyEncoder):
    """A numpy encoder whose layers torch computes in bfloat16."""

    runtime: Literal["numpy", "torch-bfloat16"] = "torch-bfloat16"

    def __init__(self, files: ModelFiles, threads: int | None = None) -> None:
        """As a numpy encoder; the weights of the layers are copied in half their size."""
        super().__init__(files, threads)
        self._transformer = _Bfloat16Transformer(self._transformer)


class _Bfloat16Transformer(Transformer):
    """Embeddings in float32 as in numpy, then layers in bfloat16 over the texts of a pack end to end."""

    def __init__(self, exact: Transformer) -> None:
        torch.set_num_threads(1)  # one thread per product: packs are computed side by side
        vars(self).update(vars(exact))
        self._converted = [_converted(layer) for layer in exact.layers]

    def states(
        self, sequences: list[list[int]], types: list[list[int]] | None = None, *, first: bool = False
    ) -> list[Array]:
        """As in numpy; ``first`` saves no time here."""
        lengths = [len(sequence) for sequence in sequences]
        with torch.inference_mode():
            states = torch.from_numpy(self.embed(sequences, types)).bfloat16()
            for layer in self._converted:
                states = self._converted_layer(layer, states, lengths)
            found: list[Array] = [part.numpy() for part in states.float().split(lengths)]
        return [part[:1] for part in found] if first else found

    def _converted_layer(
        self, layer: dict[str, torch.Tensor], states: torch.Tensor, lengths: list[int]
    ) -> torch.Tensor:
        width = states.shape[1]

        def attend(part: torch.Tensor) -> torch.Tensor:
            query, key, value = part.view(len(part), 3, self.heads, width // self.heads).permute(1, 2, 0, 3)
            mixed = scaled_dot_product_attention(query[None], key[None], value[None])[0]
            return mixed.transpose(0, 1).reshape(len(part), width)

        def add_and_normalise(part: str, inner: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
            outer = linear(inner, layer[f"{part}.dense.weight"], layer[f"{part}.dense.bias"]) + before
            weight, bias = layer[f"{part}.LayerNorm.weight"], layer[f"{part}.LayerNorm.bias"]
            return layer_norm(outer, (width,), weight, bias, float(self.epsilon))

        parts = linear(states, layer["query_key_value.weight"], layer["query_key_value.bias"]).split(lengths)
        states = add_and_normalise("attention.output", torch.cat([attend(part) for part in parts]), states)
        inner = gelu(linear(states, layer["intermediate.dense.weight"], layer["intermediate.dense.bias"]))
        return add_and_normalise("output", inner, states)


def _converted(layer: dict[str, Array]) -> dict[str, torch.Tensor]:
    """The weights of a layer in bfloat16; those of query, key and value as one matrix."""
    parts = {name: value for name, value in layer.items() if not name.startswith(_QUERY_KEY_VALUE)}
    for kind in ("weight", "bias"):
        parts[f"query_key_value.{kind}"] = np.concatenate([layer[f"{part}.{kind}"] for part in _QUERY_KEY_VALUE])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of read-only arrays, which are only read
        return {name: torch.from_numpy(value).bfloat16() for name, value in parts.items()}
