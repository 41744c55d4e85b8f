"""The signals of the best candidates for Cranfield's 225 questions: a fifth development set, of abstracts.

    python -m training.cranfield

Cranfield is free for tuning; without it the weights of the ranking would know questions with short answers only. Writes
training/work/cranfield.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

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
from training.develop import WORK

FILE = WORK / "cranfield.json"
K = 20


def main() -> None:
    data = load_beir(SHARED / "cranfield")
    folder = passages_index(data, resolve(DEFAULT_MODEL), offline=True, report=progress)
    ids = list(data.corpus)
    rows = {}
    with open_index(folder) as index:
        searcher = Searcher(index, SearchOptions(k=K, unique=True))
        for question, text in data.queries.items():
            hits = searcher.search(text).hits
            rows[question] = [{"document": ids[document_number(hit.chunk.path)], **dict(hit.signals)} for hit in hits]
    FILE.write_text(json.dumps({"qrels": data.qrels, "rows": rows}))


def gain(content: Mapping[str, dict[str, list[dict[str, float]]]], weights: Mapping[str, float]) -> float:
    """Mean nDCG@10 with the reranked candidates in the order of the combined signals, the others behind them."""
    run = {}
    for question, hits in content["rows"].items():
        read = [hit for hit in hits if "logit" in hit]
        rest = sorted((hit for hit in hits if "logit" not in hit), key=lambda hit: -hit["fused"])
        combined = combine([{name: hit[name] for name in weights} for hit in read], weights)
        order = [*(read[i] for i in sorted(range(len(read)), key=lambda i: -combined[i])), *rest]
        run[question] = {str(hit["document"]): -float(rank) for rank, hit in enumerate(order)}
    return float(ir_measures.calc_aggregate([nDCG @ 10], content["qrels"], run)[nDCG @ 10])


if __name__ == "__main__":
    main()
