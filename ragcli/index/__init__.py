"""The index on disk: a SQLite catalog that is the truth, FAISS segments and a tantivy index derived from it."""
