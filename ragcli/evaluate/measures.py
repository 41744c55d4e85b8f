"""The figures of a ranking, computed by ir-measures. The only module that imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ragcli.errors import RagcliError

try:
    import ir_measures
    from ir_measures import RR, R, Success, nDCG
except ModuleNotFoundError as error:
    raise RagcliError("measuring needs ir-measures, which is not installed", 'pip install "ragcli[eval]"') from error

HEADLINE = "nDCG@10"
_MEASURES = (nDCG @ 10, RR @ 10, R @ 10, R @ 50, R @ 100, Success @ 1, Success @ 5)
MEASURES: tuple[str, ...] = tuple(str(measure) for measure in _MEASURES)


def per_question(
    qrels: Mapping[str, Mapping[str, int]], names: Mapping[str, Sequence[str]]
) -> dict[str, npt.NDArray[np.float64]]:
    """The value of each of MEASURES for each question (n,), in the order of ``qrels``.

    ``names`` holds rankings, best first; a question that it lacks, or that found nothing, counts 0.
    """
    # the libraries rank by score: strictly falling ones leave no ties to be broken in another way
    run = {
        question: {name: float(len(names[question]) - place) for place, name in enumerate(names[question])}
        for question in qrels
        if names.get(question)
    }
    values = {name: dict.fromkeys(qrels, 0.0) for name in MEASURES}
    for metric in ir_measures.iter_calc(_MEASURES, qrels, run):
        values[str(metric.measure)][metric.query_id] = metric.value
    return {name: np.array(list(found.values()), np.float64) for name, found in values.items()}
