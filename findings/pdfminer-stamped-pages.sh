#!/usr/bin/env bash
# pikepdf==10.18.0 putting a page of reportlab==5.1.0 on another, read by pdfminer.six==20260107 and
# markitdown[pdf]==0.1.9; beside them pdfplumber==0.11.10, pypdf==7.1.1 and pypdfium2==5.15.2, 2026-11
#
# Expected: to stamp a page, to change its size or to put two on a sheet leaves its text as it was. The old page is
#   drawn as one object (a form XObject), which every reader of PDF follows.
# Happens: pdfminer follows it and takes it for a figure. The letters of a figure are not put into words and lines
#   unless all_texts=True asks for it, so extract_text gives them in a row, with those blanks only that the file draws:
#   "Pump 57brokenPump 58worksThe keeper". Lines end without a blank: "in themorning". markitdown gives the same.
#   pdfplumber stands on pdfminer too, puts the letters together itself, and has all.
# Why it matters: archives stamp what they file, and print shops and converters of page sizes do it to whole documents.
#   The text is long and looks like text, so it is not sent to OCR; nobody finds the words at the ends of lines and in
#   the cells of tables.
# What ragcli does: pdfium reads such pages as all others. A test holds one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile pikepdf==10.18.0 reportlab==5.1.0 pdfminer.six==20260107 \
  'markitdown[pdf]==0.1.9' pdfplumber==0.11.10 pypdf==7.1.1 pypdfium2==5.15.2 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I -W ignore - <<'PY'
import logging
import sys
from importlib.metadata import version

import pdfplumber
import pikepdf
import pypdf
import pypdfium2
from markitdown import MarkItDown
from pdfminer.high_level import extract_text
from pdfminer.layout import LAParams
from reportlab.pdfgen.canvas import Canvas

logging.disable(logging.CRITICAL)
LINES = ["The keeper of the gate opens it at eight in the", "morning, and rings the bell."]
canvas = Canvas("page.pdf", pagesize=(595, 842))
for number, (pump, state) in enumerate([("Pump 57", "broken"), ("Pump 58", "works")]):
    canvas.drawString(72, 700 - 15 * number, pump)
    canvas.drawString(200, 700 - 15 * number, state)
for number, line in enumerate(LINES):
    canvas.drawString(72, 640 - 14 * number, line)
canvas.save()
with pikepdf.open("page.pdf") as page, pikepdf.new() as sheet:
    sheet.add_blank_page(page_size=(595, 842))
    pikepdf.Page(sheet.pages[0]).add_overlay(page.pages[0])
    sheet.save("stamped.pdf")

WORDS = ["57", "broken", "58", "works", "keeper", "the", "morning,", "bell."]
READERS = {
    "pdfminer.six": extract_text,
    "pdfminer.six, all_texts": lambda path: extract_text(path, laparams=LAParams(all_texts=True)),
    "markitdown": lambda path: MarkItDown().convert(path).text_content,
    "pdfplumber": lambda path: pdfplumber.open(path).pages[0].extract_text(),
    "pypdf": lambda path: pypdf.PdfReader(path).pages[0].extract_text(),
    "pypdfium2": lambda path: pypdfium2.PdfDocument(path)[0].get_textpage().get_text_range(),
}
GLUED = ["keeper", "the", "bell."]
STATED = {("pdfminer.six", "stamped.pdf"): GLUED, ("markitdown", "stamped.pdf"): GLUED}
changed = []
names = ["pikepdf", "reportlab", "pdfminer.six", "markitdown", "pdfplumber", "pypdf", "pypdfium2"]
print(*(f"{name} {version(name)}" for name in names))
for name, read in READERS.items():
    for path in ("page.pdf", "stamped.pdf"):
        text = read(path)
        seen = [word for word in WORDS if word in text.split()]
        print(f"{name}, {path}\n  expected {WORDS}\n  seen     {seen} in {' '.join(text.split())!r}"[:400])
        if seen != STATED.get((name, path), WORDS):
            changed.append(f"{name}, {path}: stated {STATED.get((name, path), WORDS)}, seen {seen}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
