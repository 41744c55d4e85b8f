"""Make derived files anew from the catalog: the keyword index where it is damaged, vectors where they are lost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import IndexDamaged, IndexNotFound
from ragcli.index import mend
from ragcli.index.catalog.rows import ApproximateRow, SegmentRow
from ragcli.index.catalog.settings import Settings
from ragcli.index.keywords.rewrite import rewrite_keywords
from ragcli.index.layout import VECTORS
from ragcli.index.lock import OnWait, uninterrupted
from ragcli.index.vectors import optimize
from ragcli.index.vectors.faiss_files import Vectors, check_digest
from ragcli.index.vectors.segments import Segments
from ragcli.index.verify import catalog_faults, keyword_faults
from ragcli.index.writer import Writer, open_writer
from ragcli.ingest.embed import SLICE, model_files
from ragcli.ingest.optimize import make as optimize_again
from ragcli.models.encoder import Encoder, open_index_encoder

if TYPE_CHECKING:
    from ragcli.index.milvus.store import MilvusStore

# What is embedded is kept after so many chunks, however the run ends.
_COMMIT_CHUNKS = 2_000


@dataclass(slots=True)
class Repaired:
    """What was made anew; nothing when the index was sound."""

    keywords: bool = False
    segments: int = 0
    approximate: bool = False
    embedded: int = 0  # chunks whose vector nothing had any more
    reused: int = 0  # chunks that took the vector of another one with the same text
    removed: int = 0  # vectors on a server that no chunk has

    def __bool__(self) -> bool:
        again = self.segments + self.embedded + self.reused + self.removed
        return self.keywords or self.approximate or again > 0


def repair(folder: Path, *, on_wait: OnWait | None = None) -> Repaired:
    """Mend what is derived in the index in ``folder``; sound files are not touched.

    Raises IndexDamaged when the catalog, which all else is derived from, is not what was written; IndexBusy,
    IndexNotFound, ModelUnavailable, ModelMismatch.
    """
    repaired = Repaired()
    with open_writer(folder, on_wait=on_wait) as writer:
        settings = writer.settings()
        if settings is None:
            raise IndexNotFound(f"nothing has been indexed in {folder} yet", "fill it with: ragcli index PATH")
        faults = catalog_faults(writer.catalog)
        if faults:
            more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
            raise IndexDamaged(
                f"the catalog of {folder} cannot be repaired: {faults[0]}{more}",
                "read and embed your files anew with: ragcli index --force",
            )
        if any(keyword_faults(folder, writer.catalog)):
            with uninterrupted():
                rewrite_keywords(folder, writer.catalog)
            repaired.keywords = True
        _Vectors(writer, settings, repaired).repair()
        row = writer.catalog.ledger.approximate()
        # of vectors that were lost it holds the ones from before, and of damaged ones the damage
        if row is not None and (repaired.segments or not _is_sound(folder, row, settings.dimension)):
            optimize.forget(folder, writer.catalog)
            optimize_again(writer, settings)
            repaired.approximate = True
    return repaired


def _is_sound(folder: Path, row: ApproximateRow, dimension: int) -> bool:
    if check_digest(folder / VECTORS / row.name, row.sha256) is not None:
        return False
    with suppress(IndexDamaged):  # as written, and yet of no use: its row in the catalog says something else
        Segments(folder / VECTORS, [], dimension, row)
        return True
    return False


class _Vectors:
    """The half that may need the model, which is opened when it does."""

    def __init__(self, writer: Writer, settings: Settings, repaired: Repaired) -> None:
        self._folder = writer.folder
        self._catalog = writer.catalog
        self._settings = settings
        self._repaired = repaired
        self._encoder: Encoder | None = None
        self._lost = 0
        self._readable: list[SegmentRow] = []
        self._server: MilvusStore | None = None  # that holds the vectors, where files do not

    def repair(self) -> None:
        if self._settings.store:
            self._repair_server()
            return
        broken, self._readable = mend.broken_segments(self._folder, self._catalog, self._settings.dimension)
        self._lost = sum(len(one.lost) for one in broken)
        for one in broken:
            self._replace(one)

    def _repair_server(self) -> None:
        from ragcli.index.milvus.store import MilvusStore

        self._server = MilvusStore(self._folder, self._catalog, self._settings)
        try:
            lost, strangers = self._server.broken()
            self._server.remove(strangers)
            self._repaired.removed = len(strangers)
            self._lost = len(lost)
            for start in range(0, len(lost), _COMMIT_CHUNKS):
                rows = self._vectors(lost[start : start + _COMMIT_CHUNKS])
                documents = self._catalog.documents_of(list(rows))
                with uninterrupted():
                    self._server.put([(i, documents[i], rows[i]) for i in sorted(rows)])
            self._server.finish()
        finally:
            self._server.close()

    def _replace(self, broken: mend.Broken) -> None:
        """Write a segment anew, in several commits where it lost much: one that kept something goes at once."""
        size = len(broken.lost) if broken.kept else _COMMIT_CHUNKS
        gone = [] if broken.row is None else [broken.row]
        kept = self._stored(broken.kept)
        rows = []
        for start in range(0, max(1, len(broken.lost)), max(1, size)):
            found = self._vectors(broken.lost[start : start + size])
            with uninterrupted():
                row = mend.replace(self._folder, self._catalog, gone, kept | found)
            rows += [row] if row else []
            self._readable = [old for old in self._readable if old not in gone] + ([row] if row else [])
            gone, kept = [], {}
        if len(rows) > 1:
            with uninterrupted():
                merged = mend.merge(self._folder, self._catalog, rows)
            self._readable = [old for old in self._readable if old not in rows] + ([merged] if merged else [])
        self._repaired.segments += 1

    def _vectors(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The row of each chunk: that of another chunk with the same text, or a new one."""
        chunks = self._catalog.chunks(ids)
        keys = self._catalog.keys_of(list(chunks))
        holders = self._catalog.chunks_with_keys(list(set(keys.values())))
        others = [i for found in holders.values() for i in found if i not in chunks]
        stored = self._stored(others)
        rows = {key: stored[i] for key, found in holders.items() for i in found if i in stored}
        self._repaired.reused += sum(1 for i in chunks if keys[i] in rows)
        missing = {keys[i]: chunk.embedded for i, chunk in chunks.items() if keys[i] not in rows}
        self._repaired.embedded += len(missing)
        rows |= self._encoded(missing)
        return {i: rows[keys[i]] for i in chunks}

    def _stored(self, ids: Sequence[int]) -> dict[int, Vectors]:
        if self._server is not None:
            return self._server.sound(ids)
        return Segments(self._folder / VECTORS, self._readable, self._settings.dimension).reconstruct(ids)

    def _encoded(self, texts: dict[bytes, str]) -> dict[bytes, Vectors]:
        if texts and self._encoder is None:
            files = model_files(self._settings)
            self._encoder = open_index_encoder(files, self._lost)
        found: dict[bytes, Vectors] = {}
        order = list(texts)
        for start in range(0, len(order), SLICE):
            assert self._encoder is not None
            keys = order[start : start + SLICE]
            found |= dict(zip(keys, self._encoder.encode([texts[key] for key in keys]), strict=True))
        return found
