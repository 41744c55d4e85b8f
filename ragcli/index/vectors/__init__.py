"""FAISS: vectors in immutable segments, and for a large index an inverted file over them."""
