"""Chroma: a persistent client, a collection with an embedding function, upsert and query, as its guide has it."""

from collections.abc import Callable
from pathlib import Path

import chromadb
from chromadb.config import Settings
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction


def collection(store: Path, model: str) -> chromadb.Collection:
    client = chromadb.PersistentClient(str(store), Settings(anonymized_telemetry=False))
    return client.get_or_create_collection("docs", embedding_function=SentenceTransformerEmbeddingFunction(model))


def sync(folder: Path, store: Path, model: str) -> None:
    paths = sorted(folder.glob("*.txt"))
    collection(store, model).upsert(ids=[str(path) for path in paths], documents=[path.read_text() for path in paths])


def searcher(store: Path, model: str) -> Callable[[str], list[str]]:
    docs = collection(store, model)
    return lambda question: docs.query(query_texts=[question], n_results=10)["ids"][0]
