"""An evaluation as tables for people and as a record for programs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from ragcli.render.record import SCHEMA_VERSION, Record
from ragcli.render.table import write_table
from ragcli.render.visible import one_line

if TYPE_CHECKING:
    from ragcli.evaluate.report import Comparison, Evaluation, Figure, StageReport

SYNTHETIC = "synthetic questions: made of the passages' own words, they favour keywords and flatter every stage"


def write_evaluation(evaluation: Evaluation, out: TextIO, *, color: bool, width: int | None) -> None:
    """Write the figures of each stage, then the comparisons.

    A stage is a row, or a column where rows do not fit into ``width`` columns (None: no limit).
    """
    out.write(f"{one_line(evaluation.dataset)}: {evaluation.questions} questions\n")
    if evaluation.synthetic:
        out.write(f"{SYNTHETIC}\n")
    out.write("\n")
    table = [_heads(evaluation), *map(_row, evaluation.stages)]
    if width is not None and _width(table) > width:
        table = [list(column) for column in zip(*table, strict=True)]
    write_table(table[1:], table[0], out, color=color)
    out.write("± half the width of the 95 % bootstrap interval over the questions\n")
    if evaluation.comparisons:
        out.write("\n")
        heads = (evaluation.comparisons[0].measure, "difference", "p", "wins", "ties", "losses")
        write_table([_comparison_row(found) for found in evaluation.comparisons], heads, out, color=color)
        out.write("p: two-sided paired randomization test\n")


def evaluation_record(evaluation: Evaluation) -> Record:
    """Return the record that ``ragcli eval --json`` prints; ``schema/eval.json`` describes it."""
    return {
        "schema": SCHEMA_VERSION,
        "dataset": evaluation.dataset,
        "questions": evaluation.questions,
        "synthetic": evaluation.synthetic,
        "stages": [_stage_record(stage) for stage in evaluation.stages],
        "comparisons": [asdict(comparison) for comparison in evaluation.comparisons],
        "warnings": list(evaluation.warnings),
    }


def _stage_record(stage: StageReport) -> Record:
    measures = {name: {"mean": f.value, "low": f.low, "high": f.high} for name, f in stage.measures.items()}
    ms = {"median": stage.ms.value, "low": stage.ms.low, "high": stage.ms.high, "p95": stage.ms_p95}
    return {"name": stage.name, "measures": measures, "ms": ms}


def _heads(evaluation: Evaluation) -> list[str]:
    return ["stage", *evaluation.stages[0].measures, "ms per query", "p95"]


def _row(stage: StageReport) -> list[str]:
    quality = [_with_margin(figure, 3) for figure in stage.measures.values()]
    return [stage.name, *quality, _with_margin(stage.ms, 1), f"{stage.ms_p95:.1f}"]


def _with_margin(figure: Figure, digits: int) -> str:
    return f"{figure.value:.{digits}f}±{(figure.high - figure.low) / 2:.{digits}f}"


def _comparison_row(found: Comparison) -> list[str]:
    p = "<0.001" if found.p < 0.001 else f"{found.p:.3f}"
    counts = (str(found.wins), str(found.ties), str(found.losses))
    return [f"{found.second} - {found.first}", f"{found.difference:+.4f}", p, *counts]


def _width(table: Sequence[Sequence[str]]) -> int:
    """Return the columns that the table takes."""
    trial = io.StringIO()
    write_table(table[1:], table[0], trial, color=False)
    return max(map(len, trial.getvalue().splitlines()))
