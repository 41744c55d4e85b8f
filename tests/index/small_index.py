"""Small indexes made without a model: a chunk's vector is drawn from a generator seeded with its text."""

import hashlib
from pathlib import Path

import numpy as np

from ragcli.index.catalog.rows import Settings, chunk_key
from ragcli.index.reader import open_index
from ragcli.index.verify import verify
from ragcli.index.writer import Batch, NewFile, open_writer
from ragcli.types import Block, Chunk, Document

DIMENSION = 8
SETTINGS = Settings("toy", "1", "0" * 64, DIMENSION, 128, 100, 0)


def vector_of(text, dimension=DIMENSION):
    seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    row = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return row / np.linalg.norm(row)


def stored(row):
    """What is left of a row after it was written as float16."""
    return row.astype(np.float16).astype(np.float32)


def new_file(path, texts, *, title="", headings=(), page=None, size=1, mtime_ns=2):
    """A document whose paragraphs, and chunks, are ``texts``."""
    whole, blocks, chunks = "", [], []
    for ordinal, text in enumerate(texts):
        whole += "\n\n" if whole else ""
        start, end = len(whole), len(whole) + len(text)
        first_byte = len(whole.encode("utf-8", "surrogatepass"))
        line = whole.count("\n") + 1
        whole += text
        spans = (first_byte, first_byte + len(text.encode("utf-8", "surrogatepass"))), (line, whole.count("\n") + 1)
        blocks.append(Block(start, end, "paragraph", page, headings))
        pages = None if page is None else (page, page)
        chunks.append(Chunk(ordinal, Path(path), title, start, end, text, *spans, pages, headings))
    document = Document(Path(path), title, whole, tuple(blocks), "text")
    return NewFile(
        document, hashlib.sha256(repr(whole).encode()).hexdigest(), size, mtime_ns, 1, tuple(chunks),
        tuple(chunk_key(chunk) for chunk in chunks),
    )  # fmt: skip


def batch_of(files, deleted=()):
    vectors = {key: vector_of(chunk.embedded) for new in files for key, chunk in zip(new.keys, new.chunks, strict=True)}
    return Batch(added=list(files), vectors=vectors, deleted=list(deleted))


def begin(folder):
    with open_writer(folder) as writer:
        writer.start(SETTINGS)


def change(folder, added=None, removed=()):
    """One commit: store ``added`` {path: texts}, replacing documents of the same path, and delete ``removed`` paths."""
    with open_writer(folder) as writer:
        if writer.settings() is None:
            writer.start(SETTINGS)
        commit(writer, added, removed)


def commit(writer, added=None, removed=()):
    added = added or {}
    known = {row.path: row.id for row in writer.catalog.documents()}
    gone = [known[Path(path)] for path in (*added, *removed) if Path(path) in known]
    writer.commit(batch_of([new_file(path, texts) for path, texts in added.items()], gone))


def contents(folder):
    """{path: texts} of what the index holds, as a reader sees it."""
    with open_index(folder) as index:
        return {
            str(row.path): [chunk.text for chunk in index.catalog.document_chunks(row.id)]
            for row in index.catalog.documents()
        }


def ids_by_text(folder):
    with open_index(folder) as index:
        return {chunk.text: i for i, chunk in index.chunks(index.catalog.chunk_ids()).items()}


def nearest(rows, query, k):
    """Brute force over {id: row}: the k best (id, cosine) by score, then id."""
    ranked = sorted(((i, float(stored(row) @ query)) for i, row in rows.items()), key=lambda hit: (-hit[1], hit[0]))
    return ranked[:k]


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def assert_sound(folder):
    """Everything agrees with everything, and nothing lies about that no row of the catalog names."""
    assert verify(folder).faults == ()
    with open_index(folder) as index:
        names = {row.name for row in index.catalog.ledger.vector_files()}
        keywords = index.catalog.keywords_name()
        assert index.catalog.ledger.pending() == []
        documents = [row.id for row in index.catalog.documents()]  # with a filter, every list is read
        hits = {i for i, _ in index.dense(vector_of("anything"), 10**6, documents)}
        assert hits == set(index.catalog.chunk_ids())
    top = {path.name for path in folder.iterdir()}
    allowed = {"catalog.sqlite3", "catalog.sqlite3-wal", "catalog.sqlite3-shm", "writer.lock", "vectors", keywords}
    assert top <= allowed
    assert {path.name for path in (folder / "vectors").iterdir()} == names
