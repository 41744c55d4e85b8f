"""Small random models in the sentence-transformers layout, and a home of their own for each test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from ragcli.models.resolve import DEFAULT_MODEL, ModelFiles, resolve

CORPUS = [
    "The quick brown fox jumps over the lazy dog; the dog does not mind.",
    "Reversible networks recompute activations instead of storing them.",
    "Gradient descent and evolutionary search climb the same hill in different shoes.",
    "Ein Satz über Straßen, Äpfel und Öl, damit auch Umlaute vorkommen.",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def home(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGCLI_CACHE", str(cache))
    monkeypatch.setenv("RAGCLI_MODELS", str(tmp_path / "models"))
    for name in ("RAGCLI_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def default(home: None) -> ModelFiles:
    return resolve(DEFAULT_MODEL)


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a random model: ``kind`` names the transformers classes, the rest varies one thing each."""

    def make(
        name: str,
        *,
        kind: str = "Bert",
        pooling: str = "mean",
        dtype: str = "float32",
        head: bool = False,
        saved: dict[str, Any] | None = None,
        dense: bool = False,
        **config: Any,
    ) -> Path:
        import torch
        import transformers

        folder = tmp_path_factory.mktemp("models") / name
        folder.mkdir()
        tokenizer = _tokenizer()
        tokenizer.save(str(folder / "tokenizer.json"))
        _write(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"})
        torch.manual_seed(0)
        settings = {
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "max_position_embeddings": 48,
            "initializer_range": 0.5,  # large weights: an error anywhere shows in the result
            "pad_token_id": 0,
        } | config
        values = getattr(transformers, f"{kind}Config")(**settings)
        model = getattr(transformers, f"{kind}{'ForMaskedLM' if head else 'Model'}")(values)
        model.to(getattr(torch, dtype)).save_pretrained(folder)
        steps = [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ]
        if dense:
            steps.append({"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
        _write(folder / "modules.json", steps)
        _write(folder / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})
        _write(folder / "config_sentence_transformers.json", saved or {})
        modes = {
            f"pooling_mode_{mode}": mode.startswith(pooling) for mode in ("cls_token", "mean_tokens", "max_tokens")
        }
        _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **modes})
        return folder

    return make


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A fresh interpreter, for what depends on imports and the environment."""

    def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
        root = Path(__file__).resolve().parents[2]
        clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        clean |= {"PYTHONPATH": str(root), "HF_HOME": str(tmp_path / "hf")} | env
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, timeout=120)

    return run


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
