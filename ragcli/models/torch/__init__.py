"""sentence-transformers and transformers, for every model that the numpy runtime does not know."""
