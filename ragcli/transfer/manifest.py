"""What an exported index says of itself: the first member of the file, a JSON document with the digest of each other.

The file is an uncompressed tar, so that nothing in it can unfold, and whoever has no ragcli can look inside.
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
LARGEST = 16 << 20  # bytes of a manifest

_MOST_FILES = 50_000
_LARGEST_FILE = 1 << 44
_KEYWORD_FILE = re.compile(r"meta\.json|\.managed\.json|[0-9a-f]{32}(\.\d{1,20})?\.[a-z]{1,16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the index, by its name below the index's folder."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the archive holds."""

    model: str
    documents: int
    chunks: int
    files: tuple[Member, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(member.size for member in self.files)


def pack(manifest: Manifest) -> bytes:
    """The manifest as it stands in the file."""
    record = {"ragcli-export": FORMAT} | asdict(manifest)
    return json.dumps(record, indent=1).encode() + b"\n"


def unpack(data: bytes) -> Manifest:
    """The manifest of ``data``, every name and number in it checked.

    Raises IndexFormat for one of another version, IndexDamaged for anything else that is not what :func:`pack` wrote.
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
        raise IndexDamaged(f"the list of what is in the file cannot be read ({error})", "export it again") from error
    names = {member.name for member in manifest.files}
    if len(names) != len(manifest.files) or len(names) > _MOST_FILES or CATALOG not in names:
        raise IndexDamaged("the list of what is in the file is not that of an index", "export it again")
    return manifest


def _member(record: Mapping[str, Any]) -> Member:
    name, size, sha256 = record["name"], record["size"], record["sha256"]
    if not isinstance(name, str) or not is_member_name(name):
        raise ValueError(f"{name!r} is no file of an index")
    if type(size) is not int or not 0 <= size <= _LARGEST_FILE:
        raise ValueError(f"{name} cannot have {size!r} bytes")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{name} has no digest")
    return Member(name, size, sha256)


def is_member_name(name: str) -> bool:
    """Whether an index can hold a file of that name: the only names that are ever written."""
    folder, slash, file = name.partition("/")
    if not slash:
        return name == CATALOG
    if folder == VECTORS:
        return is_segment_name(file) or is_approximate_name(file)
    return is_keywords_name(folder) and _KEYWORD_FILE.fullmatch(file) is not None
