"""One picture of an evaluation: what each stage costs and gives, and who wins question by question."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ragcli.errors import RagcliError, UsageError
from ragcli.evaluate.measures import HEADLINE
from ragcli.evaluate.report import Evaluation
from ragcli.evaluate.report import Figure as Interval

try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
except ModuleNotFoundError as error:
    raise RagcliError("--plot needs matplotlib, which is not installed", 'pip install "ragcli[eval]"') from error

# People who do not see red and green can tell these apart.
_BEFORE, _AFTER, _NEITHER = "#d55e00", "#0072b2", "#999999"


def write_plot(evaluation: Evaluation, path: Path) -> None:
    """Draw quality against latency, and the gain of the last stage over the first on each question, to a PNG file.

    Raises UsageError for a single stage or another kind of file, OSError when ``path`` cannot be written.
    """
    check_plot(path, len(evaluation.stages))
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    note = ", synthetic" if evaluation.synthetic else ""
    # a dollar sign in a file name would begin a formula
    dataset = evaluation.dataset.encode("utf-8", "replace").decode().replace("$", r"\$")
    figure.suptitle(f"{dataset}, {evaluation.questions} questions{note}")
    _draw_costs(left, evaluation)
    _draw_gains(right, evaluation)
    figure.savefig(path, dpi=150)


def check_plot(path: Path, stages: int) -> None:
    """UsageError when there is nothing to compare, or ``path`` is not a PNG file. Call it before the run."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"invalid name {str(path)!r} of a PNG file", "write --plot FILE.png")
    if stages < 2:
        raise UsageError("--plot compares stages, and one was chosen", "leave --stage out or name two")


def _draw_costs(axes: Axes, evaluation: Evaluation) -> None:
    for number, stage in enumerate(evaluation.stages):
        quality, ms = stage.measures[HEADLINE], stage.ms
        axes.errorbar(
            ms.value, quality.value, fmt="o", color=f"C{number}", capsize=4,
            xerr=_reach(ms), yerr=_reach(quality),
        )  # fmt: skip
        axes.annotate(
            stage.name, (ms.value, quality.value), xytext=(7, 7), textcoords="offset points", color=f"C{number}"
        )
    axes.set_xscale("log")
    # within one power of ten the axis would have no label at all
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.25, y=0.1)
    axes.set_xlabel("ms a query, median (log scale)")
    axes.set_ylabel(f"{HEADLINE}, mean and 95 % interval")
    axes.set_title("quality against latency")
    axes.grid(alpha=0.3)


def _reach(figure: Interval) -> list[list[float]]:
    # of a handful of questions, the interval need not hold the figure itself
    return [[max(0.0, figure.value - figure.low)], [max(0.0, figure.high - figure.value)]]


def _draw_gains(axes: Axes, evaluation: Evaluation) -> None:
    first, last = evaluation.stages[0], evaluation.stages[-1]
    gains = np.sort(last.headline - first.headline)[::-1]
    wins, losses = int((gains > 0).sum()), int((gains < 0).sum())
    colors = np.where(gains > 0, _AFTER, np.where(gains < 0, _BEFORE, _NEITHER))
    axes.bar(np.arange(1, len(gains) + 1), gains, width=1.0, color=colors.tolist())
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xlabel("questions, sorted")
    axes.set_ylabel(f"{HEADLINE}: {last.name} - {first.name}")
    axes.set_title(f"{last.name} against {first.name}: {wins} won, {len(gains) - wins - losses} even, {losses} lost")
    axes.grid(axis="y", alpha=0.3)
