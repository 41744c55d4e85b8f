"""Entry point of ``ragcli`` and ``python -m ragcli``."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

# Before anything loads numpy: on a busy machine, OpenBLAS's second thread spins a 12 ms query up to a second. Bulk work
# brings its own threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    # Imports make tens of thousands of objects that stay: looking through them for cycles took 20 ms of a cold query.
    gc.set_threshold(100_000)
    from ragcli.cli import app

    code = app.main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # its reader is gone, or it was never open
            stream.flush()
    # All files are closed and all workers ended by now. Taking the interpreter apart would take 50 ms more.
    os._exit(code)


if __name__ == "__main__":
    main()
