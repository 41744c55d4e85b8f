"""The inverted file of a large index: its rows in lists, one list around each centre, and a digest of each list.

The rows of a large index are in this file alone, so that they take their room once. Behind the bytes that faiss reads
stand the digests: one of everything before the lists, then one of each list. So a reader of some rows need not read
gigabytes to know that they are what was written, and damage costs the lists that it hit.
"""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ragcli.errors import IndexDamaged
from ragcli.index.catalog.rows import ApproximateRow
from ragcli.index.vectors.faiss_files import (
    Codes,
    Ids,
    Vectors,
    check_lists_form,
    list_parameters,
    lists_heads,
    read_file,
    search_file,
)

DIGEST = 16  # bytes

# Search maps the file, and every page that it read counts as memory of the process until it is given back: after so
# many bytes. The pages stay in the cache of the system, where the next search finds them.
_MOST_MAPPED = 800 << 20
_PAGES = 1 << 16  # a multiple of every size of a page
_DONTNEED = 4  # MADV_DONTNEED of Linux and macOS


def digest_of(codes: bytes, ids: bytes = b"") -> bytes:
    """The digest of a list, or of what stands before the lists."""
    import hashlib  # 3 ms, and a search needs no digests

    return hashlib.blake2b(codes + ids, digest_size=DIGEST).digest()


