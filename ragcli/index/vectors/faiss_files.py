"""The two kinds of files that FAISS writes here, each as it lies on disk: written durably, checked, mapped, searched.

A segment is an ``IndexIDMap`` over ``IndexScalarQuantizer(fp16)`` whose ids are chunk ids, ascending. An inverted file
is an ``IndexIVFScalarQuantizer(fp16)`` over ``IndexFlatIP``: the rows in lists, each list around a centre.

faiss believes what a file says of itself, and may allocate or crash on it. So this module compares the bytes of the
headers and the size of the file with what faiss itself would write, before faiss reads the file. The layouts are not a
public interface of FAISS: ``tests/index/test_file_layouts.py`` holds them against the installed version.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import faiss
import numpy as np
import numpy.typing as npt

from ragcli.errors import IndexDamaged, RagcliError, refuse_environment
from ragcli.index.layout import sync_folder

# A search for one query is work for one thread: several threads wait for one another (for 1,000 rows 38 ms instead of
# 0.6, on a busy machine of two cores). This holds for the thread that calls it.
faiss.omp_set_num_threads(1)

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]  # rows as float16, in bytes (n, 2 * d)

# Ask each file for more rows than wanted, so that rows which tie with the last one are seen and the lower id wins.
_TIE_ROOM = 8

_MOST_DIMENSIONS = 1 << 16


class Draft:
    """A file that is written piece by piece under a temporary name, and appears durably when it is complete."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.tmp"
        self._target = folder / name

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The file, to write; raises RagcliError when the disk is full or fails, and then there is no file."""
        try:
            with self.path.open("wb+", buffering=0) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            self.path.replace(self._target)
            sync_folder(self._target.parent)
        except BaseException as error:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            raise RagcliError(f"cannot write {self.path}", "is the disk full? free some space and run again") from error


def write_all(file: BinaryIO, data: bytes | memoryview | npt.NDArray[np.generic], at: int) -> int:
    """Write all of ``data`` at the offset ``at``, and return the offset behind it."""
    rest = memoryview(data.tobytes() if isinstance(data, np.ndarray) else data).cast("B")
    while rest:
        written = os.pwrite(file.fileno(), rest, at)
        rest, at = rest[written:], at + written
    return at


def read_file(path: Path, check: Callable[[int], object], *, ahead: bool = True) -> faiss.Index:
    """Map the index in ``path``, after ``check`` accepted the open file: it raises ValueError for another layout.

    With ``ahead``, ask the system for the whole file at once. Raises IndexDamaged.
    """
    try:
        with path.open("rb") as file:
            check(file.fileno())
            # From a cold disk, mapped pages come one fault at a time: four times slower than the file at once.
            if ahead and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        # IO_FLAG_MMAP does not map a flat index; IO_FLAG_MMAP_IFC does
        return faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP_IFC)
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        refuse_environment(path, error)
        raise _damaged(path, error.strerror or "it cannot be read") from error
    except (RuntimeError, MemoryError) as error:
        refuse_environment(path, error)
        raise _damaged(path, "faiss cannot read it") from error


def _damaged(path: Path, fact: str) -> IndexDamaged:
    return IndexDamaged(f"the segment {path} is damaged: {fact}", "repair it with: ragcli repair")


def check_digest(path: Path, sha256: str) -> str | None:
    """A sentence when the file is missing or its bytes do not have the digest ``sha256``, else None.

    Raises RagcliError where this process may not read it.
    """
    import hashlib

    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        refuse_environment(path, error)
        return f"{path}: {error.strerror}"
    return None if digest == sha256 else f"{path}: the content does not match its checksum"


def search_file(
    index: faiss.Index, query: Vectors, k: int, parameters: faiss.SearchParameters
) -> list[tuple[int, float]]:
    """At least the ``k`` best (id, inner product) for one row (1, d), and all that tie with the last of them."""
    faiss.omp_set_num_threads(1)  # a server searches in threads that did not import this module
    count = min(k + _TIE_ROOM, index.ntotal)
    while count:
        scores, ids = index.search(query, count, params=parameters)
        hits = [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]  # -1 pads
        cut_inside_a_tie = len(hits) == count > k and hits[k - 1][1] == hits[-1][1]
        if not cut_inside_a_tie or count == index.ntotal:
            return hits
        count = min(2 * count, index.ntotal)
    return []


def empty_segment(dimension: int) -> faiss.IndexIDMap:
    """A segment without rows, in memory."""
    return faiss.IndexIDMap(
        faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    )


def check_segment_form(file: int, row_count: int, dimension: int | None) -> None:
    """Raise ValueError unless the open ``file`` has the layout of a segment of ``row_count`` rows.

    That is: a header, the rows, the number of ids, the ids. Without ``dimension``, the one in the file counts.
    """
    if dimension is None:
        dimension = int.from_bytes(os.pread(file, 4, 4), "little")
        if not 0 < dimension <= _MOST_DIMENSIONS:
            raise ValueError("its header is not that of a segment")
    head = segment_head(dimension, row_count)
    rows_end = len(head) + 2 * dimension * row_count
    if os.fstat(file).st_size != rows_end + 8 + 8 * row_count:
        raise ValueError(f"its size is not that of {row_count} rows")
    if os.pread(file, len(head), 0) != head or os.pread(file, 8, rows_end) != struct.pack("<Q", row_count):
        raise ValueError(f"its header is not that of {row_count} rows of {dimension} numbers")


def segment_head(dimension: int, row_count: int) -> bytes:
    """The bytes that faiss writes before the rows."""
    index = empty_segment(dimension)
    index.ntotal = index.index.ntotal = row_count
    without_counts: bytes = faiss.serialize_index(index).tobytes()[:-16]
    return without_counts + struct.pack("<Q", 2 * dimension * row_count)


def empty_lists(dimension: int, lists: int) -> faiss.IndexIVFScalarQuantizer:
    """An inverted file without centres and rows, in memory."""
    return faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension), dimension, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
    )


def check_lists_form(file: int, row_count: int, lists: int, dimension: int, digests: int = 0) -> None:
    """Raise ValueError unless the open ``file`` has the layout of an inverted file of so many rows in so many lists.

    That is: a header, the centres, a second header, the length of each list, and the rows and ids of each list. Behind
    what faiss reads there may be ``digests`` bytes.
    """
    if os.fstat(file).st_size < 4 * dimension * lists:  # or the centres of the template would take all memory
        raise ValueError(f"its size is not that of {lists} lists")
    first, second = lists_heads(dimension, lists, row_count)
    lengths_at = len(first) + 4 * dimension * lists + len(second)
    if os.fstat(file).st_size != lengths_at + 8 * lists + row_count * (2 * dimension + 8) + digests:
        raise ValueError(f"its size is not that of {row_count} rows in {lists} lists")
    found = os.pread(file, len(first), 0), os.pread(file, len(second), lengths_at - len(second))
    if found != (first, second):
        raise ValueError(f"its header is not that of {row_count} rows of {dimension} numbers in {lists} lists")
    lengths = np.frombuffer(os.pread(file, 8 * lists, lengths_at), "<u8")
    if lengths.max() > row_count or int(lengths.sum()) != row_count:
        raise ValueError(f"its lists do not hold {row_count} rows")


def lists_heads(dimension: int, lists: int, row_count: int) -> tuple[bytes, bytes]:
    """The bytes that faiss writes before the centres, and those between them and the lengths of the lists."""
    template = empty_lists(dimension, lists)
    template.quantizer.add(np.zeros((lists, dimension), np.float32))
    template.is_trained, template.ntotal = True, row_count
    written = faiss.serialize_index(template).tobytes()
    centres = faiss.serialize_index(template.quantizer).tobytes()
    centres_end = written.index(centres) + len(centres)
    centres_start = centres_end - 4 * dimension * lists
    no_rows = b"sprs" + struct.pack("<Q", 0)  # how faiss writes the lengths of lists that are all empty
    return written[:centres_start], written[centres_end : -len(no_rows)] + b"full" + struct.pack("<Q", lists)


def list_parameters(probes: int, selector: faiss.IDSelector | None) -> faiss.SearchParametersIVF:
    """Parameters for a search that reads ``probes`` lists and counts the ids of ``selector``."""
    parameters = faiss.SearchParametersIVF()
    parameters.nprobe, parameters.sel = probes, selector
    return parameters
