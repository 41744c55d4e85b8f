"""The query line: text -> dense and keyword lists -> fused candidates -> hits."""
