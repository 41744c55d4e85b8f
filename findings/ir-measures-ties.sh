#!/usr/bin/env bash
# ir_measures==0.4.3 with pytrec_eval-terrier==0.5.11, 2026-11
#
# Expected: equal scores keep the order of the run, the way a search engine printed it; RR and RR@10 of a relevant
#   document in the first ten places are the same number; 0.9000000001 beats 0.9.
# Happens: nothing looks at the order of the run. Equal scores are ordered by document name, and the measures disagree
#   about the direction: nDCG, AP, P and RR put the last name first, RR@10 the first name, because another library
#   computes it. RR is then 0.5 where RR@10 is 1.0. Scores are compared as 32-bit floats by most measures, so close
#   scores are ties too, and so are whole numbers above 16,777,216.
# Why it matters: fused and cosine scores of a document search tie or nearly tie all the time, and the figure then
#   depends on file names. A comparison of two systems can be decided by that.
# What ragcli does: it hands over its own order as whole numbers that fall by one, and never the scores. A test
#   compares nDCG with its formula for arbitrary names.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile ir_measures==0.4.3 pytrec_eval-terrier==0.5.11 numpy==2.4.6 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import sys
from importlib.metadata import version

import ir_measures
from ir_measures import AP, RR, P, Qrel, ScoredDoc, nDCG

MEASURES = (nDCG @ 10, AP, P @ 1, RR, RR @ 10)
changed = []


def check(case, relevant, scores, stated):
    """``scores`` is the run in the order of the engine; the one relevant document is its first."""
    run = [ScoredDoc("question", name, score) for name, score in scores]
    found = ir_measures.calc_aggregate(MEASURES, [Qrel("question", relevant, 1)], run)
    seen = {str(measure): round(found[measure], 3) for measure in MEASURES}
    print(f"{case}\n  expected every figure 1.0\n  seen     {seen}")
    if list(seen.values()) != stated:
        changed.append(f"{case}: stated {stated}, seen {list(seen.values())}")


print("ir_measures", version("ir_measures"), "pytrec_eval-terrier", version("pytrec_eval-terrier"))
LATER_NAME_WINS = [0.631, 0.5, 0.0, 0.5, 1.0]
check("equal scores, the relevant document is b.md, the other z.md", "b.md", [("b.md", 0.9), ("z.md", 0.9)],
      LATER_NAME_WINS)
check("the same, but the other is called a.md", "b.md", [("b.md", 0.9), ("a.md", 0.9)], [1.0, 1.0, 1.0, 1.0, 0.5])
check("the relevant one scores 1e-10 more", "b.md", [("b.md", 0.9000000001), ("z.md", 0.9)], LATER_NAME_WINS)
check("the relevant one scores 1 more", "b.md", [("b.md", 16_777_217.0), ("z.md", 16_777_216.0)], LATER_NAME_WINS)
check("the relevant one scores 1 more, below 2**24", "b.md", [("b.md", 16_777_216.0), ("z.md", 16_777_215.0)],
      [1.0, 1.0, 1.0, 1.0, 1.0])
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
