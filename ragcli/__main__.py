"""Entry point of ``ragcli`` and ``python -m ragcli``."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

# Set before anything loads numpy: on a busy machine, the second thread of OpenBLAS stretches a 12 ms query to a second.
# Bulk work starts its own threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    # Imports make tens of thousands of objects that stay. Searching them for cycles took 20 ms of a cold query.
    gc.set_threshold(100_000)
    from ragcli.cli import app

    code = app.main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # its reader is gone, or the stream was never open
            stream.flush()
    # All files are closed and all workers have ended. Shutting down the interpreter would take 50 ms more.
    os._exit(code)


if __name__ == "__main__":
    main()
