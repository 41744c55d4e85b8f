"""Turn the signals of a passage into the probability that it answers, with logistic functions fitted beforehand.

A fit holds for the model weights that it was made with. The fit for the default models ships with the reranker.
``ragcli models calibrate`` makes others and keeps them beside the added models, under the digests of both models.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ragcli.errors import CalibrationMissing, ModelUnavailable
from ragcli.models.files import read_json
from ragcli.models.library import models_folder
from ragcli.models.resolve import shipped_calibrations

# The first four cases are one hit: known from the encoder alone, from a reranker alone where no search found the
# passage, from both, and from late interaction as well. "answered" is all hits together: the best hit, and how far it
# stands out; a fit of it may leave out late interaction. "related" and "near" are all hits, too: the best of each
# signal, and what their closest sentence says.
Case = Literal["retrieved", "unsearched", "read", "reranked", "scored", "answered", "related", "near"]
SIGNALS: dict[Case, tuple[str, ...]] = {
    "retrieved": ("dense", "coverage"),
    "unsearched": ("coverage", "logit"),
    "read": ("dense", "coverage", "logit"),
    "reranked": ("dense", "coverage", "late", "logit"),
    "scored": ("fused", "dense", "coverage", "logit"),
    "related": ("dense", "coverage", "logit"),
    "near": ("sentence", "sentence_lead", "sentences", "length"),
    "answered": ("dense", "coverage", "late", "logit", "dense_lead", "coverage_lead", "late_lead", "logit_lead"),
}
# How many of the last reranked passages count as background: about the same subject, and not an answer.
_BACKGROUND = 4
Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The weights of the signals in each case, with the constant as ``bias``, and the weights of the ranking."""

    cases: Mapping[Case, Weights] = field(default_factory=dict)
    ranking: Weights = field(default_factory=dict)
    # Of the probability of a "hit", and that the documents are about the question: as their passages say ("related"),
    # and where that is lower, as their closest sentence says ("near").
    floors: Weights = field(default_factory=dict)

    def probability(self, signals: Mapping[str, float]) -> float | None:
        """Return the probability that the passage answers, in (0, 1); None when no fit has these signals.

        The fit with the most signals is used. A reranker's logit is never left out: a fit without it would not hold.
        """
        reranked: tuple[Case, ...] = ("scored", "reranked", "read", "unsearched")
        for case in reranked if "logit" in signals else ("retrieved",):
            if (found := self._fitted(case, signals)) is not None:
                return found
        return None

    def answered(self, hits: Sequence[Mapping[str, float]]) -> float | None:
        """Return the probability that any reranked passage answers, in (0, 1), or None.

        ``hits`` are the signals of the passages, best first. It is None for fewer than two, and when no fit has these
        signals.
        """
        return self._fitted("answered", stand_out(hits)) if len(hits) > 1 else None

    @property
    def orders(self) -> bool:
        """True when the probability was fitted to put reranked hits in order, too."""
        return "scored" in self.cases

    def related(self, hits: Sequence[Mapping[str, float]]) -> float | None:
        """Return the probability that the documents are about the question, in (0, 1), or None.

        ``hits`` are the signals of the reranked passages. Each signal counts where it is best.
        """
        return self._fitted("related", best_signals(hits)) if hits else None

    def near(self, signals: Mapping[str, float]) -> float | None:
        """Return the probability that the documents are about the question, in (0, 1), by their closest sentence.

        ``signals`` are those of :func:`ragcli.retrieve.rerank.closest_sentence`. It is None when no fit has them.
        """
        return self._fitted("near", signals)

    def _fitted(self, case: Case, signals: Mapping[str, float]) -> float | None:
        weights = self.cases.get(case)
        if not weights or not all(holds_all(signals, name) for name in weights if name != "bias"):
            return None
        return logistic(
            sum(weight * (1.0 if name == "bias" else product(signals, name)) for name, weight in weights.items())
        )


def best_signals(hits: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the highest value of each signal that all hits have."""
    return {name: max(hit[name] for hit in hits) for name in hits[0] if all(name in hit for hit in hits)}


def holds_all(signals: Mapping[str, float], name: str) -> bool:
    """True when every signal is known that ``name`` is a product of: "question*logit" is one of two."""
    return all(part in signals for part in name.split("*"))


def product(signals: Mapping[str, float], name: str) -> float:
    """Return the signal ``name``, or the product of several: "question*logit"."""
    return math.prod(signals[part] for part in name.split("*"))


def stand_out(hits: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the signals of the first of at least two hits, each with its lead over the mean of the last few."""
    first, *rest = hits
    last = rest[-_BACKGROUND:]
    known = [name for name in first if all(name in hit for hit in last)]
    return {**first, **{f"{name}_lead": first[name] - sum(hit[name] for hit in last) / len(last) for name in known}}


def load_calibration(encoder: str | None, reranker: str | None, ranked_like: str | None = None) -> Calibration:
    """Return the calibration for these digests of weights; None stands for a model that is not used.

    The weights of the ranking may be those of another reranker whose logits have the same scale, ``ranked_like``. They
    hold for every encoder where they leave out late interaction, which compares the encoder's own token vectors.
    """
    cases: dict[Case, Weights] = {}
    ranking: Weights = {}
    floors: Weights = {}
    for content in _fits(encoder, reranker):
        of_encoder = encoder is not None and content.get("encoder") == encoder
        of_reranker = reranker is not None and content.get("reranker") == reranker
        holds: dict[Case, bool] = {
            "retrieved": of_encoder, "read": of_encoder and of_reranker, "reranked": of_encoder and of_reranker,
            "unsearched": of_reranker, "answered": of_encoder and of_reranker,
            "scored": of_encoder and of_reranker, "related": of_encoder and of_reranker,
            "near": of_encoder and of_reranker,
        }  # fmt: skip
        for case, valid in holds.items():
            if valid and case in content:
                cases.setdefault(case, content[case])
        if holds["related"]:
            floors = floors or content.get("floors", {})
        weighed = content.get("ranking", {})
        of_ranking = of_reranker or (ranked_like is not None and content.get("reranker") == ranked_like)
        if of_ranking and (of_encoder or "late" not in weighed) and not ranking:
            ranking = weighed
    return Calibration(cases, ranking, floors)


def save_calibration(encoder: str, reranker: str | None, content: Mapping[str, Any]) -> Path:
    """Keep a fit for these two models, in place of an earlier one, and return its file."""
    path = _folder() / _name(encoder, reranker)
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_suffix(f".{os.getpid()}.new")
    about = {"encoder": encoder, "reranker": reranker}
    incoming.write_text(json.dumps(about | dict(content), indent=1) + "\n", encoding="utf-8")
    incoming.replace(path)
    return path


def _fits(encoder: str | None, reranker: str | None) -> Iterator[dict[str, Any]]:
    """Yield the user's own fit, then the shipped one."""
    if encoder is not None:
        path = _folder() / _name(encoder, reranker)
        try:
            yield read_json(path)
        except ModelUnavailable as error:
            raise CalibrationMissing(
                f"{path} is damaged", "delete it, then rebuild it with: ragcli models calibrate"
            ) from error
    for path in shipped_calibrations():
        yield read_json(path)


def _folder() -> Path:
    return models_folder() / ".calibrations"


def _name(encoder: str, reranker: str | None) -> str:
    return f"{encoder[:16]}-{(reranker or 'none')[:16]}.json"


def logistic(x: float) -> float:
    """Return 1 / (1 + exp(-x)), without overflow for either sign."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
