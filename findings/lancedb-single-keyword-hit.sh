#!/usr/bin/env bash
# lancedb==0.40.0, 2026-11
#
# Expected: in a hybrid search with weights, a part number that stands in one document only brings this document up, and
#   the more so the greater the weight of the keywords. LinearCombinationReranker(weight=0.1) gives them nine tenths.
# Happens: the scores of each list are stretched to 0 to 1 first. A list with one hit has no range, and its hit gets 0,
#   as much as a document without the word. "KV2291" alone then leaves the order of the vectors as it is, at 0.5 and at
#   0.1, and the document with the number is fifth. With another word that stands in other documents too ("KV2291
#   harbour") the same document is first, at 0.5 and at 0.1. The default, RRFReranker, has it first both times.
# Why it matters: the rarer the word, the better the search should get, and exactly the query with one right answer
#   loses its keyword part. Raising the weight of the keywords, which one would try, changes nothing.
# What ragcli does: a list with one score counts in full. A test holds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile lancedb==0.40.0 numpy==2.4.6 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I -W ignore - <<'PY'
import sys
from importlib.metadata import version

import lancedb
import numpy as np
from lancedb.rerankers import LinearCombinationReranker, RRFReranker

QUERY = np.eye(8, dtype=np.float32)[0]
COSINES = [0.80 - 0.02 * number for number in range(10)]
NAMED = 4  # the document with the number, fifth by its vector
rows = [
    {
        "id": number,
        "text": "The valve KV2291 of the harbour leaks" if number == NAMED else f"The harbour pump {number} is painted",
        "vector": cosine * QUERY + np.sqrt(1 - cosine**2) * np.eye(8, dtype=np.float32)[1 + number % 7],
    }
    for number, cosine in enumerate(COSINES)
]
table = lancedb.connect("lance").create_table("notes", rows)
table.create_fts_index("text")
print("lancedb", version("lancedb"))
RERANKERS = {
    "RRF": RRFReranker(),
    "weight 0.5": LinearCombinationReranker(weight=0.5),
    "weight 0.1": LinearCombinationReranker(weight=0.1),
}
STATED = {(query, name): 1 for query in ("KV2291", "KV2291 harbour") for name in RERANKERS}
STATED |= {("KV2291", "weight 0.5"): NAMED + 1, ("KV2291", "weight 0.1"): NAMED + 1}
changed = []
for (query, name), stated in STATED.items():
    search = table.search(query_type="hybrid").vector(QUERY).text(query).distance_type("cosine").limit(10)
    found = [row["id"] for row in search.rerank(RERANKERS[name]).to_list()]
    seen = found.index(NAMED) + 1
    print(f"{query!r}, {name}, place of the document with the number: expected 1, seen {seen}")
    if seen != stated:
        changed.append(f"{query}, {name}: stated {stated}, seen {seen}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
