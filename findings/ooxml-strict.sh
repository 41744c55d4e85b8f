#!/usr/bin/env bash
# openpyxl==3.1.5, docx2txt==0.9, xberg==1.3.9, python-docx==1.2.0, python-pptx==1.0.2, beside python-calamine==0.9.1 and
# mammoth==1.13.0, 2026-11
#
# Expected: "Strict Open XML" is one of the formats in which Word, Excel and PowerPoint save, the form of ISO 29500 without
#   leftovers. The suffixes are the same, the elements too. A reader gives their text, or says that it cannot.
# Happens: in the strict form the same elements have other namespaces, http://purl.oclc.org/ooxml/... Readers that look
#   for the usual ones find nothing, and some take that for an empty file:
#   - .xlsx: openpyxl opens a workbook with no sheet, with or without read_only. It warns of an "invalid specification
#     for 0", and of nothing else.
#   - .docx: docx2txt gives "". python-docx raises a KeyError.
#   - .pptx: xberg gives "", though it reads the strict .docx and .xlsx. python-pptx raises a KeyError.
# Why it matters: the file is counted as indexed and is not found, and a count of errors shows none. Nothing in its name
#   tells it from the others.
# What ragcli does: it reads both forms of all three. A test for each holds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile openpyxl==3.1.5 docx2txt==0.9 xberg==1.3.9 python-docx==1.2.0 \
  python-pptx==1.0.2 python-calamine==0.9.1 mammoth==1.13.0 || { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I -W ignore - <<'PY'
import asyncio
import sys
import zipfile
from importlib.metadata import version

import docx2txt
import mammoth
import openpyxl
import xberg
from docx import Document
from pptx import Presentation
from python_calamine import CalamineWorkbook

USUAL, STRICT = "http://schemas.openxmlformats.org/", "http://purl.oclc.org/ooxml/"
TEXT = "The rent is 850 euro."


def strict(markup):
    """The markup of a part with the namespaces and the types of relations of the strict form."""
    for name in ("wordprocessingml", "spreadsheetml", "presentationml", "drawingml"):
        markup = markup.replace(f"{USUAL}{name}/2006/", f"{STRICT}{name}/")
    return markup.replace(f"{USUAL}officeDocument/2006/", f"{STRICT}officeDocument/")


def write(name, root, parts):
    """A package in the strict form, whose first part is ``root``."""
    types = f'<Types xmlns="{USUAL}package/2006/content-types">'
    types += '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    office = "application/vnd.openxmlformats-officedocument"
    types += "".join(f'<Override PartName="/{part}" ContentType="{office}.{kind}+xml"/>' for part, (kind, _) in parts.items())
    with zipfile.ZipFile(name, "w") as package:
        package.writestr("[Content_Types].xml", f"{types}</Types>")
        package.writestr("_rels/.rels", relations(("officeDocument", root)))
        for part, (_, markup) in parts.items():
            package.writestr(part, strict(markup))


def relations(*targets):
    found = "".join(
        f'<Relationship Id="r{number}" Type="{STRICT}officeDocument/relationships/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{USUAL}package/2006/relationships">{found}</Relationships>'


write("rent.docx", "word/document.xml", {"word/document.xml": (
    "wordprocessingml.document.main",
    f'<w:document xmlns:w="{USUAL}wordprocessingml/2006/main" w:conformance="strict"><w:body><w:p><w:r><w:t>{TEXT}</w:t>'
    "</w:r></w:p></w:body></w:document>")})
sheet = f'xmlns="{USUAL}spreadsheetml/2006/main" xmlns:r="{USUAL}officeDocument/2006/relationships"'
write("rent.xlsx", "xl/workbook.xml", {
    "xl/workbook.xml": ("spreadsheetml.sheet.main", f'<workbook {sheet} conformance="strict"><sheets><sheet name="Rent" '
                        'sheetId="1" r:id="r1"/></sheets></workbook>'),
    "xl/worksheets/sheet1.xml": ("spreadsheetml.worksheet", f'<worksheet {sheet}><sheetData><row r="1"><c r="A1" '
                                 f't="inlineStr"><is><t>{TEXT}</t></is></c></row></sheetData></worksheet>')})
with zipfile.ZipFile("rent.xlsx", "a") as package:
    package.writestr("xl/_rels/workbook.xml.rels", relations(("worksheet", "worksheets/sheet1.xml")))
deck = Presentation()
deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = TEXT
deck.save("usual.pptx")
with zipfile.ZipFile("usual.pptx") as usual, zipfile.ZipFile("rent.pptx", "w") as package:
    for part in usual.namelist():
        data = usual.read(part)
        is_markup = part.endswith((".xml", ".rels")) and part != "[Content_Types].xml"
        package.writestr(part, strict(data.decode()).encode() if is_markup else data)


def by_openpyxl(**options):
    book = openpyxl.load_workbook("rent.xlsx", **options)
    return "".join(cell.value for sheet in book for row in sheet for cell in row)


def by_xberg(name):
    async def read():
        return await xberg.extract(xberg.ExtractInput(kind="uri", uri=name))

    text = asyncio.run(read()).results[0].content
    return TEXT if TEXT in text else text


def by_mammoth():
    with open("rent.docx", "rb") as file:
        return mammoth.extract_raw_text(file).value.strip()


READERS = {
    "openpyxl": (by_openpyxl, ""),
    "openpyxl, read_only": (lambda: by_openpyxl(read_only=True), ""),
    "calamine": (lambda: CalamineWorkbook.from_path("rent.xlsx").get_sheet_by_index(0).to_python()[0][0], TEXT),
    "xberg, .xlsx": (lambda: by_xberg("rent.xlsx"), TEXT),
    "docx2txt": (lambda: docx2txt.process("rent.docx"), ""),
    "python-docx": (lambda: Document("rent.docx").paragraphs[0].text, "KeyError"),
    "mammoth": (by_mammoth, TEXT),
    "xberg, .docx": (lambda: by_xberg("rent.docx"), TEXT),
    "xberg, .pptx": (lambda: by_xberg("rent.pptx"), ""),
    "python-pptx": (lambda: Presentation("rent.pptx").slides[0].shapes.title.text, "KeyError"),
}
changed = []
names = ("openpyxl", "docx2txt", "xberg", "python-docx", "python-pptx", "python-calamine", "mammoth")
print(*(f"{name} {version(name)}" for name in names))
for name, (read, stated) in READERS.items():
    try:
        seen = read()
    except KeyError:
        seen = "KeyError"
    print(f"{name}\n  expected {TEXT!r}\n  seen     {seen!r}")
    if seen != stated:
        changed.append(f"{name}: stated {stated!r}, seen {seen!r}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
