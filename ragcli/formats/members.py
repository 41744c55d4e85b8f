"""Files in files: the members of archives and mailboxes and what is attached to a message, each a document of its own.

A member is named by the path of the file that holds it, a slash, and its own name: ``archive.zip/report.pdf``,
``mail.eml/invoice.pdf``, ``backup.zip/inbox.mbox/17.eml/invoice.pdf``. A file is no folder, so no other file has such a
path.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path, PurePosixPath

from ragcli.errors import LoadError
from ragcli.formats import registry
from ragcli.formats.blocks import LoadOptions, clean
from ragcli.types import Document, Reason

MAX_DEPTH = 4  # of files in files
MAX_ARCHIVES = 2  # of archives in archives
MAX_BYTES = 64 << 20  # of one file inside another
MAX_TOTAL = 1 << 30  # bytes of all members of a file
MAX_MEMBERS = 110_000  # of one file, at all depths; a mailbox has up to 100,000 messages
_LATEST_NS = 4_102_444_800 * 10**9  # the year 2100: later times are noise
_LONGEST_NAME = 255  # bytes of a part of a path, as in file systems

# Whether a rule keeps a member of an archive out: which part of its path is meant, and why.
Bar = Callable[[tuple[str, ...]], tuple[int, Reason, str] | None]


@dataclass(slots=True)
class Budget:
    """What may still be read of the members of one file."""

    bytes: int = MAX_TOTAL
    members: int = MAX_MEMBERS

    def spend(self, size: int) -> None:
        """Count a member of ``size`` bytes; LoadError(DAMAGED) when there have been too many."""
        self.bytes -= size
        self.members -= 1
        if self.bytes < 0:
            raise LoadError(Reason.DAMAGED, f"it unpacks to more than {MAX_TOTAL >> 30} GiB; the rest is not read")
        if self.members < 0:
            raise LoadError(Reason.DAMAGED, f"more than {MAX_MEMBERS:,} files in it; the rest is not read")


@dataclass(slots=True)
class Opened:
    """A member that can be read. ``name`` is its path below the outermost file."""

    name: str
    content: bytes | tuple[Reason, str, int]
    mtime_ns: int | None
    sha256: str = ""
    options: LoadOptions = field(default_factory=LoadOptions)
    refusal: str = ""  # why a file in files in files is not read
    document: Document | None = None

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else 0

    @property
    def may_hold_members(self) -> bool:
        """Whether there can be files in it, as far as its name and its first bytes tell."""
        return isinstance(self.content, bytes) and registry.may_hold_members(Path(self.name), self.content)

    def read(self) -> Document:
        """The document of this member; raises LoadError."""
        if not isinstance(self.content, bytes):
            raise LoadError(self.content[0], self.content[1])
        if self.refusal:
            raise LoadError(Reason.DAMAGED, self.refusal)
        if len(self.content) > MAX_BYTES:
            raise LoadError(Reason.TOO_LARGE, f"larger than {MAX_BYTES >> 20} MiB")
        self.document = registry.load(Path(self.name), self.content, self.options)
        return self.document


def walk(
    document: Document,
    options: LoadOptions,
    bar: Bar = lambda _: None,
    *,
    prefix: str = "",
    archives: int = 0,
    budget: Budget | None = None,
) -> Iterator[Opened]:
    """Each member of ``document``, and after it those in it when the caller has read it.

    A member that ``bar`` keeps out is counted with the others below the same path, and comes last. Raises LoadError
    where the file cannot be read on, and when its members are too many or too large.
    """
    budget = budget or Budget()
    is_archive = document.loader == "archive"
    archives += is_archive
    names = _Names()
    barred: dict[str, tuple[Reason, str, int]] = {}
    for member in document.members:
        parts = safe_parts(member.name) if is_archive else (file_name(member.name),)
        if parts is None:
            name = names.unique((file_name(member.name),))
            yield Opened(prefix + name, (Reason.DAMAGED, f"unsafe path {member.name[:200]!r}", 1), None)
            continue
        kept_out = bar(parts) if is_archive else None
        if kept_out is not None:
            last, reason, detail = kept_out
            place = "/".join(parts[: last + 1])
            barred[place] = (reason, detail, barred.get(place, (reason, detail, 0))[2] + 1)
            continue
        mtime_ns = member.mtime_ns if 0 <= (member.mtime_ns or 0) < _LATEST_NS else None
        opened = Opened(prefix + names.unique(parts), member.content, mtime_ns)
        if isinstance(member.content, bytes):
            budget.spend(len(member.content))
            opened.sha256 = hashlib.sha256(member.content).hexdigest()
            opened.options = replace(options, depth=options.depth + 1)
            opened.refusal = _refusal(opened, archives)
        yield opened
        if opened.document is not None:
            found, opened.document = opened.document, None
            yield from walk(
                found, opened.options, bar, prefix=f"{opened.name}/", archives=archives, budget=budget
            )  # fmt: skip
    for place, refused in barred.items():
        yield Opened(prefix + names.unique(tuple(place.split("/"))), refused, None)


def _refusal(opened: Opened, archives: int) -> str:
    assert isinstance(opened.content, bytes)
    if opened.options.depth > MAX_DEPTH:
        return "files in files too deep"
    if archives >= MAX_ARCHIVES and registry.loader_for(Path(opened.name), opened.content[:16]) == "archive":
        return "archives in archives too deep"
    return ""


def load_embedded(name: str, data: bytes, options: LoadOptions) -> Document:
    """The document called ``name`` with the content ``data``, to be taken into another; LoadError as from any file."""
    if options.depth >= MAX_DEPTH:
        raise LoadError(Reason.UNSUPPORTED, "files in files in files")
    if len(data) > MAX_BYTES:
        raise LoadError(Reason.TOO_LARGE, f"larger than {MAX_BYTES >> 20} MiB")
    return registry.load(Path(file_name(name)), data, replace(options, depth=options.depth + 1))


def file_name(name: str) -> str:
    """The last part of ``name``, as a name that a path can hold."""
    return _storable(PurePosixPath(name.replace("\\", "/")).name) or "unnamed"


def safe_parts(name: str) -> tuple[str, ...] | None:
    """The parts of the path of a member; None when it leads out of the archive."""
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or not parts or (len(parts[0]) == 2 and parts[0][1] == ":"):
        return None
    return tuple(map(_storable, parts))


def _storable(part: str) -> str:
    """``part`` as a file system would take it."""
    part = part.replace("\0", "\ufffd")
    try:
        raw = os.fsencode(part)
    except UnicodeEncodeError:
        part = clean(part)
        raw = os.fsencode(part)
    if len(raw) > _LONGEST_NAME:
        stem, dot, suffix = part.rpartition(".")
        tail = dot + suffix if stem and len(suffix) < 10 else ""
        part = part[: (_LONGEST_NAME - 20) // 4] + tail
    return "\ufffd" if part in (".", "..") else part


class _Names:
    """Makes the names of the members of one file unique: two attachments may have one name."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, parts: tuple[str, ...]) -> str:
        name = "/".join(parts)
        stem, dot, suffix = parts[-1].rpartition(".")
        if not stem:
            stem, dot, suffix = parts[-1], "", ""
        for number in count(2):
            if name not in self._taken:
                break
            name = "/".join((*parts[:-1], f"{stem} ({number}){dot}{suffix}"))
        self._taken.add(name)
        return name
