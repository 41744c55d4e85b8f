"""sentence-transformers as an encoder: any model, any device, and the reference for the numpy runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ragcli.models.files import Kind, ModelFiles, prompt
from ragcli.models.tokenizer import encodable, open_tokenizer
from ragcli.models.torch.loading import BATCH, LONGEST, load_sentence_model

_SLICE = 64  # texts per call, so that Ctrl-C is heard between calls even where the library holds it back


class SentenceEncoder:
    """The encoder of any sentence-transformers model; see ``ragcli.models.open.Encoder``."""

    runtime: Literal["sentence-transformers"] = "sentence-transformers"

    def __init__(self, files: ModelFiles) -> None:
        """Load the model on the best device there is, from its folder alone; ModelUnavailable when it will not load."""
        self._model = load_sentence_model("SentenceTransformer", files)
        self.files = files
        self.tokenizer = open_tokenizer(files)
        self.window = min(int(self._model.max_seq_length or LONGEST), LONGEST)
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
            batch_size=BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return rows.astype(np.float32, copy=False)
