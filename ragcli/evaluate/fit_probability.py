"""Fitting the probability that a passage answers, and measuring how far it can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and a passage: what the models said, and whether it answers."""

    signals: Mapping[str, float]
    answers: bool


def fit(pairs: Sequence[Pair], names: Sequence[str]) -> dict[str, float]:
    """Weights of the signals ``names`` and the constant "bias", by logistic regression (Platt scaling).

    Signals are centred and scaled before, so that the mild L2 penalty treats them alike; the weights returned are those
    of the signals as they are. ValueError when a signal is missing or all pairs have the same label.
    See Platt: Probabilistic Outputs for Support Vector Machines (1999).
    """
    from sklearn.linear_model import LogisticRegression  # 1 s

    if any(name not in pair.signals for pair in pairs for name in names):
        raise ValueError(f"a pair lacks one of {', '.join(names)}")
    x = np.array([[pair.signals[name] for name in names] for pair in pairs], np.float64)
    y = np.array([pair.answers for pair in pairs])
    mean, deviation = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    model = LogisticRegression(C=1.0, max_iter=1000).fit((x - mean) / deviation, y)
    weights = model.coef_[0] / deviation
    return {"bias": float(model.intercept_[0] - weights @ mean)} | {
        name: float(weight) for name, weight in zip(names, weights, strict=True)
    }


def expected_calibration_error(probabilities: Sequence[float], answers: Sequence[bool], bins: int = 10) -> float:
    """Mean distance of probability and share of answers over equally wide bins, weighted by their size, in [0, 1].

    See Naeini, Cooper, Hauskrecht: Obtaining Well Calibrated Probabilities Using Bayesian Binning (AAAI 2015).
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(answers, np.float64)
    place = np.minimum((p * bins).astype(int), bins - 1)
    return float(sum(abs(p[place == b].sum() - y[place == b].sum()) for b in range(bins)) / len(p))


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Chance that a positive scores above a negative, ties counting half; ValueError when there are not both."""
    from sklearn.metrics import roc_auc_score

    if len(set(positive)) < 2:
        raise ValueError("there must be positives and negatives")
    return float(roc_auc_score(list(positive), list(scores)))
