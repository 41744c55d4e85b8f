"""Haystack: converter, embedder and writer in a pipeline, the in-memory store kept on disk, a retrieval pipeline."""

import sys
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
    pipeline.add_component("embed", SentenceTransformersDocumentEmbedder(model, progress_bar=False))
    pipeline.add_component("write", DocumentWriter(store, DuplicatePolicy.OVERWRITE))
    pipeline.connect("convert", "embed")
    pipeline.connect("embed", "write")
    pipeline.run({"convert": {"sources": sorted(folder.glob("*.txt"))}})
    store.save_to_disk(str(file))


def query(file: Path, model: str, question: str) -> None:
    store = InMemoryDocumentStore.load_from_disk(str(file))
    pipeline = Pipeline()
    pipeline.add_component("embed", SentenceTransformersTextEmbedder(model, progress_bar=False))
    pipeline.add_component("find", InMemoryEmbeddingRetriever(store, top_k=10))
    pipeline.connect("embed.embedding", "find.query_embedding")
    for document in pipeline.run({"embed": {"text": question}})["find"]["documents"]:
        print(f"{document.score:.3f} {document.meta['file_path']}")


if sys.argv[1] == "sync":
    sync(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
else:
    query(Path(sys.argv[2]), *sys.argv[3:5])
