"""The packaged sentence encoder: what it reads, what it gives, and what it refuses."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import ModelUnavailable
from ragcli.models.files import ModelFiles
from ragcli.models.onnx.encoder import OnnxEncoder
from ragcli.models.open import open_index_encoder, open_query_encoder
from ragcli.models.resolve import resolve, resolve_reranker, resolve_stored

PROMPT = "Represent this sentence for searching relevant passages: "
WORDS = ["harbour", "boats", "painted", "bread", "comet", "clock", "naïve", "Straße", "検索", "don't", "1,234"]


@pytest.fixture
def files() -> ModelFiles:
    return resolve("bge-small", offline=True)


def test_it_has_the_shape_of_the_published_model(files: ModelFiles) -> None:
    encoder = open_query_encoder(files)
    assert (encoder.runtime, encoder.dimension, encoder.window) == ("onnxruntime", 384, 512)
    assert resolve("BAAI/bge-small-en-v1.5") == resolve_stored("bge-small") == files
    assert open_index_encoder(files, 100_000).runtime == "onnxruntime"


def test_rows_are_unit_vectors_of_the_first_token_and_do_not_depend_on_neighbours(files: ModelFiles) -> None:
    import onnxruntime

    draw = random.Random(4)
    texts = ["", "the sun " * 400, "a\ud800b", *(" ".join(draw.choices(WORDS, k=n)) for n in (1, 4, 20, 70))]
    encoder = OnnxEncoder(files)
    rows = encoder.encode(texts)
    assert rows.shape == (len(texts), 384)
    assert rows.dtype == np.float32
    session = onnxruntime.InferenceSession(str(files.folder / "model.onnx"))
    for text, row in zip(texts, rows, strict=True):
        ids = np.array(encoder.tokenizer.ids([text], 512))
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        first = session.run(None, feed)[0][0, 0]
        np.testing.assert_allclose(row, first / np.linalg.norm(first), atol=1e-5)
    assert encoder.encode([]).shape == (0, 384)


def test_a_question_is_read_after_the_prompt_and_a_passage_is_not(files: ModelFiles) -> None:
    encoder = OnnxEncoder(files)
    asked = encoder.encode(["when are boats painted?"], "query")
    np.testing.assert_allclose(asked, encoder.encode([PROMPT + "when are boats painted?"]), atol=1e-6)
    assert encoder.length("sun", "passage") == 3
    assert encoder.length("sun", "query") == encoder.length(PROMPT + "sun", "passage")


def test_an_answer_is_nearer_than_another_text(files: ModelFiles) -> None:
    encoder = OnnxEncoder(files)
    [asked] = encoder.encode(["how often are logs rotated?"], "query")
    answer, other = encoder.encode(["Logs are rotated every night at two.", "Bread rises best near a warm oven."])
    assert asked @ answer > asked @ other + 0.1


def test_another_model_in_its_place_is_refused(files: ModelFiles, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(files.folder, tmp_path / "copy"))
    reranker = resolve_reranker("ms-marco-MiniLM-L-12-v2")
    shutil.copyfile(reranker.folder / "model.onnx", folder / "model.onnx")
    with pytest.raises(ModelUnavailable, match=r"is not a sentence encoder: its output has the shape \(1, 1\)"):
        OnnxEncoder(files._replace(folder=folder)).encode(["sun"])
