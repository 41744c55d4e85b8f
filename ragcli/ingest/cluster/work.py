"""The work on a group of files: read and chunk them, embed the new chunks, write a shard.

The classes are stages for Ray Data: made once per worker, called with batches of one row. An error that concerns the
whole run comes back as a row, because only one line of it shall reach the user.

All of this runs on a node of the cluster, which sees the documents and the index folder under the same paths as the
machine that started the run. None of it needs ray.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ragcli.errors import RagcliError
from ragcli.formats.blocks import LoadOptions
from ragcli.index.catalog.rows import Settings, chunk_key
from ragcli.index.vectors.faiss_files import Vectors
from ragcli.ingest.cluster.shards import ReadFile, pack_file, unpack_file, unpack_group, write_shard
from ragcli.ingest.embed import chunk_document, model_files
from ragcli.ingest.sandbox.frames import HEADER, Frame, pack_frame, unpack_frame
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.process import Loaded, ParserProcess, Request
from ragcli.models.open import Encoder, open_index_encoder
from ragcli.models.tokenizer import Tokenizer, open_tokenizer
from ragcli.types import Document

MARK = "mark"  # the file in the staging folder by which a node recognises it
KNOWN = "known"  # the file there with the digests of chunks that have a vector: 16 bytes each, ascending

# A group that was begun this often and never ended kills its workers, and would do so forever.
_MOST_TRIES = 6

Rows = dict[str, Any]  # the columns of a few rows; here of one

_PARSER = "ragcli.ingest.sandbox.worker"
_KEY = "S16"


@dataclass(frozen=True, slots=True)
class Job:
    """The instructions for all workers of a run."""

    staging: Path
    settings: Settings
    load: LoadOptions
    limits: Limits
    places: tuple[Path, ...]  # every node must see them: the roots, and one of the files
    mark: str

    def to_record(self) -> Frame:
        """As JSON values."""
        return asdict(self) | {
            "settings": self.settings.to_record(),
            "staging": str(self.staging),
            "places": [str(place) for place in self.places],
        }

    @classmethod
    def from_record(cls, record: Frame) -> Self:
        """The job that :meth:`to_record` was called on."""
        return cls(
            Path(record["staging"]), Settings.from_record(record["settings"]), LoadOptions(**record["load"]),
            Limits(**record["limits"]), tuple(map(Path, record["places"])), record["mark"],
        )  # fmt: skip


def fault_here(job: Job) -> tuple[str, str] | None:
    """Why this machine cannot work on ``job``, and the next step; None when it can."""
    shared = "mount the same folders under the same paths on every node"
    try:
        if (job.staging / MARK).read_text(encoding="utf-8") != job.mark:
            return f"sees another folder at {job.staging.parent}", shared
        probe = job.staging / f"{MARK}-{socket.gethostname()}-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return f"cannot work in the index folder {job.staging.parent} ({error.strerror})", shared
    for place in job.places:
        if not os.access(place, os.R_OK):
            return f"cannot read {place}", shared
    try:
        model_files(job.settings)
    except RagcliError as error:
        return f"cannot use the model: {error.message}", error.hint
    return None


class ReadStage:
    """The first half: files become documents and chunks. One parser process at a time, under the limits of the run."""

    def __init__(self, record: Frame) -> None:
        """``record`` is a job's."""
        self._parser: ParserProcess | None = None
        self._job = Job.from_record(record)
        self._tokenizer: Tokenizer | None = None

    def __del__(self) -> None:  # Ray drops a stage that has no more to do, and calls nothing
        if self._parser is not None:
            self._parser.end()

    def __call__(self, batch: Rows) -> Rows:
        """A row with ``group``, packed, becomes one with ``read``: its files, packed."""
        return _row("read", lambda: self.read(batch["group"][0]))

    def read(self, packed: bytes) -> bytes:
        """The files of a packed group, packed. Raises RagcliError when the model or a parser process cannot be had."""
        group = unpack_group(_unpack(packed))
        _count_try(self._job.staging / f"{group.name}.tries", group.requests)
        files = [pack_file(self._cut(loaded)) for request in group.requests for loaded in self._load(request)]
        return pack_frame({"name": group.name, "files": files})

    def _load(self, request: Request) -> Iterator[Loaded]:
        rest: Request | None = request
        while rest is not None:
            if self._parser is None:
                self._parser = ParserProcess(self._job.limits, _PARSER)
                self._parser.greet(self._job.load)
            yield from self._parser.load(rest)
            rest = self._parser.rest
            if not self._parser.is_reusable:
                self._parser.end()
                self._parser = None

    def _cut(self, loaded: Loaded) -> ReadFile:
        if not isinstance(loaded.outcome, Document):
            return ReadFile(loaded)
        if self._tokenizer is None:
            self._tokenizer = open_tokenizer(model_files(self._job.settings))
        return ReadFile(loaded, chunk_document(loaded.outcome, self._tokenizer, self._job.settings))


