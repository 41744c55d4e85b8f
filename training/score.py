"""Fit the one score that orders the hits and is shown as their probability, on the signals of training.signals.

    python -m training.score [--reranker NAME] [--write]

A logistic function of the signals of a hit, with weights of their own for questions, statements and other words. No
weight of a hit's signals is negative, so more of a signal never ranks a hit lower. The loss is the sum of the logistic
loss, which calibrates, and of the softmax loss over the list of each question, which orders (Cao and others: Learning
to Rank: From Pairwise Approach to Listwise Approach, ICML 2007). Each pool counts by the root of its questions.

Prints, for every pool, nDCG@10 with weights that were fitted on the other pools, and with the one weight of the logit
that would be best for the pool; the expected calibration error, a reliability table, and what a floor of the
probability would leave out. ``--write`` keeps the weights of all pools in calibration.json of the reranker.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ragcli.evaluate.fit_probability import Pair, auroc, expected_calibration_error
from ragcli.evaluate.fit_probability import fit as fit_logistic
from ragcli.models.files import DEFAULT_RERANKER
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve, resolve_reranker
from ragcli.retrieve.probability import SIGNALS, Calibration, best_signals, logistic, stand_out
from ragcli.retrieve.rerank import Signals, closest_sentence, words_signals
from ragcli.text.terms import make_question
from training.export import SHIPPED
from training.signals import ABOUT, LITERAL, SHORT, WORK

if TYPE_CHECKING:
    from ragcli.models.numpy.encoder import NumpyEncoder

Floats = npt.NDArray[np.float64]

KINDS = ("question", "statement", "words")
OF_HIT = (*(f"{kind}*{name}" for name in ("fused", "logit") for kind in KINDS), "named", "holds", "defines")
RELATED = SIGNALS["related"]
NEAR = SIGNALS["near"]
OF_QUERY = ("question", "statement")
LISTWISE = 8.0  # the weight of the softmax loss: more orders better, less calibrates better
PENALTY = 1e-3
WEIGHTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.4, 1.0)  # of the logit, beside the fused score
SHOWN = 5  # hits of a question that are judged for calibration: those that people look at
# What is left out: a hit that is less probable, and every hit where the documents are less probably about the question.
# "related" is by whole passages; where it is lower, "near" is by the closest sentence.
FLOORS = {"hit": 0.001, "related": 0.02, "near": 0.1}
DOUBTED = 0.5  # "near" is fitted on the questions below it: on those that FLOORS doubts, and as many like them


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with its reranked candidates: signals, grades, and the grades of what follows them."""

    pool: str
    kind: str
    query: str
    signals: list[Signals]
    grades: Floats
    tail: list[int]
    ideal: list[int]
    texts: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reranker", default=DEFAULT_RERANKER)
    parser.add_argument("--depth", type=int, default=10, help="candidates that are reranked")
    parser.add_argument("--write", action="store_true", help="keep the weights")
    options = parser.parse_args()
    everything = load(options.reranker, options.depth)
    rows = [row for row in everything if row.pool not in ABOUT]
    pools = sorted({row.pool for row in rows})
    told: list[tuple[Asked, Floats]] = []
    print(f"{'pool':24}{'questions':>10}{'hybrid':>9}{'reranked':>10}{'at best':>10}")
    means = []
    for pool in pools:
        weights = fit([row for row in rows if row.pool != pool])
        part = [row for row in rows if row.pool == pool]
        told += [(row, probabilities(row, weights)) for row in part]
        judged = [row for row in part if row.ideal]
        gains = [mean_gain(judged, lambda row: np.array([s["fused"] for s in row.signals])),
                 mean_gain(judged, lambda row, weights=weights: probabilities(row, weights)),
                 best_gain(judged)]  # fmt: skip
        means.append(gains)
        print(f"{pool:24}{len(judged):>10}{gains[0]:>9.4f}{gains[1]:>10.4f}{gains[2]:>10.4f}")
    print(f"{'mean':34}" + "".join(f"{value:>10.4f}" for value in np.mean(means, axis=0)))
    report_calibration(told)
    related = report_related(rows)
    report_floors(told, related)
    weights = {"scored": fit(rows), "related": fit_related(rows), "answered": fit_answered(rows, told)}
    weights["near"] = fit_near(everything, weights["related"])
    print(json.dumps(weights, indent=1))
    if options.write:
        path = SHIPPED.parent / resolve_reranker(options.reranker).name / "calibration.json"
        content = json.loads(path.read_text()) | weights | {"floors": FLOORS}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load(reranker: str, depth: int) -> list[Asked]:
    """Every question of every pool that training.signals wrote, with the signals that ragcli computes."""
    rows = []
    for file in sorted((WORK / f"signals-{reranker}").glob("*.jsonl")):
        texts, titles = json.loads(file.with_suffix(".texts.json").read_text())
        for line in file.open():
            kept = json.loads(line)
            count = min(depth, len(kept["logit"]))
            question = make_question(kept["query"])
            signals, read = [], []
            found = zip(kept["ids"][:count], kept["fused"], kept["logit"], kept["dense"], kept["listed"], strict=False)
            for i, fused, logit, cosine, listed in found:
                dense = cosine if listed else kept["least"]
                text = f"{titles[i]}\n{texts[i]}" if titles[i] else texts[i]
                read.append(text)
                signals.append({"fused": fused, "logit": logit, "dense": dense, **words_signals(question, text)})
                if kept["pool"] == "pasted":  # what stands there letter for letter tells nothing of statements
                    signals[-1] |= {"statement": 0.0, "words": 1.0}
            grades = [kept["relevant"].get(str(i), 0) for i in kept["ids"]]
            ideal = sorted(kept["relevant"].values(), reverse=True)
            if signals:
                rows.append(
                    Asked(kept["pool"], kept["kind"], kept["query"], signals, np.array(grades[:count], float),
                          grades[count:], ideal, read)
                )  # fmt: skip
    return rows


