"""A very large index on this machine: building, opening, searching, adding to it, and what a search misses.

    python -m benchmarks.scale [--vectors 1000000] [--keep FOLDER] [--seconds 600]

The vectors are made of real ones: the passages of SciFact, SQuAD's evaluation articles and Cranfield, each vector a
point between a passage and one of its ten neighbours, with noise of a third of its length. The index is a whole one,
with a catalog and keywords (short texts of random words). How many lists are read is chosen by ``ragcli``'s own rule,
with 200 times eight words of passages; recall is then measured with 300 questions of SciFact and SQuAD, which had no
part in that, against brute force. Every figure at query time is of a fresh process.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.cold_query import SAMPLES, chunks_of, document_of
from benchmarks.collections import SHARED
from benchmarks.ranking import progress, squad
from benchmarks.results import write_result
from ragcli.evaluate.collection import passages_index
from ragcli.evaluate.datasets import Dataset, load_beir
from ragcli.index.catalog.rows import Settings
from ragcli.index.reader import open_index
from ragcli.index.vectors.optimize import search_exactly
from ragcli.index.writer import Batch, NewFile, open_writer
from ragcli.models.open import open_index_encoder
from ragcli.models.resolve import DEFAULT_MODEL, ModelFiles, resolve

Rows = npt.NDArray[np.float32]

BLOCK = 50_000
CHUNKS_A_FILE = 100
QUESTIONS = 300
NOISE = 0.33

# In a process of its own. Files that are dropped from the system's cache first are opened cold.
SEARCH = """
import json, os, resource, sys, time
from pathlib import Path
folder, mode = Path(sys.argv[1]), sys.argv[3]
if mode == "cold":
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
import numpy as np
from ragcli.index.reader import open_index
questions = np.load(sys.argv[2])
pages = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
before = pages()
started = time.perf_counter()
with open_index(folder, "dense") as index:
    opened = time.perf_counter() - started
    found, times = [], []
    for question in questions:
        started = time.perf_counter()
        found.append([i for i, _ in index.dense(question, 10)])
        times.append(time.perf_counter() - started)
    after = pages()
