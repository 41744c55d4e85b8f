"""What an index remembers of how it was built: readers must agree with it, writers must keep to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_LARGEST = 1 << 20  # of a dimension, a window or a passage


class Settings(NamedTuple):
    """The embedding model by name and digest, how passages were cut, and where the vectors are."""

    model: str
    revision: str
    sha256: str
    dimension: int
    window: int  # tokens, with special ones
    chunk_size: int
    chunk_overlap: int
    store: str = ""  # the address of a server that holds the vectors; "": files of the index

    def to_record(self) -> dict[str, Any]:
        record = self._asdict()
        if not self.store:  # as it was written before there was a choice
            del record["store"]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Settings:
        """Raises KeyError, TypeError or ValueError when ``record`` is not what :meth:`to_record` wrote."""
        read = cls(
            model=str(record["model"]),
            revision=str(record["revision"]),
            sha256=str(record["sha256"]),
            dimension=int(record["dimension"]),
            window=int(record["window"]),
            chunk_size=int(record["chunk_size"]),
            chunk_overlap=int(record["chunk_overlap"]),
            store=str(record.get("store", "")),
        )
        sizes = (read.dimension, read.window, read.chunk_size)
        if not all(0 < size <= _LARGEST for size in sizes) or not 0 <= read.chunk_overlap <= read.chunk_size:
            raise ValueError(f"no index has such sizes: {record}")
        return read
