#!/usr/bin/env bash
# pypdfium2==5.15.2 (pdfium) and pypdf==7.1.1, reading a PDF of typst==0.15.2 (font of matplotlib==3.11.2), 2026-11
#
# Expected: a typesetter of 2026 names the letters of each glyph in the file, so a PDF of it gives back what was written.
#   pdfium puts Arabic in reading order.
# Happens: lam and alef are always written as one glyph, and the file says that it is lam, then alef. pdfium turns the
#   line round letter by letter, also inside the glyph. "Peace" (salaam) becomes "saalm", "countries" becomes "baald",
#   and so in every word with "la", "the first", "now", "Islam". Nothing else in the line is wrong, and it looks right.
#   PDFs of WeasyPrint 70.0 and LibreOffice 7.4 come out the same.
#   pypdf has the letters in order, but the words of the line backwards, and puts some of them together.
# Why it matters: no word in which lam and alef meet is found, while a test with other words passes. What comes out can
#   be another word: "the sound one" for "peace".
# What ragcli does: letters that share a glyph are put back into their order. A property test holds it for any words.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
{ "$work/venv/bin/pip" install -qq --no-compile pypdfium2==5.15.2 pypdf==7.1.1 typst==0.15.2 &&
  "$work/venv/bin/pip" install -qq --no-compile --no-deps matplotlib==3.11.2; } ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path

import pypdf
import pypdfium2
import typst

WORDS = {"peace": "السلام", "Islam": "الإسلام", "first": "الأول", "now": "الآن", "countries": "بلاد", "book": "كتاب"}
SWAPPED = {"peace": "السالم", "Islam": "اإلسالم", "first": "األول", "now": "اآلن", "countries": "بالد", "book": "كتاب"}
fonts = Path(importlib.util.find_spec("matplotlib").origin).parent / "mpl-data" / "fonts" / "ttf"
Path("words.typ").write_text(
    '#set text(font: "DejaVu Sans", lang: "ar", dir: rtl)\n' + " ".join(WORDS.values()), encoding="utf-8"
)
typst.compile("words.typ", output="words.pdf", font_paths=[str(fonts)], ignore_system_fonts=True)
by_pdfium = pypdfium2.PdfDocument("words.pdf")[0].get_textpage().get_text_bounded()
by_pypdf = pypdf.PdfReader("words.pdf").pages[0].extract_text()
changed = []


def check(what, expected, seen, stated):
    print(f"{what}\n  expected {expected}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


print(*(f"{name} {version(name)}" for name in ("pypdfium2", "pypdf", "typst")))
for name, word in zip(WORDS, by_pdfium.split(), strict=True):
    check(f"pdfium, {name}", WORDS[name], word, SWAPPED[name])
check("pypdf, all words are in the text", True, all(word in by_pypdf for word in WORDS.values()), True)
places = [by_pypdf.find(word) for word in WORDS.values()]
check("pypdf, the first word comes before the last", True, places[0] < places[-1], False)
check("pypdf, words", len(WORDS), len(by_pypdf.split()), 5)
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
