"""Fit the weights of the ranking and the logistic functions of the probability.

    python -m training.fit final
    python -m training.fit ms-marco-MiniLM-L-12-v2 --reranker ms-marco-MiniLM-L-12-v2 --depth 10

On the development questions, whose documents were in no training pair, with the signals that ``training.develop`` and
``training.statements`` wrote. Half of the questions with a located answer (by document) fit the probability and the
other half check it. Writes calibration.json in the folder of the reranker in ragcli/models/shipped.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ragcli.evaluate.fit_probability import Pair, auroc, expected_calibration_error, fit
from ragcli.models.files import SHIPPED_RERANKER
from ragcli.models.resolve import DEFAULT_MODEL, resolve, resolve_reranker
from ragcli.retrieve import DEFAULT_CANDIDATES
from ragcli.retrieve.probability import SIGNALS, Case, logistic, stand_out
from ragcli.retrieve.rerank import combine, coverage
from ragcli.text.terms import make_question
from training import develop, statements
from training.develop import Row
from training.export import SHIPPED
from training.statements import JudgedHits

RANKING = ("fused", "late", "logit")
# Beside the fused score, which is scaled to [0, 1]: a cosine of tokens hardly leaves 0.3 to 0.9, a logit -8 to 8.
LATE = (0.0, *(round(2 ** (i / 2), 3) for i in range(-4, 4)))
LOGIT = (0.0, *(round(2 ** (i / 2 - 6), 4) for i in range(-1, 9)))
Shares = tuple[float, float]
FEWEST = 4  # passages of other articles that a question is asked of
SHOWN = 5  # hits of a question that are judged: those that people look at
CASES: tuple[Case, ...] = ("retrieved", "read", "reranked", "answered")
CASES_WITHOUT_LATE: tuple[Case, ...] = ("unsearched", "read", "answered")
# Sources in which hardly any passage but the known one answers, so that the labels are reliable.
LOCATED = ("squad-train36", "nq-open-oracle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="folder below training/work")
    parser.add_argument("--reranker", default=SHIPPED_RERANKER, help="the model that the signals are of")
    parser.add_argument("--depth", type=int, default=DEFAULT_CANDIDATES, help="candidates that are reranked")
    options = parser.parse_args()
    depth = options.depth
    rows = develop.scored(options.name)
    late = "late" in rows[0]
    judged = statements.load(options.reranker)
    table = gains_of(rows, judged, depth, LATE if late else (0.0,))
    report_unseen(table, [*develop.by_source(rows), *judged])
    shares = best(table)
    ranking = {name: weight for name, weight in zip(RANKING, (1.0, *shares), strict=True) if weight or late}
    print("chosen", ranking, [round(gain, 4) for gain in table[shares]])

    files = resolve_reranker(options.reranker)
    content: dict[str, Any] = {
        "encoder": resolve(DEFAULT_MODEL).sha256, "reranker": files.sha256, "ranking": ranking,
    }  # fmt: skip
    located = by_document([row for row in rows if row["source"] in LOCATED])
    for case in CASES if late else CASES_WITHOUT_LATE:
        names = [name for name in SIGNALS[case] if late or not name.startswith("late")]
        of_row, halves = (answerable, by_document(rows)) if case == "answered" else (pairs, located)
        kept, held_out = ([pair for row in half for pair in of_row(row, ranking, depth)] for half in halves)
        content[case] = fit(kept, names)
        told = [_told(content[case], pair) for pair in held_out]
        answers = [pair.answers for pair in held_out]
        print(
            f"{case:10} {len(kept)} pairs fitted, {len(held_out)} checked: expected calibration error "
            f"{expected_calibration_error(told, answers):.4f}, AUROC {auroc(told, answers):.4f}"
        )
    target = SHIPPED.parent / files.name
    target.mkdir(exist_ok=True)
    (target / "calibration.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def gains_of(
    rows: Sequence[Row], judged: Mapping[str, JudgedHits], depth: int, late: Sequence[float]
) -> dict[Shares, list[float]]:
    """nDCG@10 of each development set, for every weight of late interaction and of the logit."""
    table = {}
    for shares in product(late, LOGIT):
        weights = {name: weight for name, weight in zip(RANKING, (1.0, *shares), strict=True) if weight}
        means = develop.mean_gain(rows, weights, depth)
        located = [value for name, value in means.items() if name != "mean"]
        table[shares] = [*located, *(collection.gain(weights, depth) for collection in judged.values())]
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


def _told(fitted: dict[str, float], pair: Pair) -> float:
    return logistic(sum(weight * pair.signals.get(name, 1.0) for name, weight in fitted.items()))


def pairs(row: Row, ranking: dict[str, float], depth: int) -> list[Pair]:
    """What ragcli would show for the question."""
    return [_pair(row, i) for i in reranked(row, ranking, range(len(row["logit"])), depth)[:SHOWN]]


def answerable(row: Row, ranking: dict[str, float], depth: int) -> list[Pair]:
    """The question asked of all passages, of all but the one that answers, and of other SQuAD articles alone.

    Only where the one that answers is reranked, and of other articles where the search found some.
    """
    if not 0 <= row["answer"] < depth:
        return []
    everywhere = range(len(row["logit"]))
    without = [i for i in everywhere if i != row["answer"]]
    title = row["titles"][row["answer"]]
    elsewhere = [i for i in everywhere if row["source"] == "squad-train36" and row["titles"][i] != title]
    asked = [(everywhere, True), (without, False), *([(elsewhere, False)] if len(elsewhere) >= FEWEST else [])]
    found = [(reranked(row, ranking, places, depth), answers) for places, answers in asked]
    return [Pair(stand_out([_pair(row, i).signals for i in order]), answers) for order, answers in found]


def reranked(row: Row, ranking: dict[str, float], places: Sequence[int], depth: int) -> list[int]:
    """The first of the candidates at ``places``, in their new order."""
    first = places[:depth]
    combined = combine([{name: row[name][i] for name in ranking} for i in first], ranking)
    return [first[i] for i in sorted(range(len(first)), key=lambda i: -combined[i])]


def _pair(row: Row, i: int) -> Pair:
    text = f"{row['titles'][i]}\n{row['texts'][i]}" if row["titles"][i] else row["texts"][i]
    known = {name: float(row[name][i]) for name in ("dense", "late", "logit") if name in row}
    return Pair({**known, "coverage": coverage(make_question(row["query"]), text)}, i == row["answer"])


def _document(row: Row) -> str:
    """Questions of one document stay on one side."""
    return (row["titles"][row["answer"]] if row["answer"] >= 0 else "") or str(row["query"])


if __name__ == "__main__":
    main()
