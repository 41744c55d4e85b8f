"""LlamaIndex: a directory reader, a vector store index that is persisted, refreshed and retrieved from."""

import sys
from pathlib import Path

from llama_index.core import (
    Settings,
    SimpleDirectoryReader,
    StorageContext,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.embeddings.huggingface import HuggingFaceEmbedding


def sync(folder: str, store: str) -> None:
    documents = SimpleDirectoryReader(folder, filename_as_id=True).load_data()
    if Path(store).exists():
        index = load_index_from_storage(StorageContext.from_defaults(persist_dir=store))
        index.refresh_ref_docs(documents)
    else:
        index = VectorStoreIndex.from_documents(documents)
    index.storage_context.persist(store)


def query(store: str, question: str) -> None:
    index = load_index_from_storage(StorageContext.from_defaults(persist_dir=store))
    for node in index.as_retriever(similarity_top_k=10).retrieve(question):
        print(f"{node.score:.3f} {node.metadata['file_path']}")


is_sync = sys.argv[1] == "sync"
Settings.embed_model = HuggingFaceEmbedding(sys.argv[4 if is_sync else 3])
if is_sync:
    sync(*sys.argv[2:4])
else:
    query(sys.argv[2], sys.argv[4])
