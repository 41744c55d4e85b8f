"""The gain of a trained cross-encoder on the development questions, beside the hybrid order and late interaction.

    python -m training.develop teacher --limit 60

Each question has one known answer among the candidates of the hybrid search, so nDCG@10 is 1 / log2(1 + rank).
Writes training/work/<name>/development.jsonl: the rows with the signals of the reranker added.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ragcli.models.files import ModelFiles
from ragcli.models.numpy.cross_encoder import NumpyCrossEncoder
from ragcli.models.numpy.encoder import NumpyEncoder, compare
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.retrieve.rerank import combine
from training.export import export
from training.model import Student, load_state
from training.recipes import RECIPES

WORK = Path(__file__).parent / "work"
DEPTH = 16

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="folder below training/work")
    parser.add_argument("--recipe", help="its recipe; default: the name")
    parser.add_argument("--limit", type=int, help="questions of each source; default: all")
    parser.add_argument("--float32", action="store_true", help="weights as they were trained, not rounded")
    options = parser.parse_args()
    student = Student(RECIPES[options.recipe or options.name])
    load_state(student, WORK / options.name / "checkpoint.pt")
    rows = development(options.limit)
    with tempfile.TemporaryDirectory() as folder:
        export(student, Path(folder), rounded=not options.float32)
        add_signals(rows, NumpyCrossEncoder(ModelFiles(options.name, Path(folder), "", "")))
    (WORK / options.name / "development.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(f"{'':28}" + "".join(f"{source:>26}" for source in by_source(rows)) + f"{'mean':>8}")
    for name in ("fused", "late", "logit"):
        report(name, rows, {name: 1.0})


def development(limit: int | None = None) -> list[Row]:
    """The development questions, the same ones for every recipe."""
    rows = [json.loads(line) for line in (WORK / "development.jsonl").open()]
    return [row for part in by_source(rows).values() for row in part[:limit]]


def by_source(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each source, in their order."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["source"]].append(row)
    return dict(found)


def add_signals(rows: Sequence[Row], model: NumpyCrossEncoder) -> None:
    """Score the first candidates of each row, as ragcli shows them to the model: under their title."""
    encoder = NumpyEncoder(resolve(DEFAULT_MODEL))
    for row in rows:
        shown = zip(row["titles"][:DEPTH], row["texts"][:DEPTH], strict=True)
        texts = [f"{title}\n{text}" if title else text for title, text in shown]
        row["logit"] = [round(float(value), 5) for value in model.scores(row["query"], texts)]
        if "late" not in row:
            row["late"] = [round(found.late, 5) for found in compare(encoder, row["query"], texts)]


def gain(row: Row, weights: Mapping[str, float]) -> float:
    """nDCG@10 of the candidates in the order of the combined signals; the rest stays behind them."""
    signals = [{name: row[name][i] for name in weights} for i in range(min(DEPTH, len(row["texts"])))]
    if not 0 <= row["answer"] < len(signals):
        return 1 / math.log2(2 + row["answer"]) if 0 <= row["answer"] < 10 else 0.0
    combined = combine(signals, weights)
    rank = 1 + sum(score > combined[row["answer"]] for score in combined)
    return 1 / math.log2(1 + rank) if rank <= 10 else 0.0


def mean_gain(rows: Sequence[Row], weights: Mapping[str, float]) -> dict[str, float]:
    """Mean nDCG@10 for each source, and under "mean" the mean of these."""
    means = {source: sum(gain(row, weights) for row in part) / len(part) for source, part in by_source(rows).items()}
    return means | {"mean": sum(means.values()) / len(means)}


def report(name: str, rows: Sequence[Row], weights: Mapping[str, float]) -> None:
    """One line of the table."""
    means = mean_gain(rows, weights)
    print(f"{name:28}" + "".join(f"{value:>26.4f}" for key, value in means.items() if key != "mean"), end="")
    print(f"{means['mean']:>8.4f}", flush=True)


if __name__ == "__main__":
    main()
