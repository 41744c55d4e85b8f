"""A quantized cross-encoder: scores how well a passage answers a question, read together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from ragcli.errors import ModelUnavailable
from ragcli.models.files import SHIPPED_RERANKER, ModelFiles, onnx_file
from ragcli.models.onnx.session import Session
from ragcli.models.packaged import REINSTALL
from ragcli.models.tokenizer import open_tokenizer

_ADVICE = f"{REINSTALL}, or --reranker {SHIPPED_RERANKER}"
# Tokens of a question and a passage together: what passages of the default size have, with their headings.
_WINDOW = 256


class OnnxCrossEncoder:
    """The cross-encoder of an ONNX file with one logit per pair; see ``ragcli.models.open.Reranker``."""

    runtime: Literal["onnxruntime"] = "onnxruntime"

    def __init__(self, files: ModelFiles) -> None:
        """Begin to open the model; ``scores`` raises what goes wrong with it."""
        self.files = files
        self.window = _WINDOW
        path = onnx_file(files.folder)
        if path is None:
            raise ModelUnavailable(f"{files.folder} has no model.onnx", _ADVICE)
        self._path = path
        self._session = Session(self._path, _ADVICE)
        self._tokenizer = open_tokenizer(files)

    def scores(self, query: str, passages: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 (len(passages),): the logit of each pair, cut to ``window`` tokens.

        ModelUnavailable when onnxruntime is missing, or cannot open or compute the model.
        """
        pairs = self._tokenizer.pairs(query, passages, self.window)
        logits = np.empty(len(pairs), np.float32)
        for place, found in enumerate(self._session.run([(pair.ids, pair.types) for pair in pairs])):
            if found.shape != (1, 1):
                raise ModelUnavailable(
                    f"{self._path} is not a cross-encoder: its output has the shape {found.shape}, not (1, 1)", _ADVICE
                )
            logits[place] = found[0, 0]
        return logits
