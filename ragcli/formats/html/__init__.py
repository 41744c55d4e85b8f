"""HTML, also as it stands in EPUB and mail."""
