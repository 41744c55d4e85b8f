"""How long does one question take in a fresh process, against the shortest honest scripts?

    python -m benchmarks.cold_query [--chunks 100000] [--rounds 7]

The short script imports SentenceTransformer and faiss, loads the same model, reads the same vectors and prints the ten
nearest. The other one reads the best again with a CrossEncoder, as many as ragcli does, with ragcli-reranker: a third
of the layers of ragcli's default, which CrossEncoder cannot load. ragcli does what they do, and the keyword search, the
fusion, the snippets and the printing. All run in turn; ratios are taken within a round. The vectors are random unit
rows: what they mean does not matter for the time it takes to search them.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.harness import ROUNDS, Command, figures, print_table, run_rounds
from benchmarks.results import write_result
from ragcli.index.catalog.rows import Settings
from ragcli.index.writer import Batch, NewFile, open_writer
from ragcli.models.resolve import DEFAULT_MODEL, ModelFiles, resolve, resolve_reranker
from ragcli.retrieve import DEFAULT_CANDIDATES
from ragcli.types import Block, Chunk, Document

QUESTION = "how does reranking change the order of the first results?"
CHUNKS_A_FILE = 10
SAMPLES = Path(__file__).parents[1] / "sample_docs"

SCRIPT = """
import sys
import faiss
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1])
index = faiss.read_index(sys.argv[2])
scores, ids = index.search(model.encode([sys.argv[3]], normalize_embeddings=True), 10)
print(ids[0], scores[0])
"""
RERANKING = """
import sys
import faiss
from sentence_transformers import CrossEncoder, SentenceTransformer
model = SentenceTransformer(sys.argv[1])
index = faiss.read_index(sys.argv[2])
scores, ids = index.search(model.encode([sys.argv[3]], normalize_embeddings=True), 10)
texts = open(sys.argv[4], encoding="utf-8").read().splitlines()
best = [int(i) for i in ids[0][: int(sys.argv[6])]]
again = CrossEncoder(sys.argv[5]).predict([(sys.argv[3], texts[i]) for i in best])
print(sorted(zip(again, best), reverse=True), ids[0], scores[0])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    files = resolve(DEFAULT_MODEL)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # in a process of its own: what this one ever held would count as the memory of those that it starts
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(fill, folder, files, options.chunks).result()
        (folder / "script.py").write_text(SCRIPT)
        (folder / "reranking.py").write_text(RERANKING)
        ragcli = [sys.executable, "-m", "ragcli", "query", QUESTION, "--home", folder, "--index", "big"]
        script = [files.folder, folder / "flat.faiss", QUESTION]
        reranker = [folder / "texts.txt", resolve_reranker("ragcli-reranker").folder, str(DEFAULT_CANDIDATES)]
        tasks = {
            "ragcli query": Command(ragcli),
            "script with CrossEncoder": Command([sys.executable, folder / "reranking.py", *script, *reranker]),
            "ragcli query --no-rerank": Command([*ragcli, "--no-rerank"]),
            "script": Command([sys.executable, folder / "script.py", *script]),
            "ragcli query --mode keyword": Command([*ragcli, "--no-rerank", "--mode", "keyword"]),
        }
        samples = run_rounds(tasks, options.rounds)
    table = figures(samples, "script")
    reranked = figures({name: samples[name] for name in list(tasks)[:2]}, "script with CrossEncoder")
    print_table(table, "script")
    print_table(reranked, "script with CrossEncoder")
    write_result(
        f"cold-query-{options.chunks}",
        {"chunks": options.chunks, "against the script": table, "against the script with CrossEncoder": reranked},
    )


def fill(folder: Path, files: ModelFiles, count: int) -> None:
    """An index of ``count`` chunks of plausible text, the same vectors as a flat faiss file, and the texts by line."""
    import faiss
    import numpy as np

    generator = np.random.default_rng(7)
    words = " ".join(path.read_text() for path in sorted(SAMPLES.glob("*.md"))).split()
    pick = random.Random(7)
    rows = generator.standard_normal((count, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    batch, vectors = Batch(), {}
    with (folder / "texts.txt").open("w", encoding="utf-8") as lines:
        for first in range(0, count, CHUNKS_A_FILE):
            texts = [" ".join(pick.choices(words, k=120)) for _ in range(CHUNKS_A_FILE)]
            lines.writelines(f"{text}\n" for text in texts)
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


if __name__ == "__main__":
    main()
