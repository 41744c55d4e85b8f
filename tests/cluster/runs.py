"""Runs of ``ragcli index`` that can be watched, and what the index holds after them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from nodes import ACCESS

from ragcli.index.reader import open_index
from ragcli.index.vectors.segments import Segments

PROJECT = Path(__file__).resolve().parents[2]
WORKER = "ray::MapWorker"  # how the title of a worker's process begins


def contents(folder):
    """By path: what the catalog says of the document, its passages, and their vectors."""
    with open_index(folder) as index:
        catalog = index.catalog
        segments = Segments(folder / "vectors", catalog.ledger.segments(), index.settings.dimension)
        found = {}
        for row in catalog.documents():
            chunks, keys = catalog.document_chunks(row.id), catalog.chunk_keys(row.id)
            rows = segments.reconstruct([chunk.id for chunk in chunks])
            found[row.path] = (
                row._replace(id=0),
                [(replace(chunk, id=0), keys[chunk.id]) for chunk in chunks],
                np.stack([rows[chunk.id] for chunk in chunks]),
            )
        return found, catalog.skipped()


def environment(home, **variables):
    return os.environ | ACCESS | {"RAGCLI_HOME": str(home), "PYTHONPATH": str(PROJECT), "HOME": str(home)} | variables


def start(home, *arguments, **variables):
    return subprocess.Popen(
        [sys.executable, "-m", "ragcli", "index", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(home, **variables),
    )  # fmt: skip


def ended(process, seconds=180):
    """(exit code, stdout, stderr)."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


class Watch:
    """Follows a run by the marks that workers leave when they begin a group of files."""

    def __init__(self, process, home):
        self._process = process
        self._home = home
        self.tries = {}  # how often each group was begun

    def look(self):
        with suppress(OSError):
            for mark in self._home.glob("default/staging-*/*.tries"):
                self.tries[mark.name] = max(self.tries.get(mark.name, 0), mark.stat().st_size)

    def taken(self):
        """Shards that have been taken in, at least: each of two workers is busy with a group at most, the others that
        were begun are written, and what is taken in is removed."""
        return len(self.tries) - 2 - len(list(self._home.glob("default/staging-*/*.shard")))

    def until(self, condition):
        while not condition():
            assert self._process.poll() is None, self._process.communicate()
            self.look()
            time.sleep(0.02)

    def end(self):
        seen = threading.Event()

        def follow():
            while not seen.is_set():
                self.look()
                time.sleep(0.02)

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            return ended(self._process)
        finally:
            seen.set()
            thread.join()
