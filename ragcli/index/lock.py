"""One writer at a time, named to whoever else asks; and steps that Ctrl-C must not cut in two."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ragcli.errors import IndexBusy, RagcliError
from ragcli.index.flock import FileLock, Timeout

_LOCK_NAME = "writer.lock"
_HOLDER_NAME = "writer.json"  # apart from the lock, because taking a lock truncates its file
LOCK_FILES = (_LOCK_NAME, _HOLDER_NAME)

OnWait = Callable[[str], None]  # told once who holds the lock, before waiting for it


@contextmanager
def writer_lock(folder: Path, on_wait: OnWait | None = None) -> Iterator[None]:
    """Hold ``folder`` (made if need be) for writing; the lock of a dead process is free.

    Raises IndexBusy, naming the holder, unless ``on_wait`` is given: then waits until the lock is free. Raises
    RagcliError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK_NAME, timeout=0)
        _acquire(lock, folder, on_wait)
    except OSError as error:
        raise RagcliError(f"cannot write to {folder}: {error.strerror}", "choose another place with --home") from error
    try:
        with suppress(OSError):  # whoever waits is told less; on a full disk, removing documents must still work
            _write_holder(folder)
        yield
    finally:
        with suppress(OSError):
            (folder / _HOLDER_NAME).unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, folder: Path, on_wait: OnWait | None) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        fact = f"{folder} is being written by {_holder(folder)}"
        if on_wait is None:
            raise IndexBusy(fact, "wait for it with --wait, or stop it") from error
        on_wait(fact)
        lock.acquire(timeout=-1)


def _write_holder(folder: Path) -> None:
    holder = {"pid": os.getpid(), "host": _host(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    (folder / _HOLDER_NAME).write_text(json.dumps(holder), encoding="utf-8")


def _holder(folder: Path) -> str:
    try:
        holder: dict[str, Any] = json.loads((folder / _HOLDER_NAME).read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done, then let it through."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[tuple[int, FrameType | None]] = []
    previous: Callable[[int, FrameType | None], Any] | int | None = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda number, frame: caught.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if caught and callable(previous):
        previous(*caught[-1])


def _host() -> str:
    # socket.gethostname asks the same, for 3 ms of an import
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
