"""Choose the documents that a query searches. Filters act before the cut to the best k, so no result is starved."""

from __future__ import annotations

import fnmatch
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ragcli.errors import UsageError
from ragcli.index.catalog.rows import DocumentRow

_DAYS = {"today": 0, "yesterday": 1}
_LENGTHS = {"d": 1, "w": 7, "m": 30, "y": 365}
_MOST_KINDS = 8  # that a message names
_MOST_PATTERNS = 1000  # that braces may stand for

# What people call a kind of file whose suffix is another word.
_CALLED = {
    "python": ("py", "pyi"), "javascript": ("js", "mjs", "cjs", "jsx"), "typescript": ("ts", "tsx", "mts"),
    "rust": ("rs",), "ruby": ("rb",), "kotlin": ("kt", "kts"), "csharp": ("cs",), "c#": ("cs",), "f#": ("fs",),
    "c++": ("cpp", "cc", "cxx", "hpp", "hh"), "golang": ("go",), "perl": ("pl", "pm"), "shell": ("sh", "bash", "zsh"),
    "haskell": ("hs",), "erlang": ("erl",), "elixir": ("ex", "exs"), "word": ("docx", "doc"), "excel": ("xlsx", "xls"),
    "powerpoint": ("pptx", "ppt"), "outlook": ("msg",), "yaml": ("yml",), "jpg": ("jpeg",), "txt": ("text",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that must all hold; several values of one kind are alternatives."""

    paths: tuple[str, ...] = ()  # globs; one without a separator matches the file name, else the absolute path
    types: tuple[str, ...] = ()  # suffixes without the dot, or loader names
    after: datetime | None = None  # written at or after this moment; a message: sent
    before: datetime | None = None  # written before this moment
    base: Path | None = None  # the folder that a relative glob is below; None: the current folder

    def __bool__(self) -> bool:
        return bool(self.paths or self.types or self.after or self.before)


def select(documents: Iterable[DocumentRow], filters: Filters) -> list[int]:
    """Return the ids of the documents that pass.

    Globs may have alternatives, ``*.{md,txt}``, and one that begins with ``!`` leaves files out. A relative glob with a
    separator that matches nothing below ``filters.base`` is tried anywhere.
    """
    rows = list(documents)
    accepts = _path_test(rows, filters.paths, filters.base or Path())
    types = _types(filters.types)
    return [row.id for row in rows if accepts(row.path) and _passes(row, types, filters)]


def why_nothing(documents: Iterable[DocumentRow], filters: Filters) -> str:
    """Say in one line which filter lets no document pass, and what there is."""
    rows = list(documents)
    for kind in filters.types:
        if not any(_is_of_type(row, _types((kind,))) for row in rows):
            there = Counter(row.path.suffix.removeprefix(".").lower() or row.loader for row in rows)
            return f"no document is of type {kind!r}{_guess(kind, there)}; {_kinds(there)}"
    for pattern in filters.paths:
        if not pattern.startswith("!") and not select(rows, Filters(paths=(pattern,), base=filters.base)):
            return f"no path matches {pattern!r}; see the paths: ragcli list"
    times = [row.mtime_ns / 1e9 for row in rows]
    if filters.after and times and max(times) < filters.after.timestamp():
        return f"no document was modified on or after {_day(filters.after)}; the newest is of {_day(max(times))}"
    if filters.before and times and min(times) >= filters.before.timestamp():
        return f"no document was modified before {_day(filters.before)}; the oldest is of {_day(min(times))}"
    return "no document matches all filters together; see what the index holds: ragcli list"


def parse_date(text: str) -> datetime:
    """Read a date or a time: ISO 8601, a month (2026-03), a year, today, yesterday, or an age such as 7d, 2w, 6m or 1y.

    It is local time unless it has an offset; a month has 30 days in an age. Raises UsageError.
    """
    word = text.strip().lower()
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    if word in _DAYS:
        return _local(midnight - timedelta(days=_DAYS[word]))
    try:
        if age := re.fullmatch(r"(\d{1,4})\s?(h|d|w|m|y)", word):
            span = timedelta(hours=int(age[1])) if age[2] == "h" else timedelta(days=int(age[1]) * _LENGTHS[age[2]])
            return datetime.now().astimezone() - span if age[2] == "h" else _local(midnight - span)
        if re.fullmatch(r"\d{4}(?:-\d\d)?", word):
            return datetime.fromisoformat(f"{word}-01-01"[:10]).astimezone()
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"invalid date {text!r}", "write it as 2026-11-21, 2026-11-21T09:30, 2026-11, 7d or yesterday"
        ) from error


def kinds(documents: Iterable[DocumentRow]) -> list[str]:
    """Return what ``types`` of a filter can name: the suffixes and loaders of the documents, sorted."""
    return sorted({name for row in documents for name in (row.path.suffix[1:].lower(), row.loader) if name})


def _local(moment: datetime) -> datetime:
    """Return midnight of that day: a clock may have been put forward or back since."""
    return datetime(moment.year, moment.month, moment.day).astimezone()


def _day(moment: datetime | float) -> str:
    moment = datetime.fromtimestamp(moment).astimezone() if isinstance(moment, float) else moment
    return f"{moment:%Y-%m-%d}"


def _types(given: Iterable[str]) -> set[str]:
    """Return suffixes and loader names: of ``md,txt`` both, of ``*.rs`` the suffix, of ``python`` what it is called."""
    names = [name.strip().removeprefix("*").removeprefix(".").lower() for kind in given for name in kind.split(",")]
    return {suffix for name in names for suffix in (name, *_CALLED.get(name, ()))}


def _kinds(there: Counter[str]) -> str:
    most = ", ".join(f"{name} {count}" for name, count in there.most_common(_MOST_KINDS))
    return f"types here: {most}{', …' if len(there) > _MOST_KINDS else ''}" if there else "the index is empty"


def _guess(kind: str, there: Iterable[str]) -> str:
    from difflib import get_close_matches  # 5 ms that only a mistake pays

    close = get_close_matches(kind.lower().removeprefix("."), list(there), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _is_of_type(row: DocumentRow, types: set[str]) -> bool:
    return row.loader in types or row.path.suffix.removeprefix(".").lower() in types


def _path_test(rows: Sequence[DocumentRow], given: Sequence[str], base: Path) -> Callable[[Path], bool]:
    wanted = [one for pattern in given if not pattern.startswith("!") for one in _placed(rows, _braces(pattern), base)]
    unwanted = [
        one for pattern in given if pattern.startswith("!") for one in _placed(rows, _braces(pattern[1:]), base)
    ]
    return lambda path: (
        (not wanted or any(_matches(path, pattern) for pattern in wanted))
        and not any(_matches(path, pattern) for pattern in unwanted)
    )


def _placed(rows: Sequence[DocumentRow], patterns: Iterable[str], base: Path) -> Iterator[str]:
    """Yield the patterns as they are compared; one that matches nothing from ``base`` on, for any folder."""
    for pattern in patterns:
        placed = _absolute(pattern, base)
        anywhere = os.path.join("*", pattern.removeprefix(f".{os.sep}"))  # noqa: PTH118 (a pattern, not a path)
        is_relative = os.sep in pattern and not pattern.startswith((os.sep, "~", "..", f".{os.sep}"))
        if is_relative and not any(_matches(row.path, placed) for row in rows):
            yield anywhere
        else:
            yield placed


def _braces(pattern: str) -> list[str]:
    """Return the patterns that ``{a,b}`` stands for."""
    found = re.search(r"\{([^{}]*,[^{}]*)\}", pattern)
    if not found:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [one for choice in found[1].split(",") for one in _braces(f"{before}{choice}{after}")][:_MOST_PATTERNS]


def _passes(row: DocumentRow, types: set[str], filters: Filters) -> bool:
    written = row.time_ns / 1e9
    return (
        (not types or _is_of_type(row, types))
        and (filters.after is None or written >= filters.after.timestamp())
        and (filters.before is None or written < filters.before.timestamp())
    )


def _absolute(pattern: str, base: Path) -> str:
    """Read ``docs/*.md`` as below ``base``, ``*.md`` as any file of that name, a folder as all below it."""
    if os.sep not in pattern and not (base / pattern).is_dir():
        return pattern
    return os.path.abspath(base / Path(pattern).expanduser())  # noqa: PTH100 (resolve() would follow links out of the index)


def _matches(path: Path, pattern: str) -> bool:
    if os.sep not in pattern:
        return path.name == pattern or fnmatch.fnmatchcase(path.name, pattern)
    name = str(path)
    return (
        name == pattern
        or name.startswith(pattern.rstrip(os.sep) + os.sep)
        or any(
            fnmatch.fnmatchcase(name, one) for one in {pattern, pattern.replace("/**/", "/")}
        )  # ** is no folder, too
    )
