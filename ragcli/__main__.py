"""Entry point of ``ragcli`` and ``python -m ragcli``."""

import os

# Before anything loads numpy: on a busy machine, OpenBLAS's second thread spins a 12 ms query up to a second. Bulk work
# brings its own threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from ragcli.cli.app import main

if __name__ == "__main__":
    raise SystemExit(main())
