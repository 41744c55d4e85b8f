"""Tell whether the file behind a hit is still the one that was indexed, and show of equal passages one that exists."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.types import Chunk, Fresh

if TYPE_CHECKING:
    from ragcli.index.catalog.documents import Catalog
    from ragcli.index.catalog.rows import DocumentRow


class Freshness:
    """What is known about the files of one search: each file is looked at once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._rows: dict[Path, DocumentRow | None] = {}
        self._found: dict[Path, Fresh | None] = {}
        self._roots: list[Path] | None = None

    def of(self, path: Path) -> Fresh | None:
        """Compare the file with the catalog: its size and times, and its digest only where the times differ.

        None: nothing is known, as for a file that cannot be read, or that is not here and lies below no folder of the
        index (an imported index names files of another machine).
        """
        if path not in self._found:
            self._found[path] = self._look(path)
        return self._found[path]

    def modified(self, path: Path) -> int:
        """The time of the file's last change when it was indexed, in nanoseconds; 0 for an unknown file."""
        row = self._row(path)
        return row.mtime_ns if row else 0

    def best(self, twins: Sequence[Chunk]) -> Chunk:
        """Of passages with equal text, the first whose file is as it was indexed; else the first whose file exists."""
        if len(twins) == 1 or self.of(twins[0].path) == "same":
            return twins[0]
        order: tuple[Fresh | None, ...] = ("same", "changed", None, "gone")
        return min(twins, key=lambda twin: order.index(self.of(twin.path)))

    def _row(self, path: Path) -> DocumentRow | None:
        if path not in self._rows:
            self._rows[path] = self._catalog.document(path)
        return self._rows[path]

    def _look(self, path: Path) -> Fresh | None:
        row = self._row(path)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            container = _container(path)
            if container is not None:
                return self._look_into(container, row)
            return "gone" if self._is_ours(path) else None
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):  # a folder has taken the name
            return "gone" if self._is_ours(path) else None
        return self._compared(path, found, row)

    def _look_into(self, container: Path, member: DocumentRow | None) -> Fresh | None:
        """Compare the file that holds a member: with its own row, else with what is known of the member."""
        row = self._row(container)
        if row is not None:
            return self._compared(container, container.stat(), row)
        found = container.stat()
        is_same = member is not None and (found.st_size, found.st_mtime_ns) == (member.size, member.mtime_ns)
        return "same" if is_same else None

    def _compared(self, path: Path, found: os.stat_result, row: DocumentRow | None) -> Fresh | None:
        if row is None or not stat.S_ISREG(found.st_mode):
            return None
        if found.st_size != row.size:
            return "changed"
        # an edit can keep size and time, and then only the time of its state tells; so does a copy of the whole folder
        if found.st_mtime_ns == row.mtime_ns and self._catalog.changed_ns(row.id) in (0, found.st_ctime_ns):
            return "same"
        import hashlib  # 3 ms that most searches need not pay

        try:
            with path.open("rb") as file:
                return "same" if hashlib.file_digest(file, "sha256").hexdigest() == row.sha256 else "changed"
        except OSError:
            return None

    def _is_ours(self, path: Path) -> bool:
        if self._roots is None:
            self._roots = list(self._catalog.roots())
        return any(path.is_relative_to(root) for root in self._roots)


def fresh_notes(states: Iterable[Fresh | None]) -> tuple[str, ...]:
    """Return a note when files changed or are gone since they were indexed; ``states`` has one entry per file."""
    states = list(states)
    changed, gone = states.count("changed"), states.count("gone")
    facts = [f"{changed} {'file has' if changed == 1 else 'files have'} changed"] if changed else []
    facts += [f"{gone} {'file is' if gone == 1 else 'files are'} gone"] if gone else []
    return (f"{' and '.join(facts)} since the index was made; update it: ragcli index",) if facts else ()


def _container(path: Path) -> Path | None:
    """Return the archive or message that holds the member ``path``; None when there is no such file."""
    return next((file for file in path.parents if os.path.isfile(file)), None)  # noqa: PTH113 (any name will do)
