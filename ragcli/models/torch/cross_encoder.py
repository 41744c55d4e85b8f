"""sentence-transformers as a cross-encoder: any model, and the reference for the numpy runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ragcli.models.files import ModelFiles
from ragcli.models.tokenizer import encodable
from ragcli.models.torch.loading import BATCH, LONGEST, load_sentence_model


class SentenceCrossEncoder:
    """The cross-encoder of any model that the library loads; see ``ragcli.models.open.Reranker``."""

    runtime: Literal["sentence-transformers"] = "sentence-transformers"

    def __init__(self, files: ModelFiles) -> None:
        """Load the model from its folder alone; ModelUnavailable when it will not load."""
        self._model = load_sentence_model("CrossEncoder", files)
        self.files = files
        self.window = min(int(self._model.tokenizer.model_max_length), LONGEST)

    def scores(self, query: str, passages: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 (len(passages),): the logit of each passage."""
        from torch import nn

        pairs = [(encodable(query), encodable(passage)) for passage in passages]
        found: Any = self._model.predict(
            pairs, batch_size=BATCH, activation_fn=nn.Identity(), convert_to_numpy=True, show_progress_bar=False
        )
        logits: npt.NDArray[np.float32] = np.asarray(found, np.float32).reshape(len(pairs))
        return logits
