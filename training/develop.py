"""The gain of a trained cross-encoder on the development questions, beside the hybrid order and late interaction.

    python -m training.develop teacher --limit 60
    python -m training.develop ms-marco-MiniLM-L-12-v2 --reranker --depth 20

Each question has one known answer among the candidates of the hybrid search, so nDCG@10 is 1 / log2(1 + rank).
Writes training/work/<name>/development.jsonl: the rows with the signals of the reranker added. A run that was stopped
goes on where it was.
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
from ragcli.models.open import Reranker, open_reranker
from ragcli.models.resolve import DEFAULT_MODEL, resolve, resolve_reranker
from ragcli.retrieve.rerank import combine
from training.export import export
from training.model import Student, load_state
from training.recipes import RECIPES

WORK = Path(__file__).parent / "work"
DEPTH = 16

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="folder below training/work; with --reranker the name of a finished model")
    parser.add_argument("--reranker", action="store_true", help="a model that ragcli knows, not a trained one")
    parser.add_argument("--depth", type=int, default=DEPTH, help="candidates that are scored")
    parser.add_argument("--recipe", help="its recipe; default: the name")
    parser.add_argument("--limit", type=int, help="questions of each source; default: all")
    parser.add_argument("--float32", action="store_true", help="weights as they were trained, not rounded")
    options = parser.parse_args()
    rows = development(options.limit)
    if options.reranker:
        score_rows(rows, open_reranker(resolve_reranker(options.name)), options.name, options.depth, late=False)
    else:
        student = Student(RECIPES[options.recipe or options.name])
        load_state(student, WORK / options.name / "checkpoint.pt")
        with tempfile.TemporaryDirectory() as folder:
            export(student, Path(folder), rounded=not options.float32)
            model = NumpyCrossEncoder(ModelFiles(options.name, Path(folder), "", ""))
            score_rows(rows, model, options.name, options.depth, late=True)
    found = scored(options.name)
    print(f"{'':28}" + "".join(f"{source:>26}" for source in by_source(found)) + f"{'mean':>8}")
    for name in ("fused", *(["late"] if "late" in found[0] else []), "logit"):
        report(name, found, {name: 1.0}, options.depth)


def scored(name: str) -> list[Row]:
    """The rows that ``main`` wrote for a model."""
    path = WORK / name / "development.jsonl"
    return [json.loads(line) for line in path.open()] if path.exists() else []


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


def score_rows(rows: Sequence[Row], model: Reranker, name: str, depth: int, *, late: bool) -> None:
    """Score the first candidates of each row under their titles, as ragcli does; ``late`` adds late interaction."""
    encoder = NumpyEncoder(resolve(DEFAULT_MODEL))
    (WORK / name).mkdir(parents=True, exist_ok=True)
    done = {row["query"] for row in scored(name)}
    with (WORK / name / "development.jsonl").open("a") as out:
        for row in rows:
            if row["query"] in done:
                continue
            shown = zip(row["titles"][:depth], row["texts"][:depth], strict=True)
            texts = [f"{title}\n{text}" if title else text for title, text in shown]
            row["logit"] = [round(float(value), 5) for value in model.scores(row["query"], texts)]
            if late:
                row["late"] = [round(found.late, 5) for found in compare(encoder, row["query"], texts)]
            out.write(json.dumps(row) + "\n")
            out.flush()


def gain(row: Row, weights: Mapping[str, float], depth: int) -> float:
    """nDCG@10 of the candidates in the order of the combined signals; the rest stays behind them."""
    signals = [{name: row[name][i] for name in weights} for i in range(min(depth, len(row["texts"])))]
    if not 0 <= row["answer"] < len(signals):
        return 1 / math.log2(2 + row["answer"]) if 0 <= row["answer"] < 10 else 0.0
    combined = combine(signals, weights)
    rank = 1 + sum(score > combined[row["answer"]] for score in combined)
    return 1 / math.log2(1 + rank) if rank <= 10 else 0.0


def mean_gain(rows: Sequence[Row], weights: Mapping[str, float], depth: int) -> dict[str, float]:
    """Mean nDCG@10 for each source, and under "mean" the mean of these."""
    means = {
        source: sum(gain(row, weights, depth) for row in part) / len(part) for source, part in by_source(rows).items()
    }
    return means | {"mean": sum(means.values()) / len(means)}


def report(name: str, rows: Sequence[Row], weights: Mapping[str, float], depth: int) -> None:
    """One line of the table."""
    means = mean_gain(rows, weights, depth)
    print(f"{name:28}" + "".join(f"{value:>26.4f}" for key, value in means.items() if key != "mean"), end="")
    print(f"{means['mean']:>8.4f}", flush=True)


if __name__ == "__main__":
    main()
