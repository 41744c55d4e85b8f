"""A checksum for each table of the catalog, updated in the transaction that changes a row.

A checksum is the sum of the digests of the rows: a change costs in proportion to its size, and the order of rows does
not matter. SQLite's own check finds a broken structure; this one finds a changed value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

KEY = "checksums"  # in the table settings; the row of that key is in no checksum

_MODULUS = 1 << 128

Rows = Callable[[str], Iterable[tuple[Any, ...]]]


def sum_of(rows: Iterable[tuple[Any, ...]]) -> int:
    """The checksum of a table that holds ``rows``."""
    return sum(map(_digest, rows)) % _MODULUS


def select(table: str) -> str:
    """The SQL for the rows of ``table`` that its checksum covers."""
    return f"SELECT * FROM main.{table}" + (f" WHERE key != '{KEY}'" if table == "settings" else "")  # noqa: S608 (names from this package)


def triggers(table: str, columns: Iterable[str]) -> Iterator[str]:
    """Triggers that call ``count_row(sign, table, ...)``; temporary ones, which the file does not keep."""
    names = list(columns)
    for event, sides in (("INSERT", {"NEW": 1}), ("DELETE", {"OLD": -1}), ("UPDATE", {"OLD": -1, "NEW": 1})):
        calls = []
        for side, sign in sides.items():
            values = ", ".join(f'{side}."{name}"' for name in names)
            only = f" WHERE {side}.key != '{KEY}'" if table == "settings" else ""
            calls.append(f"SELECT count_row({sign}, '{table}', {values}){only};")
        yield f"CREATE TEMP TRIGGER sum_{table}_{event} AFTER {event} ON main.{table} BEGIN {' '.join(calls)} END"


class Checksums:
    """The checksums of all tables while one writer changes them."""

    def __init__(self) -> None:
        self._sums: dict[str, int] = {}

    def load(self, stored: Mapping[str, str] | None, tables: Iterable[str], rows: Rows) -> None:
        """Start with the ``stored`` ones; where there are none, count the rows."""
        self._sums = from_record(stored) if stored is not None else {t: sum_of(rows(select(t))) for t in tables}

    def count_row(self, sign: int, table: str, *values: object) -> None:
        """A row came (1) or went (-1)."""
        self._sums[table] = (self._sums.get(table, 0) + sign * _digest(values)) % _MODULUS

    def clear(self, table: str) -> None:
        """Every row of ``table`` went, damaged ones too."""
        self._sums[table] = 0

    def to_record(self) -> dict[str, str]:
        return {table: f"{value:032x}" for table, value in sorted(self._sums.items())}


def from_record(stored: Mapping[str, str]) -> dict[str, int]:
    """Raises ValueError, AttributeError or TypeError when :meth:`Checksums.to_record` did not write ``stored``."""
    return {str(table): int(value, 16) for table, value in stored.items()}


def _digest(values: tuple[Any, ...]) -> int:
    return int.from_bytes(_blake2b()(repr(values).encode(), digest_size=16).digest())


@cache
def _blake2b() -> Callable[..., Any]:
    import hashlib  # 3 ms, and readers need no digests

    return hashlib.blake2b
