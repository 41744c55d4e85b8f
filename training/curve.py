"""Quality against latency of the shipped reranker, by number of candidates and of tokens per candidate.

    python -m training.curve

nDCG@10 on the development questions, and the seconds that scoring takes with the model open and both cores free. Prints
a table; the default depth and window come from it.
"""

from __future__ import annotations

import json
import statistics
from itertools import pairwise

from ragcli.models.files import SHIPPED_RERANKER
from ragcli.models.numpy import encoder as numpy_encoder
from ragcli.models.numpy.cross_encoder import NumpyCrossEncoder
from ragcli.models.numpy.encoder import NumpyEncoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve, resolve_reranker
from ragcli.retrieve.rerank import score
from training import develop

WINDOWS = (96, 128, 160, 192, 256)
DEPTHS = (4, 8, 12, 16)
QUESTIONS = 50  # of each source


def main() -> None:
    files = resolve_reranker(SHIPPED_RERANKER)
    ranking = json.loads((files.folder / "calibration.json").read_text())["ranking"]
    model, encoder = NumpyCrossEncoder(files), NumpyEncoder(resolve(DEFAULT_MODEL))
    for window in WINDOWS:
        model.window = numpy_encoder.COMPARED_TOKENS = window
        rows = develop.development(QUESTIONS)
        seconds: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
        for row in rows:
            row["logit"], row["late"] = [], []
            texts = [f"{t}\n{x}" if t else x for t, x in zip(row["titles"], row["texts"], strict=True)]
            spent = 0.0
            for done, depth in pairwise((0, *DEPTHS)):
                found = score(model, encoder, row["query"], texts[done:depth])
                spent += found.seconds
                seconds[depth].append(spent)
                for name in ("logit", "late"):
                    row[name] += [one[name] for one in found.signals]
        for depth in DEPTHS:
            gain = develop.mean_gain(rows, ranking, depth)["mean"]
            median = statistics.median(seconds[depth])
            print(f"window {window:4}  depth {depth:3}  nDCG@10 {gain:.4f}  median {median:.3f} s", flush=True)


if __name__ == "__main__":
    main()