print(json.dumps({"opened": opened, "times": times, "found": found, "before": before, "after": after}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="a folder for the index, which a later call uses again")
    parser.add_argument(
        "--seconds", type=float, default=1e9, help="fill the index for so long, then measure what there is"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = options.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "base.npy").exists():
            prepare(place, Path(temporary))
        measure(place, options.vectors, options.seconds)


def prepare(place: Path, temporary: Path) -> None:
    """The real vectors, those of the questions, and those of the words that choose how many lists are read."""
    files = resolve(DEFAULT_MODEL)
    data = [load_beir(SHARED / "scifact"), load_beir(squad(SHARED / "squad-v1.1-dev", temporary / "squad")),
            load_beir(SHARED / "cranfield")]  # fmt: skip
    encoder = open_index_encoder(files, QUESTIONS)
    np.save(place / "questions.npy", encoder.encode(questions(data[:2])))
    np.save(place / "fragments.npy", encoder.encode(some_words(data)))
    np.save(place / "base.npy", np.concatenate([vectors_of(one, files) for one in data]))


def measure(place: Path, wanted: int, seconds: float) -> None:
    files, base, index = resolve(DEFAULT_MODEL), np.load(place / "base.npy"), place / "index"
    figures: dict[str, Any] = {"real vectors": len(base)}
    started = time.perf_counter()
    count = fill(index, files, base, wanted, seconds)
    figures |= {"vectors": count, "filled, without embedding, s": round(time.perf_counter() - started, 1)}
    with open_writer(index) as writer:
        if writer.catalog.ledger.approximate() is not None:
            search_exactly(index, writer.catalog, 384)
    figures["vectors in segments, MiB"] = size_of(index / "vectors")
    show(figures, "exact", told(exact := run(index, place, "warm")))
    show(figures, "lists built", child("build", index, place))
    show(figures, "approximate", told(warm := run(index, place, "warm")))
    shares = [len(set(a) & set(b)) / 10 for a, b in zip(exact["found"], warm["found"], strict=True)]
    show(figures, "recall@10 of questions", round(statistics.mean(shares), 4))
    show(figures, "approximate, files not in memory", told(run(index, place, "cold")))
    show(figures, "disk, MiB", {
        "vectors": size_of(index / "vectors"), "catalog": round((index / "catalog.sqlite3").stat().st_size / 2**20),
        "keywords": size_of(index / "keywords"),
        "bytes of vectors per row": round(sum(p.stat().st_size for p in (index / "vectors").iterdir()) / count),
    })  # fmt: skip
    show(figures, "commits of one file of 100 passages, s", [child("commit", index, place)["s"] for _ in range(3)])
    show(figures, "keyword search", child("keywords", index, place))
    show(figures, "added 20,000 and deleted 10,000, then lists written again", child("fold", index, place))
    show(figures, "approximate, after that", told(run(index, place, "warm")))
    show(figures, "ragcli query --mode dense, whole process, s", query(index))
    write_result(f"scale-{count}", figures)


def show(figures: dict[str, Any], name: str, value: object) -> None:
    figures[name] = value
    print(json.dumps({name: value}), flush=True)


def child(what: str, index: Path, place: Path) -> dict[str, Any]:
    """Figures of a process of its own, with its largest memory."""
    command = [sys.executable, "-m", "benchmarks.scale_step", what, index, place]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def told(found: dict[str, Any]) -> dict[str, float]:
    """The figures of one process."""
    times = sorted(found["times"])
    return {
        "open, s": round(found["opened"], 3),
        "first search, ms": round(1000 * found["times"][0], 1),
        "median search, ms": round(1000 * statistics.median(times), 2),
        "95th percentile, ms": round(1000 * times[int(0.95 * len(times))], 2),
        "resident MiB, with Python": round(found["after"]),
        "resident MiB, of the index": round(found["after"] - found["before"]),
    }


def run(index: Path, place: Path, mode: str) -> dict[str, Any]:
    command = [sys.executable, "-c", SEARCH, index, place / "questions.npy", mode]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def query(index: Path) -> float:
    """The median of seven whole processes, each with another question."""
    times = []
    for turn in range(8):
        question = f"what is known about cells, part {turn}"
        command = [
            sys.executable,
            "-m",
            "ragcli",
            "query",
            question,
            "--mode",
            "dense",
            "--no-rerank",
            "--index",
            index,
        ]
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    return round(statistics.median(times[1:]), 3)


def size_of(folder: Path) -> int:
    return round(sum(path.stat().st_size for path in folder.iterdir()) / 2**20)


def questions(data: list[Dataset]) -> list[str]:
    """As many of each collection."""
    rng = random.Random(1)
    share = QUESTIONS // len(data)
    return [text for one in data for text in rng.sample(sorted(one.queries.values()), share)]


def some_words(data: list[Dataset]) -> list[str]:
    """Eight words in a row of 200 passages, as ``ragcli optimize`` takes them from the chunks of an index."""
    rng = random.Random(0)
    passages = rng.sample([passage.text.split() for one in data for passage in one.corpus.values()], 200)
    starts = [rng.randrange(max(1, len(words) - 7)) for words in passages]
    return [" ".join(words[start : start + 8]) for words, start in zip(passages, starts, strict=True)]


def vectors_of(data: Dataset, files: ModelFiles) -> Rows:
    with open_index(passages_index(data, files, offline=True, report=progress), "dense") as index:
        assert index._segments is not None
        ids = index.catalog.chunk_ids()
        rows = index._segments.reconstruct(ids)
    return np.stack([rows[i] for i in ids])


def many(base: Rows, first: int, count: int) -> Iterator[Rows]:
    """The unit rows ``first`` to ``count``, a block at a time: between real ones, with noise."""
    parts = np.array_split(base, 50)
    near = np.concatenate([(-part @ base.T).argpartition(11, axis=1)[:, :11].copy() for part in parts])
    for start in range(first, count, BLOCK):
        rng = np.random.default_rng((0, start))  # of its own: a fill that was stopped goes on
        size = min(BLOCK, count - start)
        one = rng.integers(0, len(base), size)
        other = near[one, rng.integers(0, 11, size)]
        weight = rng.uniform(0.5, 1, (size, 1)).astype(np.float32)
        rows = weight * base[one] + (1 - weight) * base[other]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows += rng.standard_normal(rows.shape, dtype=np.float32) * (NOISE / rows.shape[1] ** 0.5)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        yield rows


def fill(index: Path, files: ModelFiles, base: Rows, count: int, seconds: float) -> int:
    """A whole index of ``count`` chunks, 100 to a document; what is there stays. Returns how many there are."""
    words = " ".join(path.read_text() for path in sorted(SAMPLES.glob("*.md"))).split()
    started = time.perf_counter()
    with open_writer(index) as writer:
        if writer.settings() is None:
            writer.start(Settings(files.name, files.revision, files.sha256, 384, 256, 200, 30))
        written = writer.catalog.count("chunks")
        pick = random.Random(written)
        for rows in many(base, written, count):
            batch, vectors = Batch(), {}
            for first in range(0, len(rows), CHUNKS_A_FILE):
                block = rows[first : first + CHUNKS_A_FILE]
                texts = [" ".join(pick.choices(words, k=15)) for _ in block]
                document = document_of(Path(f"/documents/{written:08d}.txt"), texts)
                keys = tuple((written + i).to_bytes(16, "big") for i in range(len(block)))
                vectors |= dict(zip(keys, block, strict=True))
                batch.added.append(NewFile(document, "0" * 64, 1, 1, 1, chunks_of(document), keys))
                written += len(block)
            batch.vectors = vectors
            writer.commit(batch)
            print(
                f"{written:,} of {count:,} vectors, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True
            )
            if time.perf_counter() - started > seconds:
                break
    return written


if __name__ == "__main__":
    main()
