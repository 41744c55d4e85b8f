"""What an index remembers of how it was built: readers must agree with it, writers must keep to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_LARGEST = 1 << 20  # of a dimension, a window or a passage


@dataclass(frozen=True, slots=True)
class Settings:
    """The embedding model by name and digest, and how passages were cut."""

    model: str
    revision: str
    sha256: str
    dimension: int
    window: int  # tokens, with special ones
    chunk_size: int
    chunk_overlap: int

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

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
        )
        sizes = (read.dimension, read.window, read.chunk_size)
        if not all(0 < size <= _LARGEST for size in sizes) or not 0 <= read.chunk_overlap <= read.chunk_size:
            raise ValueError(f"no index has such sizes: {record}")
        return read
