"""The index on disk: a SQLite catalog, which is the truth; FAISS segments and a tantivy index derived from it."""
