"""The layers of BERT and RoBERTa in numpy over memory-mapped weights, for the encoder and the cross-encoder.

Texts are not padded: the texts of a pack lie end to end in one matrix for the linear layers, and each attends only to
itself. The results are those of transformers in float32.
"""

from __future__ import annotations

import heapq
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ragcli.models.files import read_json
from ragcli.models.numpy.weights import Array, Weights, float32

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
# few enough to keep the widest activation (x 1536 x 4 bytes) in the cache.
_PACK = 512

# RoBERTa is BERT with other positions; MPNet and others differ in the layers.
_TYPES = ("bert", "roberta", "xlm-roberta")

Result = TypeVar("Result")


class Transformer:
    """The body of one BERT-like model: from token ids to the hidden states of its last layer."""

    def __init__(self, folder: Path) -> None:
        """Map the weights in ``folder``; ModelUnavailable when they are damaged. Ask ``known`` first."""
        config = read_json(folder / "config.json")
        self.heads = int(config["num_attention_heads"])
        self.epsilon = np.float32(config.get("layer_norm_eps", 1e-12))
        self._padding = None if config["model_type"] == "bert" else int(config.get("pad_token_id", 1))
        reserved = 0 if self._padding is None else self._padding + 1
        self.positions = int(config["max_position_embeddings"]) - reserved  # tokens that it can read
        self.weights = Weights(folder / "model.safetensors")
        self.layers = [
            self.weights.tensors(f"encoder.layer.{index}", _PARTS) for index in range(int(config["num_hidden_layers"]))
        ]
        self._embedding = self.weights.tensors("embeddings", ("LayerNorm",))
        self.dimension = self.weights.stored("embeddings.word_embeddings.weight").shape[1]

    def states(
        self, sequences: list[list[int]], types: list[list[int]] | None = None, *, first: bool = False
    ) -> list[Array]:
        """Float32 (length, dimension) for each sequence of token ids; ``types`` are its segment ids, else all 0.

        With ``first`` only the state of the first token, (1, dimension): the last layer is computed for it alone.
        """
        lengths = [len(sequence) for sequence in sequences]
        ends = np.cumsum(lengths)
        spans = [slice(end - length, end) for end, length in zip(ends.tolist(), lengths, strict=True)]
        states = self.embed(sequences, types)
        for layer in self.layers[:-1]:
            states = self._layer(layer, states, spans, spans)
        last = [slice(span.start, span.start + 1) for span in spans] if first else spans
        states = self._layer(self.layers[-1], states, spans, last)
        return [states[place : place + 1] for place in range(len(spans))] if first else [states[span] for span in spans]

    def _layer(self, layer: dict[str, Array], states: Array, spans: list[slice], asking: list[slice]) -> Array:
        """One layer over the texts at ``spans``, for the rows at ``asking`` of each: all of them, or its first."""
        rows = states if asking is spans else np.concatenate([states[span] for span in asking])
        query = _linear(rows, layer, "attention.self.query")
        key, value = (_linear(states, layer, f"attention.self.{part}") for part in ("key", "value"))
        context = np.empty_like(rows)
        start = 0
        for span, asked in zip(spans, asking, strict=True):
            end = start + asked.stop - asked.start
            context[start:end] = _attend(query[start:end], key[span], value[span], self.heads)
            start = end
        context = _linear(context, layer, "attention.output.dense")
        context += rows
        rows = _normalise(context, layer, "attention.output.LayerNorm", self.epsilon)
        inner = _linear(rows, layer, "intermediate.dense")
        _gelu(inner)
        outer = _linear(inner, layer, "output.dense")
        outer += rows
        return _normalise(outer, layer, "output.LayerNorm", self.epsilon)

    def embed(self, sequences: list[list[int]], types: list[list[int]] | None) -> Array:
        """Float32 (tokens of all sequences, dimension): the states before the first layer."""
        ids = np.concatenate([np.asarray(sequence, np.intp) for sequence in sequences])
        positions = np.concatenate([self._positions(sequence) for sequence in sequences])
        segments = np.concatenate([np.asarray(part, np.intp) for part in types]) if types else np.intp(0)
        states = float32(self.weights.stored("embeddings.word_embeddings.weight")[ids])
        states += float32(self.weights.stored("embeddings.position_embeddings.weight")[positions])
        states += float32(self.weights.stored("embeddings.token_type_embeddings.weight")[segments])
        return _normalise(states, self._embedding, "LayerNorm", self.epsilon)

    def _positions(self, sequence: list[int]) -> npt.NDArray[np.intp]:
        if self._padding is None:
            return np.arange(len(sequence))
        # RoBERTa counts from the padding id plus one, and skips padding tokens within the text
        real = np.asarray(sequence) != self._padding
        counted: npt.NDArray[np.intp] = np.cumsum(real) * real + self._padding
        return counted


