"""A quantized sentence encoder: the unit vector of the first token, as bge models are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from ragcli.errors import ModelUnavailable
from ragcli.models.files import DEFAULT_MODEL, Kind, ModelFiles, read_json, window
from ragcli.models.numpy.transformer import unit
from ragcli.models.onnx.session import Session
from ragcli.models.packaged import REINSTALL, described
from ragcli.models.tokenizer import open_tokenizer

_ADVICE = f"{REINSTALL}, or --model {DEFAULT_MODEL}"


class OnnxEncoder:
    """The encoder of a packaged model; see ``ragcli.models.open.Encoder``."""

    runtime: Literal["onnxruntime"] = "onnxruntime"

    def __init__(self, files: ModelFiles, threads: int | None = None) -> None:
        """Begin to open the model; ``encode`` raises what goes wrong with it."""
        config = read_json(files.folder / "config.json")
        self.files = files
        self.dimension = int(config["hidden_size"])
        self.window = window(files.folder, int(config["max_position_embeddings"]))
        self.tokenizer = open_tokenizer(files)
        self._prompts: dict[Kind, str] = {"query": described(files).query_prompt, "passage": ""}
        self._session = Session(files.folder / "model.onnx", _ADVICE, threads)

    def encode(self, texts: Sequence[str], kind: Kind = "passage") -> npt.NDArray[np.float32]:
        """Float32 (len(texts), dimension), unit rows, row i for text i.

        ModelUnavailable when onnxruntime is missing, or cannot open or compute the model.
        """
        before = self._prompts[kind]
        ids = self.tokenizer.ids([before + text for text in texts], self.window)
        rows = np.empty((len(ids), self.dimension), np.float32)
        for place, found in enumerate(self._session.run([(one, [0] * len(one)) for one in ids])):
            if found.shape != (1, len(ids[place]), self.dimension):
                raise ModelUnavailable(
                    f"{self.files.folder} is not a sentence encoder: its output has the shape {found.shape}, "
                    f"not (1, {len(ids[place])}, {self.dimension})",
                    _ADVICE,
                )
            rows[place] = found[0, 0]
        return unit(rows)

    def length(self, text: str, kind: Kind = "query") -> int:
        """Tokens of a text with the model's prompt and special tokens, before any cut."""
        return self.tokenizer.count([self._prompts[kind] + text])[0] + self.tokenizer.special
