"""Does the probability of the best hit tell whether the documents hold an answer?

    python -m benchmarks.answerable

Questions of SQuAD's 12 evaluation articles, every one asked three times: of all 2,067 paragraphs; of those without its
own; and of those of other articles alone (another topic). A hit of the first kind whose passage is the answer's is an
answer. Writes results/answerable.json. Nothing was fitted on these articles.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from benchmarks.collections import SHARED
from benchmarks.ranking import progress, squad
from benchmarks.results import write_result
from ragcli.evaluate.calibration import auroc, expected_calibration_error
from ragcli.evaluate.collection import document_number, passages_index
from ragcli.evaluate.datasets import Dataset, load_beir
from ragcli.index.reader import Index, open_index
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.search.engine import Searcher, SearchOptions
from ragcli.types import Hit

SHOWN = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=600, help="how many, drawn at random")
    count = parser.parse_args().questions
    with tempfile.TemporaryDirectory() as temporary:
        data = load_beir(squad(SHARED / "squad-v1.1-dev", Path(temporary) / "squad-eval"))
    chosen = random.Random(0).sample(sorted(data.queries), min(count, len(data.queries)))
    folder = passages_index(data, resolve(DEFAULT_MODEL), offline=True, report=progress)
    figures = {}
    with open_index(folder) as index:
        for name, reranker in (("with reranker", "ragcli-reranker"), ("without", None)):
            figures[name] = measure(index, data, chosen, SearchOptions(k=SHOWN, reranker=reranker))
            print(name, figures[name], flush=True)
    write_result("answerable", {"questions": len(chosen), **figures})


def measure(index: Index, data: Dataset, questions: list[str], options: SearchOptions) -> dict[str, float]:
    """AUROC of the best hit's probability, and the calibration error of the probabilities of the hits shown."""
    searcher = Searcher(index, options)
    ids = list(data.corpus)
    rows = [(row.id, ids[document_number(row.path)]) for row in index.catalog.documents()]
    best: dict[str, list[float]] = {"whole": [], "paragraph removed": [], "another topic": []}
    told: list[float] = []
    answers: list[bool] = []
    for question in questions:
        own = set(data.qrels[question])
        title = data.corpus[next(iter(own))].title
        places = {
            "whole": None,
            "paragraph removed": [i for i, name in rows if name not in own],
            "another topic": [i for i, name in rows if data.corpus[name].title != title],
        }
        for name, documents in places.items():
            searcher.documents = documents
            hits = searcher.search(data.queries[question]).hits
            best[name].append(_probability(hits[0]) if hits else 0.0)
            told += [_probability(hit) for hit in hits]
            answers += [ids[document_number(hit.chunk.path)] in own for hit in hits]
    positive = [True] * len(questions) + [False] * len(questions)
    return {
        "AUROC against another topic": round(auroc(best["whole"] + best["another topic"], positive), 4),
        "AUROC against the paragraph removed": round(auroc(best["whole"] + best["paragraph removed"], positive), 4),
        "expected calibration error": round(expected_calibration_error(told, answers), 4),
        "pairs": len(told),
    }


def _probability(hit: Hit) -> float:
    assert hit.probability is not None
    return hit.probability


if __name__ == "__main__":
    main()
