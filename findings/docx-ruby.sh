#!/usr/bin/env bash
# python-docx==1.2.0, mammoth==1.13.0, markitdown[docx]==0.1.9, pypandoc_binary==1.17 (pandoc 3.9), docx2txt==0.9,
# docx2python==3.7.1, xberg==1.3.9, 2026-11
#
# Expected: the phonetic guide of Word sets small signs, the reading, above a word. A reader of text gives the word, with
#   or without its reading, as it gives a word that has a footnote.
# Happens: none of seven readers gives the sentence. Word puts the word itself, an ordinary run, into the guide.
#   - python-docx, mammoth, markitdown and pandoc leave out guide and word: "the lighthouse of Tokyo is high" becomes
#     "of is high". No warning.
#   - docx2txt, docx2python and xberg put the reading before each piece of the word. The guide is often set sign by
#     sign, so that the two signs of Tokyo stand apart, with three others between them.
# Why it matters: readings are given for names, places and rare words, which are what people look up. Text for learners
#   and children has them on every word, and is empty but for the endings. A count of characters shows nothing.
# What ragcli does: the word is text and its reading is not. A test holds it.
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

SENTENCE = "東京の灯台は高い。"


def run(text):
    return f"<w:r><w:t>{text}</w:t></w:r>"


def guide(word, reading):
    """A word with its reading, with the elements and in the order that Word gives them."""
    return (
        '<w:r><w:ruby><w:rubyPr><w:rubyAlign w:val="distributeSpace"/><w:hps w:val="10"/><w:hpsRaise w:val="18"/>'
        f'<w:hpsBaseText w:val="21"/><w:lid w:val="ja-JP"/></w:rubyPr><w:rt>{run(reading)}</w:rt>'
        f"<w:rubyBase>{run(word)}</w:rubyBase></w:ruby></w:r>"
    )


document = Document()
document.element.body.insert(0, parse_xml(
    f'<w:p {nsdecls("w")}>{guide("東", "とう")}{guide("京", "きょう")}{run("の")}{guide("灯台", "とうだい")}'
    f'{run("は高い。")}</w:p>'
))
document.save("tower.docx")


def by_mammoth():
    with open("tower.docx", "rb") as file:
        return mammoth.extract_raw_text(file).value


def by_docx2python():
    with docx2python("tower.docx") as found:
        return found.text


def by_xberg():
    async def read():
        return await xberg.extract(xberg.ExtractInput(kind="uri", uri="tower.docx"))

    return asyncio.run(read()).results[0].content


LOST, MIXED = "のは高い。", "とう東きょう京のとうだい灯台は高い。"
READERS = {
    "python-docx": (lambda: Document("tower.docx").paragraphs[0].text, LOST),
    "mammoth": (by_mammoth, LOST),
    "markitdown": (lambda: MarkItDown().convert("tower.docx").text_content, LOST),
    "pypandoc_binary": (lambda: pypandoc.convert_file("tower.docx", "plain"), LOST),
    "docx2txt": (lambda: docx2txt.process("tower.docx"), MIXED),
    "docx2python": (by_docx2python, MIXED),
    "xberg": (by_xberg, MIXED),
}
changed = []
for name, (read, stated) in READERS.items():
    seen = read().strip()
    print(f"{name} {version(name)}\n  expected {SENTENCE}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{name}: stated {stated}, seen {seen}")
print("pandoc", pypandoc.get_pandoc_version())
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
