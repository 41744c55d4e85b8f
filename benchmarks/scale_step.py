"""One step of ``benchmarks.scale`` in a process of its own, so that its memory is told apart."""

from __future__ import annotations

import json
import random
import resource
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.cold_query import SAMPLES, chunks_of, document_of
from benchmarks.scale import CHUNKS_A_FILE, many
from ragcli.index.reader import open_index
from ragcli.index.vectors.optimize import optimize
from ragcli.index.writer import Batch, NewFile, Writer, open_writer


def main() -> None:
    what, index, place = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    anonymous = Watched()
    found = {"build": build, "commit": commit, "keywords": keywords, "fold": fold}[what](index, place)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps(found | {"peak MiB": peak, "of it not files, MiB": anonymous.most()}))


class Watched:
    """The largest anonymous memory of this process, looked at ten times a second."""

    def __init__(self) -> None:
        self._most = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            lines = Path("/proc/self/status").read_text().splitlines()
            self._most = max(self._most, next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")))
            time.sleep(0.1)

    def most(self) -> int:
        return self._most >> 10


def build(index: Path, place: Path) -> dict[str, object]:
    started = time.perf_counter()
    with open_writer(index) as writer:
        row = optimize(index, writer.catalog, 384, np.load(place / "fragments.npy"))
    return {"s": round(time.perf_counter() - started, 1), "lists": row.lists, "lists read": row.probes,
            "recall@10 that status tells": round(row.recall, 4), "trained": row.trained}  # fmt: skip


def commit(index: Path, _: Path) -> dict[str, object]:
    """Open the index, replace one document, close it."""
    rows = np.random.default_rng(time.time_ns()).standard_normal((CHUNKS_A_FILE, 384), np.float32)
    started = time.perf_counter()
    with open_writer(index) as writer:
        store(writer, rows / np.linalg.norm(rows, axis=1, keepdims=True), "/documents/00000000.txt")
        writer.tidy()
    return {"s": round(time.perf_counter() - started, 2)}


def store(writer: Writer, rows: np.ndarray, name: str = "") -> None:
    words = " ".join(path.read_text() for path in sorted(SAMPLES.glob("*.md"))).split()
    pick, batch, vectors = random.Random(time.time_ns()), Batch(), {}
    for start in range(0, len(rows), CHUNKS_A_FILE):
        block = rows[start : start + CHUNKS_A_FILE]
        path = Path(name or f"/later/{time.time_ns()}.txt")
        document = document_of(path, [" ".join(pick.choices(words, k=15)) for _ in block])
        keys = tuple(pick.randbytes(16) for _ in block)
        vectors |= dict(zip(keys, block, strict=True))
        batch.added.append(NewFile(document, "0" * 64, 1, 1, 1, chunks_of(document), keys))
        old = writer.catalog.document(path)
        batch.deleted += [old.id] if old is not None else []
    batch.vectors = vectors
    writer.commit(batch)


def keywords(index: Path, _: Path) -> dict[str, object]:
    words = " ".join(path.read_text() for path in sorted(SAMPLES.glob("*.md"))).lower().split()
    pick, times = random.Random(5), []
    with open_index(index, "keyword") as opened:
        for _ in range(60):
            terms = pick.sample(words, 4)
            started = time.perf_counter()
            opened.keyword(terms, 10)
            times.append(1000 * (time.perf_counter() - started))
    return {"median, ms": round(statistics.median(times), 1), "95th percentile, ms": round(sorted(times)[57], 1)}


def fold(index: Path, place: Path) -> dict[str, object]:
    with open_writer(index) as writer:
        for rows in many(np.load(place / "base.npy"), 1 << 40, (1 << 40) + 20_000):
            store(writer, rows)
        writer.commit(Batch(deleted=[row.id for row in list(writer.catalog.documents())[-150:-50]]))
    return build(index, place)


if __name__ == "__main__":
    main()
