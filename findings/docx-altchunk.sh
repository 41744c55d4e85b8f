#!/usr/bin/env bash
# python-docx==1.2.0, mammoth==1.13.0, docx2python==3.7.1, xberg==1.3.9, pypandoc-binary==1.17, 2026-11
#
# Expected: readers of .docx differ in notes, text boxes and fields. The paragraphs of the body, which Word shows and
#   prints from the first page on, they all have.
# Happens: the standard lets the body import a whole file (HTML, plain text, .docx) with <w:altChunk>. Programs that
#   turn web pages into Word files use it, such as html-docx-js on npm. Word shows the text in its place. Five readers
#   give the paragraphs around it and nothing of the text. None raises or warns.
# Why it matters: a contract that a web service made consists of such an element and nothing else. It is indexed as an
#   empty document, or by its title alone, and everybody who opens it sees ten pages.
# What ragcli does: the imported file is read in its place, with its headings. A test holds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile python-docx==1.2.0 mammoth==1.13.0 docx2python==3.7.1 \
  xberg==1.3.9 pypandoc-binary==1.17 lxml==6.1.3 || { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import asyncio
import sys
from importlib.metadata import version

import mammoth
import pypandoc
import xberg
from docx import Document
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx2python import docx2python

PART = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/aFChunk"
PAGE = b"<html><body><h1>Hours</h1><p>The gate opens at six.</p></body></html>"
document = Document()
document.add_paragraph("Before.")
chunk = Part(PackURI("/word/afchunk.html"), "text/html", PAGE, document.part.package)
key = document.part.relate_to(chunk, PART)
document.element.body.insert(1, parse_xml(f'<w:altChunk {nsdecls("w", "r")} r:id="{key}"/>'))
document.add_paragraph("After.")
document.save("hours.docx")


def by_mammoth():
    with open("hours.docx", "rb") as file:
        return mammoth.extract_raw_text(file).value


def by_docx2python():
    with docx2python("hours.docx") as found:
        return found.text


def by_xberg():
    async def read():
        return await xberg.extract(xberg.ExtractInput(kind="uri", uri="hours.docx"))

    return asyncio.run(read()).results[0].content


READERS = {
    "python-docx": lambda: "\n".join(paragraph.text for paragraph in Document("hours.docx").paragraphs),
    "mammoth": by_mammoth,
    "docx2python": by_docx2python,
    "xberg": by_xberg,
    "pandoc": lambda: pypandoc.convert_file("hours.docx", "plain"),
}
changed = []
print(*(f"{name} {version(name)}" for name in ("python-docx", "mammoth", "docx2python", "xberg")),
      "pandoc", pypandoc.get_pandoc_version())
for name, read in READERS.items():
    seen = " ".join(read().split())
    print(f"{name}\n  expected Before. Hours The gate opens at six. After.\n  seen     {seen}")
    if seen != "Before. After.":
        changed.append(f"{name}: {seen!r}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
