"""Rerank the best candidates: score them with a cross-encoder, order them, and give each a probability to answer."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, cast

from ragcli.errors import CalibrationMissing
from ragcli.models.files import DEFAULT_RERANKER
from ragcli.models.open import Reranker, open_reranker
from ragcli.models.packaged import RERANKER
from ragcli.models.resolve import resolve_reranker
from ragcli.retrieve.probability import Calibration, holds_all, load_calibration, product
from ragcli.text.exact import DEFINES, HOLDS, NEITHER, grade, named
from ragcli.text.sentences import sentences
from ragcli.text.terms import make_question, terms
from ragcli.types import Question, Span

if TYPE_CHECKING:
    from ragcli.models.numpy.encoder import NumpyEncoder
    from ragcli.models.open import Encoder

# The most passages scored between two looks at the clock: a pack for each of two threads.
_SLICE = 4

# How a sentence is scored: late interaction in its context, 0 to 1, and the reranker's logit for it alone.
_COVER_WEIGHT = 3.0
_LOGIT_WEIGHT = 0.1

# The passages whose sentences are looked at where none of them seems to answer.
_LOOKED_AT = 10

Signals = dict[str, float]
FORMS = ("question", "statement", "words")


class Candidate(NamedTuple):
    """A passage before it is reranked: the text that is read, and what the search found about it."""

    text: str
    signals: Signals  # "fused" where a search found it; "dense" where a cosine is known
    grade: int = NEITHER  # how exactly it holds what was asked for; a higher grade stands first whatever the rest says


class Verdict(NamedTuple):
    """What is known about a candidate after reranking."""

    position: int  # of the candidate in the list that was given, from 0
    score: float  # in [0, 1], higher is better
    probability: float | None  # that it answers, in (0, 1); None where no calibration fits the models
    rank: int | None  # by the reranker's logit alone, from 1; None for a candidate that was not reranked
    signals: Signals  # everything that the score and the probability are made of


@dataclass(slots=True)
class Judged:
    """Every candidate once, in its new order."""

    verdicts: Iterator[Verdict]  # best first, to be read once: what nobody reads is not computed
    answered: float | None  # the probability that any candidate answers; None where no calibration fits
    floor: float = 0.0  # a less probable passage is not worth showing
    unrelated: bool = False  # the documents are not about the question, as far as the models can tell
    notes: list[str] = field(default_factory=list)  # what went wrong
    details: list[str] = field(default_factory=list)  # what was done, for --explain
    left_out: int = 0  # verdicts that a caller counted as not worth showing
    # the sentence of a candidate that is closest to the question, by position, where the passages told nothing
    closest: Mapping[int, str] = field(default_factory=dict)

    def is_below_floor(self, verdict: Verdict) -> bool:
        """True for a passage that plainly does not answer, and holds nothing of what was asked for as it is written."""
        if verdict.probability is None or verdict.signals["holds"] or verdict.signals["named"]:
            return False
        return self.unrelated or verdict.probability < self.floor


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

        The order is that of the probabilities, where a calibration fits the models, within each grade. Scores and
        probabilities fall from first to last. ``budget`` is the time in seconds that reranking may take: as many are
        reranked as fit, at least one.
        """
        first = candidates[:count]
        signals = [dict(candidate.signals) for candidate in candidates]
        notes: list[str] = []
        details: list[str] = []
        reranked = 0
        if self._reranker is not None and first:
            texts = [candidate.text for candidate in first]
            compared = self._encoder if "late" in self._calibration.ranking else None
            found = score(self._reranker, compared, question.read, texts, budget)
            details.append(f"reranked {len(found.signals)} of {len(first)} candidates in {1000 * found.seconds:.0f} ms")
            if found.failed:
                notes.append(
                    f"the reranker {self._reranker.files.name} gave scores that are not numbers: "
                    "the hits are in the order of the search"
                )
            else:
                reranked = len(found.signals)
                for known, added, text in zip(signals, found.signals, texts, strict=False):
                    known.update(added, **words_signals(question, text))
                    if "cosine" in known:  # no search has compared the texts as a whole: reranking did
                        known.setdefault("dense", known["cosine"])
        combined = combine(signals[:reranked], self._calibration.ranking) if reranked else []
        told = [self._calibration.probability(one) for one in signals[:reranked]]
        if self._calibration.orders and None not in told:
            combined = cast("list[float]", told)
        read = sorted(range(reranked), key=lambda i: (-candidates[i].grade, -combined[i], i))
        order = [*read, *range(reranked, len(signals))]
        answered = self._calibration.answered([signals[i] for i in read])
        floors = self._calibration.floors
        floor = floors.get("hit", 0.0)
        related = self._calibration.related([signals[i] for i in read])
        unrelated = related is not None and related < floors.get("related", 0.0)
        closest = self._closest(question, candidates[: min(reranked, _LOOKED_AT)]) if unrelated else None
        near = None if closest is None else self._calibration.near(closest.signals)
        if near is not None:
            details.append(f"the closest sentence: {near:.3f} that the documents are about the question")
            if near >= floors.get("near", 0.0):
                # what no passage tells as a whole, one of its sentences does: no passage is known not to answer
                unrelated, floor = False, 0.0
        scores = _falling([combined[i] for i in read], [one.get("fused", 0.0) for one in signals[reranked:]])
        by_logit = sorted(range(reranked), key=lambda i: -signals[i]["logit"])
        ranks = {i: rank for rank, i in enumerate(by_logit, 1)}

        def verdicts() -> Iterator[Verdict]:
            least = 1.0
            for i, score in zip(order, scores, strict=True):
                if "coverage" not in signals[i]:
                    signals[i].update(words_signals(question, candidates[i].text))
                probability = self._calibration.probability(signals[i])
                if probability is not None:
                    # what stands below, for its grade or because it was not read, is not told to be likelier
                    probability = least = min(least, probability)
                yield Verdict(i, score, probability, ranks.get(i), signals[i])

        told_by = [] if closest is None else closest.sentences
        return Judged(verdicts(), answered, floor, unrelated, notes, details, closest=dict(enumerate(told_by)))

    def probability(self, question: str, passage: str) -> float | None:
        """The probability that ``passage`` answers ``question``; None where no calibration fits the models."""
        return next(self.order(make_question(question), [Candidate(passage, {})], 1).verdicts).probability

    def _closest(self, question: Question, candidates: Sequence[Candidate]) -> Closest | None:
        if self._encoder is None or "near" not in self._calibration.cases:
            return None
        return closest_sentence(self._encoder, question.read, [candidate.text for candidate in candidates])

    def fits(self, question: Question, text: str, spans: Sequence[Span]) -> list[float]:
        """Score each span of a passage, higher is better: token by token in its context, and read by itself."""
        fits = [0.0] * len(spans)
        if self._encoder is not None and spans:
            from ragcli.models.numpy.encoder import cover

            fits = [_COVER_WEIGHT * found for found in cover(self._encoder, question.read, text, spans)]
        if self._reranker is not None and spans:
            logits = self._reranker.scores(question.read, [text[start:end] for start, end in spans])
            if all(math.isfinite(logit) for logit in logits):
                fits = [fit + _LOGIT_WEIGHT * float(logit) for fit, logit in zip(fits, logits, strict=True)]
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
    candidates = [Candidate(text, {}, grade(question.exact, text)) for text in texts]
    return judge.order(question, candidates, len(texts))


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
    used = {name: weight for name, weight in weights.items() if weight and all(holds_all(one, name) for one in signals)}
    used = used or {"logit": 1.0}
    sums = [sum(weight * product(one, name) for name, weight in used.items()) for one in signals]
    low = min(sums, default=0.0)
    span = max(sums, default=0.0) - low
    return [(value - low) / span if span > 0 else 1.0 for value in sums]


