#!/usr/bin/env bash
# usearch==2.26.6, voyager==2.2.3, faiss-cpu==1.15.1 (IndexHNSWFlat), 2026-11
#
# Expected: a text that stands in many files (a form, a footer, a licence) has as many equal vectors. They take places
#   in the results of a query that is near to them. A query that is far from them finds what it found before.
# Happens: the copies fill the lists of neighbours of a graph with each other, and a search that passes among them does
#   not get out. Of 1,000 different texts each library finds all by half of their words. With 2,000 copies of one other
#   text, added before them, voyager and FAISS find none and usearch every fourth, although the copies have a similarity
#   of 0.4 to the queries at the most, and the texts 0.6 at the least. 250 copies cost voyager half and usearch a fifth.
#   A search ten times as broad brings them back in voyager, and not in the other two.
# Why it matters: nothing fails, and the results are full; they are the footer, ten times. Benchmarks have no copies,
#   and what is lost depends on the order in which the files were added.
# What ragcli does: it has no graph. Vectors are compared exactly, and above 300,000 passages by lists, whose share of
#   what is found is measured when they are made.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile usearch==2.26.6 voyager==2.2.3 faiss-cpu==1.15.1 numpy==2.4.6 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import sys
from importlib.metadata import version

import faiss
import numpy as np
import voyager
from usearch.index import Index

faiss.omp_set_num_threads(1)
DIMENSIONS, TEXTS, TOPICS, WORDS = 128, 1000, 20, 12
numbers = np.random.default_rng(0)
words = numbers.standard_normal((TOPICS * 20, DIMENSIONS)).astype(np.float32)


def embed(text):
    vector = words[text].sum(axis=0)
    return vector / np.linalg.norm(vector)


texts = [20 * numbers.integers(0, TOPICS) + numbers.integers(0, 20, WORDS) for _ in range(TEXTS)]
vectors = np.array([embed(text) for text in texts])
footer = embed(numbers.integers(0, len(words), WORDS))
queries = np.array([embed(text[: WORDS // 2]) for text in texts[:200]])
right = (queries @ vectors.T).argmax(axis=1)  # by comparing all
nearest, furthest = float((queries @ footer).max()), float((queries * vectors[right]).sum(axis=1).min())
print(f"similarity to the queries: the repeated text at most {nearest:.2f}, the right texts at least {furthest:.2f}")
assert nearest < furthest - 0.2


def by_usearch(added, breadth):
    index = Index(ndim=DIMENSIONS, metric="cos", dtype="f32", expansion_search=breadth)
    index.add(np.arange(len(added)), added, threads=1)
    return np.array([index.search(query, 10).keys for query in queries])


def by_voyager(added, breadth):
    index = voyager.Index(voyager.Space.Cosine, DIMENSIONS)
    index.add_items(added, num_threads=1)
    return index.query(queries, 10, num_threads=1, query_ef=breadth)[0]


def by_faiss(added, breadth):
    index = faiss.IndexHNSWFlat(DIMENSIONS, 32, faiss.METRIC_INNER_PRODUCT)
    index.add(added)
    index.hnsw.efSearch = breadth
    return index.search(queries, 10)[1]


USUAL, WIDE = 64, 640
STATED = {  # how many of 100 are found, at the least and at the most, by the copies and the breadth of search
    "usearch": (by_usearch, {(250, USUAL): (65, 90), (2000, USUAL): (0, 50), (2000, WIDE): (0, 50)}),
    "voyager": (by_voyager, {(250, USUAL): (25, 60), (2000, USUAL): (0, 10), (2000, WIDE): (90, 100)}),
    "faiss-cpu": (by_faiss, {(250, USUAL): (90, 100), (2000, USUAL): (0, 10), (2000, WIDE): (0, 25)}),
}
changed = []
for name, (search, ranges) in STATED.items():
    for (copies, breadth), (least, most) in {(0, USUAL): (99, 100), **ranges}.items():
        found = search(np.concatenate([np.repeat(footer[None], copies, axis=0), vectors]), breadth)
        seen = 100 * float((found == (right + copies)[:, None]).any(axis=1).mean())
        print(f"{name} {version(name)}, {copies} copies, breadth {breadth}: expected 100 of 100, seen {seen:.0f}")
        if not least <= seen <= most:
            changed.append(f"{name}, {copies} copies, breadth {breadth}: stated {least} to {most}, seen {seen:.0f}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
