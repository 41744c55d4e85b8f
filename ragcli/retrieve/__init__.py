"""The query line: text -> dense and keyword lists -> fused candidates -> hits."""

# How many of the best are reranked: from the curve of quality against latency in docs/ranking.md. It stands here
# because --help prints it, and --help must not load the search.
DEFAULT_CANDIDATES = 10
