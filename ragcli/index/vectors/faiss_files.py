"""Files that FAISS writes and reads: durable, checked by digest, mapped; and the search of one of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from ragcli.errors import IndexDamaged, RagcliError
from ragcli.index.durable import sync_folder

# A search for one query is work for one thread; a team of them only waits for one another (for 1,000 rows 38 ms
# instead of 0.6, on a busy machine of two cores).
faiss.omp_set_num_threads(1)

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

# Extra rows asked of each file, so that rows which tie with the last one are seen and the lower id wins.
_TIE_ROOM = 8


def write_file(folder: Path, name: str, index: faiss.Index, check: Callable[[int], object]) -> str:
    """Write ``index`` to ``folder/name`` durably and return the digest of its bytes.

    ``check`` is given the open file and raises ValueError when it is not what ``index`` should make. Raises
    RagcliError when the disk does not take it; then there is no file.
    """
    temporary = folder / f"{name}.tmp"
    try:
        faiss.write_index(index, os.fspath(temporary))
        import hashlib  # 3 ms, and a search needs no digests

        with temporary.open("rb+") as file:
            # faiss reports no error of closing the file, which is when the last bytes meet a full disk
            check(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
    except (RuntimeError, OSError, ValueError) as error:  # faiss names its own C++ source
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RagcliError(f"cannot write {temporary}", "is the disk full? free some space and run again") from error
    temporary.replace(folder / name)
    sync_folder(folder)
    return digest


def read_file(path: Path, check: Callable[[int], object], *, ahead: bool = True) -> faiss.Index:
    """Map the index in ``path``, once ``check`` has found the open file to be laid out as one of ours.

    faiss believes what a file says of itself, and may allocate or crash on what it says. With ``ahead`` the system is
    asked for all of it at once. Raises IndexDamaged.
    """
    try:
        with path.open("rb") as file:
            check(file.fileno())
            # On a cold disk, mapped pages come one fault at a time, four times slower than asking for the file at once.
            if ahead and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        # IO_FLAG_MMAP does not map a flat index; IO_FLAG_MMAP_IFC does
        return faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP_IFC)
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise _damaged(path, error.strerror or "it cannot be read") from error
    except RuntimeError as error:
        raise _damaged(path, "faiss cannot read it") from error


def _damaged(path: Path, fact: str) -> IndexDamaged:
    return IndexDamaged(f"the segment {path} is damaged: {fact}", "mend it with: ragcli repair")


def check_digest(path: Path, sha256: str) -> str | None:
    """A sentence when the file is missing or its bytes are not those that were written, else None."""
    import hashlib

    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if digest == sha256 else f"{path}: the content does not match its checksum"


def search_file(
    index: faiss.Index, query: Vectors, k: int, parameters: faiss.SearchParameters
) -> list[tuple[int, float]]:
    """At least the ``k`` best (id, score) for one row (1, d), and all that tie with the last of them."""
    count = min(k + _TIE_ROOM, index.ntotal)
    while count:
        scores, ids = index.search(query, count, params=parameters)
        hits = [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]  # -1 pads
        cut_inside_a_tie = len(hits) == count > k and hits[k - 1][1] == hits[-1][1]
        if not cut_inside_a_tie or count == index.ntotal:
            return hits
        count = min(2 * count, index.ntotal)
    return []
