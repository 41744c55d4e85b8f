"""A collection as an index of whole documents, one vector each: the form that published figures are measured on.

The passage is title, blank, text, however long; the model reads the first of its window, as sentence-transformers
cuts it off, and BM25 reads all.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ragcli.evaluate.collection import Report, document_name, is_built, kept_folder, mark_built
from ragcli.evaluate.datasets import Dataset
from ragcli.index.catalog.rows import Settings, chunk_key, storable
from ragcli.index.writer import Batch, NewFile, open_writer
from ragcli.models.files import ModelFiles
from ragcli.models.open import open_index_encoder
from ragcli.types import Chunk, Document

# Documents per commit: a stopped build loses at most this many.
_SLICE = 256
_ALPHANUMERIC = re.compile(r"[^\W_]")


def whole_index(dataset: Dataset, model: ModelFiles, *, report: Report) -> Path:
    """The index with one passage per document; built when it is not kept yet. A stopped build continues.

    Documents without a letter or digit are not in it. Raises IndexBusy when another process builds it, OSError.
    """
    folder = kept_folder(dataset, model, "whole")
    if not is_built(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _build(folder / "index", dataset, model, report)
        mark_built(folder)
    return folder / "index"


def _build(folder: Path, dataset: Dataset, model: ModelFiles, report: Report) -> None:
    with open_writer(folder) as writer:
        known = {row.path.name for row in writer.catalog.documents()}
        named = ((document_name(number), entry.whole) for number, entry in enumerate(dataset.corpus.values()))
        due = [(name, storable(text)) for name, text in named if name not in known and _ALPHANUMERIC.search(text)]
        encoder = open_index_encoder(model, len(due))
        if writer.settings() is None:
            writer.start(
                Settings(model.name, model.revision, model.sha256, encoder.dimension, encoder.window, encoder.window, 0)
            )
        for start in range(0, len(due), _SLICE):
            report("embedding", start, len(due))
            files = [_file(folder / name, text) for name, text in due[start : start + _SLICE]]
            rows = encoder.encode([file.document.text for file in files])
            vectors = {key: row for file, row in zip(files, rows, strict=True) for key in file.keys}
            writer.commit(Batch(added=files, vectors=vectors, runtimes=[encoder.runtime]))


def _file(path: Path, text: str) -> NewFile:
    raw = text.encode()
    chunk = Chunk(
        id=0, path=path, title="", start=0, end=len(text), text=text, bytes=(0, len(raw)),
        lines=(1, 1 + text.count("\n")), pages=None, headings=(),
    )  # fmt: skip
    document = Document(path, "", text, (), "whole")
    return NewFile(document, hashlib.sha256(raw).hexdigest(), len(raw), 0, 0, (chunk,), (chunk_key(chunk),))
