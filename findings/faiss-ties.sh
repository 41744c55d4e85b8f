#!/usr/bin/env bash
# faiss-cpu==1.15.1, 2026-11
#
# Expected: rows with the same score come in some fixed order, so the first hit for k=1 is the first hit for k=10, and
#   ten hits continue five. For unit vectors the inner product and the L2 distance give the same order.
# Happens: with the inner product, equal rows come last added first, but only those that got into the list of k: the
#   first k rows are kept and then reversed. The best hit of eight copies is the first copy for k=1, the third for k=3
#   and the eighth for k=8. It is so in the flat, the float16 and the IVF index. With L2 the same rows come first added
#   first, for every k.
# Why it matters: copies of a file and repeated paragraphs tie exactly, and a collection has many. "The best hit" then
#   depends on how many were asked for. Paging by asking for more shows a copy twice and another one never, and a cache
#   of the first five disagrees with the first five of ten.
# What ragcli does: it asks for more rows until no tie is cut, and orders ties by number. Tests use brute force.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile faiss-cpu==1.15.1 numpy==2.4.6 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import sys

import faiss
import numpy as np

COPIES = [10, 200, 310, 420, 530, 640, 750, 860]  # rows of 1,000 that hold the same vector
vectors = np.random.default_rng(0).normal(size=(1000, 32)).astype("float32")
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
vectors[COPIES] = vectors[10]
question = vectors[10:11]
inner, l2, half = faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2, faiss.ScalarQuantizer.QT_fp16
centres = faiss.IndexFlatIP(32)
lists = faiss.IndexIVFFlat(centres, 32, 8, inner)
lists.nprobe = 8
changed = []


def check(what, index, stated):
    index.train(vectors)
    index.add(vectors)
    print(what)
    for k in (1, 3, 8, 20):
        seen = index.search(question, k)[1][0][:8].tolist()
        print(f"  k={k}: expected {COPIES[:k]}\n  {' ' * len(f'k={k}')}  seen     {seen}")
        if seen != stated(COPIES[:k]):
            changed.append(f"{what}, k={k}: stated {stated(COPIES[:k])}, seen {seen}")


def as_added(rows):
    return rows


def reversed_rows(rows):
    return rows[::-1]


print("faiss", faiss.__version__)
check("flat, inner product", faiss.IndexFlatIP(32), reversed_rows)
check("float16, inner product", faiss.IndexScalarQuantizer(32, half, inner), reversed_rows)
check("IVF, inner product", lists, reversed_rows)
check("flat, L2", faiss.IndexFlatL2(32), as_added)
check("float16, L2", faiss.IndexScalarQuantizer(32, half, l2), as_added)
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
