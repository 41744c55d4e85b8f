"""Names inside the folder of an index.

Only names that match these patterns are ever opened or deleted: a folder that someone points ``--index`` at may hold
files of theirs, and a catalog from a stranger may name any file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ragcli.errors import UsageError

CATALOG = "catalog.sqlite3"
VECTORS = "vectors"
KEYWORDS = "keywords"
REBUILD = "rebuild"  # an index that is built inside another one to replace it

_SEGMENT = re.compile(r"seg-\d{4,}-\d{8,}\.faiss")
_APPROXIMATE = re.compile(r"ivf-\d{4,}-\d{8,}\.faiss")
_LITTER = re.compile(rf"({_SEGMENT.pattern}|{_APPROXIMATE.pattern})(\.tmp)?")
_KEYWORDS = re.compile(rf"{KEYWORDS}(-\d+){{0,2}}")
_STAGING = re.compile(r"staging-[0-9a-f]{16}")


def segment_name(generation: int, commit: int) -> str:
    return f"seg-{generation:04d}-{commit:08d}.faiss"


def approximate_name(generation: int, commit: int) -> str:
    return f"ivf-{generation:04d}-{commit:08d}.faiss"


def rewritten_keywords(generation: int, commit: int) -> str:
    """The folder of a keyword index that was written anew, which no other one ever has."""
    return f"{KEYWORDS}-{generation}-{commit}"


def keywords_name(stored: object) -> str:
    """``stored``; raises ValueError when it is no name of a keyword index."""
    if not isinstance(stored, str) or not is_keywords_name(stored):
        raise ValueError(f"{stored!r} is no name of a keyword index")
    return stored


def new_staging_name() -> str:
    """A folder for what the workers of one run hand over, under a name that no other run has."""
    return f"staging-{os.urandom(8).hex()}"


def is_staging_name(name: str) -> bool:
    return _STAGING.fullmatch(name) is not None


def is_segment_name(name: str) -> bool:
    return _SEGMENT.fullmatch(name) is not None


def is_approximate_name(name: str) -> bool:
    return _APPROXIMATE.fullmatch(name) is not None


def is_vectors_or_draft(name: str) -> bool:
    """Whether it is a file of vectors, also one that was being written."""
    return _LITTER.fullmatch(name) is not None


def is_keywords_name(name: str) -> bool:
    return _KEYWORDS.fullmatch(name) is not None


def refuse_links(folder: Path) -> None:
    """Raise UsageError where something in ``folder`` is a link: writing to the index would write where it leads."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            links = sorted(entry.name for entry in entries if entry.is_symlink())
        if links:
            raise UsageError(f"{folder} holds a link, {links[0]}, and an index never does", "remove it, or that folder")
