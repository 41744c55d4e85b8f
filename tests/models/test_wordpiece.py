from __future__ import annotations

import json
import os
import string
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.models import wordpiece
from ragcli.models.resolve import DEFAULT_MODEL, ModelFiles, resolve
from ragcli.models.tokenizer import Tokenizer, open_tokenizer
from ragcli.models.wordpiece import LONGEST, Vocabulary, cached, remember

PIECES = st.sampled_from(
    ["the ", "harbour", "unbelievably", "un", "##s", "#", "x=y+1;", "don't", "\x00", "\x7f", "\x0b", "\x1c", "\t",
     "\r\n", "0", "[SEP]", "[mask]", "2026-11-21", "IndexFlatIP", "[", "]",
     "a" * 101, "z" * 100, " ", "~", "`", "_", "\\", "unused0", "[unused1]"]
)  # fmt: skip
TEXTS = st.one_of(
    st.lists(PIECES, max_size=20).map("".join), st.text(string.printable, max_size=80), st.text(max_size=40)
)


@cache
def default_vocabulary() -> Vocabulary:
    found = wordpiece._vocabulary(json.loads((resolve(DEFAULT_MODEL).folder / "tokenizer.json").read_bytes()))
    assert found is not None
    return found


@cache
def of_the_library() -> Tokenizer:
    import tokenizers

    backend = tokenizers.Tokenizer.from_file(str(resolve(DEFAULT_MODEL).folder / "tokenizer.json"))
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return Tokenizer(backend)


@settings(max_examples=1500)
@given(TEXTS)
def test_short_texts_are_split_as_the_library_does(text: str) -> None:
    found = default_vocabulary().ids(text)
    if found is None:
        assert len(text) > LONGEST or not text.isascii()
    else:
        assert [[101, *found, 102]] == of_the_library().ids([text], 10_000)


def test_every_piece_is_found_under_its_own_id() -> None:
    vocabulary = default_vocabulary()
    saved = json.loads((resolve(DEFAULT_MODEL).folder / "tokenizer.json").read_bytes())["model"]["vocab"]
    assert len(saved) > 30_000
    assert [i for piece, i in saved.items() if piece.isascii() and vocabulary._id(piece) != i] == []
    assert [vocabulary._id(word) for word in ("", "zzzzzz", "!!", "~~")] == [None] * 4


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("RAGCLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def copied(default: ModelFiles, folder: Path, **changed: object) -> Path:
    saved = json.loads((default.folder / "tokenizer.json").read_bytes())
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(saved | changed))
    return path


@pytest.mark.usefixtures("own_cache")
def test_a_question_needs_no_library_from_the_second_time_on(default: ModelFiles, tmp_path: Path) -> None:
    copied(default, tmp_path)
    question = "How are the logs rotated?"
    open_tokenizer.cache_clear()
    first = open_tokenizer(ModelFiles("one", tmp_path, "local", ""))
    open_tokenizer.cache_clear()
    second = open_tokenizer(ModelFiles("one", tmp_path, "local", ""))
    assert second._source == tmp_path / "tokenizer.json"
    for window in (4, 256):
        assert second.ids([question], window) == first.ids([question], window)
    assert second.count([question]) == first.count([question])
    assert second.special == first.special == 2
    assert second._source == tmp_path / "tokenizer.json"  # the library was not loaded for any of this
    assert second.ids(["日本", question], 256) == first.ids(["日本", question], 256)
    assert second.spans([question]) == first.spans([question])


def test_a_changed_file_is_read_again(default: ModelFiles, tmp_path: Path, own_cache: Path) -> None:
    path = copied(default, tmp_path)
    remember(path)
    assert cached(path) == default_vocabulary()
    os.utime(path, ns=(1, 1))
    assert cached(path) is None
    remember(path)
    (store,) = own_cache.glob("vocabulary-*")
    store.write_bytes(store.read_bytes()[:20])
    assert cached(path) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"normalizer": None},
        {"normalizer": {"type": "BertNormalizer", "clean_text": True, "lowercase": False}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"post_processor": None},
        {"added_tokens": [{"content": "<mask>"}]},
        {"model": {"type": "BPE", "vocab": {}, "merges": []}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_tokenizer_is_left_to_the_library(
    default: ModelFiles, tmp_path: Path, own_cache: Path, changed: dict[str, object]
) -> None:
    path = copied(default, tmp_path, **changed)
    remember(path)
    assert cached(path) is None
    assert not own_cache.exists()


def test_a_cache_that_cannot_be_written_costs_time_only(
    default: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RAGCLI_CACHE", str(tmp_path / "file" / "cache"))
    path = copied(default, tmp_path)
    remember(path)
    assert cached(path) is None
