"""Haystack: converter, embedder and writer in a pipeline, the in-memory store kept on disk, a retrieval pipeline."""

from collections.abc import Callable
from pathlib import Path

from haystack import Pipeline
from haystack.components.converters import TextFileToDocument
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy

try:  # where the embedders live depends on the version
    from haystack.components.embedders import SentenceTransformersDocumentEmbedder, SentenceTransformersTextEmbedder
except ImportError:
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersDocumentEmbedder,
        SentenceTransformersTextEmbedder,
    )


def sync(folder: Path, file: Path, model: str) -> None:
    store = InMemoryDocumentStore.load_from_disk(str(file)) if file.exists() else InMemoryDocumentStore()
    pipeline = Pipeline()
    pipeline.add_component("convert", TextFileToDocument())
    pipeline.add_component("embed", SentenceTransformersDocumentEmbedder(model=model, progress_bar=False))
    pipeline.add_component("write", DocumentWriter(store, DuplicatePolicy.OVERWRITE))
    pipeline.connect("convert", "embed")
    pipeline.connect("embed", "write")
    pipeline.run({"convert": {"sources": sorted(folder.glob("*.txt"))}})
    store.save_to_disk(str(file))


def searcher(file: Path, model: str) -> Callable[[str], list[str]]:
    store = InMemoryDocumentStore.load_from_disk(str(file))
    pipeline = Pipeline()
    pipeline.add_component("embed", SentenceTransformersTextEmbedder(model=model, progress_bar=False))
    pipeline.add_component("find", InMemoryEmbeddingRetriever(store, top_k=10))
    pipeline.connect("embed.embedding", "find.query_embedding")

    def search(question: str) -> list[str]:
        found = pipeline.run({"embed": {"text": question}})["find"]["documents"]
        return [document.meta["file_path"] for document in found]

    return search
