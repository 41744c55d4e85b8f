#!/usr/bin/env bash
# typst==0.15.2 making a PDF that pypdfium2==5.15.2 (pdfium), pdfminer.six==20260107, pypdf==7.1.1 and
# pdfplumber==0.11.10 read, 2026-11
#
# Expected: letter spacing is a look. The letters of a heading stand a tenth or a fifth of their size further apart, and
#   words, with a blank and twice the spacing between them, much more. A reader that knows the place of every letter
#   gives the words, or at worst single letters with more than one blank between words.
# Happens: each reader compares a gap with a width of its own, never with the other gaps of the line.
#   - At 0.1 em pdfminer breaks some words and joins none: "Winter  time s  o f the ferr y". At 0.12 em pdfium does so.
#   - From 0.12 em on pypdf, and from 0.15 em on pdfium, has a blank behind each letter. That of pdfium is the same
#     between letters and between words: "W i n t e r t i m e s o f". Which letters are a word cannot be told any more.
#   - pdfplumber has the words of running text, and loses those of the heading at 0.2 em.
# Why it matters: titles and headings are set so, and they are what a chunk is named and found by. Running text is
#   right, so tests pass. Slides and covers of programs that widen letters have the same gaps.
# What ragcli does: it compares the gaps of a line with each other. A test holds spacings from 0 to 0.3 em.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile typst==0.15.2 pypdfium2==5.15.2 pdfminer.six==20260107 pypdf==7.1.1 \
  pdfplumber==0.11.10 || { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import logging
import sys
from importlib.metadata import version

import pdfplumber
import pypdf
import pypdfium2
import typst
from pdfminer.high_level import extract_text

logging.disable(logging.CRITICAL)
WORDS = "Winter times of the ferry"
APART, AS_WORDS = "W i n t e r t i m e s o f t h e f e r r y", "W i n t e r  t i m e s  o f  t h e  f e r r y"
READERS = {
    "pypdfium2": lambda path: pypdfium2.PdfDocument(path)[0].get_textpage().get_text_range(),
    "pdfminer.six": extract_text,
    "pypdf": lambda path: pypdf.PdfReader(path).pages[0].extract_text(),
    "pdfplumber": lambda path: pdfplumber.open(path).pages[0].extract_text(),
}
STATED = {  # the heading and the text below it
    ("pypdfium2", "0.05em"): [WORDS, WORDS],
    ("pypdfium2", "0.1em"): [WORDS, WORDS],
    ("pypdfium2", "0.12em"): ["Winter times of the ferr y"] * 2,
    ("pypdfium2", "0.15em"): [APART, APART],
    ("pypdfium2", "0.2em"): [APART, APART],
    ("pdfminer.six", "0.05em"): [WORDS, WORDS],
    ("pdfminer.six", "0.1em"): ["Winter  time s  o f the ferr y", "Winter  t im es  of the ferr y"],
    ("pdfminer.six", "0.12em"): [AS_WORDS.replace("  ", "   ")] * 2,
    ("pdfminer.six", "0.15em"): [AS_WORDS.replace("  ", "   ")] * 2,
    ("pdfminer.six", "0.2em"): [AS_WORDS.replace("  ", "   ")] * 2,
    ("pypdf", "0.05em"): [WORDS, WORDS],
    ("pypdf", "0.1em"): [WORDS, WORDS],
    ("pypdf", "0.12em"): [AS_WORDS, AS_WORDS],
    ("pypdf", "0.15em"): [AS_WORDS, AS_WORDS],
    ("pypdf", "0.2em"): [AS_WORDS, AS_WORDS],
    ("pdfplumber", "0.05em"): [WORDS, WORDS],
    ("pdfplumber", "0.1em"): [WORDS, WORDS],
    ("pdfplumber", "0.12em"): [WORDS, WORDS],
    ("pdfplumber", "0.15em"): [WORDS, WORDS],
    ("pdfplumber", "0.2em"): [APART, WORDS],
}
changed = []
print("typst", version("typst"), *(f"{name} {version(name)}" for name in READERS))
for (reader, spacing), stated in STATED.items():
    page = f"#set page(width: 16cm, height: 8cm)\n#set text(tracking: {spacing})\n= {WORDS}\n{WORDS}\n"
    typst.compile(page.encode(), output="ferry.pdf")
    seen = [line for line in READERS[reader]("ferry.pdf").replace("\f", "").splitlines() if line]
    print(f"{reader}, letter spacing {spacing}\n  expected {[WORDS, WORDS]}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{reader}, {spacing}: stated {stated}, seen {seen}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
