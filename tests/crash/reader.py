"""Opens an index again and again while another process writes to it, and checks that it sees whole documents.

    reader.py INDEX SECONDS

Writes one line of JSON: how often, and the times that opening took. Started by processes.py.
"""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np

from ragcli.index.reader import open_index

PARTS = 3


def look(folder: Path) -> float:
    """Check one state; returns the seconds that opening it took."""
    started = time.perf_counter()
    with open_index(folder) as index:
        opened = time.perf_counter() - started
        catalog = index.catalog
        known = set(catalog.chunk_ids())
        for row in catalog.documents():
            text = "\n".join(chunk.text for chunk in catalog.document_chunks(row.id))
            seen = re.findall(r"revision (\d+) part (\d) ", text)
            assert len({revision for revision, _ in seen}) == 1, (row.path, seen)
            assert sorted({part for _, part in seen}) == [str(n) for n in range(PARTS)], (row.path, seen)
        query = np.zeros(index.settings.dimension, np.float32)
        query[0] = 1
        assert {i for i, _ in index.dense(query, 10**6)} == known
        assert {i for i, _ in index.keyword(["revis"], 10**6)} == known
    return opened


def main(folder: Path, seconds: float) -> None:
    """Look until the time is over."""
    end = time.monotonic() + seconds
    times = []
    while time.monotonic() < end:
        times.append(look(folder))
    sys.stdout.write(json.dumps({"looks": len(times), "opening": times}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
