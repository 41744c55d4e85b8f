"""What many tests share: where things are, and an index of the sample documents made once a session."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import pytest

PROJECT = Path(__file__).resolve().parents[1]
SAMPLES = PROJECT / "sample_docs"

Run = Callable[..., subprocess.CompletedProcess[str]]

# What a shell starts in the background ignores Ctrl-C, and so does all that it starts in turn; some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    """No setting of the person who runs the tests reaches them."""
    for name in [name for name in os.environ if name.startswith("RAGCLI_") or name in {"NO_COLOR", "FORCE_COLOR"}]:
        if name not in {"RAGCLI_CACHE"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory, worker_id) -> Path:
    """A home folder whose index "samples" holds sample_docs/, built by the real command."""
    base = tmp_path_factory.getbasetemp()
    # the workers of pytest-xdist are processes with folders of their own: the first one builds, the others wait
    home = (base if worker_id == "master" else base.parent) / "sample-home"
    with filelock.FileLock(home.with_suffix(".lock")):
        if not (home / "samples").exists():
            done = run_ragcli("index", str(SAMPLES), "--home", str(home), "--index", "samples")
            assert done.returncode == 0, done.stderr
    return home


def run_ragcli(
    *arguments: str, stdin: str = "", cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "ragcli", *arguments],
        input=stdin, capture_output=True, text=True, errors="surrogateescape", cwd=cwd, check=False, timeout=300,
        env={**os.environ, **variables},
    )  # fmt: skip


@pytest.fixture
def ragcli(tmp_path) -> Run:
    """Run the command with a home of this test's own."""
    variables = {"RAGCLI_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "settings")}

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return run_ragcli(*arguments, **{**variables, **options})

    return run


WORDS = """
The boats in the harbour are painted in spring, and bread rises near a warm oven. A comet grows a tail of dust beside
the sun; the clock of the town hall strikes thirteen on market days. Ein Satz über Straßen, Äpfel und Öl. 検索 意味
""".splitlines()


@pytest.fixture(scope="session")
def make_cross_encoder(tmp_path_factory) -> Callable[..., Path]:
    """Write a small random classifier: ``kind`` names the transformers classes, the rest varies one thing each."""

    def make(kind: str = "Bert", *, labels: int = 1, dtype: str = "float32", seed: int = 0, **config: Any) -> Path:
        import tokenizers as t
        import torch
        import transformers

        roberta = "Roberta" in kind
        start, end, padding = ("<s>", "</s>", "<pad>") if roberta else ("[CLS]", "[SEP]", "[PAD]")
        special = [start, padding, end, "[UNK]"] if roberta else [padding, "[UNK]", start, end]
        tokenizer = t.Tokenizer(t.models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = t.normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = t.pre_tokenizers.BertPreTokenizer()
        tokenizer.train_from_iterator(WORDS, t.trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
        tokenizer.post_processor = t.processors.TemplateProcessing(
            single=f"{start} $A {end}",
            pair=f"{start} $A {end} {end} $B {end}" if roberta else f"{start} $A {end} $B:1 {end}:1",
            special_tokens=[(start, special.index(start)), (end, special.index(end))],
        )
        folder = tmp_path_factory.mktemp("cross") / f"tiny-{kind.lower()}"
        folder.mkdir()
        tokenizer.save(str(folder / "tokenizer.json"))
        about = {
            "tokenizer_class": "PreTrainedTokenizerFast" if roberta else "BertTokenizer", "model_max_length": 40,
            "pad_token": padding, "cls_token": start, "sep_token": end, "unk_token": "[UNK]",
        }  # fmt: skip
        (folder / "tokenizer_config.json").write_text(json.dumps(about))
        values = {
            "vocab_size": tokenizer.get_vocab_size(), "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 48,
            "initializer_range": 0.3, "pad_token_id": special.index(padding), "num_labels": labels,
        } | config  # fmt: skip
        torch.manual_seed(seed)
        settings = getattr(transformers, f"{kind}Config")(**values)
        model = getattr(transformers, f"{kind}ForSequenceClassification")(settings)
        model.to(getattr(torch, dtype)).save_pretrained(folder)
        return folder

    return make
