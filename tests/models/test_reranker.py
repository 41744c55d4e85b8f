"""From the name of a reranker to one that runs: what is taken, what is refused, and the one that ships."""

from __future__ import annotations

import json
import logging
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import ModelUnavailable
from ragcli.models import library
from ragcli.models.files import SHIPPED_RERANKER, ModelFiles
from ragcli.models.open import open_reranker
from ragcli.models.resolve import resolve_reranker
from ragcli.models.torch.cross_encoder import SentenceCrossEncoder

SHIPPED = resolve_reranker(SHIPPED_RERANKER)
WORDS = """
the harbour boats are painted in spring before season opens bread rises best warm kitchen an hour near oven is enough
comet lump of ice and dust that grows tail when it comes sun x=y+1; naïve Straße 検索 don't 1,234.56 [SEP] 😀
""".split()  # noqa: SIM905  # a list of forty strings is no easier to read


def test_the_embedding_model_is_no_reranker(default: ModelFiles) -> None:
    for name in (str(default.folder), "all-MiniLM-L6-v2"):
        with pytest.raises(ModelUnavailable, match=r"is not a cross-encoder: .* one output; rerankers are") as error:
            resolve_reranker(name)
        assert name in str(error.value)


def test_a_classifier_of_two_classes_is_no_reranker(make_cross_encoder: Callable[..., Path]) -> None:
    folder = make_cross_encoder(labels=2)
    with pytest.raises(ModelUnavailable, match="is not a cross-encoder") as error:
        resolve_reranker(str(folder))
    assert str(folder) in str(error.value)


def test_a_folder_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=f"no model folder {tmp_path / 'none'}"):
        resolve_reranker(str(tmp_path / "none"))
    with pytest.raises(ModelUnavailable, match=r"has no config\.json and no weights"):
        resolve_reranker(str(tmp_path))


def test_an_added_one_is_found_by_its_name(make_cross_encoder: Callable[..., Path]) -> None:
    folder = make_cross_encoder()
    added = library.add(str(folder))
    assert resolve_reranker(folder.name) == added
    assert added.folder != folder
    assert open_reranker(added).runtime == "numpy"


def test_an_architecture_that_numpy_does_not_know_goes_to_the_library(
    make_cross_encoder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    from sentence_transformers import CrossEncoder

    folder = make_cross_encoder("Electra")
    with caplog.at_level(logging.INFO, "ragcli"):
        reranker = open_reranker(resolve_reranker(str(folder)))
    assert f"does not know the architecture of {folder}" in caplog.text
    assert (reranker.runtime, reranker.window) == ("sentence-transformers", 40)
    passages = ["", "bread rises", "the sun \udc80", "dust " * 80]
    scores = reranker.scores("a warm\ud800 oven", passages)
    pairs = [("a warm\ufffd oven", text.replace("\udc80", "\ufffd")) for text in passages]
    expected = CrossEncoder(str(folder), local_files_only=True, device="cpu").predict(pairs, show_progress_bar=False)
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), expected, atol=1e-4)


def test_both_runtimes_give_one_answer(make_cross_encoder: Callable[..., Path]) -> None:
    files = resolve_reranker(str(make_cross_encoder("Roberta", type_vocab_size=1, dtype="bfloat16")))
    passages = [" ".join(WORDS[i : i + 9]) for i in range(20)]
    runtime = open_reranker(files)
    assert runtime.runtime == "numpy"
    one, other = (each.scores("warm bread", passages) for each in (runtime, SentenceCrossEncoder(files)))
    np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("kind", ["Bert", "Electra"])
def test_damaged_weights_are_one_sentence(kind: str, make_cross_encoder: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(make_cross_encoder(kind), tmp_path / "copy"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelUnavailable) as error:
        open_reranker(resolve_reranker(str(folder)))
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 MiB free."""
    read = Path.read_text
    told = "MemTotal:       2048000 kB\nMemFree:           1024 kB\nMemAvailable:     65536 kB\n"
    monkeypatch.setattr(
        Path, "read_text", lambda path, *a, **kw: told if str(path) == "/proc/meminfo" else read(path, *a, **kw)
    )


def test_a_model_that_does_not_fit_into_memory_is_refused_before_it_is_read(
    little_memory: None, make_cross_encoder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(make_cross_encoder(), tmp_path / "copy"))
    assert open_reranker(resolve_reranker(str(folder))).runtime == "numpy"
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(22 << 20)  # three times this is just too much
    with pytest.raises(ModelUnavailable, match=r"needs about 66 MiB of memory, 64 are free; .*--no-rerank"):
        open_reranker(resolve_reranker(str(folder)))


def test_the_shipped_one_has_its_size_and_says_nothing_of_where_it_was_made() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.folder.rglob("*") if path.is_file()) <= 25_000_000
    documents = [json.loads(path.read_text()) for path in SHIPPED.folder.rglob("*.json")]
    assert len(documents) >= 4
    found = list(strings(documents))
    assert "BertForSequenceClassification" in found
    assert [text for text in found if Path(text).is_absolute() or text.startswith("~") or ":\\" in text] == []


def strings(value: object) -> Iterator[str]:
    """Every string value in a JSON document; keys are left out, since those of a vocabulary hold anything."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)


def test_the_shipped_one_is_what_sentence_transformers_computes() -> None:
    from sentence_transformers import CrossEncoder

    draw = random.Random(3)
    queries = [" ".join(draw.choices(WORDS, k=n)) for n in (*range(19), 150)]
    passages = [" ".join(draw.choices(WORDS, k=n)) for n in (0, 1, *range(2, 60, 3), 120, 200, 400)]
    reranker = open_reranker(SHIPPED)
    assert reranker.runtime == "numpy"
    logits = np.concatenate([reranker.scores(query, passages) for query in queries])
    pairs = [(query, passage) for query in queries for passage in passages]
    assert len(pairs) == 500
    model = CrossEncoder(str(SHIPPED.folder), local_files_only=True, device="cpu")
    model.tokenizer.split_special_tokens = True
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), model.predict(pairs, show_progress_bar=False), atol=1e-3)
