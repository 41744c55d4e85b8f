#!/usr/bin/env bash
# pandoc 3.9 in pypandoc_binary==1.17, reading files of python-pptx==1.0.2, XlsxWriter==3.3.1, openpyxl==3.1.5 and of
# pandoc itself, 2026-11
#
# Expected: pandoc reads .pptx and .xlsx since 3.8.3. Its reader of .docx loses little text, so these do too; what its own
#   writer puts into a slide comes back; and a workbook that every spreadsheet program opens is read.
# Happens:
#   - .pptx: speaker notes are left out, also those that pandoc itself wrote from "::: notes". So is everything that was
#     grouped, and of a chart only a line about its schema is left. No warning, not even with --verbose.
#   - .xlsx: a date is a number, 46354.0, an hour 0.5625, TRUE 1.0, and 7 is 7.0.
#   - a workbook of openpyxl is refused: "Entry not found: xl//xl/worksheets/sheet1.xml". openpyxl names its sheets by
#     their whole path, which the standard allows. XlsxWriter's are relative.
# Why it matters: the notes are where a talk is written out, and boxes in a group are most of a diagram. Files that Python
#   writes with openpyxl, also by way of pandas, are those that a script would try first.
# What ragcli does: it reads notes, groups and charts, and shows cells as the sheet does. Tests hold each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile pypandoc_binary==1.17 python-pptx==1.0.2 xlsxwriter==3.3.1 \
  openpyxl==3.1.5 || { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import datetime
import sys
from importlib.metadata import version

import openpyxl
import pypandoc
import xlsxwriter
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

AT = Inches(1), Inches(3), Inches(4), Inches(2)
PARTS = ["Tides of the harbour", "Free box", "Grouped box", "Notes of the speaker", "Northern gauge"]
CELLS = ["2026-11-28", "13:30", "TRUE", "7"]
changed = []


def check(what, expected, seen, stated):
    print(f"{what}\n  expected {expected}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


def found(text, parts):
    return [part for part in parts if part in text]


deck = Presentation()
slide = deck.slides.add_slide(deck.slide_layouts[5])
slide.shapes.title.text = PARTS[0]
slide.shapes.add_textbox(*AT).text_frame.text = PARTS[1]
slide.shapes.add_group_shape().shapes.add_textbox(*AT).text_frame.text = PARTS[2]
slide.notes_slide.notes_text_frame.text = PARTS[3]
levels = CategoryChartData()
levels.categories = ["spring", "neap"]
levels.add_series(PARTS[4], (4.5, 2.1))
slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *AT, levels)
deck.save("deck.pptx")
pypandoc.convert_text(
    "# Own slide\n\nOwn text\n\n::: notes\nOwn notes\n:::\n", "pptx", format="markdown", outputfile="own.pptx"
)
book = xlsxwriter.Workbook("by-xlsxwriter.xlsx")
sheet = book.add_worksheet()
sheet.write_row(0, 0, ["Day", "Hour", "Paid", "Units"])
sheet.write_datetime(1, 0, datetime.date(2026, 11, 28), book.add_format({"num_format": "yyyy-mm-dd"}))
sheet.write_datetime(1, 1, datetime.time(13, 30), book.add_format({"num_format": "hh:mm"}))
sheet.write_boolean(1, 2, True)
sheet.write_number(1, 3, 7)
book.close()
book = openpyxl.Workbook()
book.active.append(["Day", "Units"])
book.active.append(["Monday", 7])
book.save("by-openpyxl.xlsx")

print("pandoc", pypandoc.get_pandoc_version())
print(*(f"{name} {version(name)}" for name in ("python-pptx", "xlsxwriter", "openpyxl")))
text = pypandoc.convert_file("deck.pptx", "plain", format="pptx", extra_args=["--verbose"])
check("a slide of python-pptx", PARTS, found(text, PARTS), PARTS[:2])
own = ["Own slide", "Own text", "Own notes"]
check("a slide of pandoc", own, found(pypandoc.convert_file("own.pptx", "plain", format="pptx"), own), own[:2])
row = pypandoc.convert_file("by-xlsxwriter.xlsx", "plain", format="xlsx").split()
check("a row of XlsxWriter", CELLS, row[-4:], ["46354.0", "0.5625", "1.0", "7.0"])
try:
    seen = pypandoc.convert_file("by-openpyxl.xlsx", "plain", format="xlsx").split()
except RuntimeError as error:
    seen = "Entry not found" in str(error) and "an error: Entry not found"
check("a workbook of openpyxl", "its cells", seen, "an error: Entry not found")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
