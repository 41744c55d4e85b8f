"""Fit the weights of the ranking and the logistic functions of the probability.

    python -m training.fit final

On the development questions, whose documents were in no training pair, with the signals that ``training.develop`` and
``training.statements`` wrote. Half of the questions with a located answer (by document) fit the probability and the
other half check it. Writes calibration.json beside the shipped weights.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ragcli.evaluate.fit_probability import Pair, auroc, expected_calibration_error, fit
from ragcli.models.digest import weights_sha256
from ragcli.models.files import weights
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.retrieve import DEFAULT_CANDIDATES
from ragcli.retrieve.probability import SIGNALS, Case, logistic, stand_out
from ragcli.retrieve.rerank import combine, coverage
from ragcli.text.terms import make_question
from training import develop, statements
from training.develop import WORK, Row
from training.export import SHIPPED
from training.statements import JudgedHits

DEPTH = DEFAULT_CANDIDATES
RANKING = ("fused", "late", "logit")
# Beside the fused score, which is scaled to [0, 1]: a cosine of tokens hardly leaves 0.3 to 0.9, a logit -8 to 8.
LATE = (0.0, *(round(2 ** (i / 2), 3) for i in range(-4, 4)))
LOGIT = (0.0, *(round(2 ** (i / 2 - 6), 4) for i in range(-1, 6)))
Shares = tuple[float, float]
FEWEST = 4  # passages of other articles that a question is asked of
SHOWN = 5  # hits of a question that are judged: those that people look at
# Sources in which hardly any passage but the known one answers, so that the labels are reliable.
LOCATED = ("squad-train36", "nq-open-oracle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="folder below training/work")
    develop.DEPTH = DEPTH
    rows = [json.loads(line) for line in (WORK / parser.parse_args().name / "development.jsonl").open()]
    judged = statements.load()
    table = gains_of(rows, judged)
    report_unseen(table, [*develop.by_source(rows), *judged])
    shares = best(table)
    ranking = dict(zip(RANKING, (1.0, *shares), strict=True))
    print("chosen", ranking, [round(gain, 4) for gain in table[shares]])

    halves = by_document([row for row in rows if row["source"] in LOCATED])
    content: dict[str, Any] = {
        "encoder": resolve(DEFAULT_MODEL).sha256,
        "reranker": weights_sha256(weights(SHIPPED)),
        "ranking": ranking,
    }
    for case in SIGNALS:
        of_row = answerable if case == "answered" else pairs
        if case == "answered":
            halves = by_document(rows)
        kept, held_out = ([pair for row in half for pair in of_row(row, ranking)] for half in halves)
        content[case] = fit(kept, case)
        told = [_told(content[case], pair, case) for pair in held_out]
        answers = [pair.answers for pair in held_out]
        print(
            f"{case:10} {len(kept)} pairs fitted, {len(held_out)} checked: expected calibration error "
            f"{expected_calibration_error(told, answers):.4f}, AUROC {auroc(told, answers):.4f}"
        )
    (SHIPPED / "calibration.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def gains_of(rows: Sequence[Row], judged: Mapping[str, JudgedHits]) -> dict[Shares, list[float]]:
    """nDCG@10 of each of the six development sets, for every weight of late interaction and of the logit."""
    table = {}
    for shares in product(LATE, LOGIT):
        weights = dict(zip(RANKING, (1.0, *shares), strict=True))
        means = develop.mean_gain(rows, weights)
        located = [value for name, value in means.items() if name != "mean"]
        table[shares] = [*located, *(collection.gain(weights, DEPTH) for collection in judged.values())]
    return table


def best(table: Mapping[Shares, list[float]], without: int | None = None) -> Shares:
    """The weights with the best mean among those that lose on no set; one set may be left out of the choice."""
    kept = [i for i in range(len(table[0.0, 0.0])) if i != without]
    before = table[0.0, 0.0]
    harmless = [shares for shares, gains in table.items() if all(gains[i] >= before[i] for i in kept)]
    return max(harmless, key=lambda shares: sum(table[shares][i] for i in kept))


def report_unseen(table: Mapping[Shares, list[float]], sources: Sequence[str]) -> None:
    """nDCG@10 of each set with weights that were chosen on the others: the gain that a set unseen may expect."""
    print(f"{'':24}" + "".join(f"{source[:14]:>16}" for source in sources) + f"{'mean':>10}")
    parts = {
        "fused": [(0.0, 0.0)],
        "fused + late": [shares for shares in table if not shares[1]],
        "fused + logit": [shares for shares in table if not shares[0]],
        "fused + late + logit": list(table),
    }
    for name, allowed in parts.items():
        part = {shares: table[shares] for shares in allowed}
        gains = [part[best(part, i)][i] for i in range(len(sources))]
        print(f"{name:24}" + "".join(f"{gain:>16.4f}" for gain in gains) + f"{sum(gains) / len(gains):>10.4f}")


def by_document(rows: Sequence[Row]) -> list[list[Row]]:
    """Two halves, all questions of a document in one of them."""
    documents = sorted({_document(row) for row in rows})
    random.Random(0).shuffle(documents)
    first = set(documents[: len(documents) // 2])
    return [[row for row in rows if (_document(row) in first) is side] for side in (True, False)]


def _told(fitted: dict[str, float], pair: Pair, case: Case) -> float:
    return logistic(fitted["bias"] + sum(fitted[name] * pair.signals[name] for name in SIGNALS[case]))


def pairs(row: Row, ranking: dict[str, float]) -> list[Pair]:
    """What ragcli would show for the question."""
    return [_pair(row, i) for i in reranked(row, ranking, range(len(row["late"])))[:SHOWN]]


def answerable(row: Row, ranking: dict[str, float]) -> list[Pair]:
    """The question asked of all passages, of all but the one that answers, and of other SQuAD articles alone.

    Only where the one that answers is reranked, and of other articles where the search found some.
    """
    if not 0 <= row["answer"] < DEPTH:
        return []
    everywhere = range(len(row["late"]))
    without = [i for i in everywhere if i != row["answer"]]
    title = row["titles"][row["answer"]]
    elsewhere = [i for i in everywhere if row["source"] == "squad-train36" and row["titles"][i] != title]
    asked = [(everywhere, True), (without, False), *([(elsewhere, False)] if len(elsewhere) >= FEWEST else [])]
    found = [(reranked(row, ranking, places), answers) for places, answers in asked]
    return [Pair(stand_out([_pair(row, i).signals for i in order]), answers) for order, answers in found]


def reranked(row: Row, ranking: dict[str, float], places: Sequence[int]) -> list[int]:
    """The first of the candidates at ``places``, in their new order."""
    first = places[:DEPTH]
    combined = combine([{name: row[name][i] for name in ranking} for i in first], ranking)
    return [first[i] for i in sorted(range(len(first)), key=lambda i: -combined[i])]


def _pair(row: Row, i: int) -> Pair:
    text = f"{row['titles'][i]}\n{row['texts'][i]}" if row["titles"][i] else row["texts"][i]
    known = {name: float(row[name][i]) for name in ("dense", "late", "logit")}
    return Pair({**known, "coverage": coverage(make_question(row["query"]), text)}, i == row["answer"])


def _document(row: Row) -> str:
    """Questions of one document stay on one side."""
    return (row["titles"][row["answer"]] if row["answer"] >= 0 else "") or str(row["query"])


if __name__ == "__main__":
    main()
