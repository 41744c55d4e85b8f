"""How many passages a second can the one process store that takes in what a cluster's workers hand over?

    python -m benchmarks.taking_in [--chunks 20000]

Shards as workers write them, of documents of 300 words each with vectors drawn at random, are read and committed as
`ragcli index --engine ray` does it.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.cold_query import SAMPLES
from benchmarks.results import write_result
from ragcli.index.catalog.rows import Settings, chunk_key
from ragcli.index.writer import Batch, open_writer
from ragcli.ingest.cluster.shards import ReadFile, pack_file, read_shard, write_shard
from ragcli.ingest.embed import Embedder, chunk_document
from ragcli.ingest.sandbox.process import Loaded
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.models.tokenizer import Tokenizer, open_tokenizer
from ragcli.types import Block, Document

_FILES = 32
_COMMIT_CHUNKS = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=20_000)
    options = parser.parse_args()
    files = resolve(DEFAULT_MODEL)
    settings = Settings(files.name, files.revision, files.sha256, 384, 256, 200, 30)
    with tempfile.TemporaryDirectory() as temporary:
        staging = Path(temporary) / "staging"
        staging.mkdir()
        shards, chunks = write_shards(staging, settings, open_tokenizer(files), options.chunks)
        wall, cpu = time.perf_counter(), time.process_time()
        take_in(Path(temporary) / "index", staging, shards, settings)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    figures = {
        "chunks": chunks,
        "seconds": round(wall, 2),
        "processor seconds": round(cpu, 2),
        "chunks a processor second": round(chunks / cpu),
    }
    for name, value in figures.items():
        print(f"{name:28} {value}")
    write_result("taking-in", figures)


def write_shards(staging: Path, settings: Settings, tokenizer: Tokenizer, wanted: int) -> tuple[list[str], int]:
    words = " ".join(path.read_text() for path in sorted(SAMPLES.glob("*.md"))).split()
    rng, numbers = random.Random(1), np.random.default_rng(1)
    shards: list[str] = []
    count = 0
    while count < wanted:
        files, vectors = [], {}
        for n in range(_FILES):
            text = f"Note {len(shards)}/{n}. {' '.join(rng.sample(words, 300))}"
            path = Path(f"/notes/{len(shards)}-{n}.txt")
            document = Document(path, "", text, (Block(0, len(text), "paragraph"),), "text")
            passages = chunk_document(document, tokenizer, settings)
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            files.append(pack_file(ReadFile(Loaded(path, sha256, len(text), 1, document), passages)))
            for passage in passages:
                row = numbers.standard_normal(settings.dimension).astype(np.float32)
                vectors[chunk_key(passage)] = row / np.linalg.norm(row)
            count += len(passages)
        shards.append(write_shard(staging, f"{len(shards):032x}", files, vectors))
    return shards, count


def take_in(folder: Path, staging: Path, shards: list[str], settings: Settings) -> None:
    with open_writer(folder) as writer:
        writer.start(settings)
        embedder = Embedder(settings, [writer])
        for shard in shards:
            for loaded, cut in read_shard(staging, shard):
                assert isinstance(loaded.outcome, Document)
                embedder.add(loaded.outcome, loaded.sha256, loaded.size, loaded.mtime_ns, 1, cut)
            if embedder.finished() >= _COMMIT_CHUNKS or shard == shards[-1]:
                added, vectors = embedder.take()
                writer.commit(Batch(added=added, vectors=vectors))


if __name__ == "__main__":
    main()
