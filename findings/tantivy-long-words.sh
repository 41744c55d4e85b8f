#!/usr/bin/env bash
# tantivy==0.27.0 (the Python package), 2026-11
#
# Expected: text in a script without blanks becomes long tokens, bad for parts of them, but a search for the very same
#   text finds its document; a long word is one token.
# Happens: the tokenizers "default" and "en_stem" drop every token of 40 bytes or more, when a document is added and in
#   the query too. Bytes, not letters: it takes 40 Latin letters, but 20 Cyrillic or Greek ones and 14 of Chinese or
#   Japanese, which is a short clause. The query parses without an error into an EmptyQuery, so even the whole clause
#   in quotes finds nothing, while a clause of 13 signs in the same document is found.
# Why it matters: the long clauses of a Japanese contract are in the index by name only, and tests with short samples
#   pass. German compounds and long camel-case identifiers go the same way.
# What ragcli does: it cuts text into terms itself, in pairs of signs for scripts without blanks, and gives tantivy
#   finished terms. Tests search each script and long words.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile tantivy==0.27.0 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import sys
from importlib.metadata import version

import tantivy

WORDS = {
    "39 letters": "harbour" * 5 + "gate",
    "40 letters": "harbour" * 5 + "gates",
    "19 Greek letters": "ηλεκτροεγκεφαλογράφ",
    "20 Greek letters": "ηλεκτροεγκεφαλογράφο",
    "13 Japanese signs": "桟橋の門は午前六時に開きま",
    "14 Japanese signs": "桟橋の門は午前六時に開きます",
    "a German word": "kraftfahrzeughaftpflichtversicherungsbedingungen",
}
DROPPED = {"40 letters", "20 Greek letters", "14 Japanese signs", "a German word"}
changed = []


def found(tokenizer):
    """The names of WORDS that a query for the word finds, each in a document of its own."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", tokenizer_name=tokenizer)
    index = tantivy.Index(builder.build())
    writer = index.writer(15_000_000, 1)
    for word in WORDS.values():
        writer.add_document(tantivy.Document(body=word))
    writer.commit()
    index.reload()
    searcher = index.searcher()
    return {name for name, word in WORDS.items() if searcher.search(index.parse_query(f'"{word}"', ["body"])).count}


print("tantivy", version("tantivy"))
for tokenizer, dropped in (("default", DROPPED), ("en_stem", DROPPED), ("whitespace", set()), ("raw", set())):
    seen = set(WORDS) - found(tokenizer)
    print(f"{tokenizer}, not found by its own text")
    print(f"  expected nothing\n  seen     {', '.join(sorted(seen)) or 'nothing'}")
    if seen != dropped:
        changed.append(f"{tokenizer}: stated {sorted(dropped)}, seen {sorted(seen)}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
