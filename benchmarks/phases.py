"""Where does the time of a first index run go, and what could be gained by more overlap of its steps?

    python -m benchmarks.phases [--files 150]

Files are drawn from ../shared/docs (BENCHMARK_DOCS names another folder). Parser processes read ahead while the main
process embeds; chunking, committing and waiting for a parser come between two calls of the encoder. So those three
are what more overlap could hide.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.results import write_result
from ragcli.index.writer import Writer
from ragcli.ingest.embed import Embedder
from ragcli.ingest.sandbox.pool import _Crew
from ragcli.ingest.sync import SyncOptions, sync

DOCS = Path(os.environ.get("BENCHMARK_DOCS", Path(__file__).resolve().parents[2] / "shared" / "docs"))
STEPS: dict[str, tuple[type, str]] = {
    "embed": (Embedder, "embed_slice"),
    "chunk, and look for stored vectors": (Embedder, "add"),
    "commit": (Writer, "commit"),
    "wait for a parser": (_Crew, "result"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=150)
    options = parser.parse_args()
    spent = {step: [0.0, 0.0] for step in STEPS}
    for step, (owner, name) in STEPS.items():
        setattr(owner, name, timed(getattr(owner, name), spent[step]))
    files = sorted(path for path in DOCS.rglob("*") if path.is_file())
    drawn = random.Random(1).sample(files, min(options.files, len(files)))
    with tempfile.TemporaryDirectory(prefix="ragcli-phases-") as temporary:
        docs = Path(temporary) / "docs"
        docs.mkdir()
        for number, path in enumerate(drawn):
            shutil.copyfile(path, docs / f"{number}-{path.name}")
        wall, cpu = time.monotonic(), time.process_time()
        summary = sync(Path(temporary) / "index", docs, SyncOptions(offline=True))
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "files": len(drawn),
        "documents": summary.added,
        "chunks": summary.chunks_embedded,
        "cores": os.cpu_count(),
        "wall": round(wall, 1),
        "cpu": round(cpu, 1),
        "parsers cpu": round(children.ru_utime + children.ru_stime, 1),
        "steps": {step: {"wall": round(one, 2), "cpu": round(two, 2)} for step, (one, two) in spent.items()},
    }
    for name, value in found.items():
        print(f"{name}: {value}")
    print(write_result("phases", found))


def timed(call: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """``call``, which adds its seconds on the clock and of the processor to ``spent``."""

    def wrapper(*args: Any, **options: Any) -> Any:  # noqa: ANN401 (those of any step)
        wall, cpu = time.monotonic(), time.process_time()
        try:
            return call(*args, **options)
        finally:
            spent[0] += time.monotonic() - wall
            spent[1] += time.process_time() - cpu

    return wrapper


if __name__ == "__main__":
    main()