def matrix(row: Asked, names: Sequence[str]) -> Floats:
    """The value of each product of signals, (candidates, names)."""
    return np.array([[math.prod(one[part] for part in name.split("*")) for name in names] for one in row.signals])


def fit(rows: Sequence[Asked]) -> dict[str, float]:
    """The weights with the least loss, and the constant "bias"."""
    blocks = [np.hstack([matrix(row, OF_HIT), matrix(row, OF_QUERY)]) for row in rows]
    labels = [(row.grades > 0).astype(float) for row in rows]
    sizes = Counter(row.pool for row in rows)
    shares = np.array([sizes[row.pool] ** -0.5 for row in rows])
    shares /= shares.sum()
    x, y = np.vstack(blocks), np.concatenate(labels)
    deviation = np.maximum(x.std(axis=0), 1e-9)
    x = x / deviation
    share = np.repeat(shares, [len(block) for block in blocks])
    starts = np.cumsum([0, *(len(block) for block in blocks)])
    rows_of = np.repeat(np.arange(len(rows)), np.diff(starts))
    totals = np.bincount(rows_of, weights=y)
    target = np.where(totals[rows_of] > 0, y / np.maximum(totals[rows_of], 1), 0.0)
    listed = np.where(totals[rows_of] > 0, share, 0.0)
    hits = len(OF_HIT)

    def loss(values: Floats) -> tuple[float, Floats]:
        weights, bias = values[:-1], values[-1]
        order = x[:, :hits] @ weights[:hits]
        logits = order + x[:, hits:] @ weights[hits:] + bias
        told = 1 / (1 + np.exp(-np.clip(logits, -40, 40)))
        top = np.maximum.reduceat(order, starts[:-1])
        powers = np.exp(order - top[rows_of])
        soft = powers / np.add.reduceat(powers, starts[:-1])[rows_of]
        total = -(share * (y * np.log(told + 1e-12) + (1 - y) * np.log(1 - told + 1e-12))).sum()
        total -= LISTWISE * (listed * target * np.log(soft + 1e-12)).sum()
        total += PENALTY * float(weights @ weights)
        slope = share * (told - y)
        gradient = x.T @ slope + 2 * PENALTY * weights
        gradient[:hits] += x[:, :hits].T @ (LISTWISE * listed * (soft - target))
        return float(total), np.append(gradient, slope.sum())

    bounds = [(0.0, None)] * hits + [(None, None)] * (len(OF_QUERY) + 1)
    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    names = (*OF_HIT, *OF_QUERY)
    weights = {name: round(float(value), 4) for name, value in zip(names, found[:-1] / deviation, strict=True)}
    return {"bias": round(float(found[-1]), 4)} | weights


def probabilities(row: Asked, weights: dict[str, float]) -> Floats:
    """The probability of each candidate, (candidates,)."""
    names = [name for name in weights if name != "bias"]
    logits = matrix(row, names) @ np.array([weights[name] for name in names]) + weights["bias"]
    return 1 / (1 + np.exp(-logits))


