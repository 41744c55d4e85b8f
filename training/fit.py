"""Fit what combines the signals: the weights of the ranking, and the logistic functions of the probability.

    python -m training.fit final

On the development questions, whose documents were in no training pair, with the signals that ``training.develop`` and
``training.cranfield`` wrote. Half of the questions with a located answer (by document) fit the probability and the
other half check it. Writes calibration.json beside the shipped weights.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from typing import Any

from ragcli.evaluate.calibration import Pair, auroc, expected_calibration_error, fit
from ragcli.models.digest import weights_sha256
from ragcli.models.files import weights
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.search.calibrate import SIGNALS, Calibration, Case
from ragcli.search.judge import DEFAULT_CANDIDATES
from ragcli.search.rerank import combine, coverage
from training import cranfield, develop
from training.develop import WORK, Row, report
from training.export import SHIPPED

RANKING = ("fused", "late", "logit")
SHOWN = 5  # hits of a question that are judged: those that people look at
# Sources in which a passage other than the known one hardly ever answers, so that labels can be believed.
LOCATED = ("squad-train36", "nq-open-oracle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="folder below training/work")
    develop.DEPTH = DEFAULT_CANDIDATES
    rows = [json.loads(line) for line in (WORK / parser.parse_args().name / "development.jsonl").open()]
    ranking = harmless_weights(rows, json.loads(cranfield.FILE.read_text()))
    report("ranking", rows, ranking)

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


def harmless_weights(rows: Sequence[Row], statements: dict[str, Any]) -> dict[str, float]:
    """The convex weights, in tenths, with the best mean over the five development sets of those that lose on none."""

    def gains(weights: dict[str, float]) -> list[float]:
        means = develop.mean_gain(rows, weights)
        return [*(value for name, value in means.items() if name != "mean"), cranfield.gain(statements, weights)]

    before = gains({"fused": 1.0})
    found = {shares: gains(dict(zip(RANKING, shares, strict=True))) for shares in develop.simplex(len(RANKING))}
    harmless = [shares for shares, after in found.items() if all(a >= b for a, b in zip(after, before, strict=True))]
    best = max(harmless, key=lambda shares: sum(found[shares]))
    print("hybrid", [round(value, 4) for value in before], "reranked", [round(value, 4) for value in found[best]])
    return dict(zip(RANKING, best, strict=True))


def known(pair: Pair, case: Case) -> dict[str, float]:
    """The signals of a hit of which no more is known than the case says."""
    return {name: pair.signals[name] for name in SIGNALS[case]}


def pairs(row: Row, ranking: dict[str, float]) -> list[Pair]:
    """What ragcli would show for the question."""
    count = min(DEFAULT_CANDIDATES, len(row["texts"]))
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
