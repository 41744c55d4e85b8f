"""Opening an encoder or a reranker with the runtime that suits it: numpy, onnxruntime or sentence-transformers.

None of them is loaded before a model is opened.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from ragcli.errors import ModelUnavailable
from ragcli.models.files import Kind, ModelFiles, onnx_file, weights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ragcli.models.tokenizer import Tokenizer

Model = TypeVar("Model")
Runtime = Literal["numpy", "torch-bfloat16", "onnxruntime", "sentence-transformers"]

# Their rows of one text have a cosine of at least 0.999 (tests/models/test_runtimes.py), so an index may hold rows of
# all of them.
_INTERCHANGEABLE = frozenset({"numpy", "torch-bfloat16", "sentence-transformers"})

# Loading sentence-transformers takes 6 to 7 s, in which numpy encodes 200 chunks. On a CPU it never earns that back: at
# its best (batches of 8) it takes as much processor time, and beside other busy processes its threads wait for one
# another (docs/performance.md).
_PAYS_FROM_ON_GPU = 200
# Loading torch takes 1 s; in bfloat16 it then encodes a chunk of 130 tokens in half the 45 ms of numpy on one core.
_BFLOAT16_PAYS_FROM = 300
# A float32 copy of the weights is made; half precision on disk doubles, and so does what the layers hold meanwhile.
_MEMORY_FACTOR = 3
# Logits that a process remembers which stays: those of the last 1,000 questions with 10 candidates each.
_REMEMBERED = 10_000


class _Model(Protocol):
    """What encoders and rerankers have in common."""

    @property
    def files(self) -> ModelFiles:
        """The model."""

    @property
    def window(self) -> int:
        """Tokens that are read of the input, special ones included; the rest is cut off."""

    @property
    def runtime(self) -> Runtime:
        """The library that computes."""


class Encoder(_Model, Protocol):
    """Turns texts into unit vectors."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer."""

    @property
    def dimension(self) -> int:
        """Length of a row."""

    def length(self, text: str, kind: Kind = "query") -> int:
        """Tokens of a text with the model's prompt and special tokens; the part above ``window`` is not read."""

    def encode(self, texts: Sequence[str], kind: Kind = "passage") -> npt.NDArray[np.float32]:
        """Float32 (len(texts), dimension), unit rows, row i for text i; each after the model's prompt of its kind."""


