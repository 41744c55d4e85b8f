"""Build the approximate index of a large index, and measure its recall on questions made of the indexed texts."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import IndexNotFound, UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import ApproximateRow, Settings
from ragcli.index.lock import OnWait
from ragcli.index.vectors import optimize as approximate
from ragcli.index.writer import Writer, open_writer
from ragcli.ingest.embed import model_files

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors

# Recall is the mean over this many queries: at 0.98 it is known to one part in a hundred.
_QUERIES = 200

# Words of a passage that stand for a question about it. Whole passages are too easy as queries: they lie where the
# others do, and a search that found 0.998 of their neighbours found 0.979 of those of real questions.
_WORDS = 8


@dataclass(frozen=True, slots=True)
class Optimized:
    """The approximate index that search now reads (None: every vector), the number of chunks, and the time it took."""

    row: ApproximateRow | None
    chunks: int
    seconds: float


def optimize_index(folder: Path, *, exact: bool = False, on_wait: OnWait | None = None) -> Optimized:
    """Build the approximate index of ``folder``, whatever its size; with ``exact`` drop it and build none from now on.

    Raises IndexBusy, IndexNotFound, IndexDamaged, ModelUnavailable, ModelMismatch; UsageError for an index without
    passages.
    """
    started = time.monotonic()
    with open_writer(folder, on_wait=on_wait) as writer:
        settings = writer.settings()
        if settings is None:
            raise IndexNotFound(f"nothing has been indexed in {folder} yet", "fill it with: ragcli index PATH")
        if settings.store:
            raise UsageError("the vectors are not in files but on a server", f"it searches them: {settings.store}")
        if exact:
            approximate.search_exactly(folder, writer.catalog, settings.dimension)
        else:
            build_approximate_index(writer, settings)
        row, chunks = writer.catalog.ledger.approximate(), writer.catalog.count("chunks")
    return Optimized(row, chunks, time.monotonic() - started)


def build_approximate_index(writer: Writer, settings: Settings) -> ApproximateRow:
    """Build the approximate index of the index that ``writer`` holds."""
    queries = _queries(writer.catalog, settings)
    return approximate.optimize(writer.folder, writer.catalog, settings.dimension, queries)


def _queries(catalog: Catalog, settings: Settings) -> Vectors:
    """Unit rows (n, d) of a few words of n passages; equal for equal indexes."""
    from ragcli.models.open import open_index_encoder

    rng = random.Random(0)  # noqa: S311 (a sample)
    ids = catalog.chunk_ids()
    if not ids:
        raise UsageError("the index holds no passages", "fill it with: ragcli index PATH")
    chunks = catalog.chunks(rng.sample(ids, min(_QUERIES, len(ids))))
    texts = [_some_words(chunks[i].text, rng) for i in sorted(chunks)]
    return open_index_encoder(model_files(settings), len(texts)).encode(texts)


def _some_words(text: str, rng: random.Random) -> str:
    words = text.split()
    start = rng.randrange(max(1, len(words) - _WORDS + 1))
    return " ".join(words[start : start + _WORDS])
