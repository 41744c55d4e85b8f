"""Late interaction against a direct computation from what transformers gives."""

from __future__ import annotations

import numpy as np
import pytest

from ragcli.models.numpy.encoder import COMPARED_TOKENS, NumpyEncoder, compare, cover
from ragcli.models.resolve import ModelFiles

QUERIES = ["how often are logs rotated?", "sun", "", "a\ud800 lone surrogate", "clock " * 300]
PASSAGES = [
    "Logs are rotated every night at two.",
    "",
    "Bread rises best near a warm oven; an hour is enough for the dough.",
    "sun\udc80 and moon",
    "the sun " * 200 + "logs are rotated",
]


def test_it_is_the_mean_of_the_best_cosines_of_the_hidden_states(default: ModelFiles) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(default.folder), local_files_only=True)
    body = AutoModel.from_pretrained(str(default.folder), local_files_only=True).eval()

    def rows(text: str, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Unit token vectors, and the mean of the vectors as they are."""
        clean = text.replace("\ud800", "\ufffd").replace("\udc80", "\ufffd")
        tokens = tokenizer(clean, truncation=True, max_length=window, return_tensors="pt")
        with torch.no_grad():
            states = body(**tokens).last_hidden_state[0].numpy().astype(np.float64)
        return states / np.sqrt((states**2).sum(axis=1, keepdims=True)), states.mean(axis=0)

    told = [rows(passage, COMPARED_TOKENS) for passage in PASSAGES]
    encoder = NumpyEncoder(default)
    for query in QUERIES:
        asked, asked_mean = rows(query, 256)
        for (tokens, mean), found in zip(told, compare(encoder, query, PASSAGES), strict=True):
            # the first and the last row are the special tokens'
            best = [max((float(a @ b) for b in tokens[1:-1]), default=0.0) for a in asked[1:-1]]
            assert found.late == pytest.approx(np.mean(best) if best else 0.0, abs=1e-4)
            lengths = np.sqrt((asked_mean @ asked_mean) * (mean @ mean))
            assert found.cosine == pytest.approx(float(asked_mean @ mean) / lengths, abs=1e-4)


def test_the_same_words_are_found_whatever_stands_around_them(default: ModelFiles) -> None:
    encoder = NumpyEncoder(default)
    [same, around, other] = compare(encoder, "rotate the logs", ["rotate the logs", PASSAGES[0], PASSAGES[2]])
    assert same.late == pytest.approx(1, abs=1e-5)
    assert same.cosine == pytest.approx(1, abs=1e-5)
    assert 1 > around.late > other.late
    assert compare(encoder, "rotate the logs", []) == []


def test_a_span_is_covered_by_its_own_tokens_read_in_their_context(default: ModelFiles) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    text = "The clock is old. It strikes at noon, and the bell was cast in 1721. Bread rises overnight."
    bounds = [(0, 17), (18, 68), (69, 91), (3, 3)]
    tokenizer = AutoTokenizer.from_pretrained(str(default.folder), local_files_only=True)
    body = AutoModel.from_pretrained(str(default.folder), local_files_only=True).eval()

    def unit(words: str) -> tuple[np.ndarray, list[tuple[int, int]]]:
        tokens = tokenizer(words, return_offsets_mapping=True, return_tensors="pt")
        places = tokens.pop("offset_mapping")[0].tolist()
        with torch.no_grad():
            states = body(**tokens).last_hidden_state[0].numpy().astype(np.float64)
        inner = slice(1, -1)  # without [CLS] and [SEP]
        return (states / np.sqrt((states**2).sum(axis=1, keepdims=True)))[inner], places[inner]

    asked, _ = unit("when was the bell made?")
    told, places = unit(text)
    expected = []
    for start, end in bounds:
        own = [i for i, (s, e) in enumerate(places) if start <= s and e <= end and e > s]
        expected.append((asked @ told[own].T).max(axis=1).mean() if own else 0.0)
    found = cover(NumpyEncoder(default), "when was the bell made?", text, bounds)
    assert found == pytest.approx(expected, abs=1e-4)
    assert max(range(4), key=found.__getitem__) == 1


def test_a_span_behind_the_window_is_not_covered(default: ModelFiles) -> None:
    text = "the sun " * 300 + "logs are rotated"
    assert cover(NumpyEncoder(default), "logs", text, [(0, 7), (len(text) - 16, len(text))])[1] == 0.0
