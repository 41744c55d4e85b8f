"""The files of tantivy: which of them belong to the index, and whether they are what was written.

``meta.json`` names the segments, ``.managed.json`` the files that tantivy may delete; every file of a segment ends with
a checksum of its content. This layout is not a public interface of tantivy: ``tests/index/test_file_layouts.py`` holds
it against the installed version. This module imports nothing heavy, tantivy neither.
"""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ragcli.errors import refuse_environment
from ragcli.index.catalog.documents import Catalog

# The statistics of BM25 count a deleted entry until its file is rewritten. At this share the scores hardly move, and a
# deleted passage pays for splitting 50 others into words, which is less work than embedding one.
MOST_DEAD = 0.02

_META = "meta.json"
_MANAGED = ".managed.json"
_KINDS = ("fast", "fieldnorm", "idx", "pos", "store", "term")
_FOOTER_MARK = 1337

# What a killed tantivy leaves behind: a segment that nothing names, or the draft of a JSON file.
_SEGMENT = re.compile(r"[0-9a-f]{32}\.(\d+\.del|[a-z]+(\.temp)?)")
_DRAFT = re.compile(r"\.tmp\w{6}")


def check_files(folder: Path) -> list[str]:
    """A sentence for each file of the keyword index that is missing or does not match its checksum."""
    try:
        names = _segment_files(folder)
    except OSError as error:
        refuse_environment(error.filename or folder, error)
        return [f"{error.filename or folder}: {error.strerror}"]
    except ValueError:
        return [f"{folder / _META}: the content is not what was written"]
    return [fault for name in names if (fault := _fault(folder / name)) is not None]


def fingerprint(folder: Path) -> str:
    """A digest of the files without a checksum of their own, and of all checksums.

    Raises OSError, and ValueError for files that tantivy did not write.
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


def committed_faults(folder: Path, catalog: Catalog) -> list[str]:
    """A sentence when the files of the keyword index in ``folder`` are not what the last commit left."""
    wanted = catalog.keywords_sha256()
    if wanted is None or catalog.ledger.pending():  # a commit in progress is ahead of the catalog
        return []
    try:
        found = fingerprint(folder)
    except OSError as error:
        refuse_environment(error.filename or folder, error)
        return [f"{error.filename}: {error.strerror}"]
    except ValueError as error:
        return [str(error)]
    return [] if found == wanted else [f"{folder}: its files are not those of the last commit"]


def share(folder: Path) -> None:
    """Let those read the lists of tantivy who may read the folder: tantivy gives them to their owner alone."""
    mode = folder.stat().st_mode & 0o666
    for name in (_META, _MANAGED):
        with suppress(OSError):  # it is not there, or another user made it
            if (folder / name).stat().st_mode & 0o666 != mode:
                (folder / name).chmod(mode)


def sweep_files(folder: Path) -> None:
    """Remove the files that a killed tantivy left behind; it would not do so itself. Touches only names of tantivy."""
    share(folder)
    try:
        wanted = set(_segment_files(folder))
    except (OSError, ValueError):
        wanted = None  # without the list of segments, none is known to be left behind; verify reports the list
    for entry in os.scandir(folder):
        unnamed = wanted is not None and entry.name not in wanted and _SEGMENT.fullmatch(entry.name)
        if unnamed or _DRAFT.fullmatch(entry.name):
            Path(entry.path).unlink(missing_ok=True)


def wants_rewrite(folder: Path) -> bool:
    """Whether more than MOST_DEAD of the entries are deleted and still count in the statistics of BM25."""
    return dead_share(folder) > MOST_DEAD


def dead_share(folder: Path) -> float:
    """The share of entries that are deleted and still in the files; 0 when the files do not say."""
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
    """(name, entries with dead ones, dead ones, opstamp of the last deletion) of each; raises OSError, ValueError."""
    try:
        for segment in json.loads((folder / _META).read_bytes())["segments"]:
            name = str(segment["segment_id"]).replace("-", "")
            if not re.fullmatch(r"[0-9a-f]{32}", name):
                raise ValueError(f"invalid name of a segment: {name!r}")
            deletes = segment["deletes"] or {"num_deleted_docs": 0, "opstamp": 0}
            yield name, int(segment["max_doc"]), int(deletes["num_deleted_docs"]), int(deletes["opstamp"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder / _META} is not what was written") from error


def _fault(path: Path) -> str | None:
    try:
        data = path.read_bytes()
    except OSError as error:
        refuse_environment(path, error)
        return f"{path}: {error.strerror}"
    return None if _has_its_checksum(data) else f"{path}: the content does not match its checksum"


def _has_its_checksum(data: bytes) -> bool:
    """Whether ``data`` ends as tantivy ends a file: JSON with the CRC-32 of the rest, its length, and a mark."""
    try:
        length, mark = struct.unpack("<II", data[-8:])
        body, footer = data[: -8 - length], json.loads(data[-8 - length : -8])
        return bool(mark == _FOOTER_MARK and footer["crc"] == zlib.crc32(body))
    except (struct.error, ValueError, KeyError, TypeError):
        return False
