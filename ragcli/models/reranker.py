"""Opening a reranker: the numpy runtime where it will do, sentence-transformers where it must."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from ragcli.errors import ModelUnavailable
from ragcli.models.digest import weights_sha256
from ragcli.models.files import DEFAULT_RERANKER, ModelFiles, is_cross_encoder, missing, weights
from ragcli.models.resolve import resolve

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SHIPPED = Path(__file__).with_name("shipped") / DEFAULT_RERANKER
_REINSTALL = "pip install --force-reinstall ragcli"
# A float32 copy of the weights is made; half precision on disk doubles, and so does what the layers hold meanwhile.
_MEMORY_FACTOR = 3


class Reranker(Protocol):
    """Scores passages for a question."""

    @property
    def files(self) -> ModelFiles:
        """The model."""

    @property
    def window(self) -> int:
        """Tokens of a question and a passage together that are read."""

    @property
    def runtime(self) -> Literal["numpy", "sentence-transformers"]:
        """What computes."""

    def scores(self, query: str, passages: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 (len(passages),): a logit each, higher is better; not finite where the model fails."""


def resolve_reranker(name: str, *, offline: bool = False) -> ModelFiles:
    """The files of a cross-encoder: the shipped one, a folder, one that was added, or one from the hub.

    ModelUnavailable when there is none, or when what is there is no cross-encoder.
    """
    if name == DEFAULT_RERANKER:
        if lacks := missing(_SHIPPED):
            raise ModelUnavailable(f"the reranker in {_SHIPPED} has no {' and no '.join(lacks)}", _REINSTALL)
        return ModelFiles(DEFAULT_RERANKER, _SHIPPED, "shipped", weights_sha256(weights(_SHIPPED)))
    files = resolve(name, offline=offline)
    if not is_cross_encoder(files.folder):
        raise ModelUnavailable(
            f"{files.name} is not a cross-encoder: its config.json names no sequence classifier with one output",
            "rerankers are models such as cross-encoder/ms-marco-MiniLM-L6-v2",
        )
    return files


def open_reranker(files: ModelFiles) -> Reranker:
    """Numpy where the architecture is known, else sentence-transformers (said at INFO).

    ModelUnavailable when the weights are damaged or would not fit into the memory that is free.
    """
    from ragcli.models.numpy import cross_encoder as cross  # loads numpy, which finding a model does not need

    _check_memory(files)
    if cross.supports(files.folder):
        return cross.NumpyCrossEncoder(files)
    import logging  # 15 ms of a cold query

    logging.getLogger("ragcli").info(
        "the numpy runtime does not know the architecture of %s: loading sentence-transformers, which takes seconds",
        files.name,
    )
    from ragcli.models.torch.cross_encoder import SentenceCrossEncoder

    return SentenceCrossEncoder(files)


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


def shipped_calibration() -> Path:
    """Where the fit for the default models lies: beside the weights that it belongs to."""
    return _SHIPPED / "calibration.json"
