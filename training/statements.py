"""The signals of the best candidates for two more development sets, of statements and abstracts.

    python -m training.statements [RERANKER] [--depth 6]

Cranfield's 225 questions, and the first 500 claims of SciFact's train split (its test split is not looked at). Without
them the weights of the ranking would know questions with short answers only. Writes
training/work/statements-<reranker>.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import ir_measures
from ir_measures import nDCG

from benchmarks.collections import SHARED
from benchmarks.ranking import progress
from ragcli.evaluate.collection import document_number, passages_index
from ragcli.evaluate.datasets import load_beir
from ragcli.index.reader import open_index
from ragcli.models.files import SHIPPED_RERANKER
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.retrieve import DEFAULT_CANDIDATES
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.retrieve.rerank import combine
from training.develop import WORK

SPLITS = {"cranfield": "test", "scifact": "train"}
K = 60
QUESTIONS = 500


@dataclass(frozen=True, slots=True)
class JudgedHits:
    """The grades of a collection, and for each question its best passages: signals and documents, as searched."""

    qrels: Mapping[str, Mapping[str, int]]
    hits: Mapping[str, list[dict[str, float]]]
    documents: Mapping[str, list[str]]

    def gain(self, weights: Mapping[str, float], depth: int) -> float:
        """Mean nDCG@10 with the first ``depth`` in the order of the combined signals, the others behind them."""
        run = {}
        for question, hits in self.hits.items():
            # fewer where overlapping passages were dropped
            combined = combine([hit for hit in hits[:depth] if "logit" in hit], weights)
            order = [*sorted(range(len(combined)), key=lambda i: -combined[i]), *range(len(combined), len(hits))]
            # a document ranks by its best passage
            ranked = dict.fromkeys(self.documents[question][i] for i in order)
            run[question] = {document: -float(rank) for rank, document in enumerate(ranked)}
        return float(ir_measures.calc_aggregate([nDCG @ 10], self.qrels, run)[nDCG @ 10])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reranker", nargs="?", default=SHIPPED_RERANKER)
    parser.add_argument("--depth", type=int, default=DEFAULT_CANDIDATES, help="candidates that are scored")
    parser.add_argument("--limit", type=int, default=QUESTIONS, help="questions of each set")
    parser.add_argument("--sets", nargs="+", default=list(SPLITS), choices=list(SPLITS))
    options = parser.parse_args()
    search = SearchOptions(k=K, reranker=options.reranker, candidates=options.depth)
    found = {name: signals(name, SPLITS[name], search, options.limit) for name in options.sets}
    file(options.reranker).write_text(json.dumps(found))


def file(reranker: str) -> Path:
    """Where the signals of a reranker are kept."""
    return WORK / f"statements-{reranker}.json"


def signals(name: str, split: str, search: SearchOptions, limit: int) -> dict[str, object]:
    """The best passages of every question in the order of the hybrid search, with the signals of the first."""
    data = load_beir(SHARED / name, split)
    folder = passages_index(data, resolve(DEFAULT_MODEL), offline=True, report=progress)
    ids = list(data.corpus)
    hits, documents = {}, {}
    with open_index(folder) as index:
        searcher = Searcher(index, search)
        for question, text in islice(data.queries.items(), limit):
            found = sorted(searcher.search(text).hits, key=lambda hit: -hit.signals["fused"])
            hits[question] = [dict(hit.signals) for hit in found]
            documents[question] = [ids[document_number(hit.chunk.path)] for hit in found]
    return {"qrels": {question: data.qrels[question] for question in hits}, "hits": hits, "documents": documents}


def load(reranker: str) -> dict[str, JudgedHits]:
    """What ``main`` wrote, by collection; {} before it ran."""
    path = file(reranker)
    return {n: JudgedHits(**kept) for n, kept in json.loads(path.read_text()).items()} if path.exists() else {}


if __name__ == "__main__":
    main()