def known(folder: Path) -> bool:
    """Whether ``Transformer`` computes what transformers would for the model in ``folder``; reads only its config."""
    config = read_json(folder / "config.json")
    return (
        config.get("model_type") in _TYPES
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
        and config.get("embedding_size", config.get("hidden_size")) == config.get("hidden_size")
        and (folder / "model.safetensors").is_file()
    )


def in_packs(
    lengths: Sequence[int], compute: Callable[[list[int]], Result], threads: int | None = None
) -> Iterator[tuple[list[int], Result]]:
    """(indexes, compute(indexes)) for packs of indexes, on ``threads`` (None: one per processor).

    The texts with these numbers of tokens go into packs of some 512 tokens, so that all threads get equal work.
    """
    threads = threads or cpus()
    packs = _packs(lengths, threads)
    workers = min(len(packs), threads)
    with nullcontext() if _ONE_BLAS_THREAD else _one_blas_thread():
        if workers < 2:
            for pack in packs:
                yield pack, compute(pack)
            return
        from concurrent.futures import ThreadPoolExecutor  # 15 ms; a single query does not need it

        pool = ThreadPoolExecutor(workers)
        try:
            yield from zip(packs, pool.map(compute, packs), strict=True)
        finally:  # on Ctrl-C the packs that have not begun are dropped
            pool.shutdown(cancel_futures=True)


def unit(rows: Array) -> Array:
    """Every row at length 1; a row of zeros stays zero, as in torch.nn.functional.normalize."""
    scaled: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return scaled


def _packs(lengths: Sequence[int], workers: int) -> list[list[int]]:
    """Every index once, in packs of about equal numbers of tokens, some 512 each; every worker gets as many packs."""
    count = max(-(-sum(lengths) // _PACK), 1 if lengths else 0)
    if count > 1:
        count = min(-(-count // workers) * workers, len(lengths))
    packs: list[list[int]] = [[] for _ in range(count)]
    loads = [(0, place) for place in range(count)]
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        load, place = heapq.heappop(loads)
        packs[place].append(index)
        heapq.heappush(loads, (load + lengths[index], place))
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
    """Attention within one text: as many rows as ``query`` has, of the width of all three."""
    width = query.shape[1] // heads
    split = [part.reshape(len(part), heads, width).transpose(1, 0, 2) for part in (query, key, value)]
    scores: Array = np.matmul(split[0] * np.float32(width**-0.5), split[1].transpose(0, 2, 1))
    scores -= scores.max(axis=2, keepdims=True)
    np.exp(scores, out=scores)
    mixed: Array = scores @ split[2]
    mixed /= scores.sum(axis=2, keepdims=True)
    return mixed.transpose(1, 0, 2).reshape(query.shape)


# erf(x / sqrt 2) / 2 = x P(x^2) / Q(x^2) on |x| <= 5.5, fitted by reweighted least squares: gelu is within 2.3e-7 of
# the exact one (relative above 1), the precision of float32. scipy.special.erf would cost 0.2 s to import.
_LIMIT = np.float32(5.5)
_P = np.array([333727.531, 29395.6257, 3983.11014, 152.944775, 5.46292313, 0.0185853692], np.float32)
_Q = np.array([836531.463, 213103.236, 24591.7471, 1641.51607, 65.7524212], np.float32)  # and x^10
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
        np.multiply(square, _P[-1], out=above)
        _horner(_P[:-1], square, above)
        np.add(square, _Q[-1], out=below)
        below *= square
        _horner(_Q[:-1], square, below)
        above *= clipped
        above /= below
        above += np.float32(0.5)
        block *= above


def _horner(coefficients: Array, at: Array, out: Array) -> None:
    """Add the lower coefficients of a polynomial, the lowest first, to the terms above them that ``out`` holds."""
    for coefficient in coefficients[:0:-1]:
        out += coefficient
        out *= at
    out += coefficients[0]


def _one_blas_thread() -> AbstractContextManager[object]:
    """The same as OPENBLAS_NUM_THREADS=1, for a program that loaded numpy before."""
    # 20 ms to import
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def cpu_flags() -> frozenset[str]:
    """The features of the processor as Linux names them; none where the system does not say."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 (1 ms of a question)
            return frozenset(next((line for line in lines if line.startswith(("flags", "Features"))), "").split()[2:])
    except OSError:
        return frozenset()


def cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
