"""The manifest of an exported index: the first member of the file, a JSON document with the digest of every other one.

The file is an uncompressed tar: nothing in it can expand, and any program can list it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ragcli.errors import IndexDamaged, IndexFormat
from ragcli.index.layout import CATALOG, VECTORS, is_approximate_name, is_keywords_name, is_segment_name

NAME = "manifest.json"
FORMAT = 1
LARGEST = 16 << 20  # bytes in a manifest

_MOST_FILES = 50_000
_LARGEST_FILE = 1 << 44
_KEYWORD_FILE = re.compile(r"meta\.json|\.managed\.json|[0-9a-f]{32}(\.\d{1,20})?\.[a-z]{1,16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the index, by its path in the folder of the index."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of the archive."""

    model: str
    documents: int
    chunks: int
    files: tuple[Member, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(member.size for member in self.files)


def pack(manifest: Manifest) -> bytes:
    """The bytes of ``manifest`` in the file."""
    record = {"ragcli-export": FORMAT} | asdict(manifest)
    return json.dumps(record, indent=1).encode() + b"\n"


def unpack(data: bytes) -> Manifest:
    """The manifest in ``data``, with every name and number checked.

    Raises IndexFormat for another version, IndexDamaged for anything else that :func:`pack` did not write.
    """
    try:
        record = json.loads(data)
        version = record["ragcli-export"]
        if version != FORMAT:
            raise IndexFormat(
                f"the file was exported in format {version}, this ragcli knows {FORMAT}", "upgrade ragcli"
            )
        manifest = Manifest(
            str(record["model"]), int(record["documents"]), int(record["chunks"]), tuple(map(_member, record["files"]))
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IndexDamaged(f"the manifest of the file cannot be read ({error})", "export it again") from error
    names = {member.name for member in manifest.files}
    if len(names) != len(manifest.files) or len(names) > _MOST_FILES or CATALOG not in names:
        raise IndexDamaged("the manifest of the file is not that of an index", "export it again")
    return manifest


def _member(record: Mapping[str, Any]) -> Member:
    name, size, sha256 = record["name"], record["size"], record["sha256"]
    if not isinstance(name, str) or not is_member_name(name):
        raise ValueError(f"{name!r} is not a file of an index")
    if type(size) is not int or not 0 <= size <= _LARGEST_FILE:
        raise ValueError(f"{name} cannot have {size!r} bytes")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{name} has no digest")
    return Member(name, size, sha256)


def is_member_name(name: str) -> bool:
    """Whether an index can hold a file of that name; an import writes no other names."""
    folder, slash, file = name.partition("/")
    if not slash:
        return name == CATALOG
    if folder == VECTORS:
        return is_segment_name(file) or is_approximate_name(file)
    return is_keywords_name(folder) and _KEYWORD_FILE.fullmatch(file) is not None
