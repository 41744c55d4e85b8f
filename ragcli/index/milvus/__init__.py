"""Vectors in a collection of a Milvus server instead of in files."""
