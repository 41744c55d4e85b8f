"""How well each peer ranks the whole of SciFact: nDCG@10 of its test questions, every abstract a text file.

    python -m benchmarks.peers.quality [--venvs FOLDER] [--only NAME ...]

llm is left out: it takes one question a process, of six seconds each, and ranks by the same vectors as the script.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.collections import load
from benchmarks.harness import Command, run
from benchmarks.peers.install import PEERS, install
from benchmarks.peers.run import Bench, write_documents
from benchmarks.results import write_result
from ragcli.evaluate.measures import HEADLINE, per_question


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, help="where the environments are, or are to be made")
    parser.add_argument("--only", nargs="*", default=[name for name in PEERS if name != "llm"])
    options = parser.parse_args()
    collection = load("scifact")
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        venvs = options.venvs or Path(temporary) / "venvs"
        bench = Bench(Path(temporary), venvs, write_documents(temporary))
        questions = Path(temporary) / "questions.txt"
        questions.write_text("".join(f"{text}\n" for text in collection.queries.values()))
        for name in options.only:
            install(venvs / name, PEERS[name], venvs / "base")
            sample = run(bench.first(name))
            rankings = [ranking(line) for line in answers(bench.ask(name, questions))]
            names = dict(zip(collection.queries, rankings, strict=True))
            ndcg = float(per_question(collection.qrels, names)[HEADLINE].mean())
            found[name] = {HEADLINE: round(ndcg, 4), "index": round(sample.wall, 1)}
            print(name, found[name], flush=True)
    write_result("peers-quality", {"documents": len(collection.corpus), "peers": found})


def answers(task: Command) -> list[str]:
    with task.stdin.open("rb") as stdin:
        done = subprocess.run(
            [os.fspath(part) for part in task.command], stdin=stdin, stdout=subprocess.PIPE, text=True, check=True,
            env={**os.environ, **(task.variables or {})},
        )  # fmt: skip
    return done.stdout.splitlines()


def ranking(line: str) -> list[str]:
    """The ids of the documents in a line of answers: of play.py, or of ragcli."""
    answer = json.loads(line)
    paths = [hit["path"] for hit in answer["hits"]] if isinstance(answer, dict) else answer
    return list(dict.fromkeys(Path(path).stem for path in paths))


if __name__ == "__main__":
    main()
