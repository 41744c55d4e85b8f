"""Found first on PYTHONPATH by every process of a test: no socket opens, and each attempt is written down."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    # the name of this machine, which a lock is signed with, is asked of the kernel
    if event.startswith("socket.") and event != "socket.gethostname":
        with Path(os.environ["NO_NETWORK_LOG"]).open("a") as log:
            log.write(f"{event} {arguments!r}\n")
        raise OSError("there is no network in this test")


sys.addaudithook(_refuse)