def mean_gain(rows: Sequence[Asked], score: Callable[[Asked], Floats]) -> float:
    """Mean nDCG@10 of the candidates in the order of a score; the rest stays behind them."""
    gains = []
    for row in rows:
        order = np.argsort(-score(row), kind="stable")
        ranked = [*row.grades[order], *row.tail][:10]
        best = sum(grade / math.log2(i + 2) for i, grade in enumerate(row.ideal[:10]))
        gains.append(sum(grade / math.log2(i + 2) for i, grade in enumerate(ranked)) / best)
    return float(np.mean(gains)) if gains else float("nan")


def best_gain(rows: Sequence[Asked]) -> float:
    """Mean nDCG@10 with the one weight of the logit that is best for these rows themselves: what nobody can know."""
    return max(mean_gain(rows, lambda row, weight=weight: row_sums(row, weight)) for weight in WEIGHTS)


def row_sums(row: Asked, weight: float) -> Floats:
    """The fused score and ``weight`` times the logit of each candidate, (candidates,)."""
    return np.array([one["fused"] + weight * one["logit"] for one in row.signals])


def report_calibration(told: Sequence[tuple[Asked, Floats]]) -> None:
    """Expected calibration error and AUROC of the hits that are shown, by pool, and a reliability table of all."""
    by_pool: dict[str, tuple[list[float], list[bool]]] = defaultdict(lambda: ([], []))
    for row, values in told:
        for i in np.argsort(-values)[:SHOWN]:
            for name in (row.pool, "all"):
                by_pool[name][0].append(float(values[i]))
                by_pool[name][1].append(bool(row.grades[i] > 0))
    for name, (values_of, answers) in by_pool.items():
        area = auroc(values_of, answers) if len(set(answers)) > 1 else float("nan")
        print(
            f"{name:24}{len(answers):>7} hits, error {expected_calibration_error(values_of, answers):.3f}, {area:.3f}"
        )
    values_all, answers_all = (np.array(part, float) for part in by_pool["all"])
    place = np.minimum((values_all * 10).astype(int), 9)
    for b in range(10):
        inside = place == b
        print(f"{b / 10:.1f} to {b / 10 + 0.1:.1f}: {inside.sum():>6} hits, told {values_all[inside].mean():.3f}, "
              f"right {answers_all[inside].mean():.3f}")  # fmt: skip


def asked_of_its_own(row: Asked) -> bool | None:
    """True when a candidate answers, False for a question of another pool, None where the search missed the answer."""
    return True if row.grades.any() else False if row.kind == "foreign" else None


def fit_related(rows: Sequence[Asked]) -> dict[str, float]:
    """The weights of the best signals of a list, for the probability that its documents are about the question."""
    known = [row for row in rows if asked_of_its_own(row) is not None]
    return fit_logistic([Pair(best_signals(row.signals), bool(asked_of_its_own(row))) for row in known], RELATED)


def report_related(rows: Sequence[Asked]) -> list[tuple[Asked, float]]:
    """The probability for every question, by weights of the other pools."""
    told = []
    for pool in sorted({row.pool for row in rows}):
        weights = fit_related([row for row in rows if row.pool != pool])
        calibration = Calibration({"related": weights})
        told += [(row, calibration.related(row.signals) or 0.0) for row in rows if row.pool == pool]
    known = [(row, value) for row, value in told if asked_of_its_own(row) is not None]
    area = auroc([value for _, value in known], [bool(asked_of_its_own(row)) for row, _ in known])
    print(f"related: AUROC {area:.3f} of {len(known)} questions")
    return told


