"""How fast are `ragcli serve`, `mcp` and `watch`, and what do they cost?

    python -m benchmarks.serve [--seconds 60] [--rounds 7]

- The first answer of `ragcli mcp` (a list of tools): seconds, processor time, memory.
- A question through the socket, the whole command included, against the same one in process, in turn: a question that
  was never asked, and one that was.
- Eight clients over HTTP for so many seconds, against as many threads that ask the engine itself in this process.
- An edit until a query finds it, and what looking at 10,000 files costs while nothing changes.

The index holds sample_docs. Nothing is written outside a temporary folder.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import ROUNDS
from ragcli.types import Results

SAMPLES = Path(__file__).parents[1] / "sample_docs"
RAGCLI = [sys.executable, "-m", "ragcli"]
CLIENTS = 8
FILES = 10_000


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ragcli-serve-") as folder:
        home = Path(folder) / "home"
        os.environ |= {
            "RAGCLI_HOME": str(home), "RAGCLI_INDEX": "samples", "RAGCLI_SOCKET": f"{folder}/serve.sock",
        }  # fmt: skip
        subprocess.run([*RAGCLI, "index", str(SAMPLES), "--quiet"], check=True)
        for name, measure in {
            "first answer of mcp": lambda: first_answer(given.rounds),
            "a question": lambda: question(given.rounds),
            "eight clients": lambda: throughput(home / "samples", given.seconds),
            "watch": lambda: watching(Path(folder), given.seconds),
        }.items():
            print(f"{name}: {json.dumps(measure())}", flush=True)


def questions() -> Iterator[str]:
    """Sentences of the documents, each once; then again with a number."""
    text = " ".join((SAMPLES / name).read_text() for name in ("sampling.txt", "attention.md"))
    sentences = [one for one in re.split(r"(?<=[.?])\s+", " ".join(text.split())) if 30 < len(one) < 150]
    yield from sentences
    for number, sentence in zip(itertools.count(), itertools.cycle(sentences), strict=False):
        yield f"{sentence} {number}"


def first_answer(rounds: int) -> dict[str, Any]:
    """Start a server and ask for its tools."""
    asked = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n'
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        with subprocess.Popen([*RAGCLI, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(asked)
            process.stdin.flush()
            json.loads(process.stdout.readline())
            found.append((time.perf_counter() - began, *usage(process.pid)))
            process.kill()
    return dict(zip(("seconds", "processor_seconds", "MiB"), map(middle, zip(*found, strict=True)), strict=True))


def question(rounds: int) -> dict[str, Any]:
    """Ask in turn: in process, a new question through the socket, and the same one again."""
    ratios: dict[str, list[float]] = {"new": [], "asked before": [], "without reranking": []}
    seconds: dict[str, list[float]] = {name: [] for name in ("in process", "in process, without reranking", *ratios)}
    asked = questions()
    with server():
        for turn in range(-1, rounds):
            text = next(asked)
            here = timed(text, "--server", "never")
            here_plain = timed(text, "--server", "never", "--no-rerank")
            times = {
                "new": timed(text, "--server", "always"),
                "asked before": timed(text, "--server", "always"),
                "without reranking": timed(text, "--server", "always", "--no-rerank"),
            }
            if turn < 0:
                continue
            for name, one in times.items():
                seconds[name].append(one)
                ratios[name].append(one / (here_plain if name == "without reranking" else here))
            seconds["in process"].append(here)
            seconds["in process, without reranking"].append(here_plain)
    return {
        "seconds": {name: middle(found) for name, found in seconds.items()},
        "ratio": {name: middle(found) for name, found in ratios.items()},
    }


def throughput(folder: Path, seconds: float) -> dict[str, Any]:
    """Let clients ask over HTTP, then threads the engine itself; each question is new to both."""
    asked, lock = questions(), threading.Lock()
    errors: list[str] = []

    def next_question() -> str:
        with lock:
            return next(asked)

    def client(port: int, stop: float, waits: list[float]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while time.monotonic() < stop:
            began = time.monotonic()
            body = json.dumps({"query": next_question()})
            connection.request("POST", "/v1/query", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if not json.loads(answer.read()).get("hits"):
                errors.append(str(answer.status))
            waits.append(time.monotonic() - began)

    with server("--port", "0") as (pid, port):
        before = usage(pid)[1]
        http_waits = together(lambda stop, waits: client(port, stop, waits), seconds)
        after = usage(pid)[1]
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from ragcli.serve.engine import Desk, Engine
    from ragcli.serve.questions import SEARCH, read_fields, search, search_options

    engine = Engine()

    def found(text: str, desk: Desk) -> Results:
        return search(desk.index(folder), text, search_options(read_fields({}, SEARCH)))

    def ask_engine(stop: float, waits: list[float]) -> None:
        while time.monotonic() < stop:
            began = time.monotonic()
            engine.run(partial(found, next_question()))
            waits.append(time.monotonic() - began)

    engine_waits = together(ask_engine, seconds)
    return {
        "answers_per_second": round(len(http_waits) / seconds, 2),
        "of_the_engine": round(len(engine_waits) / seconds, 2),
        "share": round(len(http_waits) / max(1, len(engine_waits)), 2),
        "errors": errors,
        "median_seconds": middle(http_waits),
        "p95_seconds": round(sorted(http_waits)[int(0.95 * len(http_waits))], 3),
        "MiB_before_and_after": [round(before), round(after)],
    }


def together(ask: Callable[[float, list[float]], None], seconds: float) -> list[float]:
    """Run ``ask`` in eight threads; return how long each question took."""
    waits: list[float] = []
    stop = time.monotonic() + seconds
    threads = [threading.Thread(target=ask, args=(stop, waits)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def watching(folder: Path, seconds: float) -> dict[str, Any]:
    """Edit a file below a watched folder with 10,000 others, and wait until it is in the index."""
    notes = folder / "notes"
    for number in range(FILES):
        place = notes / f"d{number % 20}" / f"e{number % 200}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.bin").write_text("not a document, and looked at all the same")
    (notes / "a.md").write_text("The first line.")
    command = [*RAGCLI, "watch", str(notes), "-i", "watched", "--jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(2)
        found: dict[str, list[float]] = {"renamed into place": [], "written in place": []}
        for number, name in enumerate(3 * list(found)):
            edited = notes / "a.md" if name == "written in place" else notes / "a.tmp"
            began = time.monotonic()
            edited.write_text(f"The line number {number} of a text that changed.")
            if edited.suffix == ".tmp":
                edited.rename(notes / "a.md")
            process.stdout.readline()
            found[name].append(time.monotonic() - began)
        time.sleep(3)
        before = usage(process.pid)[0]
        time.sleep(seconds)
        spent = usage(process.pid)[0] - before
        process.terminate()
    return {
        "edit_to_findable_seconds": {name: middle(times) for name, times in found.items()},
        "idle_share_of_a_core": round(spent / seconds, 4),
    }


@contextmanager
def server(*options: str) -> Iterator[tuple[int, int]]:
    """A server, warmed up with a question; yields its process and its port."""
    with subprocess.Popen([*RAGCLI, "serve", *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        port = re.search(r"http://[^:]+:(\d+)", line)
        try:
            timed("what is attention?", "--server", "always")
            yield process.pid, int(port[1]) if port else 0
        finally:
            process.terminate()


def timed(text: str, *options: str) -> float:
    """Run `ragcli query` and return its seconds."""
    began = time.perf_counter()
    done = subprocess.run([*RAGCLI, "query", text, *options], stdout=subprocess.DEVNULL, check=False)
    assert done.returncode in (0, 1)
    return time.perf_counter() - began


def usage(pid: int) -> tuple[float, float]:
    """Return the processor seconds of a process so far, and its memory in MiB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def middle(values: Iterable[float]) -> float:
    """Return the median, to the millisecond."""
    return round(statistics.median(values), 3)


if __name__ == "__main__":
    main()
