"""BERT in numpy over memory-mapped weights: a cold query costs 0.1 s here where importing torch alone costs 2 s.

It computes in float32 what sentence-transformers computes, for the architectures that ``supports`` names. Texts are not
padded: those of a batch lie end to end in one matrix for the linear layers, and each attends only to itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

# OpenBLAS reads this when numpy is loaded. Its threads spin at every product: with one other busy process on two cores
# they made a query of 12 ms take 1 s, and bulk work twice as long. So one thread a product, and in bulk one a pack.
if "numpy" not in sys.modules:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt

from ragcli.errors import ModelUnavailable
from ragcli.models.files import Kind, ModelFiles, modules, prompt, read_json, transformer_folder, window
from ragcli.models.tokenizer import open_tokenizer
from ragcli.models.weights import Array, Weights, float32

_ONE_BLAS_THREAD = os.environ.get("OPENBLAS_NUM_THREADS") == "1"

_PARTS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)

# Tokens that go through the layers together: enough for the matrix products to run at full speed (128 reach 90 %),
# few enough that the widest activation (x 1536 x 4 bytes) stays in the cache.
_PACK = 512

_POOLINGS = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_max_tokens": "max"}
# RoBERTa is BERT with other positions; MPNet and others differ in the layers.
_TYPES = ("bert", "roberta", "xlm-roberta")
# Values of sentence_bert_config.json under which the module does nothing but run the transformer on text.
_PLAIN = {"do_lower_case": False, "transformer_task": "feature-extraction", "module_output_name": "token_embeddings"}


class NumpyEncoder:
    """The encoder of one BERT-like model; see ``ragcli.models.encoder.Encoder``."""

    runtime: Literal["numpy"] = "numpy"

    def __init__(self, files: ModelFiles) -> None:
        """Map the weights; ModelUnavailable when they are damaged or ``supports`` does not hold."""
        pooling = _pooling(files.folder)
        if pooling is None or not supports(files.folder):
            raise ModelUnavailable(f"the numpy runtime does not know the architecture of {files.name}")
        home = transformer_folder(files.folder)
        config = read_json(home / "config.json")
        self.files = files
        self._pooling = pooling
        self._heads = int(config["num_attention_heads"])
        self._epsilon = np.float32(config.get("layer_norm_eps", 1e-12))
        self._padding = None if config["model_type"] == "bert" else int(config.get("pad_token_id", 1))
        reserved = 0 if self._padding is None else self._padding + 1
        self.window = window(files.folder, int(config["max_position_embeddings"]) - reserved)
        self.tokenizer = open_tokenizer(files)
        self._weights = Weights(home / "model.safetensors")
        self._layers = [
            self._weights.tensors(f"encoder.layer.{index}", _PARTS) for index in range(int(config["num_hidden_layers"]))
        ]
        self._embedding = self._weights.tensors("embeddings", ("LayerNorm",))
        self._prompts: dict[Kind, str] = {kind: prompt(files.folder, kind) for kind in ("query", "passage")}
        self.dimension = self._weights.stored("embeddings.word_embeddings.weight").shape[1]

    def encode(self, texts: Sequence[str], kind: Kind = "passage") -> Array:
        """Float32 (len(texts), dimension), unit rows, row i for text i."""
        before = self._prompts[kind]
        ids = self.tokenizer.ids([before + text for text in texts], self.window)
        rows = np.empty((len(ids), self.dimension), np.float32)
        packs = _packs([len(sequence) for sequence in ids])
        for pack, pooled in zip(packs, self._pooled([[ids[index] for index in pack] for pack in packs]), strict=True):
            rows[pack] = pooled
        # A row of zeros has no direction; it stays zero, as in torch.nn.functional.normalize.
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return rows

    def length(self, text: str, kind: Kind = "query") -> int:
        """Tokens of a text with the model's prompt and special tokens, before any cut."""
        return self.tokenizer.count([self._prompts[kind] + text])[0] + self.tokenizer.special

    def _pooled(self, packs: list[list[list[int]]]) -> Iterator[Array]:
        workers = min(len(packs), _cpus())
        with nullcontext() if _ONE_BLAS_THREAD else _one_blas_thread():
            if workers < 2:
                yield from map(self._forward, packs)
                return
            from concurrent.futures import ThreadPoolExecutor  # 15 ms that a single query does not need

            pool = ThreadPoolExecutor(workers)
            try:
                yield from pool.map(self._forward, packs)
            finally:  # on Ctrl-C the packs that have not begun are dropped
                pool.shutdown(cancel_futures=True)

    def _forward(self, sequences: list[list[int]]) -> Array:
        lengths = [len(sequence) for sequence in sequences]
        ends = np.cumsum(lengths)
        spans = [slice(end - length, end) for end, length in zip(ends.tolist(), lengths, strict=True)]
        states = self._embed(sequences)
        for layer in self._layers:
            context = np.empty_like(states)
            query, key, value = (_linear(states, layer, f"attention.self.{part}") for part in ("query", "key", "value"))
            for span in spans:
                context[span] = _attend(query[span], key[span], value[span], self._heads)
            context = _linear(context, layer, "attention.output.dense")
            context += states
            states = _normalise(context, layer, "attention.output.LayerNorm", self._epsilon)
            inner = _linear(states, layer, "intermediate.dense")
            _gelu(inner)
            outer = _linear(inner, layer, "output.dense")
            outer += states
            states = _normalise(outer, layer, "output.LayerNorm", self._epsilon)
        return np.stack([self._pool(states[span]) for span in spans])

    def _embed(self, sequences: list[list[int]]) -> Array:
        weights = self._weights
        ids = np.concatenate([np.asarray(sequence, np.intp) for sequence in sequences])
        positions = np.concatenate([self._positions(sequence) for sequence in sequences])
        states = float32(weights.stored("embeddings.word_embeddings.weight")[ids])
        states += float32(weights.stored("embeddings.position_embeddings.weight")[positions])
        states += float32(weights.stored("embeddings.token_type_embeddings.weight")[0])
        return _normalise(states, self._embedding, "LayerNorm", self._epsilon)

    def _positions(self, sequence: list[int]) -> npt.NDArray[np.intp]:
        if self._padding is None:
            return np.arange(len(sequence))
        # RoBERTa counts from behind the padding id, and passes over a padding token that stands in the text
        real = np.asarray(sequence) != self._padding
        counted: npt.NDArray[np.intp] = np.cumsum(real) * real + self._padding
        return counted

    def _pool(self, tokens: Array) -> Array:
        pooled: Array
        if self._pooling == "cls":
            pooled = tokens[0]
        elif self._pooling == "max":
            pooled = tokens.max(axis=0)
        else:
            pooled = tokens.mean(axis=0)
        return pooled


