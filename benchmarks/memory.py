"""How much memory indexing takes: many small files, and one large text file.

    python -m benchmarks.memory files 3000       N real files, indexed with the real model
    python -m benchmarks.memory walk 100000      N real files, walked, compared and listed (--dry-run), nothing read
    python -m benchmarks.memory text 60          one text file of N MB, indexed, all but its embedding

The first two run ``ragcli index`` and sample the resident memory of the process and of its parser processes. The last
runs the same code without the model (embedding N MB takes hours here), with a fixed unit vector for each passage.
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
import ragcli.ingest.embed as embed
from ragcli.ingest.discover import Rules
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sync import SyncOptions, sync

class FixedEncoder:
    runtime = "numpy"

    def encode(self, texts):
        return np.full((len(texts), 384), 384 ** -0.5, np.float32)

def peak(who):
    return resource.getrusage(who).ru_maxrss // 1024

steps = {}
def report(progress):
    steps[progress.doing] = peak(resource.RUSAGE_SELF)

embed.open_index_encoder = lambda files, expected: FixedEncoder()
rules, limits = Rules(max_file_size=1 << 40), Limits(3600, 0, 4096)
started = time.monotonic()
summary = sync(Path(sys.argv[2]), [Path(sys.argv[1])], SyncOptions(rules=rules, limits=limits, workers=1), report)
for step, mib in steps.items():
    print(f"{step}: {mib} MiB so far")
print(f"parser: {peak(resource.RUSAGE_CHILDREN)} MiB")
print(f"{summary.chunks_embedded + summary.chunks_reused} passages in {time.monotonic() - started:.0f} s")
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
        "import resource\nfrom ragcli.models.open import open_index_encoder\n"
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
