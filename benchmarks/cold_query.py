"""How long does one question take in a fresh process, against the shortest honest script?

    python -m benchmarks.cold_query [--chunks 5000] [--rounds 7]

The script imports SentenceTransformer and faiss, loads the same model, reads the same vectors and prints the ten
nearest. ragcli does that and the keyword search, the fusion, the reranking, the snippets and the printing. Both run in
turn, interleaved; the medians and their ratio are printed. The vectors are random unit rows: what they mean does not
matter for the time it takes to search them.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

from benchmarks.results import write_result
from ragcli.index.settings import Settings
from ragcli.index.writer import Batch, NewFile, open_writer
from ragcli.models.resolve import DEFAULT_MODEL, ModelFiles, resolve
from ragcli.types import Block, Chunk, Document

QUESTION = "how does reranking change the order of the first results?"
CHUNKS_A_FILE = 10

SCRIPT = """
import sys
import faiss
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1])
index = faiss.read_index(sys.argv[2])
scores, ids = index.search(model.encode([sys.argv[3]], normalize_embeddings=True), 10)
print(ids[0], scores[0])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    files = resolve(DEFAULT_MODEL)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fill(folder, files, options.chunks)
        (folder / "script.py").write_text(SCRIPT)
        ragcli = [sys.executable, "-m", "ragcli", "query", QUESTION, "--home", str(folder), "--index", "big"]
        commands = {
            "ragcli query": ragcli,
            "ragcli query --no-rerank": [*ragcli, "--no-rerank"],
            "ragcli query --no-rerank --mode keyword": [*ragcli, "--no-rerank", "--mode", "keyword"],
            "script": [
                sys.executable,
                str(folder / "script.py"),
                str(files.folder),
                str(folder / "flat.faiss"),
                QUESTION,
            ],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(options.rounds + 1):
            for name, command in commands.items():
                taken = timed(command)
                if turn:  # the first round fills caches
                    seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name:40} median {medians[name]:.3f} s  ({min(values):.3f} to {max(values):.3f})")
    ratios = {name: medians[name] / medians["script"] for name in commands if name != "script"}
    for name, ratio in ratios.items():
        print(f"{name:40} 1/{1 / ratio:.1f} of the script")
    figures = {"chunks": options.chunks, "median seconds": medians, "all seconds": seconds, "ratios": ratios}
    write_result(f"cold-query-{options.chunks}", figures)


def fill(folder: Path, files: ModelFiles, count: int) -> None:
    """An index of ``count`` chunks of plausible text, and the same vectors as a flat faiss file."""
    generator = np.random.default_rng(7)
    words = " ".join(path.read_text() for path in sorted(Path("sample_docs").glob("*.md"))).split()
    pick = random.Random(7)
    rows = generator.standard_normal((count, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    batch, vectors = Batch(), {}
    for first in range(0, count, CHUNKS_A_FILE):
        texts = [" ".join(pick.choices(words, k=120)) for _ in range(CHUNKS_A_FILE)]
        document = document_of(Path(f"/documents/{first:07d}.txt"), texts)
        keys = tuple(first_key.to_bytes(16, "big") for first_key in range(first, first + CHUNKS_A_FILE))
        vectors |= dict(zip(keys, rows[first:], strict=False))
        batch.added.append(NewFile(document, "0" * 64, 1, 1, 1, chunks_of(document), keys))
    batch.vectors = vectors
    with open_writer(folder / "big") as writer:
        writer.start(Settings(files.name, files.revision, files.sha256, 384, 256, 200, 30))
        writer.commit(batch)
    flat = faiss.IndexFlatIP(384)
    flat.add(rows)
    faiss.write_index(flat, str(folder / "flat.faiss"))


def document_of(path: Path, texts: list[str]) -> Document:
    blocks, start = [], 0
    for text in texts:
        blocks.append(Block(start, start + len(text), "paragraph"))
        start += len(text) + 2
    return Document(path, "", "\n\n".join(texts), tuple(blocks), "text")


def chunks_of(document: Document) -> tuple[Chunk, ...]:
    return tuple(
        Chunk(i, document.path, "", b.start, b.end, document.text[b.start : b.end], (b.start, b.end),
              (2 * i + 1, 2 * i + 1), None, ())
        for i, b in enumerate(document.blocks)
    )  # fmt: skip


def timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env={**os.environ})
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
