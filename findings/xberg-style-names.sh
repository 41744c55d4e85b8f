#!/usr/bin/env bash
# xberg==1.3.9 (which follows kreuzberg), reading files of python-docx==1.2.0 and odfpy==1.4.1, 2026-11
#
# Expected: the plain text of a document, which is the default output, is made of the words of the document. A heading is
#   its words, and its level is in the elements or in the Markdown.
# Happens: in the text of a .docx each heading is followed by the name of its style: "Tides (style_name: heading 1)".
#   Paragraphs and list items have none, the Markdown has none, and the same document as .odt has none. 1.2.9 did it too.
# Why it matters: the text is what is embedded and quoted. "style", "name" and "heading" become words of every chapter,
#   each passage that begins with a heading moves nearer to the others, and a quoted title is not in the file. A test on
#   paragraphs, or with Markdown, sees nothing.
# What ragcli does: a heading is its words, and its level makes the place of the passages below it. A test holds both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile xberg==1.3.9 python-docx==1.2.0 odfpy==1.4.1 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import asyncio
import sys
from importlib.metadata import version

import xberg
from docx import Document
from odf.opendocument import OpenDocumentText
from odf.text import H, P

EXPECTED = ["Tides", "High water comes late.", "Neap tides", "They are small."]
document = Document()
document.add_heading(EXPECTED[0], 1)
document.add_paragraph(EXPECTED[1])
document.add_heading(EXPECTED[2], 2)
document.add_paragraph(EXPECTED[3], style="List Bullet")
document.save("tides.docx")
document = OpenDocumentText()
for number, text in enumerate(EXPECTED):
    document.text.addElement(P(text=text) if number % 2 else H(outlinelevel=1 + number // 2, text=text))
document.save("tides.odt")


def lines(name, **options):
    async def read():
        source = xberg.ExtractInput(kind="uri", uri=name)
        return await xberg.extract(source, xberg.ExtractionConfig(**options))

    return [line.lstrip("#- ") for line in asyncio.run(read()).results[0].content.splitlines() if line.strip()]


changed = []


def check(what, seen, stated):
    print(f"{what}\n  expected {EXPECTED}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


named = ["Tides (style_name: heading 1)", EXPECTED[1], "Neap tides (style_name: heading 2)", EXPECTED[3]]
print(*(f"{name} {version(name)}" for name in ("xberg", "python-docx", "odfpy")))
check(".docx, default", lines("tides.docx"), named)
check(".docx, plain", lines("tides.docx", output_format="plain"), named)
check(".docx, markdown", lines("tides.docx", output_format="markdown"), EXPECTED)
check(".odt, default", lines("tides.odt"), EXPECTED)
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
