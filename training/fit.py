"""Fit what combines the signals: the weights of the ranking, and the logistic functions of the probability.

    python -m training.fit final

On the development questions, whose documents were in no training pair, with the signals that ``training.develop`` and
``training.statements`` wrote. Half of the questions with a located answer (by document) fit the probability and the
other half check it. Writes calibration.json beside the shipped weights.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ragcli.evaluate.calibration import Pair, auroc, expected_calibration_error, fit
from ragcli.models.digest import weights_sha256
from ragcli.models.files import weights
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.search.calibrate import SIGNALS, Calibration, Case
from ragcli.search.judge import DEFAULT_CANDIDATES
from ragcli.search.rerank import combine, coverage
from training import develop, statements
from training.develop import WORK, Row, report
from training.export import SHIPPED
from training.statements import Judged

DEPTH = DEFAULT_CANDIDATES
RANKING = ("fused", "late", "logit")
PENALTY = 1e-3
SHOWN = 5  # hits of a question that are judged: those that people look at
# Sources in which a passage other than the known one hardly ever answers, so that labels can be believed.
LOCATED = ("squad-train36", "nq-open-oracle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="folder below training/work")
    develop.DEPTH = DEPTH
    rows = [json.loads(line) for line in (WORK / parser.parse_args().name / "development.jsonl").open()]
    judged = statements.load()
    compare(rows, judged)
    ranking = ranking_weights(rows, judged, RANKING)
    report("ranking", rows, ranking)
    print(ranking, {name: round(collection.gain(ranking, DEPTH), 4) for name, collection in judged.items()})

    located = [row for row in rows if row["source"] in LOCATED]
    documents = sorted({_document(row) for row in located})
    random.Random(0).shuffle(documents)
    first = set(documents[: len(documents) // 2])
    halves = [[row for row in located if (_document(row) in first) is side] for side in (True, False)]
    content: dict[str, Any] = {
        "encoder": resolve(DEFAULT_MODEL).sha256,
        "reranker": weights_sha256(weights(SHIPPED)),
        "ranking": ranking,
    }
    for case in SIGNALS:
        kept, held_out = ([pair for row in half for pair in pairs(row, ranking)] for half in halves)
        content[case] = fit(kept, case)
        calibration = Calibration({case: content[case]})
        told = [calibration.probability(known(pair, case)) or 0.0 for pair in held_out]
        answers = [pair.answers for pair in held_out]
        print(
            f"{case:10} {len(kept)} pairs fitted, {len(held_out)} checked: expected calibration error "
            f"{expected_calibration_error(told, answers):.4f}, AUROC {auroc(told, answers):.4f}"
        )
    (SHIPPED / "calibration.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def ranking_weights(rows: Sequence[Row], statements: Mapping[str, Judged], names: Sequence[str]) -> dict[str, float]:
    """Weights of the signals by listwise regression, every development set counting the same; "fused" weighs 1.

    The loss is the cross-entropy of a softmax over the reranked passages of a question against its relevant ones.
    See Cao et al.: Learning to Rank: From Pairwise Approach to Listwise Approach (ICML 2007).
    """
    lists = [
        (
            np.array([row[name][:DEPTH] for name in names]).T,
            np.arange(len(row["texts"][:DEPTH])) == row["answer"],
            source,
        )
        for source, part in develop.by_source(rows).items()
        for row in part
    ]
    for source, judged in statements.items():
        for question, hits in judged.hits.items():
            grades = [judged.qrels[question].get(document, 0) for document in judged.documents[question]]
            signals = np.array([[hit[name] for name in names] for hit in hits[:DEPTH]])
            lists.append((signals, np.array(grades[:DEPTH]) > 0, source))
    lists = [(signals, relevant, source) for signals, relevant, source in lists if relevant.any()]
    sizes = Counter(source for _, _, source in lists)
    scale = np.concatenate([signals - signals.mean(axis=0) for signals, _, _ in lists]).std(axis=0)

    def loss(weights: NDArray[np.float64]) -> float:
        total = PENALTY * float(weights @ weights)
        for signals, relevant, source in lists:
            scores = signals / scale @ weights
            total += float(np.logaddexp.reduce(scores) - scores[relevant].mean()) / sizes[source]
        return total

    weights = minimize(loss, np.zeros(len(names))).x / scale
    return {name: round(float(weight / weights[0]), 4) for name, weight in zip(names, weights, strict=True)}


def compare(rows: Sequence[Row], statements: Mapping[str, Judged]) -> None:
    """nDCG@10 of each set with its own questions left out of the fit: the gain that a set unseen may expect."""
    sources = [*develop.by_source(rows), *statements]
    print(f"{'':24}" + "".join(f"{source[:14]:>16}" for source in sources) + f"{'mean':>10}")
    for names in (("fused",), ("fused", "late"), ("fused", "logit"), RANKING):
        gains = []
        for source in sources:
            others = [row for row in rows if row["source"] != source]
            weights = ranking_weights(others, {name: j for name, j in statements.items() if name != source}, names)
            if source in statements:
                gains.append(statements[source].gain(weights, DEPTH))
            else:
                gains.append(develop.mean_gain([row for row in rows if row["source"] == source], weights)["mean"])
        print(f"{' + '.join(names):24}" + "".join(f"{gain:>16.4f}" for gain in gains) + f"{np.mean(gains):>10.4f}")


def known(pair: Pair, case: Case) -> dict[str, float]:
    """The signals of a hit of which no more is known than the case says."""
    return {name: pair.signals[name] for name in SIGNALS[case]}


def pairs(row: Row, ranking: dict[str, float]) -> list[Pair]:
    """What ragcli would show for the question."""
    count = min(DEPTH, len(row["texts"]))
    combined = combine([{name: row[name][i] for name in ranking} for i in range(count)], ranking)
    return [_pair(row, i) for i in sorted(range(count), key=lambda i: -combined[i])[:SHOWN]]


def _pair(row: Row, i: int) -> Pair:
    text = f"{row['titles'][i]}\n{row['texts'][i]}" if row["titles"][i] else row["texts"][i]
    known = {name: float(row[name][i]) for name in ("dense", "late", "logit")}
    return Pair({**known, "coverage": coverage(row["query"], text)}, i == row["answer"])


def _document(row: Row) -> str:
    """Questions of one document stay on one side."""
    return str(row["titles"][row["answer"]]) if row["answer"] >= 0 else str(row["query"])


if __name__ == "__main__":
    main()
