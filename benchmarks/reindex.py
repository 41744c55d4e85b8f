"""What does a run cost that finds nothing to do?

    python -m benchmarks.reindex [--files 10000]

Indexes a folder of small files once, then times `ragcli index` over it in a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import write_result

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for i in range(count):
            path = folder / "files" / f"{i % 100:02d}" / f"{i}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"Item {i}.\n")
        command = [sys.executable, "-m", "ragcli", "index", str(folder / "files"), "--home", str(folder / "home")]
        first = timed(command)
        seconds = [timed(command) for _ in range(ROUNDS)]
        find = [timed(["find", str(folder / "files"), "-type", "f", "-printf", "%s %T@\n"]) for _ in range(ROUNDS)]
    print(f"{count} files: first run {first:.1f} s, nothing to do {statistics.median(seconds):.3f} s")
    print(f"find over the same files {statistics.median(find):.3f} s")
    write_result("reindex", {"files": count, "first": first, "nothing to do": seconds, "find": find})


def timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
