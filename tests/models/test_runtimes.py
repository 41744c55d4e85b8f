"""Which runtimes may make the rows of one index: those whose rows of real texts agree."""

from __future__ import annotations

import ast
import random
import sysconfig
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import ModelMismatch
from ragcli.index.catalog.documents import UNRECORDED, Catalog
from ragcli.index.reader import open_index
from ragcli.index.writer import open_writer
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.models import open as opening
from ragcli.models.files import ModelFiles
from ragcli.models.numpy.encoder import NumpyEncoder
from ragcli.models.open import are_interchangeable
from ragcli.models.torch.bfloat16 import Bfloat16Encoder
from ragcli.models.torch.encoder import SentenceEncoder

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"
MODULES = ("argparse", "asyncio/tasks", "csv", "datetime", "email/message", "logging/__init__", "pathlib", "statistics")


def documentation() -> Iterator[str]:
    """The paragraphs of the sample documents and of the standard library's documentation strings."""
    for path in sorted(SAMPLES.glob("*.md")):
        yield from path.read_text(encoding="utf-8").split("\n\n")
    for name in MODULES:
        source = Path(sysconfig.get_path("stdlib"), f"{name}.py").read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from (ast.get_docstring(node) or "").split("\n\n")


def thousand_texts() -> list[str]:
    """A thousand different pieces of up to 60 words."""
    words = [paragraph.split() for paragraph in documentation() if paragraph.strip()]
    draw, found = random.Random(3), {}
    while len(found) < 1000:
        paragraph = draw.choice(words)
        start = draw.randrange(len(paragraph))
        found[" ".join(paragraph[start : start + draw.choice([3, 10, 30, 60])])] = None
    return list(found)


def test_runtimes_that_may_be_mixed_agree_on_a_thousand_real_texts(default: ModelFiles) -> None:
    texts = thousand_texts()
    encoders = [encoder(default) for encoder in (NumpyEncoder, Bfloat16Encoder, SentenceEncoder)]
    assert {encoder.runtime for encoder in encoders} == opening._INTERCHANGEABLE
    rows = [encoder.encode(texts).astype(np.float64) for encoder in encoders]
    for one, other in combinations(rows, 2):
        assert (one * other).sum(axis=1).min() >= 0.999


def test_other_runtimes_may_not_be_mixed() -> None:
    assert are_interchangeable(["onnxruntime"])
    assert are_interchangeable(["numpy", "torch-bfloat16", "numpy"])
    assert not are_interchangeable(["numpy", "onnxruntime"])
    assert are_interchangeable([])


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The harbour opens at six.\n")
    return tmp_path / "docs"


def runtimes(index: Path) -> tuple[str, ...]:
    with open_index(index) as opened:
        return opened.catalog.runtimes()


def forget_runtimes(index: Path) -> None:
    """Make the index what an older version would have written."""
    catalog = Catalog.create(index)
    with catalog.transaction():
        catalog._db.run("DELETE FROM settings WHERE key = 'runtimes'")
    catalog.close()


def test_an_index_records_which_runtimes_made_its_vectors(docs: Path, tmp_path: Path, monkeypatch) -> None:
    index, options = tmp_path / "index", SyncOptions(workers=1, offline=True)
    sync(index, [docs], options)
    assert runtimes(index) == ("numpy",)
    (docs / "b.txt").write_text("The ferry leaves at eight.\n")
    monkeypatch.setattr("ragcli.ingest.embed.open_index_encoder", lambda files, _: Bfloat16Encoder(files))
    sync(index, [docs], options)
    assert runtimes(index) == ("numpy", "torch-bfloat16")
    (docs / "c.txt").write_text("The harbour opens at six.\n")  # a copy, which takes the vector that is there
    sync(index, [docs], options)
    assert runtimes(index) == ("numpy", "torch-bfloat16")


def test_an_index_of_an_older_version_opens_and_goes_on(docs: Path, tmp_path: Path) -> None:
    index, options = tmp_path / "index", SyncOptions(workers=1, offline=True)
    sync(index, [docs], options)
    forget_runtimes(index)
    assert runtimes(index) == (UNRECORDED,)
    with open_writer(index):
        pass
    (docs / "b.txt").write_text("The ferry leaves at eight.\n")
    assert sync(index, [docs], options).unchanged == 1
    assert runtimes(index) == (UNRECORDED, "numpy")
    # a rebuild takes over the vector of the text that did not change, unless it is forced
    assert sync(index, [docs], SyncOptions(workers=1, offline=True, force=True)).chunks_embedded == 2
    assert runtimes(index) == ("numpy",)


def test_rows_of_another_runtime_need_a_rebuild(docs: Path, tmp_path: Path) -> None:
    index, options = tmp_path / "index", SyncOptions(workers=1, offline=True)
    sync(index, [docs], options)
    catalog = Catalog.create(index)
    with catalog.transaction():
        catalog.note_runtimes(["numpy-int8"])
    catalog.close()
    (docs / "b.txt").write_text("The ferry leaves at eight.\n")
    with pytest.raises(ModelMismatch, match="numpy-int8 made the vectors of the index, and numpy makes different ones"):
        sync(index, [docs], options)
    assert runtimes(index) == ("numpy", "numpy-int8")
    sync(index, [docs], SyncOptions(workers=1, offline=True, force=True))
    assert runtimes(index) == ("numpy",)
