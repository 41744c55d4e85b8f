from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.errors import ModelUnavailable
from ragcli.models.files import DEFAULT_RERANKER, SHIPPED_RERANKER
from ragcli.models.open import open_reranker
from ragcli.models.resolve import DEFAULT_MODEL, ModelFiles, resolve, resolve_reranker
from ragcli.models.tokenizer import Tokenizer, open_tokenizer

TEXTS = ["", "Hello, world!", "unbelievably Straßenbahn", "👩‍👧 日本語 ok", "a\ud800b", "x" * 150, "word " * 900]


def test_counts_and_spans_are_those_of_transformers(default: ModelFiles) -> None:
    from transformers import AutoTokenizer

    other = AutoTokenizer.from_pretrained(str(default.folder), local_files_only=True)
    clean = [text.replace("\ud800", "\ufffd") for text in TEXTS]
    expected = other(clean, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False)
    tokenizer = open_tokenizer(default)
    assert tokenizer.spans(TEXTS) == [[tuple(pair) for pair in spans] for spans in expected["offset_mapping"]]
    assert tokenizer.count(TEXTS) == [len(ids) for ids in expected["input_ids"]]
    assert tokenizer.special == other.num_special_tokens_to_add() == 2
    cut = other(clean, truncation=True, max_length=32)["input_ids"]
    assert tokenizer.ids(TEXTS, 32) == cut


def test_offsets_count_characters_and_know_no_window(default: ModelFiles) -> None:
    [spans] = open_tokenizer(default).spans(["naïve 日本 don't"])
    assert ["naïve 日本 don't"[start:end] for start, end in spans] == ["naïve", "日", "本", "don", "'", "t"]
    assert open_tokenizer(default).count(["word " * 900]) == [900]


@settings(max_examples=150)
@given(st.lists(st.text(max_size=60), max_size=4))
def test_spans_are_ordered_slices(texts: list[str]) -> None:
    tokenizer = open_tokenizer(resolve(DEFAULT_MODEL))
    for text, spans, count in zip(texts, tokenizer.spans(texts), tokenizer.count(texts), strict=True):
        assert len(spans) == count
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert [start for start, _ in spans] == sorted(start for start, _ in spans)


def test_a_model_without_tokenizer_json_goes_through_transformers(default: ModelFiles, tmp_path: Path) -> None:
    for name in ("vocab.txt", "tokenizer_config.json", "config.json", "special_tokens_map.json"):
        shutil.copyfile(default.folder / name, tmp_path / name)
    slow = open_tokenizer(ModelFiles("slow", tmp_path, "local", ""))
    assert isinstance(slow, Tokenizer)
    texts = [text for text in TEXTS if text]
    assert slow.spans(texts) == open_tokenizer(default).spans(texts)


def test_damaged_tokenizer_is_named(make_model: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json cannot be read"):
        open_tokenizer(ModelFiles("damaged", tmp_path, "local", ""))


PIECES = ["the", "harbour", "unbelievably", "Straßenbahn", "日本語", "x=y+1;", "👩‍👧", "[SEP]", "don't", "\ud800"]
WORDS = st.lists(st.sampled_from(PIECES), max_size=60).map(" ".join)


@settings(max_examples=300)
@given(query=WORDS, passages=st.lists(WORDS, max_size=3), window=st.integers(8, 64))
def test_pairs_are_cut_and_joined_as_transformers_does(query: str, passages: list[str], window: int) -> None:
    other = of_transformers()
    pairs = open_tokenizer(resolve(DEFAULT_MODEL)).pairs(query, passages, window)
    assert len(pairs) == len(passages)
    for passage, pair in zip(passages, pairs, strict=True):
        # as lists: of two strings, an empty second one is taken for none
        clean = [[text.replace("\ud800", "\ufffd")] for text in (query, passage)]
        expected = other(*clean, truncation=True, max_length=window)
        assert pair.ids == expected["input_ids"][0]
        assert pair.types == expected["token_type_ids"][0]
        assert len(pair.ids) == len(pair.types) <= window


@cache
def of_transformers() -> Any:
    from transformers import AutoTokenizer

    folder = str(resolve(DEFAULT_MODEL).folder)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, split_special_tokens=True)


def test_of_two_long_texts_half_the_room_is_each_ones(default: ModelFiles) -> None:
    # 20 tokens: three special ones and 17 of the texts, of which the second gets the odd one
    [pair] = open_tokenizer(default).pairs("word " * 50, ["sun " * 60], 20)
    assert pair.types == [0] * (1 + 8 + 1) + [1] * (9 + 1)
    [pair] = open_tokenizer(default).pairs("word " * 5, ["sun " * 60], 20)
    assert pair.types == [0] * (1 + 5 + 1) + [1] * (12 + 1)


@pytest.mark.parametrize("name", ["[SEP]", "[CLS]", "[MASK]", "[PAD]", "[UNK]"])
def test_the_name_of_a_special_token_is_text(default: ModelFiles, name: str) -> None:
    """BERT's tokenizer cuts at brackets, so with blanks around them the text has the same tokens."""
    text, spaced = f"what does {name} do", f"what does [ {name[1:-1]} ] do"
    reranker = open_tokenizer(resolve_reranker(DEFAULT_RERANKER))
    for tokenizer in (open_tokenizer(default), reranker):
        assert tokenizer.ids([text, ""], 64) == tokenizer.ids([spaced, ""], 64)
        assert tokenizer.ids([text], 64) == tokenizer.ids([spaced], 64)  # without the library, where it is cached
        assert tokenizer.count([text, ""]) == tokenizer.count([spaced, ""])
    assert reranker.pairs(text, [text, name], 64) == reranker.pairs(spaced, [spaced, f"[ {name[1:-1]} ]"], 64)
    assert "".join(text[start:end] for start, end in open_tokenizer(default).spans([text])[0][2:-1]) == name


@pytest.mark.parametrize("reranker", [DEFAULT_RERANKER, SHIPPED_RERANKER])
def test_a_passage_that_names_a_special_token_has_the_logit_of_its_text(reranker: str) -> None:
    model = open_reranker(resolve_reranker(reranker))
    question, passage = (
        "where does [SEP] stand?",
        "BERT puts [SEP] between the texts, and [MASK] where a word is hidden.",
    )
    spaced = [text.replace("[", "[ ").replace("]", " ]") for text in (question, passage)]
    assert model.scores(question, [passage]) == pytest.approx(model.scores(spaced[0], [spaced[1]]))


def test_sentence_transformers_reads_special_tokens_as_text(default: ModelFiles) -> None:
    from ragcli.models.torch.encoder import SentenceEncoder

    encoder = SentenceEncoder(default)
    rows = encoder.encode(["put [SEP] here", "put [ SEP ] here", "put here"])
    assert rows[0] == pytest.approx(rows[1], abs=1e-6)
    assert abs(rows[0] - rows[2]).max() > 1e-3