def supports(folder: Path) -> bool:
    """Whether this runtime computes what sentence-transformers would; reads only the json files."""
    home = transformer_folder(folder)
    config = read_json(home / "config.json")
    saved = read_json(folder / "config_sentence_transformers.json")
    return (
        _pooling(folder) is not None
        and config.get("model_type") in _TYPES
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
        and config.get("embedding_size", config.get("hidden_size")) == config.get("hidden_size")
        and saved.get("truncate_dim") is None
        and _is_plain(read_json(home / "sentence_bert_config.json"))
        and read_json(home / "tokenizer_config.json").get("truncation_side", "right") == "right"
        and (home / "model.safetensors").is_file()
        and (home / "tokenizer.json").is_file()
    )


def _is_plain(saved: dict[str, Any]) -> bool:
    """No lower-casing, task or processing beyond running the transformer on text."""
    text = {"method": "forward", "method_output_name": "last_hidden_state"}
    modality = saved.get("modality_config", {"text": text})
    rest = {key: value for key, value in saved.items() if key not in {"max_seq_length", "modality_config"}}
    return modality == {"text": text} and all(
        value is None or value == {} or _PLAIN.get(key, ...) == value for key, value in rest.items()
    )


def _pooling(folder: Path) -> str | None:
    """The one pooling mode of a Transformer, Pooling, [Normalize] model; None for any other."""
    steps = modules(folder)
    kinds = [step.kind for step in steps]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return None
    if not all(step.known for step in steps):
        return None
    config = read_json(steps[1].folder / "config.json")
    if not config.get("include_prompt", True) and any(prompt(folder, kind) for kind in ("query", "passage")):
        return None
    mode = config.get("pooling_mode")
    if mode is None:
        active = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
        mode = _POOLINGS.get(active[0]) if len(active) == 1 else None
    return mode if mode in {"cls", "mean", "max"} else None


