"""What the catalog remembers of every file, as rows until a file is asked for.

A run that finds nothing to do compares ten thousand files by name, size and time: objects for them all would cost more
than reading the folders.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ragcli.index.catalog.rows import INDEXED_STATE_TYPES, FileState, indexed_state_of


class FileStates(Mapping[Path, FileState]):
    """The state of each file by its path, of those that could not be indexed too."""

    def __init__(self, documents: Sequence[tuple[Any, ...]], skipped: Sequence[FileState]) -> None:
        """``documents`` are rows of INDEXED_STATE_COLUMNS; TypeError when one is none."""
        for column, kind in zip(zip(*documents, strict=True), INDEXED_STATE_TYPES, strict=bool(documents)):
            if set(map(type, column)) != {kind}:
                raise TypeError("a column holds a value of another type")
        self._documents = {os.fsdecode(row[0]): row for row in documents}
        self._skipped = {os.fspath(state.path): state for state in skipped}

    def __getitem__(self, path: Path) -> FileState:
        name = os.fspath(path)
        row = self._documents.get(name)
        return self._skipped[name] if row is None else indexed_state_of(row)

    def __iter__(self) -> Iterator[Path]:
        return (Path(name) for name in (*self._documents, *self._skipped))

    def __len__(self) -> int:
        return len(self._documents) + len(self._skipped)

    def besides(self, names: set[str], below: Collection[Path]) -> Iterator[Path]:
        """The paths at or below these folders whose names are not among ``names``."""
        tops = {os.fspath(folder) for folder in below}
        inside = tuple(os.path.join(top, "") for top in tops)  # noqa: PTH118 (with a separator at the end)
        for known in (self._documents, self._skipped):
            yield from (Path(name) for name in known if name not in names and (name.startswith(inside) or name in tops))

    def stamps(self, version_of: Callable[[str], int]) -> dict[str, tuple[int, int]]:
        """Size and mtime, by name, of each document that a loader of today's version read."""
        versions = {row[5]: version_of(row[5]) for row in self._documents.values()}
        return {name: row[2:4] for name, row in self._documents.items() if row[6] == versions[row[5]]}
