#!/usr/bin/env bash
# pypdfium2==5.15.2 (pdfium) reading a PDF of reportlab==5.1.0, 2026-11
#
# Expected: the text of a page has the hyphens that are printed on it, a hyphen at the end of a line included; where a
#   library joins broken words, it leaves no sign; both ways to ask for the text of a page give the same text.
# Happens: a hyphen between a letter at the end of a line and the next line becomes a character that is not a
#   character, and the line break goes. get_text_range() has U+FFFE there, get_text_bounded() the control character
#   U+0002. "long-/term" and "KV-/2291" lose their own hyphen in the same way as "com-/mittee". After a digit the
#   hyphen and the line break stay. The search of the same library finds neither "committee" nor "long-term".
# Why it matters: "com\ufffemittee" is found by nobody, and neither removing the sign nor writing a hyphen for it is
#   right for every word: "longterm" and "KV2291" are wrong, "com-mittee" is wrong.
# What ragcli does: it takes the sign for a hyphen at a line end, and decides from the words of the whole document
#   whether the hyphen belongs to the word. Tests hold both kinds.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile pypdfium2==5.15.2 reportlab==5.1.0 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import io
import sys
from importlib.metadata import version

import pypdfium2
from reportlab.pdfgen.canvas import Canvas

LINES = ("A long-", "term lease of the com-", "mittee, part KV-", "2291, from 1990-", "1995.")
file = io.BytesIO()
canvas = Canvas(file)
for number, line in enumerate(LINES):
    canvas.drawString(72, 700 - 16 * number, line)
canvas.save()

page = pypdfium2.PdfDocument(file.getvalue())[0].get_textpage()
changed = []


def check(what, expected, seen, stated):
    print(f"{what}\n  expected {expected!r}\n  seen     {seen!r}")
    if seen != stated:
        changed.append(f"{what}: stated {stated!r}, seen {seen!r}")


print("pypdfium2", version("pypdfium2"), "reportlab", version("reportlab"))
printed = "\r\n".join(LINES)
check("get_text_range()", printed, page.get_text_range(),
      "A long\ufffeterm lease of the com\ufffemittee, part KV\ufffe2291, from 1990-\r\n1995.")
check("get_text_bounded()", printed, page.get_text_bounded(),
      "A long\x02term lease of the com\x02mittee, part KV\x022291, from 1990-\r\n1995.")
for word, stated in (("long-term", False), ("committee", False), ("KV-2291", False), ("lease", True)):
    check(f"search({word!r}) finds it", True, page.search(word).get_next() is not None, stated)
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
