"""The signals of the best candidates for two more development sets, of statements and abstracts.

    python -m training.statements

Cranfield's 225 questions, and the 809 claims of SciFact's train split (its test split is not looked at). Without them
the weights of the ranking would know questions with short answers only. Writes training/work/statements.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

import ir_measures
from ir_measures import nDCG

from benchmarks.collections import SHARED
from benchmarks.ranking import progress
from ragcli.evaluate.collection import document_number, passages_index
from ragcli.evaluate.datasets import load_beir
from ragcli.index.reader import open_index
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.search.engine import Searcher, SearchOptions
from ragcli.search.rerank import combine
from training.develop import DEPTH, WORK

FILE = WORK / "statements.json"
SPLITS = {"cranfield": "test", "scifact": "train"}
K = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """The grades of a collection, and the best documents of each question with their signals, as searched."""

    qrels: Mapping[str, Mapping[str, int]]
    hits: Mapping[str, list[dict[str, float]]]
    documents: Mapping[str, list[str]]

    def read(self, question: str, depth: int) -> list[dict[str, float]]:
        """The first ``depth`` hits; fewer when the passages that were reranked are of fewer documents."""
        return list(takewhile(lambda hit: "logit" in hit, self.hits[question][:depth]))

    def gain(self, weights: Mapping[str, float], depth: int) -> float:
        """Mean nDCG@10 with the first ``depth`` in the order of the combined signals, the others behind them."""
        run = {}
        for question, hits in self.hits.items():
            combined = combine(self.read(question, depth), weights)
            order = sorted(range(len(combined)), key=lambda i: -combined[i])
            order += range(len(order), len(hits))
            run[question] = {self.documents[question][i]: -float(rank) for rank, i in enumerate(order)}
        return float(ir_measures.calc_aggregate([nDCG @ 10], self.qrels, run)[nDCG @ 10])


def main() -> None:
    FILE.write_text(json.dumps({name: signals(name, split) for name, split in SPLITS.items()}))


def signals(name: str, split: str) -> dict[str, object]:
    """The best documents of every question in the order of the hybrid search, the first of them reranked."""
    data = load_beir(SHARED / name, split)
    folder = passages_index(data, resolve(DEFAULT_MODEL), offline=True, report=progress)
    ids = list(data.corpus)
    hits, documents = {}, {}
    with open_index(folder) as index:
        searcher = Searcher(index, SearchOptions(k=K, unique=True, candidates=DEPTH))
        for question, text in data.queries.items():
            found = sorted(searcher.search(text).hits, key=lambda hit: -hit.signals["fused"])
            hits[question] = [dict(hit.signals) for hit in found]
            documents[question] = [ids[document_number(hit.chunk.path)] for hit in found]
    return {"qrels": data.qrels, "hits": hits, "documents": documents}


def load() -> dict[str, Judged]:
    """What ``main`` wrote, by collection."""
    return {name: Judged(**content) for name, content in json.loads(FILE.read_text()).items()}


if __name__ == "__main__":
    main()
