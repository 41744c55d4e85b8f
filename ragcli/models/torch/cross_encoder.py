"""sentence-transformers as a cross-encoder: any model, and the reference that the numpy runtime agrees with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ragcli.errors import ModelUnavailable
from ragcli.models.files import ModelFiles
from ragcli.models.tokenizer import encodable
from ragcli.models.torch.encoder import quiet_and_offline

_BATCH = 8
_LONGEST = 8192  # tokens; what a model without any limit is taken to read


class SentenceCrossEncoder:
    """The cross-encoder of any model that the library loads; see ``ragcli.models.reranker.Reranker``."""

    runtime: Literal["sentence-transformers"] = "sentence-transformers"

    def __init__(self, files: ModelFiles) -> None:
        """Load the model from its folder alone; ModelUnavailable when it will not load."""
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        with quiet_and_offline():
            from sentence_transformers import CrossEncoder  # 5 to 7 s

            try:
                self._model = CrossEncoder(str(files.folder), local_files_only=True)
            except Exception as error:  # each library below it raises its own for files that are wrong
                reason = " ".join(str(error).split())
                raise ModelUnavailable(f"sentence-transformers cannot load {files.folder}: {reason}") from error
        self._model.float()
        self.files = files
        self.window = min(int(self._model.tokenizer.model_max_length), _LONGEST)

    def scores(self, query: str, passages: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 (len(passages),): the logit of each passage."""
        from torch import nn

        pairs = [(encodable(query), encodable(passage)) for passage in passages]
        found: Any = self._model.predict(
            pairs, batch_size=_BATCH, activation_fn=nn.Identity(), convert_to_numpy=True, show_progress_bar=False
        )
        logits: npt.NDArray[np.float32] = np.asarray(found, np.float32).reshape(len(pairs))
        return logits
