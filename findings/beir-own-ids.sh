#!/usr/bin/env bash
# beir==2.2.0 over pytrec-eval-terrier==0.5.11, 2026-11
#
# Expected: an evaluation takes judgements and a run. A run whose first hit is the right one for every question has
#   nDCG@10 1.0, whatever the names of questions and documents are.
# Happens: a hit with the same name as its question is removed before the scores are computed, because in two of the
#   collections of BEIR the questions are documents too. In a collection of one's own, questions 1 to 10 and documents 1
#   to 100 have nothing in common but the numbers. Where the right document of question n is document n, as in a list of
#   pairs, a perfect run has nDCG@10 0.0. With shifted numbers, a wrong first hit goes and the score is too good.
#   The hits are removed from the caller's own run. A second call with ignore_identical_ids=False, or another program
#   that gets the same run, sees them no more.
# Why it matters: the first test set of most projects is a list of questions and passages, both numbered. With a part of
#   the pairs on the same number the score is only lower, and looks like a weak model. Said in a log of level INFO.
# What ragcli does: every hit counts, whatever its name. A test holds it for questions and documents of the same names.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
# beir asks for sentence-transformers, which its evaluation does not use.
{ "$work/venv/bin/pip" install -qq --no-compile pytrec-eval-terrier==0.5.11 numpy==2.4.6 tqdm &&
  "$work/venv/bin/pip" install -qq --no-compile --no-deps beir==2.2.0; } ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import copy
import sys
from importlib.metadata import version

import pytrec_eval
from beir.retrieval.evaluation import EvaluateRetrieval

changed = []


def check(what, expected, seen, stated):
    print(f"{what}\n  expected {expected}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


def by_beir(judged, run, **options):
    return EvaluateRetrieval.evaluate(judged, run, [10], **options)[0]["NDCG@10"]


def by_trec_eval(judged, run):
    scores = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10"}).evaluate(run).values()
    return round(sum(score["ndcg_cut_10"] for score in scores) / len(scores), 5)


names = [str(number) for number in range(1, 11)]
pairs = {name: {name: 1} for name in names}  # question n is answered by document n
perfect = {name: {name: 0.9, str(int(name) + 50): 0.5} for name in names}
print(f"beir {version('beir')}, trec_eval of pytrec-eval-terrier {version('pytrec-eval-terrier')}")
check("a perfect run, trec_eval", 1.0, by_trec_eval(pairs, perfect), 1.0)
check("a perfect run, beir", 1.0, by_beir(pairs, copy.deepcopy(perfect)), 0.0)
kept = by_beir(pairs, copy.deepcopy(perfect), ignore_identical_ids=False)
check("the same, ignore_identical_ids=False", 1.0, kept, 1.0)

shifted = {name: {str(int(name) + 50): 1} for name in names}  # question n is answered by document n + 50, the second hit
check("the right document second, trec_eval", 0.63093, by_trec_eval(shifted, perfect), 0.63093)
check("the right document second, beir", 0.63093, by_beir(shifted, copy.deepcopy(perfect)), 1.0)

run = copy.deepcopy(perfect)
by_beir(pairs, run)
check("hits of question 1 in the caller's run afterwards", ["1", "51"], list(run["1"]), ["51"])
check("the perfect run again, ignore_identical_ids=False", 1.0, by_beir(pairs, run, ignore_identical_ids=False), 0.0)
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
