"""Opening an encoder: the numpy runtime where it will do, sentence-transformers where it must or where it pays."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from ragcli.models.files import Kind, ModelFiles
from ragcli.models.numpy import encoder as bert

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ragcli.models.tokenizer import Tokenizer

# Loading sentence-transformers takes 6 to 7 s, in which numpy encodes 200 chunks. On a CPU it never earns that back: at
# its best (batches of 8) it takes as much processor time, and beside other busy processes its threads wait for one
# another (docs/performance.md).
_PAYS_FROM_ON_GPU = 200


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def files(self) -> ModelFiles:
        """The model."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer."""

    @property
    def dimension(self) -> int:
        """Length of a row."""

    @property
    def window(self) -> int:
        """Tokens that are read of a text, special ones included; the rest is cut off."""

    @property
    def runtime(self) -> Literal["numpy", "sentence-transformers"]:
        """What computes."""

    def length(self, text: str, kind: Kind = "query") -> int:
        """Tokens of a text with the model's prompt and special tokens; what exceeds ``window`` is not read."""

    def encode(self, texts: Sequence[str], kind: Kind = "passage") -> npt.NDArray[np.float32]:
        """Float32 (len(texts), dimension), unit rows, row i for text i; each after the model's prompt of its kind."""


def open_query_encoder(files: ModelFiles) -> Encoder:
    """An encoder that starts fast: numpy where the architecture is known, else sentence-transformers (said at INFO)."""
    if bert.supports(files.folder):
        return bert.NumpyEncoder(files)
    import logging  # 15 ms of a cold query

    logging.getLogger("ragcli").info(
        "the numpy runtime does not know the architecture of %s: loading sentence-transformers, which takes seconds",
        files.name,
    )
    return _sentence_encoder(files)


def open_index_encoder(files: ModelFiles, texts_expected: int, threads: int | None = None) -> Encoder:
    """An encoder for bulk work: numpy, unless there may be a GPU and so many texts that starting it pays.

    numpy computes on ``threads`` (None: one a processor).
    """
    pays = texts_expected >= _PAYS_FROM_ON_GPU and _may_have_gpu()
    if not pays and bert.supports(files.folder):
        return bert.NumpyEncoder(files, threads)
    return _sentence_encoder(files)


def _may_have_gpu() -> bool:
    """A guess that costs nothing, where the answer costs the import of torch."""
    return sys.platform == "darwin" or any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/kfd", "/dev/dxg"))


def _sentence_encoder(files: ModelFiles) -> Encoder:
    from ragcli.models.torch.encoder import SentenceEncoder

    return SentenceEncoder(files)
