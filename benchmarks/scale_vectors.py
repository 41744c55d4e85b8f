"""The vectors of a very large index alone, without a catalog: what building and searching the lists costs.

    python -m benchmarks.scale_vectors --vectors 1000000 --keep FOLDER

The vectors are those of ``benchmarks.scale``. Every step is a process of its own. Times are given by the clock and of
the processor, because the machine may be shared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import write_result
from benchmarks.scale import many, prepare, size_of
from ragcli.index.catalog.rows import ApproximateRow, SegmentRow
from ragcli.index.vectors.approximate import build
from ragcli.index.vectors.faiss_files import Codes, Ids
from ragcli.index.vectors.lists import Lists
from ragcli.index.vectors.segments import Segments, coded, write_rows

SEGMENT = 1_000_000
ADDED = 0.02  # of the vectors come later


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="a folder for the vectors, which a later call uses again")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        started, cpu = time.perf_counter(), time.process_time()
        found = STEPS[options.step](options.keep, options.vectors)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        spent = {"s": round(time.perf_counter() - started, 1), "processor s": round(time.process_time() - cpu, 1)}
        print(json.dumps(spent | {"peak MiB": peak} | found))
        return
    with tempfile.TemporaryDirectory() as temporary:
        place = options.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "base.npy").exists():
            prepare(place, Path(temporary))
        figures: dict[str, Any] = {"vectors": options.vectors}
        for step in STEPS:
            command = [sys.executable, "-m", "benchmarks.scale_vectors", "--step", step, "--keep", place]
            done = subprocess.run(
                [*command, "--vectors", str(options.vectors)], stdout=subprocess.PIPE, text=True, check=True
            )
            figures[step] = json.loads(done.stdout)
            print(json.dumps({step: figures[step]}), flush=True)
        write_result(f"scale-vectors-{options.vectors}", figures)


def fill(place: Path, count: int) -> dict[str, Any]:
    """Segments of a million rows, with ids from 1."""
    folder = place / "vectors"
    folder.mkdir(exist_ok=True)
    base = np.load(place / "base.npy")
    rows = []
    for first in range(0, count, SEGMENT):
        last = min(count, first + SEGMENT)

        def blocks(first: int = first, last: int = last) -> Iterator[tuple[Ids, Codes]]:
            start = first + 1
            for part in many(base, first, last):
                yield np.arange(start, start + len(part)), coded(part)
                start += len(part)

        rows.append(write_rows(folder, f"seg-0001-{first + 1:08d}.faiss", last - first, blocks()))
    note(place, segments=rows)
    return {"MiB": size_of(folder)}


def exact(place: Path, _: int) -> dict[str, Any]:
    return search(place, "exact")


def make_lists(place: Path, _: int) -> dict[str, Any]:
    row = build(
        place / "vectors", "ivf-0001-00000001.faiss", None, segments(place), 384, np.empty(0, np.int64),
        np.load(place / "fragments.npy"),
    )  # fmt: skip
    return built(place, row)


def approximate(place: Path, _: int) -> dict[str, Any]:
    return search(place, "approximate")


def cold(place: Path, _: int) -> dict[str, Any]:
    for path in (place / "vectors").iterdir():
        file = os.open(path, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
    return search(place, "cold")


def more(place: Path, count: int) -> dict[str, Any]:
    """Later rows join the lists, and as many old ones go."""
    folder, size = place / "vectors", int(ADDED * count)
    rows = next(many(np.load(place / "base.npy"), 1 << 40, (1 << 40) + size))
    ids = np.arange(count + 1, count + 1 + len(rows))
    new = write_rows(folder, "seg-0001-90000000.faiss", len(rows), iter([(ids, coded(rows))]))
    assert new is not None
    dead = np.arange(1, len(rows) + 1)
    queries = np.load(place / "fragments.npy")
    lists = Lists(folder, listed(place), 384)
    return built(place, build(folder, "ivf-0001-00000002.faiss", lists, [new], 384, dead, queries))


def after(place: Path, _: int) -> dict[str, Any]:
    return search(place, "after")


def search(place: Path, what: str) -> dict[str, Any]:
    """The 300 questions: times, memory, and what the exact search found that this one did not."""
    questions = np.load(place / "questions.npy")
    before = memory()
    started = time.perf_counter()
    opened = Segments(
        place / "vectors", segments(place) if what == "exact" else [], 384, None if what == "exact" else listed(place)
    )
    opening = time.perf_counter() - started
    found, walls, cpus = [], [], []
    for question in questions:
        wall, cpu = time.perf_counter(), time.process_time()
        found.append([i for i, _ in opened.search(question, 10)])
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    figures = {
        "open, s": round(opening, 3), "first, ms": round(walls[0], 1), "median, ms": round(statistics.median(walls), 1),
        "95th percentile, ms": round(sorted(walls)[int(0.95 * len(walls))], 1),
        "median, processor ms": round(statistics.median(cpus), 1), "resident MiB, of it": round(memory() - before),
    }  # fmt: skip
    if what == "exact":
        (place / "exact.json").write_text(json.dumps(found))
    elif what != "after":
        truth = json.loads((place / "exact.json").read_text())
        shares = [len(set(a) & set(b)) / len(a) for a, b in zip(truth, found, strict=True)]
        figures["recall@10"] = round(statistics.mean(shares), 4)
    return figures


def memory() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def note(place: Path, **values: Any) -> None:  # noqa: ANN401 (rows of two kinds)
    path = place / "rows.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name, value in values.items():
        known[name] = [asdict(one) for one in value] if isinstance(value, list) else asdict(value)
    path.write_text(json.dumps(known))


def segments(place: Path) -> list[SegmentRow]:
    return [SegmentRow(**row) for row in json.loads((place / "rows.json").read_text())["segments"]]


def listed(place: Path) -> ApproximateRow:
    return ApproximateRow(**json.loads((place / "rows.json").read_text())["lists"])


def built(place: Path, row: ApproximateRow) -> dict[str, Any]:
    note(place, lists=row)
    size = (place / "vectors" / row.name).stat().st_size
    return {"lists": row.lists, "lists read": row.probes, "recall@10 of 200 fragments": round(row.recall, 4),
            "bytes per row": round(size / row.count)}  # fmt: skip


STEPS = {
    "fill": fill, "exact": exact, "make_lists": make_lists, "approximate": approximate, "cold": cold, "more": more,
    "after": after,
}  # fmt: skip


if __name__ == "__main__":
    main()
