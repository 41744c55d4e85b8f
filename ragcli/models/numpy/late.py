"""Late interaction: how well a passage covers each token of a question, by the embedding model's own token vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ragcli.models.numpy.encoder import NumpyEncoder
from ragcli.models.numpy.weights import Array

# Tokens of a passage that are compared: what most passages have, and the rest costs time. See docs/ranking.md.
WINDOW = 128


class Comparison(NamedTuple):
    """A question and a passage, compared twice."""

    late: float  # mean over the tokens of the question of the best cosine with any token of the passage
    cosine: float  # of the two texts as a whole, up to ``WINDOW``


def compare(encoder: NumpyEncoder, query: str, passages: Sequence[str]) -> list[Comparison]:
    """One comparison a passage. MaxSim of Khattab, Zaharia: ColBERT (SIGIR 2020), without training."""
    asked, asked_row = encoder.tokens_and_rows([query], "query")[0]
    found = encoder.tokens_and_rows(passages, "passage", WINDOW)
    return [Comparison(_max_similarity(asked, told), float(asked_row @ row)) for told, row in found]


def _max_similarity(asked: Array, told: Array) -> float:
    if not len(asked) or not len(told):
        return 0.0
    return float((asked @ told.T).max(axis=1).mean())


def cover(encoder: NumpyEncoder, query: str, text: str, spans: Sequence[tuple[int, int]]) -> list[float]:
    """How well each span of ``text`` covers the question, read in its context: MaxSim with its tokens alone.

    A span behind the model's window has 0.
    """
    asked = encoder.tokens_and_rows([query], "query")[0][0]
    told = encoder.tokens_and_rows([text])[0][0]
    places = encoder.tokenizer.spans([text])[0][: len(told)]
    return [
        _max_similarity(asked, told[[i for i, (s, e) in enumerate(places) if start <= s and e <= end]])
        for start, end in spans
    ]
