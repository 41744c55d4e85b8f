"""txtai: Embeddings with content, upsert, save, load and search, as its guide has it."""

from collections.abc import Callable
from pathlib import Path

from txtai import Embeddings


def sync(folder: Path, store: Path, model: str) -> None:
    embeddings = Embeddings(path=model, content=True)
    if embeddings.exists(str(store)):
        embeddings.load(str(store))
    embeddings.upsert([(str(path), path.read_text(), None) for path in sorted(folder.glob("*.txt"))])
    embeddings.save(str(store))


def searcher(store: Path, model: str) -> Callable[[str], list[str]]:
    embeddings = Embeddings()
    del model  # what is loaded knows its own
    embeddings.load(str(store))
    return lambda question: [row["id"] for row in embeddings.search(question, 10)]
