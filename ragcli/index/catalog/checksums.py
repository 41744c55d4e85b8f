"""A checksum for each table of the catalog, kept up to date in the transaction that changes a row.

It is the sum of the digests of the rows, so that a change costs in proportion to itself and the order of rows does not
matter. SQLite's own check finds a broken structure; this finds a value that is not the one that was written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

KEY = "checksums"  # of the settings; its own row does not count

_MODULUS = 1 << 128

Rows = Callable[[str], Iterable[tuple[Any, ...]]]


def sum_of(rows: Iterable[tuple[Any, ...]]) -> int:
    """The checksum of a table that holds ``rows``."""
    return sum(map(_digest, rows)) % _MODULUS


def select(table: str) -> str:
    """The rows of ``table`` that count."""
    return f"SELECT * FROM main.{table}" + (f" WHERE key != '{KEY}'" if table == "settings" else "")  # noqa: S608 (our own names)


def triggers(table: str, columns: Iterable[str]) -> Iterator[str]:
    """Triggers that call ``count_row(sign, table, ...)``; temporary ones: they are not part of the file."""
    names = list(columns)
    for event, sides in (("INSERT", {"NEW": 1}), ("DELETE", {"OLD": -1}), ("UPDATE", {"OLD": -1, "NEW": 1})):
        calls = []
        for side, sign in sides.items():
            values = ", ".join(f'{side}."{name}"' for name in names)
            only = f" WHERE {side}.key != '{KEY}'" if table == "settings" else ""
            calls.append(f"SELECT count_row({sign}, '{table}', {values}){only};")
        yield f"CREATE TEMP TRIGGER sum_{table}_{event} AFTER {event} ON main.{table} BEGIN {' '.join(calls)} END"


class Sums:
    """The checksums of all tables as one writer changes them."""

    def __init__(self) -> None:
        self._sums: dict[str, int] = {}

    def load(self, stored: str | None, tables: Iterable[str], rows: Rows) -> None:
        """Begin with what was ``stored``, or by counting where nothing was."""
        self._sums = from_record(stored) if stored is not None else {t: sum_of(rows(select(t))) for t in tables}

    def count_row(self, sign: int, table: str, *values: object) -> None:
        """A row came (1) or went (-1)."""
        self._sums[table] = (self._sums.get(table, 0) + sign * _digest(values)) % _MODULUS

    def clear(self, table: str) -> None:
        """``table`` was emptied: whatever was wrong with it is gone."""
        self._sums[table] = 0

    def to_record(self) -> str:
        return json.dumps({table: f"{value:032x}" for table, value in sorted(self._sums.items())})


def from_record(stored: str) -> dict[str, int]:
    """Raises ValueError, AttributeError or TypeError when ``stored`` is not what :meth:`Sums.to_record` wrote."""
    return {str(table): int(value, 16) for table, value in json.loads(stored).items()}


def _digest(values: tuple[Any, ...]) -> int:
    return int.from_bytes(_blake2b()(repr(values).encode(), digest_size=16).digest())


@cache
def _blake2b() -> Callable[..., Any]:
    import hashlib  # 3 ms, and readers need no digests

    return hashlib.blake2b