def _packs(lengths: Sequence[int]) -> list[list[int]]:
    """Every index once, by falling length, in groups of at most ``_PACK`` tokens (or one longer text)."""
    packs: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if lengths[index] > room:
            packs.append([])
            room = _PACK
        packs[-1].append(index)
        room -= lengths[index]
    return packs


def _linear(states: Array, layer: dict[str, Array], part: str) -> Array:
    out: Array = states @ layer[f"{part}.weight"].T
    out += layer[f"{part}.bias"]
    return out


def _normalise(states: Array, layer: dict[str, Array], part: str, epsilon: np.float32) -> Array:
    """Layer normalisation, in place."""
    states -= states.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", states, states)[:, None] / np.float32(states.shape[1])
    states /= np.sqrt(variance + epsilon)
    states *= layer[f"{part}.weight"]
    states += layer[f"{part}.bias"]
    return states


def _attend(query: Array, key: Array, value: Array, heads: int) -> Array:
    """Self-attention of one text: (length, dimension) each, and so is the result."""
    length, dimension = query.shape
    shape = (length, heads, dimension // heads)
    split = [part.reshape(shape).transpose(1, 0, 2) for part in (query, key, value)]
    scores: Array = (split[0] * np.float32((dimension // heads) ** -0.5)) @ split[1].transpose(0, 2, 1)
    scores -= scores.max(axis=2, keepdims=True)
    np.exp(scores, out=scores)
    mixed: Array = scores @ split[2]
    mixed /= scores.sum(axis=2, keepdims=True)
    return mixed.transpose(1, 0, 2).reshape(length, dimension)


# erf(x / sqrt 2) = x P(x^2) / Q(x^2) on |x| <= 5.5, fitted by reweighted least squares: gelu is within 2.3e-7 of the
# exact one (relative above 1), which is what float32 can hold. scipy.special.erf would cost 0.2 s to import.
_LIMIT = np.float32(5.5)
_P = np.array([0.79788399, 0.070279785, 0.0095229177, 3.6566413e-04, 1.3060891e-05, 4.4434358e-08], np.float32)
_Q = np.array([1.0, 0.25474623, 0.029397277, 0.0019622885, 7.8601253e-05, 1.1954123e-06], np.float32)
_BLOCK = 16384  # elements: the four buffers stay in the cache nearest to the core


def _gelu(states: Array) -> None:
    """Each x times the normal distribution function of x, in place on a contiguous array."""
    flat = states.reshape(-1)
    buffers = np.empty((4, min(_BLOCK, flat.size)), np.float32)
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        clipped, square, above, below = buffers[:, : block.size]
        np.clip(block, -_LIMIT, _LIMIT, out=clipped)
        np.multiply(clipped, clipped, out=square)
        _polynomial(_P, square, above)
        _polynomial(_Q, square, below)
        above *= clipped
        above /= below
        above += 1
        above *= np.float32(0.5)
        block *= above


def _polynomial(coefficients: Array, at: Array, out: Array) -> None:
    np.multiply(at, coefficients[-1], out=out)
    for coefficient in coefficients[-2:0:-1]:
        out += coefficient
        out *= at
    out += coefficients[0]


def _one_blas_thread() -> AbstractContextManager[object]:
    """The same as the environment variable above, for a program that had loaded numpy before."""
    # 20 ms to import
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def _cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
