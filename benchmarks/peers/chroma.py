"""Chroma: a persistent client, a collection with an embedding function, upsert and query, as its guide has it."""

import sys
from pathlib import Path

import chromadb
from chromadb.config import Settings
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction


def collection(store: str, model: str) -> chromadb.Collection:
    client = chromadb.PersistentClient(store, Settings(anonymized_telemetry=False))
    return client.get_or_create_collection("docs", embedding_function=SentenceTransformerEmbeddingFunction(model))


def sync(folder: Path, store: str, model: str) -> None:
    paths = sorted(folder.glob("*.txt"))
    collection(store, model).upsert(ids=[str(path) for path in paths], documents=[path.read_text() for path in paths])


def query(store: str, model: str, question: str) -> None:
    found = collection(store, model).query(query_texts=[question], n_results=10)
    for distance, name in zip(found["distances"][0], found["ids"][0], strict=True):
        print(f"{distance:.3f} {name}")


if sys.argv[1] == "sync":
    sync(Path(sys.argv[2]), *sys.argv[3:5])
else:
    query(*sys.argv[2:5])
