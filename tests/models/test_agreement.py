"""The numpy runtime against sentence-transformers itself: one model, one answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragcli.models.numpy.encoder import NumpyEncoder, supports
from ragcli.models.resolve import ModelFiles, resolve
from ragcli.models.torch.encoder import SentenceEncoder

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"

WORDS = """
reversible network gradient descent attention residual stream embedding token retrieval rerank Feistel cipher modular
addition cosine backpropagation search index passage page table citation snake_case camelCase x=y+1; naïve façade Straße
İstanbul ﬁne e\u0301tude 検索 意味 한국어 поиск بحث खोज 😀 👨‍👩‍👧 1,234.56 https://example.org/a?b=c don't
""".split()  # noqa: SIM905  # a list of forty strings is no easier to read
ODD = [
    "",
    "   ",
    "\n\t\n",
    ".",
    "日本語のテキストを意味で検索する。",
    "😀😃👨‍👩‍👧🏳️‍🌈",
    "\x00\x01\x1b[31mred\x1b[0m\x7f",
    "\u200b\ufeffzero\u200dwidth\u202eright",
    "[CLS] special [SEP] tokens [MASK] in text [PAD]",
    "x" * 5000,
    "word " * 3000,
    "a\ud800lone surrogate",
    "ab" * 300 + " end",
    "�",
]


def built_texts(count: int = 200) -> list[str]:
    draw = random.Random(7)
    lengths = [1, 2, 5, 12, 30, 60]
    texts = [" ".join(draw.choices(WORDS, k=draw.choice(lengths))) for _ in range(count - len(ODD))]
    return ODD + texts


def real_texts(count: int = 250) -> list[str]:
    pages = sorted((SHARED / "docs" / "rust-book" / "src").glob("*.md"))
    if not pages:
        pytest.skip("the shared documents are not beside the project")
    draw = random.Random(11)
    sources = [page.read_text(encoding="utf-8") for page in pages]
    texts = []
    for _ in range(count):
        source, length = draw.choice(sources), draw.choice([12, 30, 60, 120, 250, 400])
        start = draw.randrange(max(1, len(source) - length))
        texts.append(source[start : start + length])
    return texts


def reference(model: Any, texts: Sequence[str], **options: Any) -> np.ndarray:
    """SentenceTransformer.encode as a user would call it, save for the characters that no tokenizer takes."""
    clean = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    return model.encode(clean, batch_size=8, normalize_embeddings=True, show_progress_bar=False, **options)


def lowest_cosine(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    assert one.dtype == other.dtype == np.float32
    return float((one.astype(np.float64) * other.astype(np.float64)).sum(axis=1).min())


@pytest.fixture(scope="module")
def sentence_transformer() -> Iterator[Callable[[Path], Any]]:
    import torch
    from sentence_transformers import SentenceTransformer

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine its threads wait for each other most of the time

    def opened(folder: Path) -> Any:
        model = SentenceTransformer(str(folder), local_files_only=True, device="cpu").float()
        model.tokenizer.split_special_tokens = True  # "[SEP]" in a text is text
        return model

    yield opened
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def default_reference(sentence_transformer: Callable[[Path], Any]) -> Any:
    return sentence_transformer(resolve("all-MiniLM-L6-v2").folder)


@pytest.mark.parametrize("texts", [built_texts, real_texts])
def test_default_model_agrees(texts: Callable[[], list[str]], default: ModelFiles, default_reference: Any) -> None:
    batch = texts()
    assert len(set(batch)) > 190
    assert lowest_cosine(NumpyEncoder(default).encode(batch), reference(default_reference, batch)) >= 0.9999


def test_both_runtimes_read_the_same_window(default: ModelFiles, default_reference: Any) -> None:
    encoder = NumpyEncoder(default)
    assert encoder.window == default_reference.max_seq_length == 256
    filler = "the " * 254
    [full, cut, other] = encoder.encode([filler, filler + "ocean", "ocean " + filler])
    assert np.allclose(full, cut, atol=1e-6)
    assert not np.allclose(full, other, atol=1e-3)


def test_rows_do_not_depend_on_their_batch(default: ModelFiles) -> None:
    encoder = NumpyEncoder(default)
    texts = built_texts(40)
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-5
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dimension)


VARIANTS: dict[str, dict[str, Any]] = {
    "mean": {},
    "cls": {"pooling": "cls"},
    "max": {"pooling": "max"},
    "half precision": {"dtype": "float16"},
    "bfloat16": {"dtype": "bfloat16"},
    "encoder under a head": {"head": True},
    "RoBERTa": {"kind": "Roberta", "type_vocab_size": 1, "pad_token_id": 0},
    "XLM-RoBERTa": {"kind": "XLMRoberta", "pooling": "cls", "type_vocab_size": 1},
    "prompts": {"saved": {"prompts": {"query": "the fox: ", "passage": "dog "}}},
    "default prompt": {"saved": {"prompts": {"any": "brown fox "}, "default_prompt_name": "any"}},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_agree(
    variant: str, make_model: Callable[..., Path], sentence_transformer: Callable[[Path], Any]
) -> None:
    folder = make_model("tiny", **VARIANTS[variant])
    assert supports(folder)
    files = resolve(str(folder))
    model = sentence_transformer(folder)
    texts = built_texts(60)
    prompts = VARIANTS[variant].get("saved", {}).get("prompts", {})
    for kind in ("query", "passage"):
        expected = reference(model, texts, prompt=prompts.get(kind, prompts.get("any", "")))
        for encoder in (NumpyEncoder(files), SentenceEncoder(files)):
            assert (encoder.dimension, encoder.window) == (32, 40)
            assert lowest_cosine(encoder.encode(texts, kind), expected) >= 0.9999
    if prompts.keys() >= {"query", "passage"}:
        rows = [NumpyEncoder(files).encode(["a lazy dog"], kind) for kind in ("query", "passage")]
        assert not np.allclose(rows[0], rows[1], atol=1e-3)
