"""sentence-transformers as an encoder: any model, any device, and the reference that the numpy runtime agrees with."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ragcli.errors import ModelUnavailable
from ragcli.models.files import Kind, ModelFiles, prompt
from ragcli.models.tokenizer import encodable, open_tokenizer

# Sorted by length in batches of 8: 1.3 times as fast as the library's 32 on a CPU, whose caches larger ones overflow.
_BATCH = 8
_SLICE = 64  # texts a call, so that Ctrl-C is heard between calls even where the library holds it back
_LONGEST = 8192  # tokens; what a model without any limit (static embeddings) is taken to read


class SentenceEncoder:
    """The encoder of any sentence-transformers model; see ``ragcli.models.encoder.Encoder``."""

    runtime: Literal["sentence-transformers"] = "sentence-transformers"

    def __init__(self, files: ModelFiles) -> None:
        """Load the model on the best device there is, from its folder alone; ModelUnavailable when it will not load."""
        # Threads that wait asleep: beside other busy processes, spinning ones make torch four times slower
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        with quiet_and_offline():
            from sentence_transformers import SentenceTransformer  # 5 to 7 s

            try:
                self._model = SentenceTransformer(str(files.folder), local_files_only=True)
            except Exception as error:  # each library below it raises its own for files that are wrong
                reason = " ".join(str(error).split())
                raise ModelUnavailable(f"sentence-transformers cannot load {files.folder}: {reason}") from error
        # weights saved in half precision are computed in float32, as in the numpy runtime: a model has one answer
        self._model.float()
        self.files = files
        self.tokenizer = open_tokenizer(files)
        self.window = min(int(self._model.max_seq_length or _LONGEST), _LONGEST)
        self._prompts: dict[Kind, str] = {kind: prompt(files.folder, kind) for kind in ("query", "passage")}
        self.dimension = self._rows([""], "passage").shape[1]

    def encode(self, texts: Sequence[str], kind: Kind = "passage") -> npt.NDArray[np.float32]:
        """Float32 (len(texts), dimension), unit rows, row i for text i."""
        texts = [encodable(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        rows = np.empty((len(texts), self.dimension), np.float32)
        for start in range(0, len(order), _SLICE):
            part = order[start : start + _SLICE]
            rows[part] = self._rows([texts[index] for index in part], kind)
        return rows

    def length(self, text: str, kind: Kind = "query") -> int:
        """Tokens of a text with the model's prompt and special tokens, before any cut."""
        return self.tokenizer.count([self._prompts[kind] + text])[0] + self.tokenizer.special

    def _rows(self, texts: list[str], kind: Kind) -> npt.NDArray[np.float32]:
        # the two calls differ in the task they name, which models with one tower for queries go by
        call = self._model.encode_query if kind == "query" else self._model.encode_document
        rows: npt.NDArray[Any] = call(
            texts,
            prompt=self._prompts[kind],
            batch_size=_BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return rows.astype(np.float32, copy=False)


@contextmanager
def quiet_and_offline() -> Iterator[None]:
    """No socket, and no progress bars, log lines or warnings of the libraries on stderr."""
    from huggingface_hub import constants

    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    saved = {name: os.environ.get(name) for name in names}
    before = constants.HF_HUB_OFFLINE
    os.environ.update(dict.fromkeys(names, "1"))
    # the variables are read once, at the first import, which may have been long ago
    constants.HF_HUB_OFFLINE = True
    loggers = [logging.getLogger(name) for name in ("sentence_transformers", "transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from transformers.utils import logging as transformers_logging

            bars: Any = transformers_logging  # its functions have no annotations
            bars.disable_progress_bar()
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        constants.HF_HUB_OFFLINE = before
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
