"""The query line: text -> dense and keyword lists -> fused candidates -> hits."""

# How many of the best are reranked, from the curve of quality against latency in docs/ranking.md. It is here because
# --help tells it, which must not load a search.
DEFAULT_CANDIDATES = 6