class Lists:
    """An open inverted file."""

    def __init__(self, folder: Path, row: ApproximateRow, dimension: int) -> None:
        """Map it; raises IndexDamaged when it is not what ``row`` says."""
        self.row = row
        self.dimension = dimension
        self._path = folder / row.name
        behind = DIGEST * (row.lists + 1) if row.is_alone else 0
        index = read_file(
            self._path, lambda file: check_lists_form(file, row.count, row.lists, dimension, behind), ahead=False
        )
        assert isinstance(index, faiss.IndexIVFScalarQuantizer)  # the header says so
        self.index = index
        self._row_size = 2 * dimension + 8
        self._read = 0  # bytes that searches read since pages were given back
        self._sound: set[int] = set()  # lists whose bytes have been checked

    def search(
        self, query: Vectors, k: int, selector: faiss.IDSelector | None, *, every: bool = False
    ) -> list[tuple[int, float]]:
        """At least the ``k`` best (id, cosine) for one row (1, d); with ``every`` list read, exact."""
        probes = self.row.lists if every else self.row.probes
        found = search_file(self.index, query, k, list_parameters(probes, selector))
        self.note_read(probes)
        return found

    def note_read(self, probes: int) -> None:
        """Give mapped pages back when the searches since the last time read many; this one read ``probes`` lists."""
        self._read += probes * self._row_size * self.row.count // self.row.lists
        if self._read > _MOST_MAPPED:
            self._read = 0
            self._give_back()

    def _give_back(self) -> None:
        import ctypes  # only what searches a large index often needs it

        filled = int(np.argmax(self.lengths > 0))
        lists: Any = self.index.invlists
        first = int(lists.get_codes(filled)) - int(self.starts[filled] - self.starts[0])
        start, end = -(-first // _PAGES) * _PAGES, (first + self._row_size * self.row.count) // _PAGES * _PAGES
        with suppress(AttributeError, OSError):  # without the call, the system takes them when it needs them
            if end > start:
                ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED)

    # -- rows, read without faiss -------------------------------------------------------------------------------------

    def part(self, number: int) -> tuple[Ids, Codes]:
        """The ids (n,) and the rows of a list."""
        count = int(self.lengths[number])
        data = self._bytes(int(self.starts[number]), count * self._row_size)
        split = 2 * self.dimension * count
        codes = np.frombuffer(data, np.uint8, split).reshape(count, 2 * self.dimension)
        return np.frombuffer(data, "<i8", offset=split), codes

    def places(self, *, sound_only: bool = False) -> tuple[Ids, Ids]:
        """Each id, list after list, and where its row begins in the file; of all lists, or of the sound ones."""
        ids: list[Ids] = [np.empty(0, np.int64)]
        offsets: list[Ids] = [np.empty(0, np.int64)]
        for number, start in enumerate(self.starts[:-1].tolist()):
            held, codes = self.part(number)
            if not sound_only or self._is_sound(number, held, codes):
                ids.append(held)
                offsets.append(start + 2 * self.dimension * np.arange(len(held)))
        return np.concatenate(ids), np.concatenate(offsets)

    def codes_at(self, offsets: Ids) -> Codes:
        """The rows that begin at these places in the file."""
        size = 2 * self.dimension
        data = b"".join(self._bytes(offset, size) for offset in offsets.tolist())
        return np.frombuffer(data, np.uint8).reshape(len(offsets), size)

    def ids(self) -> Ids:
        """Every id, ascending."""
        ascending: Ids = self._ids[self._order]
        return ascending

    def rows(self, wanted: Ids) -> dict[int, Vectors]:
        """The row (d,) of each id among ``wanted`` (ascending, each once) that is here.

        Checks each list that it reads, once. Raises IndexDamaged.
        """
        ascending = self.ids()
        at = np.searchsorted(ascending, wanted)
        here = at < len(ascending)
        here[here] = ascending[at[here]] == wanted[here]
        ids, places = wanted[here], self._order[at[here]]
        firsts = np.concatenate([[0], np.cumsum(self.lengths)])
        numbers = np.searchsorted(firsts, places, "right") - 1
        for number in set(numbers.tolist()) - self._sound:
            if not self._is_sound(number, *self.part(number)):
                raise IndexDamaged(
                    f"the segment {self._path} is damaged: list {number} does not match its checksum",
                    "repair it with: ragcli repair",
                )
            self._sound.add(number)
        offsets = self.starts[numbers] + 2 * self.dimension * (places - firsts[numbers])
        return dict(zip(ids.tolist(), decoded(self.codes_at(offsets)), strict=True))

    def centres(self) -> Vectors:
        """The centre of each list (lists, d)."""
        quantizer: Any = faiss.downcast_index(self.index.quantizer)
        centres: Vectors = quantizer.reconstruct_n(0, self.row.lists)
        return centres

    @cached_property
    def lengths(self) -> Ids:
        """The number of rows of each list."""
        return np.frombuffer(self._bytes(self._head_size - 8 * self.row.lists, 8 * self.row.lists), "<i8")

    @cached_property
    def starts(self) -> Ids:
        """Where each list begins in the file, and where the last one ends."""
        return self._head_size + self._row_size * np.concatenate([[0], np.cumsum(self.lengths)])

    @cached_property
    def _head_size(self) -> int:
        first, second = lists_heads(self.dimension, self.row.lists, self.row.count)
        return len(first) + 4 * self.dimension * self.row.lists + len(second) + 8 * self.row.lists

    @cached_property
    def _ids(self) -> Ids:
        """Every id, list after list."""
        found = np.empty(self.row.count, np.int64)
        ends = np.cumsum(self.lengths).tolist()
        for start, count, end in zip(
            (self.starts[1:] - 8 * self.lengths).tolist(), self.lengths.tolist(), ends, strict=True
        ):
            found[end - count : end] = np.frombuffer(self._bytes(start, 8 * count), "<i8")
        return found

    @cached_property
    def _order(self) -> Ids:
        return np.argsort(self._ids, kind="stable")

    def _is_sound(self, number: int, ids: Ids, codes: Codes) -> bool:
        # the file of an older version has no digests; its segments hold the rows too, and are checked
        at = int(self.starts[-1]) + DIGEST * (number + 1)
        return digest_of(codes.tobytes(), ids.tobytes()) == self._bytes(at, DIGEST)

    def _bytes(self, start: int, size: int) -> bytes:
        data = os.pread(self._file, size, start)
        while len(data) < size and (more := os.pread(self._file, size - len(data), start + len(data))):
            data += more
        if len(data) < size:
            raise IndexDamaged(f"the segment {self._path} is damaged: it is cut off", "repair it with: ragcli repair")
        return data

    @cached_property
    def _file(self) -> int:
        file = os.open(self._path, os.O_RDONLY)
        weakref.finalize(self, os.close, file)
        return file


def decoded(codes: Codes) -> Vectors:
    """The rows (n, d) that these bytes hold."""
    return np.ascontiguousarray(codes).view("<f2").astype(np.float32)
