"""Choose the documents that a query searches. Filters act before the cut to the best k, so no result is starved."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ragcli.errors import UsageError
from ragcli.index.catalog.rows import DocumentRow


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that must all hold; several values of one kind are alternatives."""

    paths: tuple[str, ...] = ()  # globs; one without a separator matches the file name, else the absolute path
    types: tuple[str, ...] = ()  # suffixes without the dot, or loader names
    after: datetime | None = None  # modified at or after this moment
    before: datetime | None = None  # modified before this moment

    def __bool__(self) -> bool:
        return bool(self.paths or self.types or self.after or self.before)


def select(documents: Iterable[DocumentRow], filters: Filters) -> list[int]:
    """Return the ids of the documents that pass."""
    patterns = [_absolute(pattern) for pattern in filters.paths]
    types = {kind.removeprefix(".").lower() for kind in filters.types}
    return [row.id for row in documents if _passes(row, patterns, types, filters)]


def parse_date(text: str) -> datetime:
    """Read a date, or a date and time, in ISO 8601: local time unless it has an offset. Raises UsageError."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise UsageError(f"invalid date {text!r}", "write it as 2026-11-21 or 2026-11-21T09:30") from error


def _passes(row: DocumentRow, patterns: list[str], types: set[str], filters: Filters) -> bool:
    modified = row.mtime_ns / 1e9
    return (
        (not patterns or any(_matches(row.path, pattern) for pattern in patterns))
        and (not types or row.loader in types or row.path.suffix.removeprefix(".").lower() in types)
        and (filters.after is None or modified >= filters.after.timestamp())
        and (filters.before is None or modified < filters.before.timestamp())
    )


def _absolute(pattern: str) -> str:
    """Read ``docs/*.md`` as below the current folder, ``*.md`` as any file of that name, a folder as all below it."""
    if os.sep not in pattern and not Path(pattern).is_dir():
        return pattern
    return os.path.abspath(Path(pattern).expanduser())  # noqa: PTH100 (resolve() would follow links out of the index)


def _matches(path: Path, pattern: str) -> bool:
    if os.sep not in pattern:
        return fnmatch.fnmatchcase(path.name, pattern)
    return fnmatch.fnmatchcase(str(path), pattern) or str(path).startswith(pattern.rstrip(os.sep) + os.sep)
