"""A cross-encoder in numpy: scores how well a passage answers a question, read together.

It computes what sentence_transformers.CrossEncoder computes, for the architectures that ``supports`` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ragcli.errors import ModelUnavailable
from ragcli.models.files import ModelFiles, is_cross_encoder, modules, read_json, transformer_folder, window
from ragcli.models.numpy.transformer import Transformer, in_packs, known
from ragcli.models.numpy.weights import Array, float32
from ragcli.models.tokenizer import open_tokenizer


class NumpyCrossEncoder:
    """The cross-encoder of one BERT-like classifier; see ``ragcli.models.open.Reranker``."""

    runtime: Literal["numpy"] = "numpy"

    def __init__(self, files: ModelFiles) -> None:
        """Map the weights; ModelUnavailable when they are damaged or ``supports`` does not hold."""
        if not supports(files.folder):
            raise ModelUnavailable(f"the numpy runtime does not know the architecture of {files.name}")
        home = transformer_folder(files.folder)
        self.files = files
        self._transformer = Transformer(home)
        self._roberta = read_json(home / "config.json")["model_type"] != "bert"
        self.window = window(files.folder, self._transformer.positions)
        self._tokenizer = open_tokenizer(files)
        names = ("classifier.dense", "classifier.out_proj") if self._roberta else ("bert.pooler.dense", "classifier")
        self._head = [
            tuple(float32(self._transformer.weights.whole(f"{name}.{kind}")) for kind in ("weight", "bias"))
            for name in names
        ]

    def scores(self, query: str, passages: Sequence[str]) -> Array:
        """Float32 (len(passages),): the logit of each pair, cut to ``window`` tokens as the library cuts it."""
        pairs = self._tokenizer.pairs(query, passages, self.window)
        logits = np.empty(len(pairs), np.float32)

        def compute(pack: list[int]) -> list[float]:
            # RoBERTa has one segment for everything
            types = None if self._roberta else [pairs[i].types for i in pack]
            # a broken model overflows: the caller sees logits that are not finite, and needs no warning of numpy's
            with np.errstate(all="ignore"):
                states = self._transformer.states([pairs[i].ids for i in pack], types, first=True)
                return [self._logit(rows[0]) for rows in states]

        for pack, found in in_packs([len(pair.ids) for pair in pairs], compute):
            logits[pack] = found
        return logits

    def _logit(self, first: Array) -> float:
        (dense, dense_bias), (out, out_bias) = self._head
        return float((out @ np.tanh(dense @ first + dense_bias) + out_bias)[0])


def supports(folder: Path) -> bool:
    """Whether this runtime computes what sentence_transformers.CrossEncoder would; reads only the json files."""
    home = transformer_folder(folder)
    config = read_json(home / "config.json")
    about = read_json(home / "tokenizer_config.json")
    kinds = [step.kind for step in modules(folder)]
    return (
        known(home)
        and is_cross_encoder(folder)
        and kinds in ([], ["Transformer"])
        and (config["model_type"] != "bert" or _tells_apart(about))
        and about.get("truncation_side", "right") == "right"
        and not any(read_json(folder / "config_sentence_transformers.json").get("prompts", {}).values())
        and (home / "tokenizer.json").is_file()
        and config.get("problem_type") in (None, "regression", "single_label_classification")
    )


def _tells_apart(tokenizer: dict[str, Any]) -> bool:
    """Whether transformers gives the two texts segments of their own: BERT's tokenizer does unless its file forbids it.

    With a tokenizer of no model's own (PreTrainedTokenizerFast) it depends on the version of transformers.
    """
    return tokenizer.get("tokenizer_class") in (None, "BertTokenizer", "BertTokenizerFast") and (
        "token_type_ids" in tokenizer.get("model_input_names", ["token_type_ids"])
    )
