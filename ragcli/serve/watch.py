"""Keep an index up to date: look at names, sizes and times, wait until writers are quiet, then sync.

Looking works on every file system; events of the kernel do not come from network file systems, and their number is
limited per user. A look at everything would cost a core several per cent where there are many files, so each tick looks
at folders, then at files, as many as its share of processor time allows, and the next one goes on there. An editor that
writes a new file and renames it changes its folder; only a file that is written in place waits for its turn, unless it
was one of the last to change: these are looked at in each tick.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import nlargest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ragcli.errors import IndexBusy, RagcliError
from ragcli.ingest.discover import GENERATED_FOLDERS, VERSION_CONTROL

if TYPE_CHECKING:
    from ragcli.ingest.options import SyncOptions
    from ragcli.ingest.sync import Summary

QUIET_SECONDS = 1.5  # without a change before a sync: half a checkout is not worth indexing
MOST_SECONDS = 10.0  # that a sync waits for writers that never are quiet
_TICK = 0.25
_SHARE = 0.008  # of a core while nothing changes
_FOLDERS = 0.6  # of that time, at most: an editor that writes a new file and renames it changes its folder
_RECENT = 64  # files that changed last: who edits one will edit it again
_SWEEP_SECONDS = 600.0  # between two syncs although nothing was seen: folders that no tick looks at
_RETRY_SECONDS = 5.0  # after an error

_SKIPPED = GENERATED_FOLDERS | VERSION_CONTROL

Stamp = tuple[int, int, int]  # mtime in ns, size, inode
_GONE: Stamp = (0, 0, 0)


class Settings(NamedTuple):
    """Which index is kept up to date, from what, and how patiently."""

    folder: Path
    roots: Sequence[Path] = ()  # () means all folders that the index knows
    options: SyncOptions | None = None
    quiet_seconds: float = QUIET_SECONDS
    most_seconds: float = MOST_SECONDS


def keep_up(
    settings: Settings,
    done: Callable[[Summary], None],
    failed: Callable[[RagcliError], None],
    stop: threading.Event,
) -> None:
    """Sync at once, and then after each change, until ``stop`` is set.

    ``done`` gets the summary of every sync that changed something, and of the first. ``failed`` gets what goes wrong;
    the next try follows in some seconds. It also learns that another process is writing, and a sync waits for it: one
    that gave up would not get its turn beside a process that writes again and again. Raises what the first sync raises.
    """
    from ragcli.ingest.sync import sync

    def wait(fact: str) -> None:
        failed(IndexBusy(fact, "waiting for it"))

    is_first = True
    while not stop.is_set():
        # before the sync: what changes while it runs is seen afterwards
        look = Look(_roots(settings), [settings.folder])
        try:
            summary = sync(settings.folder, settings.roots, settings.options, on_wait=wait)
        except RagcliError as error:
            if is_first:
                raise
            failed(error)
            stop.wait(_RETRY_SECONDS)
            continue
        if is_first or summary.added + summary.changed + summary.removed:
            done(summary)
        is_first = False
        _wait_for_change(look, settings, stop)


def _wait_for_change(look: Look, settings: Settings, stop: threading.Event) -> None:
    """Return when something changed and its writers are quiet, or it is time to look at everything."""
    began = time.monotonic()
    first = last = 0.0
    while not stop.wait(_TICK):
        now = time.monotonic()
        if look.changed(_SHARE * _TICK):
            first, last = first or now, now
        if first and (now - last >= settings.quiet_seconds or now - first >= settings.most_seconds):
            return
        if not first and now - began >= _SWEEP_SECONDS:
            return


def _roots(settings: Settings) -> list[Path]:
    if settings.roots:
        return list(settings.roots)
    from ragcli.index.catalog.documents import Catalog

    try:
        catalog = Catalog.open(settings.folder)
    except RagcliError:
        return []
    try:
        return list(catalog.roots())
    finally:
        catalog.close()


class Look:
    """The folders and files below some roots, as they were when this was made."""

    def __init__(self, roots: Iterable[Path], own: Collection[Path]) -> None:
        """Leave out the folders ``own``, hidden ones, and those that tools generate."""
        self._known: dict[str, Stamp] = {}
        self._folders, self._files = _Turn(), _Turn()
        left_out = {os.path.realpath(folder) for folder in own}
        for root in roots:
            self._walk(os.path.abspath(root), left_out)  # noqa: PTH100 (links are not followed)
        self._hot = set(nlargest(_RECENT, self._files.paths, key=self._known.__getitem__))  # these, and what changes

    def __len__(self) -> int:
        return len(self._known)

    def changed(self, seconds: float) -> bool:
        """Whether anything changed since the last call, as far as ``seconds`` of processor time reach.

        What changed last is looked at in every call, then folders, then files, each where the last call ended.
        """
        began = time.thread_time()
        found = [path for path in list(self._hot) if self._is_new(path)]
        found += self._folders.take(self._is_new, began + _FOLDERS * seconds)
        found += self._files.take(self._is_new, began + seconds)
        return bool(found)

    def _walk(self, path: str, left_out: Collection[str]) -> None:
        ahead = [path]
        while ahead:
            path = ahead.pop()
            stamp = _stamp(path)
            if not os.path.isdir(path):  # noqa: PTH112 (there may be a hundred thousand)
                self._add(self._files, path, stamp)
                continue
            self._add(self._folders, path, stamp)
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        if entry.name[0] == "." and entry.name not in (".gitignore", ".ragignore"):
                            continue
                        if not entry.is_dir(follow_symlinks=False):
                            self._add(self._files, entry.path, _stamp(entry.path))
                        elif entry.name not in _SKIPPED and os.path.realpath(entry.path) not in left_out:
                            ahead.append(entry.path)
            except OSError:  # gone, or closed to us: its own times tell when that changes
                continue

    def _add(self, turn: _Turn, path: str, stamp: Stamp) -> None:
        if path not in self._known:  # a root may lie below another one
            turn.paths.append(path)
        self._known[path] = stamp

    def _is_new(self, path: str) -> bool:
        stamp = _stamp(path)
        if stamp == self._known[path]:
            return False
        self._known[path] = stamp
        self._hot.add(path)
        return True


class _Turn:
    """Paths that are looked at one after the other, over many calls."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._next = 0

    def take(self, is_new: Callable[[str], bool], deadline: float) -> list[str]:
        """Return which of the next paths are new: every path once, or as many as fit before ``deadline``."""
        found = []
        for number in range(1, len(self.paths) + 1):
            self._next = (self._next + 1) % len(self.paths)
            if is_new(self.paths[self._next]):
                found.append(self.paths[self._next])
            if not number % 64 and time.thread_time() >= deadline:
                break
        return found


def _stamp(path: str) -> Stamp:
    try:
        found = os.lstat(path)
    except OSError:
        return _GONE
    return found.st_mtime_ns, found.st_size, found.st_ino
