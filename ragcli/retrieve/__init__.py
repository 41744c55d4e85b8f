"""The query line: text -> dense and keyword lists -> fused candidates -> hits."""

# How many of the best are reranked: from the curve of quality against latency in docs/ranking.md. It stands here
# because --help prints it, and --help must not load the search.
DEFAULT_CANDIDATES = 10
# How the note begins that counts passages below the floor: a pipe that gets hits does without it.
LEFT_OUT = "unlikely passages left out"
