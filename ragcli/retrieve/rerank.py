"""Rerank the best candidates: score them with a cross-encoder, order them, and give each a probability to answer."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

from ragcli.errors import CalibrationMissing
from ragcli.models.files import DEFAULT_RERANKER
from ragcli.models.open import Reranker, open_reranker
from ragcli.models.packaged import RERANKER
from ragcli.models.resolve import resolve_reranker
from ragcli.retrieve.probability import Calibration, load_calibration, logistic
from ragcli.text.terms import make_question, terms
from ragcli.types import Question, Span

if TYPE_CHECKING:
    from ragcli.models.numpy.encoder import NumpyEncoder
    from ragcli.models.open import Encoder

# The most passages scored between two looks at the clock: a pack for each of two threads.
_SLICE = 4

# The weight of the late interaction of a sentence in its context; the reranker's probability for it alone has 1.
_COVER_WEIGHT = 2.0

Signals = dict[str, float]


class Candidate(NamedTuple):
    """A passage before it is reranked: the text that is read, and what the search found about it."""

    text: str
    signals: Signals  # "fused" where a search found it; "dense" where a cosine is known


class Verdict(NamedTuple):
    """What is known about a candidate after reranking."""

    position: int  # of the candidate in the list that was given, from 0
    score: float  # in [0, 1], higher is better
    probability: float | None  # that it answers, in (0, 1); None where no calibration fits the models
    rank: int | None  # by the reranker's logit alone, from 1; None for a candidate that was not reranked
    signals: Signals  # everything that the score and the probability are made of


@dataclass(frozen=True, slots=True)
class Judged:
    """Every candidate once, in its new order."""

    verdicts: Iterator[Verdict]  # best first, to be read once: what nobody reads is not computed
    answered: float | None  # the probability that any candidate answers; None where no calibration fits
    notes: list[str] = field(default_factory=list)  # what went wrong
    details: list[str] = field(default_factory=list)  # what was done, for --explain


class Reranked(NamedTuple):
    """The signals of the first passages; ``failed`` when one of them is not a finite number."""

    signals: list[Signals]  # "logit", and "late" and "cosine" with an encoder; shorter than asked when time ran out
    seconds: float
    failed: bool = False


class Judge:
    """A reranker, or none, with the encoder and the calibration that belong to it."""

    def __init__(self, reranker: Reranker | None, encoder: NumpyEncoder | None, calibration: Calibration) -> None:
        """``encoder`` compares token by token, for the order only where the ranking weighs that; None: nowhere."""
        self._reranker = reranker
        self._encoder = encoder
        self._calibration = calibration

    def order(
        self, question: Question, candidates: Sequence[Candidate], count: int, budget: float | None = None
    ) -> Judged:
        """Put the first ``count`` candidates in their new order; the others follow in the order they came in.

        ``budget`` is the time in seconds that reranking may take: as many are reranked as fit, at least one. Scores
        fall from first to last.
        """
        first = candidates[:count]
        signals = [dict(candidate.signals) for candidate in candidates]
        notes: list[str] = []
        details: list[str] = []
        reranked = 0
        if self._reranker is not None and first:
            texts = [candidate.text for candidate in first]
            compared = self._encoder if "late" in self._calibration.ranking else None
            found = score(self._reranker, compared, question.text, texts, budget)
            details.append(f"reranked {len(found.signals)} of {len(first)} candidates in {1000 * found.seconds:.0f} ms")
            if found.failed:
                notes.append(
                    f"the reranker {self._reranker.files.name} gave scores that are not numbers: "
                    "the hits are in the order of the search"
                )
            else:
                reranked = len(found.signals)
                for known, added, text in zip(signals, found.signals, texts, strict=False):
                    known.update(added, coverage=coverage(question, text))
        combined = combine(signals[:reranked], self._calibration.ranking) if reranked else []
        order = [*sorted(range(reranked), key=lambda i: (-combined[i], i)), *range(reranked, len(signals))]
        answered = self._calibration.answered([signals[i] for i in order[:reranked]])
        scores = _lifted(combined, [one.get("fused", 0.0) for one in signals])
        by_logit = sorted(range(reranked), key=lambda i: -signals[i]["logit"])
        ranks = {i: rank for rank, i in enumerate(by_logit, 1)}

        def verdict(i: int) -> Verdict:
            known = signals[i]
            if "coverage" not in known:
                known["coverage"] = coverage(question, candidates[i].text)
            if "cosine" in known:  # no search has compared the texts as a whole: reranking did
                known.setdefault("dense", known["cosine"])
            return Verdict(i, scores[i], self._calibration.probability(known), ranks.get(i), known)

        return Judged(map(verdict, order), answered, notes, details)

    def probability(self, question: str, passage: str) -> float | None:
        """The probability that ``passage`` answers ``question``; None where no calibration fits the models."""
        return next(self.order(make_question(question), [Candidate(passage, {})], 1).verdicts).probability

    def fits(self, question: Question, text: str, spans: Sequence[Span]) -> list[float]:
        """Score each span of a passage, higher is better: token by token in its context, and read by itself."""
        fits = [0.0] * len(spans)
        if self._encoder is not None and spans:
            from ragcli.models.numpy.encoder import cover

            fits = [_COVER_WEIGHT * found for found in cover(self._encoder, question.text, text, spans)]
        if self._reranker is not None and spans:
            logits = self._reranker.scores(question.text, [text[start:end] for start, end in spans])
            if all(math.isfinite(logit) for logit in logits):
                fits = [fit + logistic(float(logit)) for fit, logit in zip(fits, logits, strict=True)]
        return fits


def open_judge(
    encoder: Encoder | None, reranker: str | None, *, offline: bool = False, probability_needed: bool = False
) -> Judge:
    """Open the judge for an encoder (None: there is none) and a reranker's name (None: no reranking).

    Raises ModelUnavailable when the reranker cannot be opened, and CalibrationMissing when a probability is needed and
    no calibration fits these models.
    """
    files = None if reranker is None else resolve_reranker(reranker, offline=offline)
    calibration = load_calibration(
        encoder.files.sha256 if encoder else None,
        files.sha256 if files else None,
        RERANKER.weights_sha256 if files and RERANKER.has_scale_of(files) else None,
    )
    needed = {"read", "reranked", "unsearched"} if files else {"retrieved"}
    if probability_needed and not needed & calibration.cases.keys():
        raise CalibrationMissing(
            "no probabilities are known for these models: "
            f"nothing was calibrated for {files.name if files else 'searches without a reranker'}",
            "fit them with: ragcli models calibrate",
        )
    compares = encoder is not None and encoder.runtime == "numpy"
    return Judge(
        open_reranker(files) if files else None, cast("NumpyEncoder", encoder) if compares else None, calibration
    )


def rerank_texts(
    question: Question,
    texts: Sequence[str],
    *,
    reranker: str = DEFAULT_RERANKER,
    offline: bool = False,
    probability_needed: bool = False,
) -> Judged:
    """Rerank texts that no search has found, with the default embedding model beside the reranker.

    Raises what :func:`open_judge` raises.
    """
    from ragcli.models.open import open_query_encoder
    from ragcli.models.resolve import DEFAULT_MODEL, resolve

    encoder = open_query_encoder(resolve(DEFAULT_MODEL))
    judge = open_judge(encoder, reranker, offline=offline, probability_needed=probability_needed)
    return judge.order(question, [Candidate(text, {}) for text in texts], len(texts))


def score(
    reranker: Reranker,
    encoder: NumpyEncoder | None,
    query: str,
    passages: Sequence[str],
    budget: float | None = None,
) -> Reranked:
    """Compute the signals of the passages in their order: as many as fit into ``budget`` seconds, at least one."""
    started = time.perf_counter()
    found: list[Signals] = []
    size = len(passages) if budget is None else 1
    while size and len(found) < len(passages):
        begun = time.perf_counter()
        part = passages[len(found) : len(found) + size]
        signals = [{"logit": float(logit)} for logit in reranker.scores(query, part)]
        if encoder is not None:
            from ragcli.models.numpy.encoder import compare

            for one, comparison in zip(signals, compare(encoder, query, part), strict=True):
                one.update(late=comparison.late, cosine=comparison.cosine)
        found += signals
        if budget is not None:
            now = time.perf_counter()
            left, each = budget - (now - started), (now - begun) / len(part)
            size = max(0, min(_SLICE, int(left / each))) if each else _SLICE  # the next ones take as long as these
    failed = not all(math.isfinite(value) for signals in found for value in signals.values())
    return Reranked(found, time.perf_counter() - started, failed)


def combine(signals: Sequence[Signals], weights: Mapping[str, float]) -> list[float]:
    """Compute one score per passage: the weighted sum of its signals, scaled to [0, 1] within the list.

    The signals are summed as they are: where all passages fare alike, small differences stay small. Without weights (a
    reranker that no combination was fitted for) the logit alone decides.
    """
    used = {name: weight for name, weight in weights.items() if weight and all(name in one for one in signals)}
    used = used or {"logit": 1.0}
    sums = [sum(weight * one[name] for name, weight in used.items()) for one in signals]
    low = min(sums, default=0.0)
    span = max(sums, default=0.0) - low
    return [(value - low) / span if span > 0 else 1.0 for value in sums]


def coverage(question: Question, passage: str) -> float:
    """Return the share of the question's terms that the passage holds, in [0, 1]."""
    asked = set(question.terms)
    return len(asked & set(terms(passage))) / len(asked) if asked else 0.0


def _lifted(combined: list[float], fused: list[float]) -> list[float]:
    """Place the combined scores above all others: in what is left between the best fused score of the rest and 1.

    Both lists are in [0, 1].
    """
    rest = max(fused[len(combined) :], default=0.0)
    return [rest + (1 - rest) * value for value in combined] + fused[len(combined) :]
