"""The picture: drawn from figures by hand, read back as pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ragcli.errors import UsageError
from ragcli.evaluate.measures import MEASURES
from ragcli.evaluate.report import Evaluation, Figure, StageReport

pytest.importorskip("matplotlib", reason="the extra ragcli[eval] brings it")
plot = pytest.importorskip("ragcli.evaluate.plot")

WON, LOST = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def stage(name, values, ms):
    measures = {measure: Figure(float(np.mean(values)), 0.3, 0.7) for measure in MEASURES}
    return StageReport(name, measures, Figure(ms, 0.9 * ms, 1.2 * ms), 2 * ms, np.array(values, np.float64))


def evaluation(*stages, dataset="a $5 set"):
    return Evaluation(dataset, len(stages[0].headline), True, stages, (), ())


def area(path, color):
    """Pixels of a colour in the right half."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return int((np.abs(pixels[:, pixels.shape[1] // 2 :].astype(int) - color) <= 2).all(axis=2).sum())


def test_the_bars_are_as_many_and_as_long_as_the_gains(tmp_path):
    first = stage("keyword", [0.5] * 12, 2.0)
    last = stage("hybrid", [1.0] * 6 + [0.5] * 3 + [0.0] * 3, 60.0)
    plot.write_plot(evaluation(first, stage("dense", [0.5] * 12, 50.0), last), tmp_path / "a.png")
    won, lost = area(tmp_path / "a.png", WON), area(tmp_path / "a.png", LOST)
    assert won > 5000
    assert won / lost == pytest.approx(2, rel=0.1)


def test_nothing_won_and_nothing_lost_is_drawn_too(tmp_path):
    plot.write_plot(evaluation(stage("a", [0.5, 1.0], 3.0), stage("b", [0.5, 1.0], 3.0)), tmp_path / "a.png")
    assert area(tmp_path / "a.png", WON) == area(tmp_path / "a.png", LOST) == 0


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(UsageError, match="PNG"):
        plot.check_plot(tmp_path / "a.svg", 3)
    with pytest.raises(UsageError, match="compares stages"):
        plot.check_plot(tmp_path / "a.png", 1)
