"""One writer at a time, whose name the others learn; and steps that Ctrl-C must not cut in two."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES
from pathlib import Path
from types import FrameType
from typing import Any

from ragcli.errors import IndexBusy, RagcliError

_LOCK_NAME = "writer.lock"
_HOLDER_NAME = "writer.json"  # says who holds the lock, and goes with the hold; the lock file itself stays
LOCK_FILES = (_LOCK_NAME, _HOLDER_NAME)

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

OnWait = Callable[[str], None]  # told once who holds the lock, before the wait for it


@contextmanager
def writer_lock(folder: Path, on_wait: OnWait | None = None) -> Iterator[None]:
    """Hold ``folder``, made if need be, for writing; the system frees the lock of a process that ends.

    Waits for another holder when ``on_wait`` is given, and raises IndexBusy, which names the holder, when it is not.
    Raises RagcliError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder / _LOCK_NAME, wait=False)
        if lock is None:
            fact = f"{folder} is being written by {_holder(folder)}"
            if on_wait is None:
                raise IndexBusy(fact, "wait for it with --wait, or stop it")
            on_wait(fact)
            lock = _lock(folder / _LOCK_NAME, wait=True)
    except OSError as error:
        raise RagcliError(f"cannot write to {folder}: {error.strerror}", "choose another place with --home") from error
    assert lock is not None  # it was waited for
    try:
        with suppress(OSError):  # the next one learns less; on a full disk, removing documents must still work
            _write_holder(folder)
        yield
    finally:
        with suppress(OSError):
            (folder / _HOLDER_NAME).unlink(missing_ok=True)
        os.close(lock)


def is_held(folder: Path) -> bool:
    """Whether a process holds ``folder`` for writing.

    Where none does, one that begins in this moment meets a lock: ask only where that is worth it.
    """
    try:
        descriptor = os.open(folder / _LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(path: Path, *, wait: bool) -> int | None:
    """The descriptor of the locked file ``path``, made if need be; None when another process or thread holds it.

    The kernel holds the lock until the descriptor is closed or the process ends, however it ends. Raises OSError.
    """
    # On POSIX the package filelock (4.2.11) makes the same calls: open without truncation, flock, st_nlink, and no
    # removal of the file. Its import costs each writer 16 ms, and it looks every 50 ms where the kernel wakes this one.
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # somebody may have removed the file since it was opened: such a lock guards no name, so take the new file
            if os.fstat(descriptor).st_nlink:
                kept, descriptor = descriptor, -1
                return kept
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == EACCES and not wait:  # some network file systems say this of a lock that is held
                return None
            raise
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _write_holder(folder: Path) -> None:
    # os.uname, not socket.gethostname, which asks the same for 3 ms of an import
    holder = {"pid": os.getpid(), "host": os.uname().nodename, "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    (folder / _HOLDER_NAME).write_text(json.dumps(holder), encoding="utf-8")


def _holder(folder: Path) -> str:
    try:
        holder: dict[str, Any] = json.loads((folder / _HOLDER_NAME).read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C, and the signals that ask a process to end, until the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[tuple[int, FrameType | None]] = []
    # only what Python handles: a signal that ends the process at once does so here too
    previous = {number: handler for number in _ENDING if callable(handler := signal.getsignal(number))}
    for ending in previous:
        signal.signal(ending, lambda number, frame: caught.append((number, frame)))
    try:
        yield
    finally:
        for ending, handler in previous.items():
            signal.signal(ending, handler)
    if caught:
        number, frame = caught[-1]
        previous[signal.Signals(number)](number, frame)
