#!/usr/bin/env bash
# python-docx==1.2.0, mammoth==1.13.0, markitdown[docx]==0.1.9, pypandoc_binary==1.17 (pandoc 3.9), docx2txt==0.9,
# docx2python==3.7.1, xberg==1.3.9, 2026-11
#
# Expected: what a reader of .docx keeps or loses are parts: notes, boxes, headers. The characters of an ordinary sentence
#   come out, whatever key or menu they came from.
# Happens: two kinds of character are elements beside the text. A symbol that was inserted from the font Symbol is <w:sym>,
#   a hyphen that must not end a line is <w:noBreakHyphen>. Of "5 µg twice, call 555-0134" seven readers make
#   - "5 g twice": python-docx and docx2txt;
#   - "5 mg twice", with the m in a <span>: docx2python, which gives the letter that has the place of µ in the font;
#   - "5 \uf06dg twice", a sign for private use, which no font of a terminal has: xberg;
#   - "call 5550134": docx2txt and docx2python.
#   mammoth, markitdown and pandoc have both right, with other signs for µ and for the hyphen than a keyboard has.
# Why it matters: doses, limits ("≥" is a symbol too) and numbers of parts change into others that look as good. A
#   quotation of the document then gives the dose a million times too high.
# What ragcli does: a symbol is the character that it shows, and the hyphen a hyphen. A test holds both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile python-docx==1.2.0 mammoth==1.13.0 'markitdown[docx]==0.1.9' \
  pypandoc_binary==1.17 docx2txt==0.9 docx2python==3.7.1 xberg==1.3.9 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import asyncio
import sys
import unicodedata
from importlib.metadata import version

import docx2txt
import mammoth
import pypandoc
import xberg
from docx import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx2python import docx2python
from markitdown import MarkItDown

SENTENCE = "5 µg twice, if ≥ 3; call 555-0134"
SYMBOL = '<w:r><w:rPr><w:rFonts w:ascii="Symbol" w:hAnsi="Symbol"/></w:rPr><w:sym w:font="Symbol" w:char="{}"/></w:r>'
document = Document()
document.element.body.insert(0, parse_xml(
    f'<w:p {nsdecls("w")}><w:r><w:t xml:space="preserve">5 </w:t></w:r>{SYMBOL.format("F06D")}'
    f'<w:r><w:t xml:space="preserve">g twice, if </w:t></w:r>{SYMBOL.format("F0B3")}'
    '<w:r><w:t xml:space="preserve"> 3; call 555</w:t><w:noBreakHyphen/><w:t>0134</w:t></w:r></w:p>'
))
document.save("dose.docx")


def by_mammoth():
    with open("dose.docx", "rb") as file:
        return mammoth.extract_raw_text(file).value


def by_docx2python():
    with docx2python("dose.docx") as found:
        return found.text


def by_xberg():
    async def read():
        return await xberg.extract(xberg.ExtractInput(kind="uri", uri="dose.docx"))

    return asyncio.run(read()).results[0].content


def plain(text):
    """A text with one sign each for µ and for the hyphen, and single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).replace("μ", "µ").replace("‐", "-").split())


SPAN = '<span style=font-family:Symbol>&#x00{};</span>'  # 6D is the letter m
READERS = {
    "python-docx": (lambda: Document("dose.docx").paragraphs[0].text, "5 g twice, if 3; call 555-0134"),
    "docx2txt": (lambda: docx2txt.process("dose.docx"), "5 g twice, if 3; call 5550134"),
    "docx2python": (by_docx2python, f"5 {SPAN.format('6D')}g twice, if {SPAN.format('B3')} 3; call 5550134"),
    "xberg": (by_xberg, "5 \uf06dg twice, if \uf0b3 3; call 555-0134"),
    "mammoth": (by_mammoth, SENTENCE),
    "markitdown": (lambda: MarkItDown().convert("dose.docx").text_content, SENTENCE),
    "pypandoc_binary": (lambda: pypandoc.convert_file("dose.docx", "plain"), SENTENCE),
}
changed = []
for name, (read, stated) in READERS.items():
    seen = plain(read())
    print(f"{name} {version(name)}\n  expected {SENTENCE!r}\n  seen     {seen!r}")
    if seen != stated:
        changed.append(f"{name}: stated {stated}, seen {seen}")
print("pandoc", pypandoc.get_pandoc_version())
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