class EmbedStage:
    """The second half: new chunks get their vectors, and the group becomes a shard."""

    def __init__(self, record: Frame, expected: int) -> None:
        """``record`` is a job's; the ``expected`` number of texts decides which runtime is worth starting."""
        self._job = Job.from_record(record)
        self._expected = expected
        self._encoder: Encoder | None = None

    def __call__(self, batch: Rows) -> Rows:
        """A row with ``read`` becomes one with ``shard``, the name of a file in the staging folder."""
        if batch["error"][0]:
            return {"shard": [""], "error": batch["error"]}
        return _row("shard", lambda: self.store(batch["read"][0]))

    def store(self, read: bytes) -> str:
        """Write the shard of a read group and return its name. Raises RagcliError, OSError."""
        frame = _unpack(read)
        texts: dict[bytes, str] = {}
        for file in map(unpack_file, frame["files"]):
            texts.update((chunk_key(one), one.embedded) for one in file.chunks)
        known = _known(self._job.staging / KNOWN, list(texts))
        new = {key: text for key, text in texts.items() if key not in known}
        vectors = self._vectors(new)
        runtime = self._encoder.runtime if vectors and self._encoder is not None else ""
        return write_shard(self._job.staging, frame["name"], frame["files"], vectors, runtime)

    def _vectors(self, texts: dict[bytes, str]) -> dict[bytes, Vectors]:
        if not texts:
            return {}
        if self._encoder is None:
            # one thread, as every core has a worker
            self._encoder = open_index_encoder(model_files(self._job.settings), self._expected, threads=1)
        return dict(zip(texts, self._encoder.encode(list(texts.values())), strict=True))


class ReadAndEmbedStage:
    """Both halves on one worker, where no GPU would have to wait for a parser."""

    def __init__(self, record: Frame) -> None:
        """``record`` is a job's."""
        self._read = ReadStage(record)
        self._embed = EmbedStage(record, 0)

    def __call__(self, batch: Rows) -> Rows:
        """A row with ``group`` becomes one with ``shard``."""
        return self._embed(self._read(batch))


def _row(name: str, work: Callable[[], bytes | str]) -> Rows:
    try:
        return {name: [work()], "error": [""]}
    except RagcliError as error:
        message, hint = error.message, error.hint
    except OSError as error:
        message, hint = f"{error.filename or 'the index folder'}: {error.strerror}", ""
    return {
        name: [b"" if name == "read" else ""],
        "error": [json.dumps((f"{message}, on {socket.gethostname()}", hint))],
    }


def _unpack(packed: bytes) -> Frame:
    return unpack_frame(packed[HEADER.size :])


def _count_try(marks: Path, requests: Sequence[Request]) -> None:
    """Raise RagcliError for files that worker after worker was killed with."""
    with marks.open("ab") as file:
        file.write(b".")
        tries = file.tell()
    if tries > _MOST_TRIES:
        more = f" and {len(requests) - 1} more" if len(requests) > 1 else ""
        raise RagcliError(
            f"{_MOST_TRIES} workers were killed while they had {requests[0].path}{more}",
            "give the nodes more memory, or leave these files out with --exclude",
        )


def write_known(staging: Path, keys: Sequence[bytes]) -> None:
    """Tell the workers which chunks need no vector; ``keys`` ascend."""
    if keys:
        (staging / KNOWN).write_bytes(b"".join(keys))


def _known(file: Path, keys: Sequence[bytes]) -> frozenset[bytes]:
    """Those of ``keys`` that the file holds."""
    if not keys or not file.exists():
        return frozenset()
    held = np.memmap(file, _KEY, "r")
    wanted = np.array(keys, _KEY)
    places = np.searchsorted(held, wanted).clip(max=len(held) - 1)
    return frozenset(key for key, is_held in zip(keys, held[places] == wanted, strict=True) if is_held)
