"""LlamaIndex: a directory reader, a vector store index that is persisted, refreshed and retrieved from."""

from collections.abc import Callable
from pathlib import Path

from llama_index.core import (
    Settings,
    SimpleDirectoryReader,
    StorageContext,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.embeddings.huggingface import HuggingFaceEmbedding


def sync(folder: Path, store: Path, model: str) -> None:
    Settings.embed_model = HuggingFaceEmbedding(model)
    documents = SimpleDirectoryReader(str(folder), filename_as_id=True).load_data()
    if store.exists():
        index = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(store)))
        index.refresh_ref_docs(documents)
    else:
        index = VectorStoreIndex.from_documents(documents)
    index.storage_context.persist(str(store))


def searcher(store: Path, model: str) -> Callable[[str], list[str]]:
    Settings.embed_model = HuggingFaceEmbedding(model)
    index = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(store)))
    retriever = index.as_retriever(similarity_top_k=10)
    return lambda question: [node.metadata["file_path"] for node in retriever.retrieve(question)]
