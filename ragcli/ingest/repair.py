"""Compare an index with its files, and rebuild what is derived from the catalog where it is damaged.

``repair`` rebuilds the keyword index and lost vectors; ``recheck`` reads every file again for ``verify --deep``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import IndexDamaged, IndexNotFound
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.index.catalog.rows import DocumentRow, FileStates, SegmentRow, Settings, storable
from ragcli.index.keywords.tantivy_index import rewrite_keywords
from ragcli.index.layout import VECTORS
from ragcli.index.lock import OnWait, uninterrupted
from ragcli.index.reader import Index, open_index
from ragcli.index.vectors import optimize
from ragcli.index.vectors.faiss_files import Vectors
from ragcli.index.vectors.segments import Segments
from ragcli.index.vectors.store import BrokenSegment, SegmentStore
from ragcli.index.verify import catalog_faults, keyword_faults
from ragcli.index.writer import Writer, open_writer
from ragcli.ingest.changes import shows_change
from ragcli.ingest.embed import SLICE, model_files
from ragcli.ingest.optimize import build_approximate_index
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.pool import Loaded, Request, Sandbox
from ragcli.models.open import Encoder, open_index_encoder
from ragcli.types import Chunk, Document, Reason, Skipped
from ragcli.units import counted

if TYPE_CHECKING:
    from ragcli.index.milvus.store import MilvusStore

# Chunks per commit: what is embedded stays, however the run ends.
_COMMIT_CHUNKS = 2_000


@dataclass(slots=True)
class Repaired:
    """What was rebuilt; nothing when the index was sound."""

    keywords: bool = False
    segments: int = 0
    approximate: bool = False
    embedded: int = 0  # chunks whose vector was lost
    reused: int = 0  # chunks that took the vector of another chunk with the same text
    removed: int = 0  # vectors on a server that belong to no chunk

    def __bool__(self) -> bool:
        again = self.segments + self.embedded + self.reused + self.removed
        return self.keywords or self.approximate or again > 0


def repair(index: str | Path, *, on_wait: OnWait | None = None) -> Repaired:
    """Rebuild the damaged files of the index in the folder ``index`` from its catalog; sound files are not touched.

    Raises IndexDamaged when the catalog itself is not what was written; IndexBusy, IndexNotFound, ModelUnavailable,
    ModelMismatch.
    """
    folder = Path(index)
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
                "read and embed your files again with: ragcli index --force",
            )
        if any(keyword_faults(folder, writer.catalog)):
            with uninterrupted():
                rewrite_keywords(folder, writer.catalog)
            repaired.keywords = True
        had_lists = writer.catalog.ledger.approximate() is not None
        _VectorRepair(writer, settings, repaired).run()
        if had_lists and writer.catalog.ledger.approximate() is None:
            build_approximate_index(writer, settings)
            repaired.approximate = True
    return repaired


class _VectorRepair:
    """Gives every chunk a vector again. The model is opened only for texts that must be embedded."""

    def __init__(self, writer: Writer, settings: Settings, repaired: Repaired) -> None:
        self._folder = writer.folder
        self._catalog = writer.catalog
        self._settings = settings
        self._repaired = repaired
        self._encoder: Encoder | None = None
        self._lost = 0
        self._segments = SegmentStore(writer.folder, writer.catalog, settings)
        self._readable: list[SegmentRow] = []
        self._server: MilvusStore | None = None  # it holds the vectors, where files do not

    def run(self) -> None:
        if self._settings.store:
            self._repair_server()
            return
        row = self._catalog.ledger.approximate()
        # in an older version it repeats what the segments hold, with their damage
        if row is not None and (not row.is_alone or self._segments.has_broken_lists()):
            is_exact = bool(self._catalog.value("always_exact", bool))
            optimize.flatten(self._folder, self._catalog, self._settings.dimension, exact=is_exact, sound_only=True)
        broken, self._readable = self._segments.broken()
        self._lost = sum(len(one.lost) for one in broken)
        for one in broken:
            self._replace(one)

    def _repair_server(self) -> None:
        from ragcli.index.milvus.store import MilvusStore

        self._server = MilvusStore(self._folder, self._catalog, self._settings)
        try:
            lost, unknown = self._server.broken()
            self._server.remove(unknown)
            self._repaired.removed = len(unknown)
            self._lost = len(lost)
            for start in range(0, len(lost), _COMMIT_CHUNKS):
                rows = self._vectors(lost[start : start + _COMMIT_CHUNKS])
                documents = self._catalog.documents_of(list(rows))
                with uninterrupted():
                    self._server.put([(i, documents[i], rows[i]) for i in sorted(rows)])
            self._server.finish()
        finally:
            self._server.close()

    def _replace(self, broken: BrokenSegment) -> None:
        """Rewrite a segment: in one commit when it kept something, else in several, as it may have lost much."""
        size = len(broken.lost) if broken.kept else _COMMIT_CHUNKS
        gone = [] if broken.row is None else [broken.row]
        kept = broken.kept
        rows = []
        for start in range(0, max(1, len(broken.lost)), max(1, size)):
            found = self._vectors(broken.lost[start : start + size])
            with uninterrupted():
                row = self._segments.replace(gone, found, kept)
            rows += [row] if row else []
            self._readable = [old for old in self._readable if old not in gone] + ([row] if row else [])
            gone, kept = [], ()
        if len(rows) > 1:
            with uninterrupted():
                merged = self._segments.merge(rows)
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
        listed = self._catalog.ledger.approximate()
        return Segments(self._folder / VECTORS, self._readable, self._settings.dimension, listed).reconstruct(ids)

    def _encoded(self, texts: dict[bytes, str]) -> dict[bytes, Vectors]:
        if texts and self._encoder is None:
            files = model_files(self._settings)
            self._encoder = open_index_encoder(files, self._lost)
            with self._catalog.transaction():
                self._catalog.note_runtimes([self._encoder.runtime])
        found: dict[bytes, Vectors] = {}
        order = list(texts)
        for start in range(0, len(order), SLICE):
            assert self._encoder is not None
            keys = order[start : start + SLICE]
            found |= dict(zip(keys, self._encoder.encode([texts[key] for key in keys]), strict=True))
        return found


@dataclass(slots=True)
class Recheck:
    """What reading every file again showed."""

    documents: int = 0  # read again and equal to what was indexed
    faults: list[str] = field(default_factory=list)  # an equal file with another text: the index is wrong
    outdated: list[str] = field(default_factory=list)  # the file has changed: the next run takes it up
    hidden: int = 0  # of these, files with the size and the times that they had: the next run would not read them


def recheck(folder: Path) -> Recheck:
    """Read every document again and compare its text with the index in ``folder``; nothing is written.

    Raises IndexNotFound, IndexFormat, IndexDamaged.
    """
    found = Recheck()
    with open_index(folder, None) as index:
        rows = {row.path: row for row in index.catalog.documents()}
        states = index.catalog.file_states()
        # members are read with the file that they are in, also where that file is not a document itself
        files = {_file_of(path, states) for path in rows}
        with Sandbox(min(len(files), os.cpu_count() or 1), Limits(), LoadOptions()) as sandbox:
            for loaded in sandbox.load(Request(path, None) for path in sorted(files)):
                if loaded.path in rows:
                    _recheck_file(index, rows[loaded.path], loaded, found)
                    if loaded.sha256 and loaded.sha256 != rows[loaded.path].sha256:
                        file = loaded.container or loaded.path
                        found.hidden += not shows_change(file, states[file])
    found.faults.sort()
    found.outdated.sort()
    return found


def _file_of(path: Path, states: FileStates) -> Path:
    """The file on the disk that a document is, or is in; a folder is listed where it could not be entered."""
    return next((above for above in reversed(path.parents) if above in states and not os.path.isdir(above)), path)  # noqa: PTH112 (any name will do)


def _recheck_file(index: Index, row: DocumentRow, loaded: Loaded, found: Recheck) -> None:
    if loaded.sha256 and loaded.sha256 != row.sha256:
        found.outdated.append(f"{row.path}: the file has changed since it was indexed")
    elif isinstance(loaded.outcome, Skipped) and loaded.outcome.reason is Reason.ABSENT:
        found.outdated.append(f"{row.path}: its file is not there")
    elif not isinstance(loaded.outcome, Document):
        reason = loaded.outcome.detail or loaded.outcome.reason if loaded.outcome else "it was not read"
        found.outdated.append(f"{row.path}: it cannot be read again ({reason})")
    elif (row.loader, row.loader_version) != (loaded.outcome.loader, loaders.version_of(loaded.outcome.loader)):
        found.outdated.append(f"{row.path}: it was read by another version of the loader")
    else:
        text = storable(loaded.outcome.text)
        wrong = [chunk.id for chunk in index.catalog.document_chunks(row.id) if not _is_at_its_place(chunk, text)]
        if wrong:
            found.faults.append(
                f"{row.path}: {counted(len(wrong), 'chunk')} without the text at its span, the first is {wrong[0]}"
            )
        else:
            found.documents += 1


def _is_at_its_place(chunk: Chunk, text: str) -> bool:
    first_byte, first_line = len(text[: chunk.start].encode()), text.count("\n", 0, chunk.start) + 1
    return (
        text[chunk.start : chunk.end] == chunk.text
        and chunk.bytes == (first_byte, first_byte + len(chunk.text.encode()))
        and chunk.lines[0] == first_line
    )
