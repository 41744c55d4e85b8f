"""Does an index in Milvus answer as one in files, and how long does it take?

    python -m benchmarks.milvus milvus://127.0.0.1:19530 [--keep FOLDER] [--questions 200] [--rounds 7]

SciFact's passages are written twice under the same ids: vectors in files, and in a collection of the running server;
then once more with the approximate type. Real questions are asked of both in turn. The collections are dropped in the
end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.collections import indexed, load
from benchmarks.harness import ROUNDS, Command, figures, print_table, run_rounds
from benchmarks.results import write_result
from ragcli.index.layout import VECTORS
from ragcli.index.milvus.address import Address, parse_address
from ragcli.index.milvus.client import Collection
from ragcli.index.milvus.trust import trust_server
from ragcli.index.reader import Index, open_index
from ragcli.index.vectors.segments import Segments, Vectors
from ragcli.index.writer import Batch, NewFile, open_writer
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.types import Document

QUESTION = "how does a vaccine change the immune response?"
DOCUMENTS_A_COMMIT = 1_000
DEPTHS = (10, 200)  # 200 is what a query asks of the dense list before it fuses
PATIENCE = 120  # seconds for the server to build an approximate index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="milvus://HOST:PORT")
    parser.add_argument("--keep", type=Path, help="a folder with an index of SciFact made earlier")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    collection = load("scifact")
    asked = [collection.queries[i] for i in sorted(collection.queries)[: options.questions]]
    queries = list(open_query_encoder(resolve(DEFAULT_MODEL)).encode(asked, kind="query"))
    with tempfile.TemporaryDirectory() as temporary, indexed(collection, options.keep) as source:
        folder = Path(temporary)
        os.environ["XDG_CONFIG_HOME"] = temporary  # what is trusted here is trusted for this run alone
        found: dict[str, Any] = {"questions": len(queries)}
        written = {"files": write(source, folder / "files", "")}
        for kind in ("flat", "hnsw"):
            address = parse_address(f"{options.server}/ragcli_benchmark_{kind}?index={kind}")
            trust_server(address.endpoint)
            try:
                written[kind] = write(source, folder / kind, address.uri)
                if kind == "hnsw":
                    found["seconds until indexed"] = wait_for_index(address)
                found[kind] = compare(folder, kind, queries)
                if kind == "flat":
                    found["one question in a fresh process"] = cold(folder, options.rounds)
            finally:
                drop(address)
        with open_index(folder / "files", None) as index:
            found["passages"] = index.catalog.count("chunks")
        found["seconds to write"] = written
    show(found)
    print(f"wrote {write_result('milvus', found)}")


def write(source: Path, folder: Path, store: str) -> float:
    """Fill an index with the passages and vectors of another; seconds, the server's flush among them."""
    with open_index(source, None) as index:
        started = time.perf_counter()
        with open_writer(folder) as writer:
            writer.start(index.settings._replace(store=store))
            for batch in batches(source, index):
                writer.commit(batch)
            writer.tidy()
    return round(time.perf_counter() - started, 2)


def batches(source: Path, index: Index) -> Iterator[Batch]:
    catalog = index.catalog
    segments = Segments(
        source / VECTORS, catalog.ledger.segments(), index.settings.dimension, catalog.ledger.approximate()
    )
    rows = list(catalog.documents())
    for start in range(0, len(rows), DOCUMENTS_A_COMMIT):
        added: list[NewFile] = []
        vectors: dict[bytes, Vectors] = {}
        for row in rows[start : start + DOCUMENTS_A_COMMIT]:
            chunks, keys = catalog.document_chunks(row.id), catalog.chunk_keys(row.id)
            stored = segments.reconstruct(list(keys))
            vectors |= {keys[i]: stored[i] for i in keys}
            ordinals = tuple(replace(chunk, id=ordinal) for ordinal, chunk in enumerate(chunks))
            document = Document(row.path, row.title, "", (), row.loader)
            digests = tuple(keys[chunk.id] for chunk in chunks)
            added.append(NewFile(document, row.sha256, row.size, row.mtime_ns, row.loader_version, ordinals, digests))
        yield Batch(added=added, vectors=vectors)


def compare(folder: Path, kind: str, queries: Sequence[Vectors]) -> dict[str, Any]:
    """Each question of both indexes in turn: agreement and seconds, at each depth."""
    found: dict[str, Any] = {}
    with open_index(folder / "files") as files, open_index(folder / kind) as server:
        for depth in DEPTHS:
            seconds: dict[str, list[float]] = {"files": [], "server": []}
            same = scores = 0
            recalls = []
            for query in [queries[0], *queries]:  # the first one twice: it opens what is opened once
                started = time.perf_counter()
                exact = files.dense(query, depth)
                between = time.perf_counter()
                answer = server.dense(query, depth)
                seconds["files"].append(between - started)
                seconds["server"].append(time.perf_counter() - between)
                same += [i for i, _ in answer] == [i for i, _ in exact]
                scores += answer == exact
                recalls.append(len({i for i, _ in answer} & {i for i, _ in exact}) / len(exact))
            found[f"best {depth}"] = {
                "same ids in the same order": same - 1,
                "and the same scores": scores - 1,
                "recall": round(statistics.mean(recalls[1:]), 4),
                **{name: latency(times[1:]) for name, times in seconds.items()},
            }
    return found


def latency(seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=20)
    return {"median ms": round(1000 * statistics.median(seconds), 2), "p95 ms": round(1000 * cuts[-1], 2)}


def cold(folder: Path, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "ragcli", "query", QUESTION, "--no-rerank", "--index"]
    tasks = {name: Command([*command, folder / kind]) for name, kind in (("files", "files"), ("server", "flat"))}
    return figures(run_rounds(tasks, rounds), "files")


def wait_for_index(address: Address) -> float:
    """Until the server has built the approximate index of what was flushed; seconds."""
    from pymilvus import MilvusClient

    client = MilvusClient(uri=f"http://{address.host}:{address.port}", timeout=20, dedicated=True)
    started = time.perf_counter()
    while time.perf_counter() - started < PATIENCE:
        state = client.describe_index(address.collection, "vector")
        if state["state"] == "Finished" and not state["pending_index_rows"] and state["indexed_rows"]:
            break
        time.sleep(0.5)
    else:
        raise TimeoutError(f"not indexed after {PATIENCE} s: {state}")
    client.load_collection(address.collection, refresh=True, timeout=PATIENCE)
    time.sleep(5)  # for what answers questions to take it up
    client.close()
    return round(time.perf_counter() - started, 1)


def drop(address: Address) -> None:
    with Collection(address, address.collection, "") as collection:
        collection.drop()


def show(found: dict[str, Any]) -> None:
    print(
        f"{found['passages']:,} passages, {found['questions']} questions; seconds to write: {found['seconds to write']}"
    )
    for kind in ("flat", "hnsw"):
        for depth, one in found[kind].items():
            print(
                f"{kind} {depth:9} same ids and order {one['same ids in the same order']}, scores too "
                f"{one['and the same scores']}, recall {one['recall']:.4f}; "
                f"files {one['files']['median ms']:.1f} / {one['files']['p95 ms']:.1f} ms, "
                f"server {one['server']['median ms']:.1f} / {one['server']['p95 ms']:.1f} ms (median / p95)"
            )
    print_table(found["one question in a fresh process"], "files")


if __name__ == "__main__":
    main()
