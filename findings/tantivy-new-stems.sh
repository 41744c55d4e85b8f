#!/usr/bin/env bash
# tantivy==0.26.2, then tantivy==0.27.0 (the Python package), 2026-11
#
# Expected: an index is opened by the next version of its engine and answers as before, or is refused with an error. A
#   tokenizer is kept in the index by its name, "en_stem", so that words are cut for the query as for the documents.
# Happens: 0.27 took another stemmer library, and the name now stands for another version of Snowball. An index of 0.26
#   opens without an error and has all of its documents. But "added" was stored as "ad" and is asked for as "add", so
#   the word finds nothing, and the sentence that holds it finds nothing either when it is asked for in quotes. Words
#   with the same stem in both are found as before. Other languages changed too: of Dutch "brieven" 0.26 makes "briev"
#   and 0.27 "brief".
# Why it matters: some words are lost after a routine upgrade, no count differs, and a smoke test with another word
#   passes. Two services with different versions over one index answer differently.
# What ragcli does: it allows one minor version of tantivy, and a test holds the stems that differ between the two.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
for version in 0.26.2 0.27.0; do
  "$work/venv/bin/pip" install -qq --no-compile --target "$work/$version" "tantivy==$version" ||
    { echo "the packages cannot be installed" >&2; exit 2; }
done
cd "$work"
cat > find.py <<'PY'
import json
import sys
from pathlib import Path

release, step = sys.argv[1:]
sys.path.insert(0, release)
import tantivy

SENTENCES = {
    "added": "A second lamp was added in spring.",
    "paste": "Paste the label onto the lid.",
    "university": "The university keeps the charts.",
    "evening": "The ferry leaves in the evening.",
    "bells": "Two bells ring before it moves.",
    "keeper": "The keeper writes a book.",
}
folder = Path("index")
if step == "write":
    folder.mkdir()
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", tokenizer_name="en_stem")
    writer = tantivy.Index(builder.build(), str(folder)).writer(15_000_000, 1)
    for sentence in SENTENCES.values():
        writer.add_document(tantivy.Document(body=sentence))
    writer.commit()
    writer.wait_merging_threads()
index = tantivy.Index.open(str(folder))
searcher = index.searcher()
asked = {word: f'"{sentence.rstrip(".")}"' if step == "quote" else word for word, sentence in SENTENCES.items()}
found = [word for word, text in asked.items() if searcher.search(index.parse_query(text, ["body"])).count]
print(json.dumps([searcher.num_docs, found]))
PY
"$work/venv/bin/python" -I - <<'PY'
import json
import subprocess
import sys

ALL = ["added", "paste", "university", "evening", "bells", "keeper"]
changed = []
for what, release, step, stated in (
    ("written and asked by 0.26.2", "0.26.2", "write", ALL),
    ("the same files asked by 0.27.0", "0.27.0", "ask", ["bells", "keeper"]),
    ("each whole sentence, quoted, asked by 0.27.0", "0.27.0", "quote", ["bells", "keeper"]),
    ("asked by 0.26.2 again", "0.26.2", "ask", ALL),
):
    output = subprocess.run([sys.executable, "find.py", release, step], check=True, capture_output=True, text=True)
    documents, seen = json.loads(output.stdout)
    print(f"{what}: {documents} documents\n  expected {' '.join(ALL)}\n  seen     {' '.join(seen)}")
    if (documents, seen) != (len(ALL), stated):
        changed.append(f"{what}: stated {stated}, seen {documents} documents, {seen}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
