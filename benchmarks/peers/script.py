"""The shortest script: sentence-transformers and FAISS. It knows no update: bringing up to date is doing it again."""

import json
from collections.abc import Callable
from pathlib import Path

import faiss
from sentence_transformers import SentenceTransformer


def sync(folder: Path, store: Path, model: str) -> None:
    paths = sorted(folder.glob("*.txt"))
    rows = SentenceTransformer(model).encode([path.read_text() for path in paths], normalize_embeddings=True)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    store.mkdir(exist_ok=True)
    faiss.write_index(index, str(store / "flat.faiss"))
    (store / "paths.json").write_text(json.dumps([str(path) for path in paths]))


def searcher(store: Path, model: str) -> Callable[[str], list[str]]:
    encoder = SentenceTransformer(model)
    paths = json.loads((store / "paths.json").read_text())
    index = faiss.read_index(str(store / "flat.faiss"))

    def search(question: str) -> list[str]:
        _, ids = index.search(encoder.encode([question], normalize_embeddings=True), 10)
        return [paths[i] for i in ids[0]]

    return search
