"""A place inside an index where workers put what the writer is going to store.

It has a name of its own for each run, so that a worker that outlives its run cannot reach into the next one. The next
writer removes what a killed run left.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ragcli.errors import RagcliError
from ragcli.index.layout import new_staging_name


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """A new, empty folder inside the index in ``folder``, which the caller holds for writing; gone at the end."""
    place = folder / new_staging_name()
    try:
        place.mkdir()
    except OSError as error:
        raise RagcliError(f"cannot make {place}: {error.strerror}", "is the disk full?") from error
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)  # a worker may still be writing; the next writer sweeps the rest
