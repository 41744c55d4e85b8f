"""The shortest script: sentence-transformers and FAISS. It knows no update: bringing up to date is doing it again."""

import json
import sys
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


def query(store: Path, model: str, question: str) -> None:
    row = SentenceTransformer(model).encode([question], normalize_embeddings=True)
    paths = json.loads((store / "paths.json").read_text())
    scores, ids = faiss.read_index(str(store / "flat.faiss")).search(row, 10)
    for score, i in zip(scores[0], ids[0], strict=True):
        print(f"{score:.3f} {paths[i]}")


if sys.argv[1] == "sync":
    sync(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
else:
    query(Path(sys.argv[2]), *sys.argv[3:5])
