"""Does the probability tell whether the documents hold an answer?

    python -m benchmarks.answerable

Questions of SQuAD's 12 evaluation articles, every one asked three times: of all 2,067 paragraphs; of those without its
own; and of those of other articles alone (another topic). A hit of the first kind whose passage is the answer's is an
answer. As many questions of the 36 other articles are asked of the evaluation articles' paragraphs. Measured are the
probability of the best hit, and that of an answer by which ``ragcli ask`` refuses or doubts. Writes
results/answerable.json.
Nothing was fitted on the evaluation articles.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

from benchmarks.collections import SHARED
from benchmarks.ranking import progress, squad
from benchmarks.results import write_result
from ragcli.answer.extract import DEFAULT_THRESHOLD, SURE
from ragcli.evaluate.collection import document_number, passages_index
from ragcli.evaluate.datasets import Dataset, load_beir
from ragcli.evaluate.fit_probability import auroc, expected_calibration_error
from ragcli.index.reader import Index, open_index
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.types import Hit, Results

SHOWN = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=600, help="how many, drawn at random")
    count = parser.parse_args().questions
    with tempfile.TemporaryDirectory() as temporary:
        data = load_beir(squad(SHARED / "squad-v1.1-dev", Path(temporary) / "squad-eval"))
    others = load_beir(SHARED / "squad-v1.1-dev").queries
    draw = random.Random(0)
    chosen = draw.sample(sorted(data.queries), min(count, len(data.queries)))
    unrelated = draw.sample(sorted(set(others) - set(data.queries)), len(chosen))
    folder = passages_index(data, resolve(DEFAULT_MODEL), offline=True, report=progress)
    figures = {}
    with open_index(folder) as index:
        for name, reranker in (("with reranker", "ragcli-reranker"), ("without", None)):
            options = SearchOptions(k=SHOWN, reranker=reranker)
            figures[name] = measure(index, data, chosen, [others[question] for question in unrelated], options)
            print(name, json.dumps(figures[name], indent=1), flush=True)
    write_result("answerable", {"questions": len(chosen), **figures})


def measure(
    index: Index, data: Dataset, questions: list[str], unrelated: list[str], options: SearchOptions
) -> dict[str, object]:
    """AUROCs of both probabilities, the rates of ``ragcli ask``, and the calibration error of the hits shown."""
    searcher = Searcher(index, options)
    ids = list(data.corpus)
    rows = [(row.id, ids[document_number(row.path)]) for row in index.catalog.documents()]
    found: dict[str, list[Results]] = {"whole": [], "paragraph removed": [], "another topic": [], "other questions": []}
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
            results = searcher.search(data.queries[question])
            found[name].append(results)
            told += [_probability(hit) for hit in results.hits]
            answers += [ids[document_number(hit.chunk.path)] in own for hit in results.hits]
    titles = {data.corpus[name].title for question in data.queries for name in data.qrels[question]}
    searcher.documents = [i for i, name in rows if data.corpus[name].title in titles]
    found["other questions"] = [searcher.search(text) for text in unrelated]
    figures: dict[str, object] = {
        "expected calibration error": round(expected_calibration_error(told, answers), 4),
        "pairs": len(told),
    }
    positive = [True] * len(questions) + [False] * len(questions)
    for name in ("another topic", "other questions", "paragraph removed"):
        both = found["whole"] + found[name]
        figures[f"AUROC of the best hit, {name}"] = round(auroc([_best(results) for results in both], positive), 4)
        if options.reranker:
            figures[f"AUROC of an answer, {name}"] = round(auroc([_answered(one) for one in both], positive), 4)
            answered = sum(_answered(one) >= DEFAULT_THRESHOLD for one in found[name])
            figures[f"false answers, {name}"] = round(answered / len(questions), 4)
            sure = sum(_answered(one) >= SURE for one in found[name])
            figures[f"false answers without a doubt, {name}"] = round(sure / len(questions), 4)
    if options.reranker:
        refused = sum(_answered(one) < DEFAULT_THRESHOLD for one in found["whole"])
        figures["false refusals"] = round(refused / len(questions), 4)
        doubted = sum(_answered(one) < SURE for one in found["whole"])
        figures["refused or doubted, with the answer there"] = round(doubted / len(questions), 4)
    return figures


def _answered(results: Results) -> float:
    """Return the probability that ``ragcli ask`` goes by; nothing is said of passages in a script that is not read."""
    return _best(results) if results.answered is None else results.answered


def _best(results: Results) -> float:
    return max((_probability(hit) for hit in results.hits), default=0.0)


def _probability(hit: Hit) -> float:
    return hit.probability or 0.0


if __name__ == "__main__":
    main()