def coverage(question: Question, passage: str) -> float:
    """Return the share of the question's terms that the passage holds, in [0, 1]."""
    asked = set(question.terms)
    return len(asked & set(terms(passage))) / len(asked) if asked else 0.0


class Closest(NamedTuple):
    """What the sentences of several passages say that each passage as a whole does not."""

    signals: Signals
    sentences: list[str]  # of each passage the one that is closest to the question; "" where it has none


def closest_sentence(encoder: NumpyEncoder, query: str, passages: Sequence[str]) -> Closest | None:
    """Compare a question with each sentence of at least two words; None where there is none.

    "sentence" is the highest cosine, "sentence_lead" its lead over the mean of the sixth to tenth, "sentences" and
    "length" the logarithms to base 2 of the number of sentences and of the words of the question: among many sentences
    the highest cosine is higher by chance. A line of a passage always begins a sentence, because notes have one
    subject per line. A passage of several subjects says little as a whole about any of them.
    """
    parts = [
        [line[start:end] for line in passage.splitlines() for start, end in sentences(line)] for passage in passages
    ]
    known = list(dict.fromkeys(part for one in parts for part in one if len(part.split()) > 1))
    if not known:
        return None
    found = (encoder.encode(known) @ encoder.encode([query], kind="query")[0]).tolist()
    cosine = dict(zip(known, found, strict=True))
    best = sorted(found, reverse=True)
    others = best[5:10] or best
    signals = {
        "sentence": best[0],
        "sentence_lead": best[0] - sum(others) / len(others),
        "sentences": math.log2(len(known)),
        "length": math.log2(max(1, len(query.split()))),
    }
    return Closest(signals, [max(one, key=lambda part: cosine.get(part, -1.0), default="") for one in parts])


def words_signals(question: Question, passage: str) -> Signals:
    """Return what the words of the passage say: which of the question's terms and names it holds, and how exactly."""
    found = grade(question.exact, passage)
    return {
        "coverage": coverage(question, passage),
        **{form: float(question.exact.form == form) for form in FORMS},
        "named": named(question.exact, passage),
        "holds": float(found >= HOLDS),
        "defines": float(found >= DEFINES),
    }


def _falling(first: list[float], rest: list[float]) -> list[float]:
    """Return scores in [0, 1] that fall: those of the reranked passages above those of the rest.

    What breaks the fall is changed: a reranked score, of a passage of a lower grade, is lowered, and a score of the
    rest, of a passage that stands there for its grade, is raised.
    """
    raised = list(accumulate(reversed(rest), max))[::-1]
    top = raised[0] if raised else 0.0
    return [top + (1 - top) * value for value in accumulate(first, min)] + raised