def fit_near(rows: Sequence[Asked], related: dict[str, float]) -> dict[str, float]:
    """The weights of the closest sentence, for the probability that the documents are about the question.

    Fitted on the questions whose passages as a whole seem to be about something else. Prints what both floors leave out
    of every kind of pool, by weights of the other pools; a text counts as one pool whatever its passages are.
    """
    calibration = Calibration({"related": related})
    judged = [row for row in rows if asked_of_its_own(row) is not None]
    judged = [row for row in judged if not (asked_of_its_own(row) and row.pool in LITERAL)]
    about = {id(row): calibration.related(row.signals) or 0.0 for row in judged}
    doubted = [row for row in judged if about[id(row)] < DOUBTED]
    encoder = cast("NumpyEncoder", open_query_encoder(resolve(DEFAULT_MODEL)))
    pairs: dict[int, Pair] = {}
    for row in doubted:
        closest = closest_sentence(encoder, row.query, row.texts)
        if closest is not None:
            pairs[id(row)] = Pair(closest.signals, bool(asked_of_its_own(row)))

    def text_of(row: Asked) -> str:
        return row.pool.removeprefix("general-").split("-")[0]

    near: dict[int, float] = {}
    for text in sorted({text_of(row) for row in doubted}):
        weights = fit_logistic([pairs[id(row)] for row in doubted if id(row) in pairs and text_of(row) != text], NEAR)
        calibration = Calibration({"near": weights})
        for row in doubted:
            if text_of(row) == text and id(row) in pairs:
                near[id(row)] = calibration.near(pairs[id(row)].signals) or 0.0
    kinds: dict[str, list[Asked]] = defaultdict(list)
    for row in judged:
        kinds[f"notes, {row.pool[-1]} a passage" if row.pool in SHORT else "other pools"].append(row)
    area = auroc(list(near.values()), [pairs[i].answers for i in near])
    print(f"near: AUROC {area:.3f} of {len(near)} questions")
    for doubt, least in product((FLOORS["related"], 0.05, 0.1, DOUBTED), (0.03, 0.05, 0.07, FLOORS["near"], 0.2, 1.01)):
        line = f"related {doubt}, near {least:4.2f}:"
        for kind, part in sorted(kinds.items()):
            kept = {True: [], False: []}  # type: dict[bool, list[bool]]
            for row in part:
                kept[bool(asked_of_its_own(row))].append(about[id(row)] >= doubt or near.get(id(row), 0.0) >= least)
            line += f"  {kind} {1 - np.mean(kept[True]):.1%}, {1 - np.mean(kept[False]):.1%}"
        print(line)
    return fit_logistic(list(pairs.values()), NEAR)


def fit_answered(rows: Sequence[Asked], told: Sequence[tuple[Asked, Floats]]) -> dict[str, float]:
    """The weights for the probability that any of the passages answers: the best of them, and how far it stands out.

    Each question is asked with its passage and without it, and the questions of other pools as they are.
    """
    pairs: dict[str, list[Pair]] = {}
    for name in sorted({row.pool for row in rows} - set(LITERAL)):
        for row, values in told:
            if row.pool == name:
                order = [row.signals[i] for i in np.argsort(-values, kind="stable")]
                without = [row.signals[i] for i in np.argsort(-values, kind="stable") if not row.grades[i]]
                asked = [(order, True), (without, False)] if row.grades.any() else [(order, False)]
                pairs.setdefault(name, []).extend(
                    Pair(stand_out(hits), answers) for hits, answers in asked if len(hits) > 1
                )
    names = [name for name in SIGNALS["answered"] if not name.startswith("late")]
    values: list[float] = []
    answers: list[bool] = []
    for name in pairs:
        weights = fit_logistic([pair for other in pairs if other != name for pair in pairs[other]], names)
        values += [logistic(sum(w * pair.signals.get(key, 1.0) for key, w in weights.items())) for pair in pairs[name]]
        answers += [pair.answers for pair in pairs[name]]
    print(f"answered: {len(values)} lists, error {expected_calibration_error(values, answers):.3f}, "
          f"AUROC {auroc(values, answers):.3f}")  # fmt: skip
    return fit_logistic([pair for part in pairs.values() for pair in part], names)


def report_floors(told: Sequence[tuple[Asked, Floats]], related: Sequence[tuple[Asked, float]]) -> None:
    """What the floors leave out of what is right, and the questions of other pools that they leave without a hit."""
    about = {id(row): value for row, value in related}
    for hit, least in product((0.0, FLOORS["hit"], 0.003, 0.01), (0.0, FLOORS["related"], 0.05, 0.25, 0.5)):
        kept = {True: [], False: []}  # type: dict[bool, list[bool]]
        pools: Counter[str] = Counter()
        for row, values in told:
            own = asked_of_its_own(row)
            if own is None or (own and row.pool in LITERAL):
                continue
            value = float(values[row.grades > 0].max()) if own else float(values.max())
            kept[own].append(value >= hit and about[id(row)] >= least)
            pools[row.pool] += own and not kept[own][-1]
        print(f"floors {hit} and {least}: {1 - np.mean(kept[True]):.2%} of {len(kept[True])} right passages lost "
              f"({dict(pools.most_common(4))}), {1 - np.mean(kept[False]):.1%} of {len(kept[False])} foreign questions "
              "without a hit")  # fmt: skip


if __name__ == "__main__":
    main()
