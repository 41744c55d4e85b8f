"""txtai: Embeddings with content, upsert, save, load and search, as its guide has it."""

import sys
from pathlib import Path

from txtai import Embeddings


def sync(folder: Path, store: str, model: str) -> None:
    embeddings = Embeddings(path=model, content=True)
    if embeddings.exists(store):
        embeddings.load(store)
    embeddings.upsert([(str(path), path.read_text(), None) for path in sorted(folder.glob("*.txt"))])
    embeddings.save(store)


def query(store: str, question: str) -> None:
    embeddings = Embeddings()
    embeddings.load(store)
    for row in embeddings.search(question, 10):
        print(f"{row['score']:.3f} {row['id']}")


if sys.argv[1] == "sync":
    sync(Path(sys.argv[2]), *sys.argv[3:5])
else:
    query(sys.argv[2], sys.argv[4])
