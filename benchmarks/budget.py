"""Does reranking keep to the time that --budget gives it?

    python -m benchmarks.budget

Questions about the sample documents, each in a fresh process, because the first passages of a process are the slowest;
of so many candidates that only the longest budget has room for all.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.results import write_result

SAMPLES = Path(__file__).resolve().parents[1] / "sample_docs"
BUDGETS = (100, 200, 400, 800)  # ms
CANDIDATES = 60
ALLOWED = 1.15
QUESTIONS = (
    "why rerank the first results?",
    "how can a network run backwards without storing activations?",
    "grokking",
    "what does attention cost in memory?",
    "how large should a chunk be?",
    "who found that small networks learn modular addition late?",
    "how is a recall of the ten nearest measured?",
    "what is lost when vectors are quantised?",
    "when do exact and approximate search differ?",
    "how are tables cut into passages?",
)
_DONE = re.compile(r"reranked (\d+) of (\d+) candidates in (\d+) ms")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "ragcli"]
        own = ["--home", home, "--offline"]
        subprocess.run([*command, "index", SAMPLES, "--quiet", *own], check=True)
        figures = {}
        for budget in BUDGETS:
            found = [ask([*command, "query", question, *own], budget) for question in QUESTIONS]
            shares = [ms / budget for _, ms in found]
            figures[f"{budget} ms"] = {
                "candidates read, median": statistics.median(read for read, _ in found),
                "time, of the budget": {"median": round(statistics.median(shares), 2), "max": round(max(shares), 2)},
                "within 15 %": f"{sum(share <= ALLOWED for share in shares)} of {len(shares)}",
            }
    print(json.dumps(figures, indent=1))
    print(write_result("budget", {"candidates": CANDIDATES, "budgets": figures}))


def ask(command: list[str | Path], budget: int) -> tuple[int, int]:
    """How many candidates were read, and the milliseconds that it took."""
    wanted = ["--candidates", str(CANDIDATES), "--budget", f"{budget}ms", "--explain"]
    done = subprocess.run(
        [os.fspath(part) for part in (*command, *wanted)], capture_output=True, text=True, check=True
    )  # fmt: skip
    match = _DONE.search(done.stdout + done.stderr)
    if match is None:
        raise RuntimeError(f"ragcli does not say what it reranked: {done.stderr}")
    return int(match[1]), int(match[3])


if __name__ == "__main__":
    main()
