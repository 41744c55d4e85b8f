"""The lock on a file: what the filelock package does on POSIX, without the 37 ms of its import."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    from filelock import FileLock, Timeout

    __all__ = ["FileLock", "Timeout"]
else:
    import fcntl
    from pathlib import Path

    class Timeout(TimeoutError):
        """Somebody else holds the lock."""

    class FileLock:
        """An exclusive lock on a file that is made if need be; the system lets go of it when its process ends."""

        def __init__(self, path: Path, timeout: float = -1) -> None:
            """``timeout`` is 0, not to wait, or below zero, to wait for as long as it takes."""
            self._path = path
            self._timeout = timeout
            self._descriptor: int | None = None

        def acquire(self, timeout: float | None = None) -> None:
            """Take the lock; raises Timeout when it is not free and was not to be waited for, and OSError."""
            waits = (self._timeout if timeout is None else timeout) < 0
            while self._descriptor is None:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
                    # the file may have been removed and made again while this one was waited for
                    if os.fstat(descriptor).st_nlink:
                        self._descriptor = descriptor
                except BlockingIOError as error:
                    raise Timeout(str(self._path)) from error
                finally:
                    if self._descriptor is None:
                        os.close(descriptor)

        def release(self) -> None:
            """Let go of it; nothing happens when it was not held."""
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