class Reranker(_Model, Protocol):
    """Scores passages for a question. ``window`` counts the tokens of both together."""

    def scores(self, query: str, passages: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 (len(passages),): one logit per passage, higher is better; not finite where the model fails."""


class Kept:
    """The open models of this process, each opened once, whichever thread asks first."""

    def __init__(self) -> None:
        import threading  # 1 ms of a cold query

        self._models: dict[tuple[str, ModelFiles], Any] = {}
        self._lock = threading.Lock()

    def get(self, role: str, files: ModelFiles, make: Callable[[ModelFiles], Model]) -> Model:
        """Return the open model of ``files``; the second one who asks meanwhile waits."""
        with self._lock:
            key = role, files
            if key not in self._models:
                self._models[key] = make(files)
            found: Model = self._models[key]
            return found

    def opened(self) -> list[tuple[str, Any]]:
        """Return each open model with its role."""
        with self._lock:
            return [(role, model) for (role, _), model in self._models.items()]

    def __len__(self) -> int:
        return len(self._models)

    def clear(self) -> None:
        """Close all models; who uses one keeps it until then."""
        with self._lock:
            self._models.clear()


class Remembering:
    """A reranker that remembers its logits: the same question again, or with other filters, needs no second reading.

    This needs a runtime in which a logit does not depend on the passages beside it, as the one of ``models/onnx``.
    """

    def __init__(self, reranker: Reranker) -> None:
        import threading

        self._reranker = reranker
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def files(self) -> ModelFiles:
        """The model."""
        return self._reranker.files

    @property
    def window(self) -> int:
        """Tokens that are read of the input."""
        return self._reranker.window

    @property
    def runtime(self) -> Runtime:
        """The library that computes."""
        return self._reranker.runtime

    def scores(self, query: str, passages: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 (len(passages),): as the reranker gives them."""
        import numpy as np

        with self._lock:
            known = [self._known.get((query, passage)) for passage in passages]
        missing = [i for i, logit in enumerate(known) if logit is None]
        if missing:
            found = self._reranker.scores(query, [passages[i] for i in missing])
            with self._lock:
                for i, logit in zip(missing, found.tolist(), strict=True):
                    known[i] = self._known[query, passages[i]] = logit
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return np.array(known, np.float32)


_kept: Kept | None = None


def keep_open() -> Kept:
    """From now on open each query encoder and each reranker once, for all threads of this process."""
    global _kept  # callers open models deep inside a search; a process either answers many questions or one
    if _kept is None:
        _kept = Kept()
    return _kept


def are_interchangeable(runtimes: Collection[str]) -> bool:
    """Whether one index may hold rows of all of these runtimes."""
    return len(named := set(runtimes)) <= 1 or named <= _INTERCHANGEABLE


def open_query_encoder(files: ModelFiles) -> Encoder:
    """An encoder that starts fast: onnxruntime for a packaged model, numpy where it knows the architecture.

    sentence-transformers opens every other model (said at INFO).
    """
    return _query_encoder(files) if _kept is None else _kept.get("encoder", files, _query_encoder)


def _query_encoder(files: ModelFiles) -> Encoder:
    if onnx_file(files.folder):
        return _onnx_encoder(files)
    from ragcli.models.numpy.encoder import NumpyEncoder, supports

    if supports(files.folder):
        return NumpyEncoder(files)
    _say_slow(files)
    return _sentence_encoder(files)


def open_index_encoder(files: ModelFiles, texts_expected: int, threads: int | None = None) -> Encoder:
    """An encoder for bulk work: numpy, unless there are enough texts to make up for the start of something faster.

    That is sentence-transformers where there may be a GPU, and torch in bfloat16 where the CPU has instructions for it.
    onnxruntime opens a packaged model. On a CPU the encoder computes on ``threads`` (None: one per processor).
    """
    if onnx_file(files.folder):
        return _onnx_encoder(files, threads)
    from ragcli.models.numpy.encoder import NumpyEncoder, supports

    if not supports(files.folder) or (texts_expected >= _PAYS_FROM_ON_GPU and _may_have_gpu()):
        return _sentence_encoder(files)
    if texts_expected >= _BFLOAT16_PAYS_FROM and _has_bfloat16():
        from ragcli.models.torch.bfloat16 import Bfloat16Encoder

        return Bfloat16Encoder(files, threads)
    return NumpyEncoder(files, threads)


def open_reranker(files: ModelFiles) -> Reranker:
    """A reranker: onnxruntime for a packaged one, numpy where it knows the architecture, else sentence-transformers.

    ModelUnavailable when the weights are damaged or would not fit into the free memory.
    """
    return _reranker(files) if _kept is None else _kept.get("reranker", files, _reranker)


def _reranker(files: ModelFiles) -> Reranker:
    if onnx_file(files.folder):
        from ragcli.models.onnx.cross_encoder import OnnxCrossEncoder

        reranker = OnnxCrossEncoder(files)
        if _kept is None:
            return reranker
        return Remembering(reranker)
    from ragcli.models.numpy.cross_encoder import NumpyCrossEncoder, supports

    _check_memory(files)
    if supports(files.folder):
        return NumpyCrossEncoder(files)
    _say_slow(files)
    from ragcli.models.torch.cross_encoder import SentenceCrossEncoder

    return SentenceCrossEncoder(files)


def _onnx_encoder(files: ModelFiles, threads: int | None = None) -> Encoder:
    from ragcli.models.onnx.encoder import OnnxEncoder

    return OnnxEncoder(files, threads)


def _sentence_encoder(files: ModelFiles) -> Encoder:
    from ragcli.models.torch.encoder import SentenceEncoder

    return SentenceEncoder(files)


def _say_slow(files: ModelFiles) -> None:
    import logging  # 15 ms of a cold query

    logging.getLogger("ragcli").info(
        "the numpy runtime does not know the architecture of %s: loading sentence-transformers, which takes seconds",
        files.name,
    )


def _may_have_gpu() -> bool:
    """A guess that costs nothing; the true answer costs the import of torch."""
    return sys.platform == "darwin" or any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/kfd", "/dev/dxg"))


def _has_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16; False where the system does not say."""
    from ragcli.models.numpy.transformer import cpu_flags

    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpu_flags())


def _check_memory(files: ModelFiles) -> None:
    size = sum(path.stat().st_size for path in weights(files.folder))
    free = _free_memory()
    if free is not None and size * _MEMORY_FACTOR > free:
        raise ModelUnavailable(
            f"the reranker {files.name} needs about {size * _MEMORY_FACTOR >> 20} MiB of memory, {free >> 20} are free",
            "use a smaller one, or --no-rerank",
        )


def _free_memory() -> int | None:
    """Bytes that could be used now; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return None
