"""The stages side by side: means with intervals, times, and whether the differences could be chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ragcli.evaluate.measures import HEADLINE, MEASURES, per_question
from ragcli.evaluate.stages import Ranking
from ragcli.evaluate.statistics import Values, bootstrap, randomization_test
from ragcli.evaluate.task import Task

# Smaller differences of a question are rounding, not a win.
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure over all questions with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class StageReport:
    """The figures of one stage. ``headline`` holds nDCG@10 of each question (n,)."""

    name: str
    measures: dict[str, Figure]  # means
    ms: Figure  # the median of a query
    ms_p95: float
    headline: Values


@dataclass(frozen=True, slots=True)
class Comparison:
    """What ``second`` gains over ``first`` in the mean of nDCG@10, and on how many questions it wins."""

    first: str
    second: str
    measure: str
    difference: float
    p: float
    wins: int
    ties: int
    losses: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All results of one run of ``ragcli eval``."""

    dataset: str
    questions: int
    synthetic: bool
    stages: tuple[StageReport, ...]
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]


def summarize(
    task: Task, rankings: Sequence[Ranking], ms: Mapping[str, Sequence[float]], *, compare: bool
) -> Evaluation:
    """The figures of each ranking; ``compare`` sets each against the one before, and the last against the first.

    ``ms`` holds times by stage.
    """
    stages = tuple(_stage(task, ranking, np.array(ms[ranking.stage], np.float64)) for ranking in rankings)
    pairs = list(pairwise(stages)) if compare else []
    if len(pairs) > 1:
        pairs.append((stages[0], stages[-1]))
    return Evaluation(
        dataset=task.dataset,
        questions=len(task.queries),
        synthetic=task.synthetic,
        stages=stages,
        comparisons=tuple(_compare(first, second) for first, second in pairs),
        warnings=task.warnings,
    )


def _stage(task: Task, ranking: Ranking, ms: Values) -> StageReport:
    values = per_question(task.qrels, ranking.names)
    intervals = bootstrap(np.stack([values[name] for name in MEASURES], axis=1))
    measures = {
        name: Figure(float(values[name].mean()), float(low), float(high))
        for name, (low, high) in zip(MEASURES, intervals, strict=True)
    }
    ((low, high),) = bootstrap(ms[:, None], np.median)
    median = Figure(float(np.median(ms)), float(low), float(high))
    return StageReport(ranking.stage, measures, median, float(np.percentile(ms, 95)), values[HEADLINE])


def _compare(first: StageReport, second: StageReport) -> Comparison:
    differences = second.headline - first.headline
    return Comparison(
        first=first.name,
        second=second.name,
        measure=HEADLINE,
        difference=float(differences.mean()),
        p=randomization_test(differences),
        wins=int((differences > _TIE).sum()),
        ties=int((np.abs(differences) <= _TIE).sum()),
        losses=int((differences < -_TIE).sum()),
    )
