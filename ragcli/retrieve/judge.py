"""The second look at the best candidates: their order by the reranker, and the probability that each answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

from ragcli.errors import CalibrationMissing
from ragcli.models.open import Reranker, open_reranker
from ragcli.models.resolve import resolve_reranker
from ragcli.retrieve.probability import Calibration, load_calibration, logistic
from ragcli.retrieve.rerank import Signals, combine, coverage, score
from ragcli.types import Span

if TYPE_CHECKING:
    from ragcli.models.numpy.encoder import NumpyEncoder
    from ragcli.models.open import Encoder

# Of the cosines of a sentence in its context, beside the reranker's probability for the sentence alone.
_COVER_WEIGHT = 2.0


class Candidate(NamedTuple):
    """A passage as the lists left it: what is read of it, and what they said of it."""

    text: str
    signals: Signals  # "fused" where a search found it; "dense" where a cosine is known


class Verdict(NamedTuple):
    """What became of a candidate."""

    place: int  # among the candidates as they came
    score: float
    signals: Signals


@dataclass(frozen=True, slots=True)
class Judged:
    """Every candidate once, in its new order."""

    verdicts: list[Verdict]
    answered: float | None = None  # the probability that any of them answers; None where nothing was calibrated for it
    notes: list[str] = field(default_factory=list)  # what went wrong
    details: list[str] = field(default_factory=list)  # what was done, for --explain


class Judge:
    """A reranker, or none, with the encoder and the calibration that belong to it."""

    def __init__(self, reranker: Reranker | None, encoder: NumpyEncoder | None, calibration: Calibration) -> None:
        """``encoder`` compares token by token; None: the reranker alone is asked."""
        self._reranker = reranker
        self._encoder = encoder
        self._calibration = calibration

    def order(self, query: str, candidates: Sequence[Candidate], count: int, budget: float | None = None) -> Judged:
        """The first ``count`` in their new order, then the others in the order they came in.

        ``budget`` are the seconds that may be spent: as many are reranked as fit. Scores fall from first to last.
        """
        first = candidates[:count]
        signals = [dict(candidate.signals) for candidate in candidates]
        notes: list[str] = []
        details: list[str] = []
        reranked = 0
        if self._reranker is not None and first:
            found = score(self._reranker, self._encoder, query, [candidate.text for candidate in first], budget)
            details.append(f"reranked {len(found.signals)} of {len(first)} candidates in {1000 * found.seconds:.0f} ms")
            if found.failed:
                notes.append(
                    f"the reranker {self._reranker.files.name} gave scores that are not numbers: "
                    "the hits are in the order of the search"
                )
            else:
                reranked = len(found.signals)
                for known, added in zip(signals, found.signals, strict=False):
                    known.update(added)
        combined = combine(signals[:reranked], self._calibration.ranking) if reranked else []
        order = [*sorted(range(reranked), key=lambda i: (-combined[i], i)), *range(reranked, len(signals))]
        scores = _lifted(combined, [one.get("fused", 0.0) for one in signals])
        reread = [{**signals[i], "coverage": coverage(query, candidates[i].text)} for i in order[:reranked]]
        answered = self._calibration.answered(reread)
        return Judged([Verdict(i, scores[i], signals[i]) for i in order], answered, notes, details)

    def probability(self, signals: Signals) -> float | None:
        """That a passage with these signals answers, in (0, 1); None where nothing was calibrated for them."""
        return self._calibration.probability(signals)

    def answers(self, question: str, text: str) -> float | None:
        """The probability that a text which no search found answers; None where nothing was calibrated."""
        (verdict,) = self.order(question, [Candidate(text, {})], 1).verdicts
        return self.probability(signals_of_text(question, text, verdict.signals))

    def fits(self, question: str, text: str, spans: Sequence[Span]) -> list[float]:
        """How well each span of a passage answers: compared token by token in its context, and read by itself."""
        fits = [0.0] * len(spans)
        if self._encoder is not None and spans:
            from ragcli.models.numpy.encoder import cover

            fits = [_COVER_WEIGHT * found for found in cover(self._encoder, question, text, spans)]
        if self._reranker is not None and spans:
            logits = self._reranker.scores(question, [text[start:end] for start, end in spans])
            if all(math.isfinite(logit) for logit in logits):
                fits = [fit + logistic(float(logit)) for fit, logit in zip(fits, logits, strict=True)]
        return fits


def signals_of_text(question: str, text: str, signals: Signals) -> Signals:
    """What a probability is made of where no search has compared the texts as a whole: the reranking did in passing."""
    dense = {"dense": signals["cosine"]} if "cosine" in signals else {}
    return {**signals, **dense, "coverage": coverage(question, text)}


def open_judge(
    encoder: Encoder | None, reranker: str | None, *, offline: bool = False, probability_needed: bool = False
) -> Judge:
    """A judge for an encoder (None: not used) and a reranker's name (None: no reranking).

    ModelUnavailable when there is no such reranker; CalibrationMissing when a probability is needed and no fit holds.
    """
    files = None if reranker is None else resolve_reranker(reranker, offline=offline)
    calibration = load_calibration(encoder.files.sha256 if encoder else None, files.sha256 if files else None)
    needed = {"read", "reranked"} if files else {"retrieved"}
    if probability_needed and not needed & calibration.cases.keys():
        raise CalibrationMissing(
            "no probabilities are known for these models: "
            f"nothing was calibrated for {files.name if files else 'searches without a reranker'}",
            "fit them with: ragcli models calibrate",
        )
    # a reranker that no combination was fitted for decides alone, and token by token is not looked
    compares = encoder is not None and encoder.runtime == "numpy" and "late" in calibration.ranking
    compared = cast("NumpyEncoder", encoder) if compares else None
    return Judge(open_reranker(files) if files else None, compared, calibration)


def _lifted(combined: list[float], fused: list[float]) -> list[float]:
    """``fused``, with those that were combined lifted above all others: they share what is above the best of these.

    Both are in [0, 1].
    """
    rest = max(fused[len(combined) :], default=0.0)
    return [rest + (1 - rest) * value for value in combined] + fused[len(combined) :]
