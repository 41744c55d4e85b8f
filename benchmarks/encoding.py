"""How many chunks a second are encoded, against `model.encode(list)` as people write it?

    python -m benchmarks.encoding [--chunks 2000] [--rounds 8]

Titles and pieces of abstracts of SciFact and Cranfield, 3 to 256 tokens. The chunks are dealt into as many parts as
there are rounds; in a round every encoder, each in a process of its own with its model loaded, encodes the same part in
turn. The share is of the rate at which this machine multiplies float32 matrices of these shapes, measured in every
round, in processor time. Overlap is of the ten nearest of all chunks to each of 200.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.collections import SHARED
from benchmarks.harness import Sample, figures, print_table, spread
from benchmarks.results import write_result

LAYERS, WIDTH, INNER = 6, 384, 1536
SHAPES = ((WIDTH, WIDTH), (WIDTH, INNER), (INNER, WIDTH))
WORDS = 130
QUERIES, NEAREST = 200, 10
NAIVE = "model.encode(list)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    chunks = texts(options.chunks)
    workers = {name: start(engine) for name, engine in ENGINES.items()}
    samples: dict[str, list[Sample]] = {name: [] for name in workers}
    rows: dict[str, list[Any]] = {name: [] for name in workers}
    shares, tokens = [], 0
    for turn in range(options.rounds):
        part = chunks[turn :: options.rounds]
        for name, pipe in workers.items():
            pipe.send(part)
            wall, cpu, found, lengths, rate = pipe.recv()
            samples[name].append(Sample(wall, cpu, 0.0))
            rows[name].append(found)
            if name == "ragcli":
                shares.append(flop(lengths) / cpu / rate)
                tokens += sum(lengths)
        print(f"round {turn + 1}: " + ", ".join(f"{n} {s[-1].wall:.1f} s" for n, s in samples.items()), flush=True)
    for pipe in workers.values():
        pipe.send(None)
    table = figures(samples, NAIVE)
    print_table(table, NAIVE)
    faster = {
        measure: spread(
            [getattr(b, measure) / getattr(a, measure) for a, b in zip(samples["ragcli"], samples[NAIVE], strict=True)]
        )
        for measure in ("wall", "cpu")
    }
    found = {
        "chunks": len(chunks),
        "tokens": tokens,
        "encoders": table,
        "ragcli, times as fast": faster,
        "share of the matrix product": spread(shares),
        "top-10 overlap": overlap(rows["ragcli"], rows[NAIVE]),
    }
    print({key: value for key, value in found.items() if key != "encoders"})
    write_result("encoding", found)


def texts(count: int) -> list[str]:
    """Titles and pieces of abstracts, in a fixed random order."""
    found = []
    for name in ("scifact", "cranfield"):
        with (SHARED / name / "corpus.jsonl").open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                words = row["text"].split()
                found += [row["title"]] if row.get("title") else []
                found += [" ".join(words[i : i + WORDS]) for i in range(0, len(words), WORDS)]
    return random.Random(5).sample(found, min(count, len(found)))


def start(engine: Callable[[], Callable[[list[str]], Any]]) -> Connection:
    here, there = Pipe()
    get_context("spawn").Process(target=serve, args=(engine, there), daemon=True).start()
    return here


def serve(engine: Callable[[], Callable[[list[str]], Any]], pipe: Connection) -> None:
    encode = engine()
    encode(["warm up"] * 16)
    from ragcli.models.resolve import DEFAULT_MODEL, resolve
    from ragcli.models.tokenizer import open_tokenizer

    tokenizer = open_tokenizer(resolve(DEFAULT_MODEL))
    while (part := pipe.recv()) is not None:
        wall, cpu = time.perf_counter(), time.process_time()
        rows = encode(part)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        lengths = [min(256, n + 2) for n in tokenizer.count(part)]
        pipe.send((wall, cpu, rows, lengths, product_rate() if engine is ragcli_encoder else 0.0))


def ragcli_encoder() -> Callable[[list[str]], Any]:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as the command does
    from ragcli.models.open import open_index_encoder
    from ragcli.models.resolve import DEFAULT_MODEL, resolve

    return open_index_encoder(resolve(DEFAULT_MODEL), 1000).encode


def naive() -> Callable[[list[str]], Any]:
    return sentence_transformers()


def small_batches() -> Callable[[list[str]], Any]:
    return sentence_transformers(batch_size=8)


def sentence_transformers(**options: int) -> Callable[[list[str]], Any]:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        os.environ.pop(name, None)  # as people have it
    from sentence_transformers import SentenceTransformer

    from ragcli.models.resolve import DEFAULT_MODEL, resolve

    model = SentenceTransformer(str(resolve(DEFAULT_MODEL).folder))
    return lambda part: model.encode(part, normalize_embeddings=True, **options)


def product_rate() -> float:
    """Floating-point operations a second of processor time: the median of products of the model's shapes.

    On as many threads as the encoder has, since cores that share their units slow one another down.
    """
    import numpy as np

    def rates(_: int) -> list[float]:
        found = []
        for inner, outer in SHAPES * 10:
            left, right = np.ones((512, inner), np.float32), np.ones((outer, inner), np.float32)
            out = np.empty((512, outer), np.float32)
            started = time.thread_time()
            for _ in range(3):
                np.matmul(left, right.T, out=out)
            found.append(3 * 2 * 512 * inner * outer / (time.thread_time() - started))
        return found

    threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads) as pool:
        return statistics.median(rate for found in pool.map(rates, range(threads)) for rate in found)


def flop(lengths: list[int]) -> int:
    """What the model has to multiply and add for texts of these numbers of tokens."""
    linear = 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER) * sum(lengths)
    return LAYERS * (linear + sum(4 * n * n * WIDTH for n in lengths))


def overlap(ours: list[Any], theirs: list[Any]) -> float:
    """Mean share of the ten nearest that two encoders agree on."""
    import numpy as np

    nearest = []
    for parts in (ours, theirs):
        rows = np.concatenate(parts)
        nearest.append(np.argsort(-(rows[:QUERIES] @ rows.T), axis=1)[:, 1 : NEAREST + 1])
    pairs = zip(*nearest, strict=True)
    return round(float(np.mean([len(set(a.tolist()) & set(b.tolist())) / NEAREST for a, b in pairs])), 4)


ENGINES = {"ragcli": ragcli_encoder, NAIVE: naive, "model.encode(list, batch_size=8)": small_batches}

if __name__ == "__main__":
    main()
