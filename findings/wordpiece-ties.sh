#!/usr/bin/env bash
# tokenizers==0.23.3, 2026-11
#
# Expected: a trainer counts, merges the most frequent pair and has no random step. The same text and settings give the
#   same vocabulary, as they do with BpeTrainer and UnigramTrainer; there is no seed to set.
# Happens: WordPieceTrainer gives other vocabularies from run to run, and other numbers to the tokens nearly every time,
#   also within one process. It is BpeTrainer with the prefix "##" for pieces inside words. These get their numbers in
#   the order of a hash table, and the number decides between pairs that occur equally often. With that prefix
#   BpeTrainer does the same.
# Why it matters: an embedding table belongs to the numbers of its vocabulary. A model whose tokenizer is "trained again
#   from the same corpus", by a teammate or by a build that caches the weights alone, gets other rows for its words: no
#   error, no shape that does not fit, only bad hits.
# What ragcli does: it trains no tokenizer. The models that it comes with are published ones, with their vocabularies.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile tokenizers==0.23.3 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
cat > train.py <<'PY'
import json
import random
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

random.seed(0)
words = ["".join(random.choices("abcdefghij", k=random.randint(3, 9))) for _ in range(600)]
model, trainer = {
    "WordPiece": (models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer),
    "BPE": (models.BPE(unk_token="[UNK]"), trainers.BpeTrainer),
    "Unigram": (models.Unigram(), trainers.UnigramTrainer),
}[sys.argv[1]]
tokenizer = Tokenizer(model)
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
more = {"unk_token": "[UNK]"} if sys.argv[1] == "Unigram" else {}
tokenizer.train_from_iterator(
    [" ".join(words)], trainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False, **more)
)
print(json.dumps(tokenizer.get_vocab(), sort_keys=True))
PY
"$work/venv/bin/python" -I - <<'PY'
import json
import subprocess
import sys
from importlib.metadata import version

RUNS = 8
changed = []
print("tokenizers", version("tokenizers"))
for kind in ("WordPiece", "BPE", "Unigram"):
    made = [
        json.loads(subprocess.run([sys.executable, "train.py", kind], check=True, capture_output=True).stdout)
        for _ in range(RUNS)
    ]
    vocabularies = len({frozenset(one) for one in made})
    numbered = len({frozenset(one.items()) for one in made})
    lost = max(len(made[0].keys() - one.keys()) for one in made)
    moved = max(sum(made[0][token] != one[token] for token in made[0].keys() & one.keys()) for one in made)
    print(f"{kind}, {RUNS} runs over the same 600 words\n  expected 1 vocabulary, 1 numbering")
    print(f"  seen     {vocabularies} vocabularies, {numbered} numberings; of {len(made[0])} tokens of the first run"
          f" up to {lost} are missing in another, and up to {moved} have another number")
    if (vocabularies > 1, numbered > 1) != ((kind == "WordPiece"),) * 2:
        changed.append(f"{kind}: {vocabularies} vocabularies, {numbered} numberings")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
