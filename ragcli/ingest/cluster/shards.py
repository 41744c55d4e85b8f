"""Shards: whole documents with their chunks and vectors, which workers leave in the staging folder of the index.

A shard is one file, written under a temporary name and renamed. Its name is fixed by the request, so a task that runs
twice leaves one shard, and never half of each. It holds the digest of the rest, a frame of JSON and an array.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ragcli.errors import RagcliError
from ragcli.index.vectors.faiss_files import Vectors
from ragcli.ingest.embed import Chunked
from ragcli.ingest.sandbox.frames import HEADER, Frame, pack_document, pack_frame, unpack_document, unpack_frame
from ragcli.ingest.sandbox.process import Loaded, Request
from ragcli.types import Chunk, Document, Reason, Skipped

_DIGEST = 32
_SUFFIX = ".shard"


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one task. Equal requests have equal names."""

    name: str
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as a worker read it; ``chunks`` belong to a document."""

    loaded: Loaded
    chunks: tuple[Chunk, ...] = ()


def group_of(requests: Sequence[Request]) -> Group:
    """The group of these files."""
    listed = pack_frame({"files": _pack_requests(requests)})
    return Group(hashlib.sha256(listed).hexdigest()[:32], tuple(requests))


def pack_group(group: Group) -> Frame:
    """A group as JSON values."""
    return {"name": group.name, "files": _pack_requests(group.requests)}


def _pack_requests(requests: Sequence[Request]) -> list[Any]:
    return [(str(one.path), one.known_sha256, dict(one.known)) for one in requests]


def unpack_group(frame: Frame) -> Group:
    """The group that ``pack_group`` was given."""
    return Group(
        frame["name"], tuple(Request(Path(path), sha256, known=known) for path, sha256, known in frame["files"])
    )


def pack_file(file: ReadFile) -> Frame:
    """A read file as JSON values. A chunk is only its spans, as the document holds its text."""
    loaded = file.loaded
    frame: Frame = {
        "path": str(loaded.path), "sha256": loaded.sha256, "size": loaded.size, "mtime_ns": loaded.mtime_ns,
        "container": None if loaded.container is None else str(loaded.container),
    }  # fmt: skip
    match loaded.outcome:
        case Document():
            contexts: dict[tuple[tuple[str, ...], str], int] = {}
            frame["document"] = pack_document(loaded.outcome)
            frame["chunks"] = [
                (c.start, c.end, c.bytes, c.lines, c.pages, contexts.setdefault((c.headings, c.columns), len(contexts)))
                for c in file.chunks
            ]
            frame["contexts"] = list(contexts)
        case Skipped(reason=reason, detail=detail, files=files):
            frame["skipped"] = (reason.value, detail, files)
    return frame


def unpack_file(frame: Frame) -> ReadFile:
    """The file that ``pack_file`` was given."""
    path = Path(frame["path"])
    outcome: Document | Skipped | None = None
    chunks: tuple[Chunk, ...] = ()
    if "document" in frame:
        outcome = unpack_document(path, frame["document"])
        contexts = [(tuple(names), columns) for names, columns in frame["contexts"]]
        chunks = tuple(_chunks(outcome, frame["chunks"], contexts))
    elif "skipped" in frame:
        reason, detail, files = frame["skipped"]
        outcome = Skipped(path, Reason(reason), detail, files)
    container = None if frame["container"] is None else Path(frame["container"])
    return ReadFile(Loaded(path, frame["sha256"], frame["size"], frame["mtime_ns"], outcome, container), chunks)


def _chunks(
    document: Document, rows: Sequence[Any], contexts: Sequence[tuple[tuple[str, ...], str]]
) -> Iterator[Chunk]:
    for ordinal, (start, end, (byte, last_byte), (line, last_line), pages, at) in enumerate(rows):
        headings, columns = contexts[at]
        yield Chunk(
            id=ordinal, path=document.path, title=document.title, start=start, end=end, text=document.text[start:end],
            bytes=(byte, last_byte), lines=(line, last_line), pages=(pages[0], pages[1]) if pages else None,
            headings=headings, columns=columns,
        )  # fmt: skip


def write_shard(
    staging: Path, name: str, files: Sequence[Frame], vectors: Mapping[bytes, Vectors], runtime: str = ""
) -> str:
    """Write the shard of the group ``name`` and return its file name; a shard of that name is replaced.

    ``runtime`` made the vectors.
    """
    array = io.BytesIO()
    rows = np.stack(list(vectors.values())) if vectors else np.empty((0, 0), np.float32)
    np.save(array, rows.astype(np.float32), allow_pickle=False)
    body = pack_frame({"files": files, "keys": [key.hex() for key in vectors], "runtime": runtime}) + array.getvalue()
    shard = f"{name}{_SUFFIX}"
    # two workers have the same task when one of them was taken for dead
    draft = staging / f"{shard}.{os.uname().nodename}-{os.getpid()}.tmp"
    draft.write_bytes(hashlib.sha256(body).digest() + body)
    draft.replace(staging / shard)
    return shard


def read_shard(staging: Path, shard: str) -> list[tuple[Loaded, Chunked | None]]:
    """Every file of a shard, documents with their chunks; raises RagcliError when it is not what was written."""
    path = staging / shard
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _lost(path, error.strerror or "it cannot be read") from error
    body = memoryview(data)[_DIGEST:]
    if hashlib.sha256(body).digest() != data[:_DIGEST]:
        raise _lost(path, "its content does not match its checksum")
    end = HEADER.size + HEADER.unpack(body[: HEADER.size])[0]
    frame = unpack_frame(bytes(body[HEADER.size : end]))
    rows = np.load(io.BytesIO(body[end:]), allow_pickle=False)
    vectors = dict(zip((bytes.fromhex(key) for key in frame["keys"]), rows, strict=True))
    files = [unpack_file(one) for one in frame["files"]]
    runtime = str(frame.get("runtime", ""))
    return [
        (file.loaded, Chunked(file.chunks, vectors, runtime) if isinstance(file.loaded.outcome, Document) else None)
        for file in files
    ]


def _lost(path: Path, fact: str) -> RagcliError:
    return RagcliError(
        f"cannot use {path}, which a worker wrote: {fact}", "is the index folder shared by all nodes? then run again"
    )
