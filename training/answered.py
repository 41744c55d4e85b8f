"""Fit the probability that an answer of quotes holds the answer, on what is read of the best passage.

    python -m training.answered [POOL ...] [--questions 150] [--write]

The questions and candidates are those of training.signals, which must have run. Each question is asked with its
passage and without it: then the fused scores are those of a search that never had it. Questions of other pools are
asked as they are. Of the best passage the reranker also reads the sentences and the rest without the best one, and the
embedding model compares tokens, as ``ragcli ask`` does. Writes training/work/answered-<reranker>.jsonl, one line per
list, and goes on where it stopped. Then fits, and prints AUROC, calibration error and a table of thresholds with the
weights of the other pools. ``--write`` keeps the fit as "quoted" in calibration.json of the reranker.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ragcli.evaluate.fit_probability import Pair, auroc, expected_calibration_error
from ragcli.evaluate.fit_probability import fit as fit_logistic
from ragcli.models.files import DEFAULT_RERANKER
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve, resolve_reranker
from ragcli.retrieve.probability import SIGNALS, Calibration
from ragcli.retrieve.rerank import Signals, open_judge, words_signals
from ragcli.text.sentences import sentences
from ragcli.text.terms import make_question
from training.export import SHIPPED
from training.signals import LITERAL, WORK

DEPTH = 10  # candidates that are reranked
LEAST_SPAN = 0.2  # of the cosines, as in ragcli.retrieve.fuse
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
STATEMENTS = ("cranfield", "scifact")  # their queries are no questions, and many passages answer one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", nargs="*")
    parser.add_argument("--reranker", default=DEFAULT_RERANKER)
    parser.add_argument("--questions", type=int, default=150, help="of each pool, at most")
    parser.add_argument("--write", action="store_true", help="keep the weights")
    options = parser.parse_args()
    kept = WORK / f"answered-{options.reranker}.jsonl"
    read(options.reranker, options.pools, options.questions)
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    report(rows)
    weights = fit_logistic([_pair(row) for row in rows], SIGNALS["quoted"])
    print(json.dumps(weights, indent=1))
    if options.write:
        path = SHIPPED.parent / resolve_reranker(options.reranker).name / "calibration.json"
        content = json.loads(path.read_text()) | {"quoted": weights}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(reranker: str, pools: Sequence[str], count: int) -> None:
    """Compute the signals of every list that has none yet."""
    folder = WORK / f"signals-{reranker}"
    kept = WORK / f"answered-{reranker}.jsonl"
    known = {(r["pool"], r["query"]) for r in map(json.loads, kept.open())} if kept.exists() else set()
    judge = open_judge(open_query_encoder(resolve(DEFAULT_MODEL)), reranker)
    names = [path.stem for path in sorted(folder.glob("*.jsonl")) if path.stem not in {*LITERAL, *STATEMENTS}]
    with kept.open("a") as out:
        for name in pools or names:
            texts, titles = json.loads((folder / f"{name}.texts.json").read_text())
            asked = [json.loads(line) for line in (folder / f"{name}.jsonl").open()]
            random.Random(name).shuffle(asked)
            for row in asked[:count]:
                if (name, row["query"]) in known:
                    continue
                question = make_question(row["query"])
                for hits, answers in lists(row, texts, titles):
                    judged = sorted(hits, key=lambda hit: -(judge.told(hit["signals"]) or 0))
                    told = [judge.told(hit["signals"]) or 0.0 for hit in judged]
                    best = judged[0]
                    text = best["text"]
                    spans = sentences(text)
                    fits = judge.fits(question, text, spans)
                    start, end = max(zip(fits, spans, strict=True), key=lambda one: one[0].logit or -99.0)[1]
                    shown = f"{best['title']}\n{text}" if best["title"] else text
                    logit = max(fit.logit or -99.0 for fit in fits)
                    signals = judge.quoted_signals(question, shown, best["signals"], told, text[start:end], logit)
                    out.write(json.dumps({"pool": name, "query": row["query"], "answers": answers, "own": row["kind"],
                                          "signals": signals}) + "\n")  # fmt: skip
            out.flush()
            print(name, flush=True)


def lists(row: dict[str, Any], texts: list[str], titles: list[str]) -> Iterator[tuple[list[dict[str, Any]], bool]]:
    """Yield the candidates of a question, and whether one of them answers: with its passage, and without it."""
    question = make_question(row["query"])
    count = len(row["logit"])
    dense = [x if listed else row["least"] for x, listed in zip(row["dense"], row["listed"], strict=True)][:count]
    grades = [row["relevant"].get(str(i), 0) for i in row["ids"][:count]]
    every = list(range(count))
    found = [(every, row["fused"][:count], any(grades))]
    left = [i for i in every if not grades[i]]
    if any(grades):
        found.append((left, without(row, dense, left), False))
    elif row["kind"] != "foreign":
        found = [(every, row["fused"][:count], True)]  # the search missed the passage: it is there all the same
    for places, fused, answers in found:
        hits = []
        best = sorted(zip(fused, places, strict=True), key=lambda one: -one[0])[:DEPTH]
        for score, i in best:
            title, text = titles[row["ids"][i]], texts[row["ids"][i]]
            shown = f"{title}\n{text}" if title else text
            signals = {"fused": score, "logit": row["logit"][i], "dense": dense[i], **words_signals(question, shown)}
            hits.append({"signals": signals, "text": text, "title": title})
        if len(hits) > 1:
            yield hits, answers


def without(row: dict[str, Any], dense: Sequence[float], left: Sequence[int]) -> list[float]:
    """Return the fused scores of the candidates ``left`` by a search that has no others: each list is scaled anew."""
    high, low = max(dense), row["least"]
    span = max(high - low, LEAST_SPAN)
    bm25 = row["bm25"][: len(dense)]
    share = [1 - (high - x) / span if x > low else 0.0 for x in dense]
    spans = [
        (max(bm25) - b) / (1 - (2 * fused - s))
        for b, fused, s in zip(bm25, row["fused"], share, strict=False)
        if b > 0 and 0 < 2 * fused - s < 1
    ]
    width = float(np.median(spans)) if spans else 1.0
    top, best = max(dense[i] for i in left), max(bm25[i] for i in left)
    narrow = max(top - low, LEAST_SPAN)
    keyword = max(width - (max(bm25) - best), 1e-6)
    return [
        0.5 * (1 - (top - dense[i]) / narrow if dense[i] > low else 0.0)
        + 0.5 * (max(0.0, 1 - (best - bm25[i]) / keyword) if bm25[i] > 0 else 0.0)
        for i in left
    ]


def report(rows: Sequence[dict[str, Any]]) -> None:
    """Print how well each pool is told with the weights of the others, of which there must be some."""
    by_pool: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_pool[row["pool"]].append(row)
    if len(by_pool) < 2:
        return
    told: list[tuple[float, bool, bool]] = []
    for name, part in by_pool.items():
        weights = fit_logistic([_pair(row) for row in rows if row["pool"] != name], SIGNALS["quoted"])
        calibration = Calibration({"quoted": weights})
        here = [(calibration.quoted(row["signals"]) or 0.0, row["answers"], row["own"] == "foreign") for row in part]
        told += here
        near = [value for value, _, foreign in here if not foreign]
        holds = [answers for _, answers, foreign in here if not foreign]
        print(f"{name:12}{len(part):>6} lists, AUROC without the passage {auroc(near, holds):.3f}")
    values, answers, _ = map(list, zip(*told, strict=True))
    print(f"all: error {expected_calibration_error(values, answers):.3f}, AUROC {auroc(values, answers):.3f}")
    for least in THRESHOLDS:
        right = [value >= least for value, answers, _ in told if answers]
        near_ones = [value >= least for value, answers, foreign in told if not answers and not foreign]
        far = [value >= least for value, answers, foreign in told if not answers and foreign]
        print(
            f"threshold {least}: refused {1 - np.mean(right):.1%} of {len(right)}; answered {np.mean(near_ones):.1%} "
            f"of {len(near_ones)} without the passage, {np.mean(far):.1%} of {len(far)} of other pools"
        )


def _pair(row: dict[str, Any]) -> Pair:
    signals: Signals = row["signals"]
    return Pair(signals, row["answers"])


if __name__ == "__main__":
    main()
