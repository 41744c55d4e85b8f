"""What does bringing an index up to date cost when nothing changed, and when one file did?

    python -m benchmarks.reindex [--files 10000] [--chunks 100000] [--rounds 7]

Nothing changed: a folder of small files, against `find` over it, which reads the same names, sizes and times. What
`ragcli index` takes for an empty folder is its start, shown apart. One file changed: a file of ten chunks edited in one
of them, beside an index of many chunks and beside an empty one; the difference is what the size of the index costs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from benchmarks.cold_query import SAMPLES, fill
from benchmarks.harness import ROUNDS, Command, figures, print_table, run, run_rounds, spread
from benchmarks.results import write_result
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load
from ragcli.ingest.chunk import ChunkOptions, chunk
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve

PARAGRAPHS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        nothing = unchanged(Path(temporary) / "files", options.files, options.rounds)
        one = one_file(Path(temporary) / "one", options.chunks, options.rounds)
    write_result("reindex", {"files": options.files, "nothing to do": nothing, "one file changed": one})


def index(home: Path, *paths: Path) -> list[str | Path]:
    return [sys.executable, "-m", "ragcli", "index", *paths, "--home", home, "--quiet"]


def unchanged(folder: Path, files: int, rounds: int) -> dict[str, object]:
    for i in range(files):
        path = folder / "documents" / f"{i % 100:02d}" / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Item {i}.\n")
    (folder / "single").mkdir()
    (folder / "single" / "a.txt").write_text("Item.\n")
    first = run(Command(index(folder / "home", folder / "documents")))
    run(Command(index(folder / "other", folder / "single")))
    find = "find"
    tasks = {
        find: Command([find, folder / "documents", "-type", "f", "-printf", "%s %T@\n"]),
        "python -c pass": Command([sys.executable, "-c", "pass"]),
        "ragcli --version": Command([sys.executable, "-m", "ragcli", "--version"]),
        "ragcli index, one file": Command(index(folder / "other", folder / "single")),
        "ragcli index, nothing to do": Command(index(folder / "home", folder / "documents")),
    }
    samples = run_rounds(tasks, rounds)
    table = figures(samples, find)
    print_table(table, find)
    beyond = {}
    for start in ("python -c pass", "ragcli --version", "ragcli index, one file"):
        three = zip(samples["ragcli index, nothing to do"], samples[start], samples[find], strict=True)
        beyond[start] = spread([(whole.cpu - own.cpu) / one.cpu for whole, own, one in three])
    for start, share in beyond.items():
        print(f"processor time beyond {start}: {share['median']:.1f} times find")
    return {"first run": first.wall, "tasks": table, "beyond a start, in processor time of find": beyond}


def one_file(folder: Path, chunks: int, rounds: int) -> dict[str, object]:
    """The run after an edit, in a large index and in one that holds this file alone."""
    document = folder / "documents" / "edited.md"
    document.parent.mkdir(parents=True)
    words = " ".join(path.read_text() for path in sorted(SAMPLES.glob("*.md"))).split()
    turn = count()

    def edit() -> None:
        number = next(turn)
        parts = [f"# Part {i}\n\n" + " ".join(words[90 * i : 90 * i + 90]) for i in range(PARAGRAPHS)]
        parts[3] += f" Edited {number} times."
        document.write_text("\n\n".join(parts) + "\n")

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(fill, folder, resolve(DEFAULT_MODEL), chunks).result()
    tasks = {}
    for name, place in ((f"among {chunks} chunks", "big"), ("alone", "small")):
        command = [*index(folder, document.parent), "--index", place]
        edit()
        run(Command(command))
        tasks[name] = Command(command, before=edit)
    tasks["nothing to do"] = Command([*index(folder, document.parent), "--index", "small"])
    samples = run_rounds(tasks, rounds)
    table = figures(samples, "alone")
    print_table(table, "alone")
    embedding = embed(document, rounds)
    among, alone = (samples[name] for name in list(tasks)[:2])
    more = [(one.cpu - other.cpu) / embedding for one, other in zip(among, alone, strict=True)]
    print(f"embedding the whole file: {embedding:.3f} s of processor; the size of the index: {spread(more)} of that")
    return {"tasks": table, "embedding the whole file": embedding, "cost of the index's size, of that": spread(more)}


def embed(document: Path, rounds: int) -> float:
    """Seconds of processor that the encoder takes for the chunks of a file, its model open."""
    encoder = open_query_encoder(resolve(DEFAULT_MODEL))
    read = load(document, document.read_bytes(), LoadOptions())
    texts = [one.embedded for one in chunk(read, encoder.tokenizer, encoder.window, ChunkOptions())]
    encoder.encode(texts)
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        encoder.encode(texts)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
