"""The runtime of questions and of bulk work on a CPU: numpy alone, no torch."""

import os
import sys

# OpenBLAS reads this when numpy is loaded. Its threads spin at every product: with one other busy process on two cores
# they made a query of 12 ms take 1 s, and bulk work twice as long. So one thread per product, and in bulk one per pack.
if "numpy" not in sys.modules:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
