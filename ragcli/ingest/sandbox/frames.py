"""What a parser process and its parent send each other: frames, documents, and large documents in parts.

A frame is eight bytes of length, big-endian, and JSON.

A large document is sent in parts, so that no process holds its text, its structure and its passages all at once. A part
ends where a block begins, or at a line end or a blank where a block is too long. A chunk never crosses the end of a
part, and no sentence is repeated there.
"""

from __future__ import annotations

import json
import struct
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from ragcli.errors import LoadError
from ragcli.types import Block, Document, Reason

Frame = dict[str, Any]

HEADER = struct.Struct(">Q")
_MEBIBYTE = 1 << 20

# Characters of a part. Chunking takes some 6 bytes for each of them, and each makes 2 bytes of vectors.
PART = 4_000_000


def write_frame(stream: IO[bytes], frame: Frame) -> None:
    """Send one frame."""
    stream.write(pack_frame(frame))
    stream.flush()


def pack_frame(frame: Frame) -> bytes:
    """The bytes of one frame. Lone surrogates, which stand for bytes of names outside UTF-8, survive."""
    body = pack_body(frame)
    return HEADER.pack(len(body)) + body


def pack_body(frame: Frame) -> bytes:
    """The bytes of one frame without its header."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def unpack_frame(body: bytes | bytearray) -> Frame:
    """The frame that follows a header."""
    frame: Frame = json.loads(body.decode("utf-8", "surrogatepass"))
    return frame


def read_frame(stream: IO[bytes]) -> Frame | None:
    """The next frame; None when the stream ends, also within a frame."""
    header = _read(stream, HEADER.size)
    body = _read(stream, HEADER.unpack(header)[0]) if header else None
    return None if body is None else unpack_frame(body)


def _read(stream: IO[bytes], size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = stream.read(min(size - len(data), _MEBIBYTE))  # an unbuffered stream allocates all that is asked of it
        if not part:
            return None
        data += part
    return bytes(data)


def pack_document(document: Document) -> Frame:
    """The document without its path; heading paths and columns are written once, as most blocks share theirs."""
    contexts: dict[tuple[tuple[str, ...], str], int] = {}
    blocks = [
        (b.start, b.end, b.kind, b.page, contexts.setdefault((b.headings, b.columns), len(contexts)))
        for b in document.blocks
    ]
    return {
        "title": document.title,
        "text": document.text,
        "blocks": blocks,
        "contexts": list(contexts),
        "loader": document.loader,
        "warnings": document.warnings,
        "dated_ns": document.dated_ns,
    }


def unpack_document(path: Path, frame: Frame) -> Document:
    """What ``pack_document`` was given, at ``path``."""
    contexts = [(tuple(names), columns) for names, columns in frame["contexts"]]
    blocks = tuple(Block(start, end, kind, page, *contexts[at]) for start, end, kind, page, at in frame["blocks"])
    warnings = tuple(frame["warnings"])
    return Document(path, frame["title"], frame["text"], blocks, frame["loader"], warnings, date_of(frame))


def date_of(frame: Frame) -> int | None:
    """When a message was sent. Raises TypeError for what is no time."""
    dated_ns = frame.get("dated_ns")
    if not isinstance(dated_ns, int | None):
        raise TypeError("an invalid date")
    return dated_ns


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a document, and what comes before it there: characters, bytes in UTF-8, line ends."""

    document: Document  # its spans begin at 0
    characters: int
    bytes: int
    lines: int


@dataclass(frozen=True, slots=True)
class LargeDocument(Document):
    """A document whose text and blocks are in its parts: its own ``text`` and ``blocks`` are empty."""

    packed: deque[tuple[bytearray, bytearray]] = field(default_factory=deque, compare=False)  # structure, text
    size: int = 0  # bytes of the text in UTF-8

    def parts(self) -> Iterator[Part]:
        """The parts in order, once: each is forgotten here when it is given out.

        Raises LoadError(DAMAGED) for one that no parser sends.
        """
        characters = size = lines = 0
        while self.packed:
            structure, text = self.packed.popleft()
            found = [Part(self._unpacked(structure, text), characters, size, lines)]
            size += len(text)
            characters += len(found[0].document.text)
            lines += found[0].document.text.count("\n")
            del structure, text
            yield found.pop()  # kept nowhere here while the consumer works

    def _unpacked(self, structure: bytearray, text: bytearray) -> Document:
        try:
            frame = unpack_frame(structure) | {"text": text.decode("utf-8", "surrogatepass")}
            return unpack_document(self.path, frame)
        except (ValueError, LookupError, TypeError) as error:
            raise LoadError(Reason.DAMAGED, f"invalid reply of the parser ({type(error).__name__})") from error


def pack_parts(document: Document, size: int = PART) -> Iterator[tuple[bytes, bytes]]:
    """The structure, as a frame without its header, and the text of each part of at most ``size`` characters."""
    starts = [block.start for block in document.blocks]
    for start, end in pairwise(_cuts(document.text, starts, size)):
        part = _part(document, starts, start, end)
        text = part.text.encode("utf-8", "surrogatepass")
        yield pack_body(pack_document(replace(part, text=""))), text


def _cuts(text: str, starts: list[int], size: int) -> Iterator[int]:
    """0, the places where parts meet, and the end of the text."""
    cut = 0
    while len(text) - cut > size:
        yield cut
        low, high = cut + size // 2, cut + size
        last = bisect_right(starts, high) - 1
        if last >= 0 and starts[last] > low:
            cut = starts[last]
        else:
            places = (text.rfind(blank, low, high) + 1 for blank in "\n ")
            cut = next(filter(None, places), high)
    yield cut
    yield len(text)


def _part(document: Document, starts: list[int], start: int, end: int) -> Document:
    first = bisect_left(starts, start)
    if first and document.blocks[first - 1].end > start:  # it is cut
        first -= 1
    blocks = []
    for block in document.blocks[first : bisect_left(starts, end)]:
        low, high = max(block.start, start) - start, min(block.end, end) - start
        if low < high:
            blocks.append(replace(block, start=low, end=high))
    return replace(document, text=document.text[start:end], blocks=tuple(blocks))
