"""Which fusion of the dense and the keyword list ranks best? On data that is no test set.

    python -m benchmarks.fusion cranfield test
    python -m benchmarks.fusion scifact train

Cranfield is free for tuning; of SciFact only the train questions are used here.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import ir_measures
from ir_measures import nDCG

from benchmarks.collections import BeirCollection, indexed, load
from benchmarks.results import write_result
from ragcli.index.reader import open_index
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import resolve
from ragcli.retrieve.fuse import fuse
from ragcli.text.terms import query_terms

Ranked = list[tuple[int, float]]
DEPTH = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["cranfield", "scifact"])
    parser.add_argument("split", choices=["test", "train"])
    parser.add_argument("--keep", type=Path, help="folder to keep the index in, for the next time")
    options = parser.parse_args()
    if (options.name, options.split) == ("scifact", "test"):
        parser.error("the test questions of SciFact are for reporting, not for choosing")
    collection = load(options.name, options.split)
    with indexed(collection, options.keep) as folder:
        lists, document_of = ranked_lists(collection, folder)
    table = {
        name: score(collection, {q: rule(*pair) for q, pair in lists.items()}, document_of)
        for name, rule in rules().items()
    }
    for name, value in table.items():
        print(f"{name:24} {value:.4f}")
    write_result(f"fusion-{options.name}-{options.split}", {"nDCG@10": table, "depth": DEPTH})


def ranked_lists(collection: BeirCollection, folder: Path) -> tuple[dict[str, tuple[Ranked, Ranked]], dict[int, str]]:
    """(dense, keyword) for each question, and the document id of each chunk."""
    lists, document_of = {}, {}
    with open_index(folder) as index:
        encoder = open_query_encoder(resolve(index.settings.model))
        for question, text in collection.queries.items():
            dense = index.dense(encoder.encode([text], kind="query")[0], DEPTH)
            lists[question] = (dense, index.keyword(query_terms(text), DEPTH))
        ids = {i for pair in lists.values() for ranked in pair for i, _ in ranked}
        document_of = {i: chunk.path.stem for i, chunk in index.chunks(list(ids)).items()}
    return lists, document_of


def reciprocal_rank_fusion(lists: Sequence[Ranked], k: int = 60) -> list[tuple[int, float]]:
    """Compute the sum of 1 / (k + rank) over the lists: (id, score), best first, ties by id.

    See Cormack, Clarke, Buettcher: Reciprocal Rank Fusion outperforms Condorcet (SIGIR 2009).
    """
    scores: dict[int, float] = {}
    for ranked in lists:
        for rank, (i, _) in enumerate(ranked, 1):
            scores[i] = scores.get(i, 0.0) + 1.0 / (k + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def rules() -> dict[str, object]:
    """Every rule that is compared, by name."""
    found = {
        "dense": lambda dense, _: dense,
        "keyword": lambda _, keyword: keyword,
        "rrf k=60": lambda dense, keyword: reciprocal_rank_fusion([dense, keyword], 60),
        "rrf k=20": lambda dense, keyword: reciprocal_rank_fusion([dense, keyword], 20),
    }
    for tenths in range(2, 9):
        found[f"min-max dense {tenths / 10:.1f}"] = lambda d, k, w=tenths / 10: fuse(d, k, w)
    return found


def score(collection: BeirCollection, runs: dict[str, Ranked], document_of: dict[int, str]) -> float:
    """Mean nDCG@10 of documents, each ranked by its best chunk."""
    run: dict[str, dict[str, float]] = {}
    for question, ranked in runs.items():
        best: dict[str, float] = {}
        for i, value in ranked:
            best.setdefault(document_of[i], value)
        run[question] = best
    return float(ir_measures.calc_aggregate([nDCG @ 10], collection.qrels, run)[nDCG @ 10])


if __name__ == "__main__":
    main()
