"""The folder of an index: the names in it, and changes to it that survive a power cut.

ragcli opens and deletes only names that match these patterns: the folder that a user names with ``--index`` may hold
other files, and a catalog from elsewhere may name any file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ragcli.errors import IndexDamaged, RagcliError, UsageError

CATALOG = "catalog.sqlite3"
VECTORS = "vectors"
KEYWORDS = "keywords"
REBUILD = "rebuild"  # a whole index that will replace the one around it

_SEGMENT = re.compile(r"seg-\d{4,}-\d{8,}\.faiss")
_APPROXIMATE = re.compile(r"ivf-\d{4,}-\d{8,}\.faiss")
_VECTORS_OR_DRAFT = re.compile(rf"({_SEGMENT.pattern}|{_APPROXIMATE.pattern})(\.tmp)?")
_KEYWORDS = re.compile(rf"{KEYWORDS}(-\d+){{0,2}}")
_STAGING = re.compile(r"staging-[0-9a-f]{16}")


def segment_name(generation: int, commit: int) -> str:
    return f"seg-{generation:04d}-{commit:08d}.faiss"


def approximate_name(generation: int, commit: int) -> str:
    return f"ivf-{generation:04d}-{commit:08d}.faiss"


def rewritten_keywords(generation: int, commit: int) -> str:
    """The folder of a keyword index that replaces another one; no other keyword index ever has this name."""
    return f"{KEYWORDS}-{generation}-{commit}"


def keywords_name(stored: object) -> str:
    """``stored``; raises ValueError unless it is a name for the folder of a keyword index."""
    if not isinstance(stored, str) or not is_keywords_name(stored):
        raise ValueError(f"invalid name of a keyword index: {stored!r}")
    return stored


def is_staging_name(name: str) -> bool:
    return _STAGING.fullmatch(name) is not None


def is_segment_name(name: str) -> bool:
    return _SEGMENT.fullmatch(name) is not None


def is_approximate_name(name: str) -> bool:
    return _APPROXIMATE.fullmatch(name) is not None


def is_vectors_or_draft(name: str) -> bool:
    """Whether ``name`` is a file of vectors, finished or not."""
    return _VECTORS_OR_DRAFT.fullmatch(name) is not None


def is_keywords_name(name: str) -> bool:
    return _KEYWORDS.fullmatch(name) is not None


def without_catalog(folder: Path) -> IndexDamaged:
    """The error for an index whose catalog is gone, while files that are derived from it are there."""
    return IndexDamaged(
        f"the catalog of the index in {folder} is gone",
        "restore it from a backup, or delete that folder and index again",
    )


def refuse_links(folder: Path) -> None:
    """Raise UsageError when ``folder`` holds a link: writing to the index would write to the target of the link."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            links = sorted(entry.name for entry in entries if entry.is_symlink())
        if links:
            raise UsageError(f"{folder} holds a link, {links[0]}, and an index never does", "remove it, or that folder")


def sync_folder(folder: Path) -> None:
    """Make the renames and new files in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """A new, empty folder in the index in ``folder``, where workers put what the writer will store; gone at the end.

    The caller holds the index for writing. Each run has a folder with a name of its own, so that a worker that outlives
    its run cannot reach into the next one. The next writer removes the folder of a killed run.
    """
    import shutil  # 4 ms that a query need not pay

    place = folder / f"staging-{os.urandom(8).hex()}"
    try:
        place.mkdir()
    except OSError as error:
        raise RagcliError(f"cannot make {place}: {error.strerror}", "is the disk full?") from error
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)  # a worker may still be writing; the next writer removes the rest
