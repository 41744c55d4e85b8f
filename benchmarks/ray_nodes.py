"""Is the index the same when two Ray nodes make it and one of them is killed half-way?

    python -m benchmarks.ray_nodes [--documents N]

SciFact as files, indexed by a local run and by a cluster of two nodes on this machine, with a processor each. When half
of the tasks were begun, every process of one node gets SIGKILL. Needs `pip install 'ragcli[cluster]'`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.collections import load
from benchmarks.results import write_result

# the nodes and the watch of the tests, which are no package
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "cluster"))

from nodes import Nodes
from runs import WORKER, Watch, contents, ended, start

_FILES_A_TASK = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, help="only the first ones, for a shorter run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = compare(Path(temporary), options.documents)
    for name, value in figures.items():
        print(f"{name:44} {value}")
    write_result("ray", figures)


def compare(folder: Path, documents: int | None) -> dict[str, Any]:
    docs = folder / "docs"
    docs.mkdir()
    corpus = list(load("scifact").corpus.items())[:documents]
    for i, text in corpus:
        (docs / f"{i}.md").write_text(text, encoding="utf-8")
    began = time.perf_counter()
    local = json.loads(succeeded(ended(start(folder / "local", docs, "--json"), 3600)))
    local_wall = time.perf_counter() - began
    with Nodes() as nodes:
        there, said = on_cluster(nodes, folder / "ray", docs, len(corpus))
    wanted, found = passages(folder / "local"), passages(folder / "ray")
    vectors, others = (contents(folder / name / "default")[0] for name in ("local", "ray"))
    return {
        "documents": len(corpus),
        "chunks": sum(wanted.values()),
        **there,
        "same chunk set": "yes" if found == wanted else "no",
        "lost": sum((wanted - found).values()),
        "doubled": sum((found - wanted).values()),
        "largest difference of two numbers of a vector": max(
            float(abs(others[path][2] - vectors[path][2]).max()) for path in vectors
        ),
        "chunks embedded, local run": local["chunks"]["embedded"],
        "chunks embedded, cluster": said["chunks"]["embedded"],
        "seconds, local run on all processors": round(local_wall, 1),
    }


def on_cluster(nodes: Nodes, home: Path, docs: Path, documents: int) -> tuple[dict[str, Any], dict[str, Any]]:
    half = math.ceil(documents / _FILES_A_TASK / 2)
    began = time.perf_counter()
    process = start(home, docs, "--json", "--engine", "ray", "--address", nodes.address)
    watch = Watch(process, home)
    watch.until(lambda: len(watch.tries) >= half and nodes.other.processes(WORKER))
    begun, at = len(watch.tries), time.perf_counter() - began
    killed = nodes.other.kill()
    own = 0.0
    while process.poll() is None:
        watch.look()
        own = max(own, processor_seconds(process.pid))
        time.sleep(0.05)
    said = json.loads(succeeded(ended(process)))
    return {
        "tasks": len(watch.tries),
        "tasks begun when the node was killed": begun,
        "processes killed": killed,
        "tasks begun again": sum(1 for count in watch.tries.values() if count > 1),
        "seconds until the node was killed": round(at, 1),
        "seconds, cluster of two nodes, one killed": round(time.perf_counter() - began, 1),
        "processor seconds of the process that holds the index": round(own, 1),
    }, said


def passages(home: Path) -> Counter[tuple[object, ...]]:
    """How often each passage stands in the index, by all that is known of it but its id."""
    found, _ = contents(home / "default")
    return Counter((path, chunk, key) for path, (_, chunks, _) in found.items() for chunk, key in chunks)


def processor_seconds(pid: int) -> float:
    """What a process has used so far, without those that it started; 0 when it is gone."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def succeeded(answer: tuple[int, str, str]) -> str:
    code, out, err = answer
    if code:
        raise RuntimeError(f"ragcli index ended with {code}: {err}")
    return out


if __name__ == "__main__":
    main()
