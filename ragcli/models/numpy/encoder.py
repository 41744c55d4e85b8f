"""A sentence encoder in numpy, and late interaction over its token vectors.

A cold query costs 0.1 s here; importing torch alone costs 2 s.

It computes what sentence-transformers computes, for the architectures that ``supports`` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ragcli.errors import ModelUnavailable
from ragcli.models.files import Kind, ModelFiles, modules, prompt, read_json, transformer_folder, window
from ragcli.models.numpy.transformer import Transformer, in_packs, known, unit
from ragcli.models.numpy.weights import Array
from ragcli.models.tokenizer import open_tokenizer

# Tokens of a passage that are compared with a question: most passages have no more, and the rest costs time. See
# docs/ranking.md.
COMPARED_TOKENS = 128

_POOLINGS = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_max_tokens": "max"}
# Values of sentence_bert_config.json under which the module does nothing but run the transformer on text.
_PLAIN = {"do_lower_case": False, "transformer_task": "feature-extraction", "module_output_name": "token_embeddings"}


class NumpyEncoder:
    """The encoder of one BERT-like model; see ``ragcli.models.open.Encoder``."""

    runtime: Literal["numpy", "torch-bfloat16"] = "numpy"

    def __init__(self, files: ModelFiles, threads: int | None = None) -> None:
        """Map the weights, to compute on so many threads (None: one per processor).

        ModelUnavailable when they are damaged or ``supports`` does not hold.
        """
        pooling = _pooling(files.folder)
        if pooling is None or not supports(files.folder):
            raise ModelUnavailable(f"the numpy runtime does not know the architecture of {files.name}")
        self.files = files
        self._threads = threads
        self._pooling = pooling
        self._transformer = Transformer(transformer_folder(files.folder))
        self.window = window(files.folder, self._transformer.positions)
        self.tokenizer = open_tokenizer(files)
        self._prompts: dict[Kind, str] = {kind: prompt(files.folder, kind) for kind in ("query", "passage")}
        self.dimension = self._transformer.dimension
        self._asked: tuple[list[int], Array] | None = None  # the last question and its states: reranking asks again

    def encode(self, texts: Sequence[str], kind: Kind = "passage") -> Array:
        """Float32 (len(texts), dimension), unit rows, row i for text i."""
        before = self._prompts[kind]
        ids = self.tokenizer.ids([before + text for text in texts], self.window)
        rows = np.empty((len(ids), self.dimension), np.float32)

        def compute(pack: list[int]) -> Array:
            return np.stack([self._pool(states) for states in self._states([ids[i] for i in pack], kind)])

        for pack, pooled in in_packs([len(sequence) for sequence in ids], compute, self._threads):
            rows[pack] = pooled
        return unit(rows)

    def tokens_and_rows(
        self, texts: Sequence[str], kind: Kind = "passage", window: int | None = None
    ) -> list[tuple[Array, Array]]:
        """For each text its token vectors, float32 (tokens, dimension), and the row that ``encode`` gives.

        A smaller ``window`` than the model's cuts the texts earlier.

        The token vectors are the unit rows of the last hidden states without special tokens. Late interaction compares
        them: Khattab, Zaharia: ColBERT (SIGIR 2020).
        """
        before = self._prompts[kind]
        ids = self.tokenizer.ids([before + text for text in texts], min(window or self.window, self.window))
        found: dict[int, tuple[Array, Array]] = {}

        def compute(pack: list[int]) -> list[tuple[Array, Array]]:
            states = self._states([ids[i] for i in pack], kind)
            return [(unit(rows[1:-1]), unit(self._pool(rows)[None])[0]) for rows in states]

        for pack, pairs in in_packs([len(sequence) for sequence in ids], compute, self._threads):
            found.update(zip(pack, pairs, strict=True))
        return [found[i] for i in range(len(ids))]

    def length(self, text: str, kind: Kind = "query") -> int:
        """Tokens of a text with the model's prompt and special tokens, before any cut."""
        return self.tokenizer.count([self._prompts[kind] + text])[0] + self.tokenizer.special

    def _states(self, sequences: list[list[int]], kind: Kind) -> list[Array]:
        if kind != "query" or len(sequences) != 1:
            return self._transformer.states(sequences)
        asked = self._asked
        if asked is None or asked[0] != sequences[0]:
            asked = self._asked = sequences[0], self._transformer.states(sequences)[0]
        return [asked[1]]

    def _pool(self, tokens: Array) -> Array:
        pooled: Array
        if self._pooling == "cls":
            pooled = tokens[0]
        elif self._pooling == "max":
            pooled = tokens.max(axis=0)
        else:
            pooled = tokens.mean(axis=0)
        return pooled


