"""The numpy cross-encoder against sentence-transformers and transformers themselves."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragcli.errors import ModelUnavailable
from ragcli.models.numpy.cross_encoder import NumpyCrossEncoder, supports
from ragcli.models.open import open_reranker
from ragcli.models.resolve import resolve_reranker

WORDS = """
boats harbour painted spring bread oven comet tail clock town market Straßen Öl 検索 意味 thirteen days
""".split()  # noqa: SIM905  # a list of as many strings is no easier to read
QUERIES = ["when are boats painted?", "", "sun", "clock " * 30, "a\ud800 lone surrogate", "[SEP] in the text"]


def passages() -> list[str]:
    draw = random.Random(5)
    lengths = [1, 3, 8, 14, 25, 60]
    return ["", " ", "comet " * 300, "the sun\ud83d", *(" ".join(draw.choices(WORDS, k=n)) for n in lengths)]


def clean(text: str) -> str:
    return text.replace("\ud800", "\ufffd").replace("\ud83d", "\ufffd")


@pytest.fixture(scope="module")
def cross_encoder() -> Callable[[Path], Any]:
    """The library's own class on a folder."""
    from sentence_transformers import CrossEncoder

    def opened(folder: Path) -> Any:
        model = CrossEncoder(str(folder), local_files_only=True, device="cpu").float()
        model.tokenizer.split_special_tokens = True  # "[SEP]" in a text is text
        return model

    return opened


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


VARIANTS: dict[str, dict[str, Any]] = {
    "BERT": {},
    "half precision": {"dtype": "float16"},
    "bfloat16": {"dtype": "bfloat16"},
    "RoBERTa": {"kind": "Roberta", "type_vocab_size": 1},
    "XLM-RoBERTa": {"kind": "XLMRoberta", "type_vocab_size": 1},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_those_of_the_library(
    variant: str, make_cross_encoder: Callable[..., Path], cross_encoder: Callable[[Path], Any]
) -> None:
    folder = make_cross_encoder(**VARIANTS[variant])
    files = resolve_reranker(str(folder))
    runtime = NumpyCrossEncoder(files)
    assert runtime.window == 40
    library = cross_encoder(folder)
    texts = passages()
    logits = np.array([runtime.scores(query, texts) for query in QUERIES])
    pairs = [(clean(query), clean(text)) for query in QUERIES for text in texts]
    expected = logits_of(library, pairs).reshape(logits.shape)
    assert expected.std() > 0.2  # a model that says the same of everything would agree with anything
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    chances = library.predict(pairs, show_progress_bar=False).reshape(logits.shape)
    np.testing.assert_allclose(sigmoid(logits), chances, atol=1e-4)


def logits_of(library: Any, pairs: list[tuple[str, str]]) -> np.ndarray:
    from torch import nn

    return library.predict(pairs, activation_fn=nn.Identity(), show_progress_bar=False)


def test_scores_do_not_depend_on_their_neighbours(make_cross_encoder: Callable[..., Path]) -> None:
    runtime = NumpyCrossEncoder(resolve_reranker(str(make_cross_encoder())))
    texts = passages() * 8  # more than one pack
    together = runtime.scores("boats in spring", texts)
    alone = [runtime.scores("boats in spring", [text]) for text in texts]
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)
    assert runtime.scores("boats", []).shape == (0,)


def change(path: Path, **values: Any) -> None:
    about = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(about | values))


@pytest.fixture
def tiny(make_cross_encoder: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(make_cross_encoder(), tmp_path / "copy"))


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"model_type": "mpnet"}),
        ("config.json", {"hidden_act": "relu"}),
        ("config.json", {"architectures": ["BertModel"]}),
        ("config.json", {"id2label": {"0": "no", "1": "yes"}}),
        ("config.json", {"problem_type": "multi_label_classification"}),
        ("tokenizer_config.json", {"truncation_side": "left"}),
        ("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}),
        ("tokenizer_config.json", {"model_input_names": ["input_ids", "attention_mask"]}),
        ("config_sentence_transformers.json", {"prompts": {"query": "find: "}}),
    ],
)
def test_what_it_does_not_compute_is_not_supported(tiny: Path, file: str, values: dict[str, Any]) -> None:
    assert supports(tiny)
    change(tiny / file, **values)
    assert not supports(tiny)


def test_other_modules_are_not_supported(tiny: Path) -> None:
    step = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}
    (tiny / "modules.json").write_text(json.dumps([step]))
    assert supports(tiny)
    dense = {"idx": 1, "name": "1", "path": "1_Dense", "type": "sentence_transformers.base.modules.dense.Dense"}
    (tiny / "modules.json").write_text(json.dumps([step, dense]))
    assert not supports(tiny)


@pytest.mark.parametrize("tokenizer", [{"tokenizer_class": "PreTrainedTokenizerFast"}, {"tokenizer_class": None}])
def test_segments_are_those_that_the_library_gives(
    tiny: Path, tokenizer: dict[str, Any], cross_encoder: Callable[[Path], Any]
) -> None:
    """Whoever computes: a tokenizer that tells the two texts apart, and one that does not."""
    change(tiny / "tokenizer_config.json", **tokenizer)
    expected = logits_of(cross_encoder(tiny), [("boats in spring", text) for text in WORDS])
    found = open_reranker(resolve_reranker(str(tiny))).scores("boats in spring", WORDS)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("keep", [0, 4, 40, -100])
def test_cut_off_weights_are_refused(tiny: Path, keep: int) -> None:
    weights = tiny / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors is damaged"):
        open_reranker(resolve_reranker(str(tiny)))


def test_a_model_without_its_head_is_refused(tiny: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(tiny / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, tiny / "model.safetensors")
    with pytest.raises(ModelUnavailable, match=r"no tensor classifier\.weight"):
        open_reranker(resolve_reranker(str(tiny)))
