"""Chunk documents and give every chunk a vector: the stored one where the same text was embedded before."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from ragcli.errors import ModelMismatch
from ragcli.index.catalog.documents import UNRECORDED
from ragcli.index.catalog.rows import Settings, chunk_key
from ragcli.index.writer import NewFile, Writer
from ragcli.ingest.chunk import chunk
from ragcli.ingest.options import ChunkOptions
from ragcli.models.open import Encoder, are_interchangeable, open_index_encoder
from ragcli.models.resolve import ModelFiles, resolve_stored
from ragcli.models.tokenizer import Tokenizer, open_tokenizer
from ragcli.types import Chunk, Document

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors
    from ragcli.ingest.sandbox.frames import Part
    from ragcli.ingest.spool import Spool

# Texts per call of the encoder: enough to sort by length, few enough to stop within a second or two.
SLICE = 64


@dataclass(frozen=True, slots=True)
class Chunked:
    """The chunks of a document that was chunked elsewhere, and vectors (d,) from there, by the digest of the chunk.

    A chunk whose digest has no vector here had one in the index when the work was handed out.
    """

    chunks: tuple[Chunk, ...]
    vectors: Mapping[bytes, Vectors]
    runtime: str = ""  # which made the vectors


class _Queued:
    """A document that waits for vectors, and how many of its keys have had one when it was last asked."""

    def __init__(self, file: NewFile) -> None:
        self.file = file
        self._keys = tuple(file.keys)
        self._ready = 0

    def is_complete(self, vectors: Mapping[bytes, Vectors]) -> bool:
        """Whether every key has a vector. Looks at each key once, however often it is asked."""
        keys = self._keys
        while self._ready < len(keys) and keys[self._ready] in vectors:
            self._ready += 1
        return self._ready == len(keys)


class Embedder:
    """Takes documents in and gives finished ones out, in the same order."""

    def __init__(self, settings: Settings, reuse_from: Sequence[Writer]) -> None:
        """Vectors of the indexes ``reuse_from`` serve again. Raises ModelUnavailable, ModelMismatch."""
        self._files = model_files(settings)
        self._settings = settings
        self._reuse_from = [writer for writer in reuse_from if _has_same_model(writer, settings)]
        self._tokenizer = open_tokenizer(self._files)
        self._encoder: Encoder | None = None
        self._queue: deque[_Queued] = deque()
        self._waiting: dict[bytes, Chunk] = {}  # without a vector, in order; one chunk per digest
        self._vectors: dict[bytes, Vectors] = {}
        self._part: tuple[tuple[Chunk, ...], tuple[bytes, ...]] = ((), ())  # of a large document, and their digests
        self.runtimes: set[str] = set()  # which made the vectors that this run stores
        self.embedded = 0
        self.reused = 0
        self.found = 0

    @property
    def waiting(self) -> int:
        """How many texts have no vector yet."""
        return len(self._waiting)

    def add(
        self,
        document: Document,
        sha256: str,
        size: int,
        mtime_ns: int,
        loader_version: int,
        chunked: Chunked | None = None,
    ) -> bool:
        """Chunk a document, unless it comes ``chunked``, and queue it. False when its text holds no letter or digit.

        A chunk without a vector takes a stored one, or waits for :meth:`embed_slice`.
        """
        chunks = chunk_document(document, self._tokenizer, self._settings) if chunked is None else chunked.chunks
        if not chunks and document.text:  # without text it is an archive or a mailbox, which is its members
            return False
        keys = tuple(chunk_key(one) for one in chunks)
        if chunked is not None and chunked.runtime:
            self._use(chunked.runtime)
        self._want(chunks, keys, chunked.vectors if chunked is not None else {})
        new_file = NewFile(_without_text(document), sha256, size, mtime_ns, loader_version, chunks, keys)
        self._queue.append(_Queued(new_file))
        return True

    def add_part(self, part: Part, spool: Spool) -> None:
        """Chunk a part of a large document. Its chunks wait as others do, until :meth:`spill` takes them."""
        document = chunk_document(part.document, self._tokenizer, self._settings)
        chunks = tuple(_moved(one, part) for one in document)
        keys = tuple(chunk_key(one) for one in chunks)
        self._want(chunks, keys, {}, besides=spool)
        self._part = chunks, keys

    def spill(self, spool: Spool) -> None:
        """Move the chunks of the last part to ``spool``; none of them may wait for a vector."""
        (chunks, keys), self._part = self._part, ((), ())
        spool.append(chunks, keys, self._vectors)
        self._drop_vectors()

    def _want(
        self,
        chunks: Sequence[Chunk],
        keys: Sequence[bytes],
        brought: Mapping[bytes, Vectors],
        besides: Container[bytes] = (),
    ) -> None:
        """Give each of ``keys`` a vector that is there already, or let its chunk wait, unless it is in ``besides``."""
        new = {
            key: one for key, one in zip(keys, chunks, strict=True) if key not in self._vectors and key not in besides
        }
        brought = {key: brought[key] for key in new if key in brought}
        self._vectors.update(brought)
        new = {key: one for key, one in new.items() if key not in brought}
        for writer in self._reuse_from:
            stored = writer.stored_vectors([key for key in new if key not in self._waiting])
            if stored:
                self.runtimes.update(writer.catalog.runtimes())
            self._vectors.update(stored)
            new = {key: one for key, one in new.items() if key not in stored}
        before = len(self._waiting)
        self._waiting.update(new)
        self.found += len(chunks)
        self.embedded += len(brought)
        self.reused += len(chunks) - len(brought) - (len(self._waiting) - before)

    def _use(self, runtime: str) -> None:
        """Note a runtime whose vectors will be stored; ModelMismatch when the index has rows that differ from them."""
        if runtime in self.runtimes:
            return
        # an older version recorded none, and had no runtime for a model that would not do here
        found = (name for writer in self._reuse_from for name in writer.catalog.runtimes())
        held = [name for name in dict.fromkeys(found) if name != UNRECORDED]
        if not are_interchangeable([*held, runtime]):
            raise ModelMismatch(
                f"{', '.join(held)} made the vectors of the index, and {runtime} makes different ones",
                "rebuild it with: ragcli index --force",
            )
        self.runtimes.add(runtime)

    def stored_keys(self) -> list[bytes]:
        """The digest of every chunk whose vector serves again, ascending."""
        return sorted({key for writer in self._reuse_from for key in writer.catalog.all_keys()})

    def open(self, expected: int) -> None:
        """Load the model, once. The ``expected`` number of texts in all decides which runtime is worth starting."""
        if self._encoder is None:
            self._encoder = open_index_encoder(self._files, expected)
            self._use(self._encoder.runtime)

    def embed_slice(self) -> None:
        """Encode the next texts."""
        self.open(self.waiting)
        assert self._encoder is not None
        keys = list(islice(self._waiting, SLICE))
        rows = self._encoder.encode([self._waiting[key].embedded for key in keys])
        for key, row in zip(keys, rows, strict=True):
            self._vectors[key] = row
            del self._waiting[key]
        self.embedded += len(keys)

    def finished(self) -> int:
        """How many chunks :meth:`take` would give."""
        count = 0
        for queued in self._queue:
            if not queued.is_complete(self._vectors):
                break
            count += len(queued.file.chunks)
        return count

    def take(self) -> tuple[list[NewFile], dict[bytes, Vectors]]:
        """The complete documents at the head of the queue, with their vectors."""
        done: list[NewFile] = []
        while self._queue and self._queue[0].is_complete(self._vectors):
            done.append(self._queue.popleft().file)
        if not done:
            return [], {}
        vectors = {key: self._vectors[key] for new in done for key in new.keys}
        self._drop_vectors()
        return done, vectors

    def _drop_vectors(self) -> None:
        still_needed = {key for queued in self._queue for key in queued.file.keys}.union(self._part[1])
        self._vectors = {key: row for key, row in self._vectors.items() if key in still_needed}


def chunk_document(document: Document, tokenizer: Tokenizer, settings: Settings) -> tuple[Chunk, ...]:
    """The chunks of a document at the size that the index was built with."""
    options = ChunkOptions(settings.chunk_size, settings.chunk_overlap)
    return tuple(chunk(document, tokenizer, settings.window, options))


def _moved(chunk: Chunk, part: Part) -> Chunk:
    """A chunk of a part as one of the whole document."""
    at, byte, line = part.characters, part.bytes, part.lines
    return replace(
        chunk,
        start=chunk.start + at,
        end=chunk.end + at,
        bytes=(chunk.bytes[0] + byte, chunk.bytes[1] + byte),
        lines=(chunk.lines[0] + line, chunk.lines[1] + line),
    )


def model_files(settings: Settings) -> ModelFiles:
    """The model that an index was built with; raises ModelUnavailable, ModelMismatch."""
    files = resolve_stored(settings.model)
    if files.sha256 != settings.sha256:
        raise ModelMismatch(
            f"the index was built with other weights of {settings.model} than the ones here",
            "rebuild it with: ragcli index --force",
        )
    return files


def _without_text(document: Document) -> Document:
    """The document as it waits for its vectors: its chunks hold the text, and its blocks still tell pages."""
    return replace(document, text="", blocks=tuple(block for block in document.blocks if block.page is not None))


def _has_same_model(writer: Writer, settings: Settings) -> bool:
    found = writer.settings()
    return found is not None and found.sha256 == settings.sha256
