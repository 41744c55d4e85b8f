"""The files that tantivy keeps: which of them belong to the index, and whether they are what was written.

``meta.json`` names the segments, ``.managed.json`` the files that tantivy may delete; every file of a segment ends with
a checksum of what is before. Neither tantivy nor anything else heavy is imported here.
"""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_META = "meta.json"
_MANAGED = ".managed.json"
_KINDS = ("fast", "fieldnorm", "idx", "pos", "store", "term")
_FOOTER_MARK = 1337

# What a killed tantivy leaves: a segment that nothing names, or the draft of a JSON file.
_SEGMENT = re.compile(r"[0-9a-f]{32}\.(\d+\.del|[a-z]+(\.temp)?)")
_DRAFT = re.compile(r"\.tmp\w{6}")


def check_files(folder: Path) -> list[str]:
    """A sentence for each file of the keyword index that is missing or whose bytes are not those that were written."""
    try:
        names = _segment_files(folder)
    except OSError as error:
        return [f"{error.filename or folder}: {error.strerror}"]
    except ValueError:
        return [f"{folder / _META}: it is not what was written"]
    return [fault for name in names if (fault := _fault(folder / name)) is not None]


def fingerprint(folder: Path) -> str:
    """A digest of the files that have no checksum of their own, and of all the checksums.

    Raises OSError and ValueError where they are not what tantivy writes.
    """
    import hashlib  # 3 ms, and a run with nothing to do needs no digests

    digest = hashlib.sha256()
    for name in (_META, _MANAGED):
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    for name in sorted(_segment_files(folder)):
        with (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = struct.unpack("<I", os.pread(file.fileno(), 4, max(0, size - 8)).ljust(4, b"\0"))[0]
            footer = os.pread(file.fileno(), min(length, 1 << 16) + 8, max(0, size - length - 8))
        digest.update(hashlib.sha256(repr((name, size, footer)).encode()).digest())
    return digest.hexdigest()


def sweep_files(folder: Path) -> None:
    """Remove what a killed tantivy left, which it would not miss itself. Only names of its own are touched."""
    try:
        wanted = set(_segment_files(folder))
    except (OSError, ValueError):
        wanted = None  # no segment is litter for sure where the list of them cannot be read: verify says so
    for entry in os.scandir(folder):
        unnamed = wanted is not None and entry.name not in wanted and _SEGMENT.fullmatch(entry.name)
        if unnamed or _DRAFT.fullmatch(entry.name):
            Path(entry.path).unlink(missing_ok=True)


def dead_share(folder: Path) -> float:
    """Which part of the entries is deleted and still counts in the statistics of BM25; 0 where nobody can tell."""
    try:
        segments = [(count, dead) for _, count, dead, _ in _segments(folder)]
    except (OSError, ValueError):
        return 0.0
    return sum(dead for _, dead in segments) / max(1, sum(count for count, _ in segments))


def _segment_files(folder: Path) -> list[str]:
    names = []
    for name, _, dead, opstamp in _segments(folder):
        names += [f"{name}.{kind}" for kind in _KINDS]
        names += [f"{name}.{opstamp}.del"] if dead else []
    return names


def _segments(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """(name, entries with the dead, dead ones, when the last died) of each; raises OSError, ValueError."""
    try:
        for segment in json.loads((folder / _META).read_bytes())["segments"]:
            name = str(segment["segment_id"]).replace("-", "")
            if not re.fullmatch(r"[0-9a-f]{32}", name):
                raise ValueError(f"{name!r} is no segment")
            deletes = segment["deletes"] or {"num_deleted_docs": 0, "opstamp": 0}
            yield name, int(segment["max_doc"]), int(deletes["num_deleted_docs"]), int(deletes["opstamp"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder / _META} is not what was written") from error


def _fault(path: Path) -> str | None:
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if _has_its_checksum(data) else f"{path}: the content does not match its checksum"


def _has_its_checksum(data: bytes) -> bool:
    """Tantivy ends a file with JSON that holds the CRC-32 of what is before, the length of that JSON, and a mark."""
    try:
        length, mark = struct.unpack("<II", data[-8:])
        body, footer = data[: -8 - length], json.loads(data[-8 - length : -8])
        return bool(mark == _FOOTER_MARK and footer["crc"] == zlib.crc32(body))
    except (struct.error, ValueError, KeyError, TypeError):
        return False
