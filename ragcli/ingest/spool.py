"""The finished chunks of a large document, on disk until the document is whole and can be committed.

Nothing names the two files, which are in a staging folder of the index: a killed run leaves them to the next writer,
which removes that folder.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from ragcli.errors import RagcliError
from ragcli.index.catalog.rows import KEY_BYTES, context_of, context_text
from ragcli.index.store import Repeated
from ragcli.types import Chunk

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors


class Spool(Mapping[bytes, "Vectors"]):
    """Chunks in the order of their text, and as a mapping the unit row (d,) of each digest of a chunk.

    Memory holds some 200 bytes per chunk.
    """

    def __init__(self, folder: Path, path: Path, title: str, dimension: int) -> None:
        """Begin two files in ``folder`` for the chunks of the document at ``path``."""
        self._path = path
        self._title = title
        self._dimension = dimension
        self._keys = bytearray()  # the digest of each chunk
        self._rows: dict[bytes, int] = {}
        self._chunk_path = folder / "chunks"
        self._chunk_file: IO[bytes] = self._chunk_path.open("wb")
        self._vector_file: IO[bytes] = (folder / "vectors").open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._chunk_file.close()
        self._vector_file.close()

    def append(self, chunks: Sequence[Chunk], keys: Sequence[bytes], vectors: Mapping[bytes, Vectors]) -> None:
        """Add chunks, which follow the others in the text; ``vectors`` has a row for each new one of ``keys``.

        Raises RagcliError when the disk refuses it.
        """
        try:
            for chunk, key in zip(chunks, keys, strict=True):
                self._chunk_file.write(_packed(chunk))
                self._keys += key
                if key not in self._rows:
                    self._rows[key] = len(self._rows)
                    self._vector_file.write(vectors[key].astype(np.float32, copy=False).tobytes())
            self._chunk_file.flush()
            self._vector_file.flush()
        except OSError as error:
            fact = f"cannot write {self._chunk_path.parent}: {error.strerror}"
            raise RagcliError(fact, "is the disk full?") from error

    def chunks(self) -> Collection[Chunk]:
        """Every chunk, read again each time that it is iterated over; ids are ordinals."""
        return Repeated(len(self._keys) // KEY_BYTES, self._read)

    def keys_of_chunks(self) -> Collection[bytes]:
        """The digest of each chunk."""
        places = range(0, len(self._keys), KEY_BYTES)
        return Repeated(len(places), lambda: (bytes(self._keys[at : at + KEY_BYTES]) for at in places))

    def _read(self) -> Iterator[Chunk]:
        with self._chunk_path.open("rb") as lines:
            for ordinal, line in enumerate(lines):
                yield _unpacked(json.loads(line.decode("utf-8", "surrogatepass")), ordinal, self._path, self._title)

    def __getitem__(self, key: bytes) -> Vectors:
        width = 4 * self._dimension
        self._vector_file.seek(self._rows[key] * width)
        return np.frombuffer(self._vector_file.read(width), np.float32)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _packed(chunk: Chunk) -> bytes:
    row = (chunk.start, chunk.end, chunk.text, chunk.bytes, chunk.lines, chunk.pages, context_text(chunk))
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _unpacked(row: list[Any], ordinal: int, path: Path, title: str) -> Chunk:
    start, end, text, (byte, last_byte), (line, last_line), pages, context = row
    headings, columns = context_of(context)
    return Chunk(
        id=ordinal, path=path, title=title, start=start, end=end, text=text, bytes=(byte, last_byte),
        lines=(line, last_line), pages=(pages[0], pages[1]) if pages else None, headings=headings, columns=columns,
    )  # fmt: skip
