"""tantivy: the keyword index, derived from the catalog."""
