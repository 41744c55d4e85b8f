"""FAISS: vectors in immutable segments, and above a size an inverted file over them."""
