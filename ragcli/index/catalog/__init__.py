"""SQLite: the one truth about documents, chunks and what is in force."""
