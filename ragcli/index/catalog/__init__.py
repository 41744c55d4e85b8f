"""SQLite: the truth about documents, chunks and the derived files in use."""
