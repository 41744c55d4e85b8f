"""How much memory indexing takes: many small files, and one large text file.

    python -m benchmarks.memory files 3000       N real files, indexed with the real model
    python -m benchmarks.memory walk 100000      N real files, walked, compared and listed (--dry-run), nothing read
    python -m benchmarks.memory text 60          one text file of N MB, read, cut and written to a catalog

The first two run ``ragcli index`` and sample the resident memory of the process and of its parser processes. The last
leaves the model out (embedding N MB takes hours here) and puts a fixed unit vector in the place of each: everything
else, that is reading, cutting, keys, the FAISS segment, tantivy and SQLite, is what a run does.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.results import write_result

SAMPLES = Path(__file__).resolve().parents[1] / "sample_docs"
MIB = 1 << 20

# The second measurement, in a process of its own, so that what this one holds does not count.
INDEX_TEXT = """
import resource, sys, time
from pathlib import Path
import numpy as np
from ragcli.index.settings import Settings
from ragcli.index.writer import Batch, NewFile, open_writer
from ragcli.ingest.chunk import ChunkOptions, chunk
from ragcli.ingest.embed import _key
from ragcli.ingest.limits import Limits
from ragcli.ingest.loaders.blocks import LoadOptions
from ragcli.ingest.sandbox import Request, Sandbox
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.models.tokenizer import open_tokenizer

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def say(step):
    print(f"{step:<24}{time.monotonic() - started:8.1f} s {peak():8.0f} MiB", flush=True)

started = time.monotonic()
path, folder = Path(sys.argv[1]), Path(sys.argv[2])
files = resolve(DEFAULT_MODEL)
tokenizer = open_tokenizer(files)
say("started")
with Sandbox(1, Limits(600, 0, 4096), LoadOptions()) as sandbox:
    loaded = next(iter(sandbox.load([Request(path, None)])))
say("read")
print(f"parser: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB", flush=True)
document = loaded.outcome
passages = tuple(chunk(document, tokenizer, 256, ChunkOptions()))
say(f"cut into {len(passages):,}")
keys = tuple(_key(passage) for passage in passages)
row = np.full(384, 384 ** -0.5, np.float32)
vectors = {key: row.copy() for key in keys}
say("given vectors")
with open_writer(folder) as writer:
    writer.start(Settings(files.name, files.revision, files.sha256, 384, 256, 200, 30))
    new = NewFile(document, loaded.sha256, loaded.size, loaded.mtime_ns, 1, passages, keys)
    writer.commit(Batch(added=[new], vectors=vectors))
say("committed")
"""


def rss(pid: int) -> int:
    """Resident bytes of a process, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return found


def sentence(rng: random.Random, words: list[str]) -> str:
    return " ".join(rng.choices(words, k=rng.randrange(6, 18))).capitalize() + ". "


def many_files(count: int) -> dict[str, object]:
    """Peak memory of indexing ``count`` files of two sentences, the parsers apart."""
    return run_index(count) | {"bare_model_mib": bare_model(count) // MIB}


def walk_files(count: int) -> dict[str, object]:
    """Peak memory of finding out what there is to do about ``count`` files."""
    return run_index(count, "--dry-run")


def run_index(count: int, *options: str) -> dict[str, object]:
    rng, words = random.Random(1), vocabulary()
    with tempfile.TemporaryDirectory(prefix="ragcli-memory-") as name:
        docs = Path(name) / "docs"
        for number in range(count):
            folder = docs / str(number // 1000)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.txt").write_text(sentence(rng, words) + sentence(rng, words))
        started = time.monotonic()
        command = [sys.executable, "-m", "ragcli", "index", str(docs), "--home", name, "--quiet", *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        own = parsers = 0
        samples: list[tuple[float, int]] = []
        while process.poll() is None:
            now = rss(process.pid)
            own, parsers = max(own, now), max(parsers, sum(map(rss, children(process.pid))))
            samples.append((time.monotonic() - started, now))
            time.sleep(0.2)
        if process.returncode:
            raise SystemExit(f"ragcli index ended with {process.returncode}")
        half = [value for at, value in samples if at > samples[-1][0] / 2]
        return {
            "files": count,
            "seconds": round(time.monotonic() - started, 1),
            "peak_mib": own // MIB,
            "parsers_peak_mib": parsers // MIB,
            "at_half_mib": half[0] // MIB,
        }


def bare_model(expected: int) -> int:
    """Peak memory of a process that embeds some passages and does nothing else."""
    code = (
        "import resource\nfrom ragcli.models.encoder import open_index_encoder\n"
        "from ragcli.models.resolve import DEFAULT_MODEL, resolve\n"
        f"open_index_encoder(resolve(DEFAULT_MODEL), {expected}).encode(['a harbour at night'] * 64)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def one_text(megabytes: int) -> dict[str, object]:
    """Peak memory of reading, cutting and committing one text file of ``megabytes``, without the model."""
    rng, words = random.Random(1), vocabulary()
    with tempfile.TemporaryDirectory(prefix="ragcli-memory-") as name:
        path = Path(name) / "large.txt"
        with path.open("w") as file:
            while file.tell() < megabytes * 1_000_000:
                file.write("\n\n".join("".join(sentence(rng, words) for _ in range(6)) for _ in range(500)) + "\n\n")
        done = subprocess.Popen(
            [sys.executable, "-c", INDEX_TEXT, path, Path(name) / "index"], stdout=subprocess.PIPE, text=True
        )
        steps = []
        reader = threading.Thread(target=lambda: steps.extend(line.strip() for line in done.stdout or ()))
        reader.start()
        peak = 0
        while done.poll() is None:
            peak = max(peak, rss(done.pid))
            time.sleep(0.1)
        reader.join()
        return {"megabytes": megabytes, "peak_mib": peak // MIB, "steps": steps}


def vocabulary() -> list[str]:
    """The words of the sample documents, each as often as there."""
    return [word for path in sorted(SAMPLES.glob("*.md")) for word in re.findall(r"[A-Za-z]+", path.read_text())]


def main() -> None:
    kind, size = sys.argv[1], int(sys.argv[2])
    found = {"files": many_files, "walk": walk_files, "text": one_text}[kind](size)
    print(json.dumps(found, indent=1))
    print(write_result(f"memory-{kind}", found))


if __name__ == "__main__":
    main()
