#!/usr/bin/env bash
# pypandoc_binary==1.17 (pandoc 3.9), odfdo==3.27.3, odfpy==1.4.1, 2026-11
#
# Expected: a field of a text document (a cross-reference, a variable, a value of a mail merge, the author) is stored
#   with the words that it shows, as the content of an ordinary inline element. A reader that does not know the field
#   gives its words, as readers of HTML do. Headings, tables and notes of .odt are what one would check.
# Happens: pandoc and odfdo drop the fields that they do not know, words included, and say nothing. Of "Dear Ann Lee,
#   your rent is 450 euro for berth B12" both make "Dear , your rent is for berth ". pandoc keeps the references to
#   bookmarks and the number of a caption, and drops the reference to a figure; odfdo drops all. teletype of odfpy has
#   all of it.
# Why it matters: letters, contracts and minutes are filled in with fields, so that the names, the amounts and the dates
#   are just what is gone. LibreOffice writes its references to figures and tables so. The paragraphs look whole.
# What ragcli does: the words that a field shows are text. A test holds them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile pypandoc_binary==1.17 odfdo==3.27.3 odfpy==1.4.1 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import re
import sys
import zipfile
from importlib.metadata import version

import odfdo
import pypandoc
from odf import text
from odf.opendocument import load
from odf.teletype import extractText

ODF = "urn:oasis:names:tc:opendocument:xmlns"
PARAGRAPHS = [
    'Dear <text:user-field-get text:name="who">Ann Lee</text:user-field-get>, your rent is <text:variable-get '
    'text:name="rent">450 euro</text:variable-get> for berth <text:database-display text:table-name="berths" '
    'text:column-name="berth">B12</text:database-display>.',
    'See <text:bookmark-ref text:reference-format="text" text:ref-name="gate">Rules of the gate</text:bookmark-ref> and '
    '<text:sequence-ref text:reference-format="category-and-value" text:ref-name="figure">Figure 7</text:sequence-ref>.',
    'Figure <text:sequence text:name="Figure" text:formula="ooow:Figure+1">8</text:sequence>: the lamp',
    'Written by <text:author-name>Bob Gray</text:author-name> on <text:date>1 May</text:date>; due '
    '<text:expression>31 May</text:expression>.',
]
EXPECTED = [re.sub("<[^>]*>", "", paragraph) for paragraph in PARAGRAPHS]
BODY = "".join(f"<text:p>{paragraph}</text:p>" for paragraph in PARAGRAPHS)
SPACES = " ".join(f'xmlns:{name}="{ODF}:{name}:1.0"' for name in ("office", "text"))
TYPE = "application/vnd.oasis.opendocument.text"
with zipfile.ZipFile("letter.odt", "w") as file:
    file.writestr("mimetype", TYPE)
    files = "".join(
        f'<manifest:file-entry manifest:full-path="{path}" manifest:media-type="{kind}"/>'
        for path, kind in (("/", TYPE), ("content.xml", "text/xml"), ("styles.xml", "text/xml"))
    )
    file.writestr(
        "META-INF/manifest.xml",
        f'<manifest:manifest xmlns:manifest="{ODF}:manifest:1.0" manifest:version="1.3">{files}</manifest:manifest>',
    )
    file.writestr(
        "styles.xml", f'<office:document-styles {SPACES} office:version="1.3"><office:styles/></office:document-styles>'
    )
    file.writestr(
        "content.xml",
        f'<office:document-content {SPACES} office:version="1.3"><office:body><office:text>{BODY}</office:text>'
        "</office:body></office:document-content>",
    )
READERS = {
    "pypandoc_binary": (
        lambda: pypandoc.convert_file("letter.odt", "plain", extra_args=["--wrap=none"]),
        ["Dear , your rent is for berth .", "See Rules of the gate and .", "Figure 8: the lamp", "Written by on ; due ."],
    ),
    "odfdo": (
        lambda: odfdo.Document("letter.odt").get_formatted_text(),
        ["Dear , your rent is for berth .", "See and .", "Figure : the lamp", "Written by on ; due ."],
    ),
    "odfpy": (
        lambda: "\n".join(extractText(paragraph) for paragraph in load("letter.odt").getElementsByType(text.P)),
        EXPECTED,
    ),
}
changed = []
for name, (read, stated) in READERS.items():
    seen = [" ".join(line.split()) for line in read().splitlines() if line.strip()]
    print(f"{name} {version(name)}\n  expected {EXPECTED}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{name}: stated {stated}, seen {seen}")
print("pandoc", pypandoc.get_pandoc_version())
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
