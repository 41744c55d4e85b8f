"""Vectors in a Milvus server instead of in files."""
