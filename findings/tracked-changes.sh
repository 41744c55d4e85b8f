#!/usr/bin/env bash
# python-docx==1.2.0, odfpy==1.4.1, striprtf==0.0.35, 2026-11
#
# Expected: one sentence with one tracked change, 700 replaced by 850. The usual reader of each format gives either the
#   text with the change accepted, "The rent is 850 euro.", or the one before it.
# Happens: three formats, three readers, three texts, and none is one of the two.
#   - .docx, python-docx: the inserted number is missing, for paragraph.text looks at runs and links that stand in the
#     paragraph itself. The sentence has no number at all.
#   - .odt, odfpy: the deleted number is kept at the start of the document, glued to the author and the date and to the
#     first paragraph, because the list of changes is part of the body.
#   - .rtf, striprtf: both numbers, glued together.
# Why it matters: contracts are negotiated with tracked changes. A search for the valid rent finds nothing, or a rent
#   that was struck out, or "700850", and each can be cited as what the contract says.
# What ragcli does: in all three formats insertions are text and deletions are not. Each format has a test of that.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile python-docx==1.2.0 odfpy==1.4.1 striprtf==0.0.35 lxml==6.1.3 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

from docx import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from odf import dc, office, teletype, text
from odf.namespaces import TEXTNS, XMLNS
from odf.opendocument import OpenDocumentText, load
from striprtf.striprtf import rtf_to_text

SHOWN = "The rent is 850 euro."
AUTHOR, DATE = "Ann", "2026-11-02T10:00:00"
changed = []


def check(what, seen, stated):
    print(f"{what}\n  expected {SHOWN!r}\n  seen     {seen!r}")
    if seen != stated:
        changed.append(f"{what}: stated {stated!r}, seen {seen!r}")


def write_docx(path):
    by = f'w:author="{AUTHOR}" w:date="{DATE}Z"'
    document = Document()
    document.element.body.insert(0, parse_xml(
        f'<w:p {nsdecls("w")}><w:r><w:t xml:space="preserve">The rent is </w:t></w:r>'
        f'<w:del w:id="1" {by}><w:r><w:delText>700</w:delText></w:r></w:del>'
        f'<w:ins w:id="2" {by}><w:r><w:t>850</w:t></w:r></w:ins>'
        '<w:r><w:t xml:space="preserve"> euro.</w:t></w:r></w:p>'
    ))
    document.save(path)


def write_odt(path):
    document = OpenDocumentText()
    changes = text.TrackedChanges()
    for name, kind in (("c1", text.Deletion), ("c2", text.Insertion)):
        info = office.ChangeInfo()
        info.addElement(dc.Creator(text=AUTHOR))
        info.addElement(dc.Date(text=DATE))
        change = kind()
        change.addElement(info)
        if kind is text.Deletion:
            change.addElement(text.P(text="700"))
        region = text.ChangedRegion(qattributes={(XMLNS, "id"): name, (TEXTNS, "id"): name})
        region.addElement(change)
        changes.addElement(region)
    paragraph = text.P(text="The rent is ")
    paragraph.addElement(text.Change(changeid="c1"))
    paragraph.addElement(text.ChangeStart(changeid="c2"))
    paragraph.addText("850")
    paragraph.addElement(text.ChangeEnd(changeid="c2"))
    paragraph.addText(" euro.")
    document.text.addElement(changes)
    document.text.addElement(paragraph)
    document.save(path)


def write_rtf(path):
    Path(path).write_text(
        r"{\rtf1\ansi\deff0{\fonttbl{\f0 Arial;}}{\*\revtbl{Unknown;}{Ann;}}\pard The rent is "
        r"{\deleted\revauthdel1 700}{\revised\revauth1 850} euro.\par}"
    )


write_docx("lease.docx")
write_odt("lease.odt")
write_rtf("lease.rtf")
print(*(f"{name} {version(name)}" for name in ("python-docx", "odfpy", "striprtf")))
check("python-docx, text of the paragraph", Document("lease.docx").paragraphs[0].text, "The rent is  euro.")
check("odfpy, extractText of the document", teletype.extractText(load("lease.odt").text),
      f"{AUTHOR}{DATE}700{AUTHOR}{DATE}The rent is 850 euro.")
check("striprtf, rtf_to_text", rtf_to_text(Path("lease.rtf").read_text()).strip(), "The rent is 700850 euro.")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