class Similarity(NamedTuple):
    """How near a passage is to a question, measured twice."""

    late: float  # mean over the tokens of the question of the best cosine with any token of the passage
    cosine: float  # of the two texts as a whole, up to ``COMPARED_TOKENS``


def compare(encoder: NumpyEncoder, query: str, passages: Sequence[str]) -> list[Similarity]:
    """The similarity of each passage. ``late`` is MaxSim of Khattab, Zaharia: ColBERT (SIGIR 2020), untrained."""
    asked, asked_row = encoder.tokens_and_rows([query], "query")[0]
    found = encoder.tokens_and_rows(passages, "passage", COMPARED_TOKENS)
    return [Similarity(_max_similarity(asked, tokens), float(asked_row @ row)) for tokens, row in found]


def cover(encoder: NumpyEncoder, query: str, text: str, spans: Sequence[tuple[int, int]]) -> list[float]:
    """How well each span of ``text`` covers the question, read in its context: MaxSim with the span's tokens alone.

    A span beyond the model's window has 0.
    """
    asked = encoder.tokens_and_rows([query], "query")[0][0]
    tokens = encoder.tokens_and_rows([text])[0][0]
    places = encoder.tokenizer.spans([text])[0][: len(tokens)]
    return [
        _max_similarity(asked, tokens[[i for i, (s, e) in enumerate(places) if start <= s and e <= end]])
        for start, end in spans
    ]


def _max_similarity(asked: Array, tokens: Array) -> float:
    if not len(asked) or not len(tokens):
        return 0.0
    return float((asked @ tokens.T).max(axis=1).mean())


def supports(folder: Path) -> bool:
    """Whether this runtime computes what sentence-transformers would; reads only the json files."""
    home = transformer_folder(folder)
    saved = read_json(folder / "config_sentence_transformers.json")
    return (
        _pooling(folder) is not None
        and known(home)
        and saved.get("truncate_dim") is None
        and _is_plain(read_json(home / "sentence_bert_config.json"))
        and read_json(home / "tokenizer_config.json").get("truncation_side", "right") == "right"
        and (home / "tokenizer.json").is_file()
    )


def _is_plain(saved: dict[str, Any]) -> bool:
    """No lower-casing, task or processing beyond running the transformer on text."""
    text = {"method": "forward", "method_output_name": "last_hidden_state"}
    modality = saved.get("modality_config", {"text": text})
    rest = {key: value for key, value in saved.items() if key not in {"max_seq_length", "modality_config"}}
    return modality == {"text": text} and all(
        value is None or value == {} or _PLAIN.get(key, ...) == value for key, value in rest.items()
    )


def _pooling(folder: Path) -> str | None:
    """The one pooling mode of a Transformer, Pooling, [Normalize] model; None for any other."""
    steps = modules(folder)
    kinds = [step.kind for step in steps]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return None
    if not all(step.known for step in steps):
        return None
    config = read_json(steps[1].folder / "config.json")
    if not config.get("include_prompt", True) and any(prompt(folder, kind) for kind in ("query", "passage")):
        return None
    mode = config.get("pooling_mode")
    if mode is None:
        active = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
        mode = _POOLINGS.get(active[0]) if len(active) == 1 else None
    return mode if mode in {"cls", "mean", "max"} else None
