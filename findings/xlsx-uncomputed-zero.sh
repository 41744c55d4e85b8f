#!/usr/bin/env bash
# XlsxWriter==3.3.1 read by openpyxl==3.1.5 and python-calamine==0.9.1, 2026-11
#
# Expected: a formula that no spreadsheet program has computed has no stored value. A reader of values gives None for
#   it, as openpyxl does for a file that openpyxl wrote, and a program that counts the Nones sees what is missing.
# Happens: XlsxWriter stores the number 0 for every formula, also for those that give a text or a date, and marks the
#   file as one to be computed when it is opened. Both readers give the 0 as a value like any other. With a date format
#   on the cell it becomes the time of day 00:00. Nothing in the cell tells it from a computed zero; only the workbook
#   says fullCalcOnLoad, and openpyxl's own files say that too.
# Why it matters: reports of Python programs are made this way. "Gross: 0" is indexed, found and cited, while everybody
#   who opens the file sees 1200.
# What ragcli does: where the workbook asks to be computed, a stored zero of a formula is not believed; the formula is
#   shown in its place, and a warning counts them. A test holds both kinds of file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile xlsxwriter==3.3.1 openpyxl==3.1.5 python-calamine==0.9.1 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import datetime
import sys
from importlib.metadata import version

import openpyxl
import xlsxwriter
from python_calamine import CalamineWorkbook

FORMULAS = ("=A1+B1", '="Total of "&A1', "=DATE(2026,11,28)")
SHOWN = (1200, "Total of 1000", datetime.date(2026, 11, 28))

book = xlsxwriter.Workbook("by-xlsxwriter.xlsx")
sheet = book.add_worksheet()
sheet.write_row(0, 0, [1000, 200])
for column, formula in enumerate(FORMULAS, start=2):
    date = book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.write_formula(0, column, formula, date if "DATE" in formula else None)
book.close()
book = openpyxl.Workbook()
book.active.append([1000, 200, *FORMULAS])
book.save("by-openpyxl.xlsx")


def by_openpyxl(path):
    return [cell.value for cell in openpyxl.load_workbook(path, data_only=True).active[1]][2:]


def by_calamine(path):
    return CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()[0][2:]


changed = []


def check(what, expected, seen, stated):
    print(f"{what}\n  expected {expected}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


print(*(f"{name} {version(name)}" for name in ("xlsxwriter", "openpyxl", "python-calamine")))
print("a spreadsheet shows", *SHOWN, sep=" | ")
zero = [0, 0, datetime.time(0, 0)]
check("XlsxWriter's file read by openpyxl", [None] * 3, by_openpyxl("by-xlsxwriter.xlsx"), zero)
check("XlsxWriter's file read by calamine", [""] * 3, by_calamine("by-xlsxwriter.xlsx"), zero)
check("openpyxl's file read by openpyxl", [None] * 3, by_openpyxl("by-openpyxl.xlsx"), [None] * 3)
flags = [openpyxl.load_workbook(f"by-{name}.xlsx").calculation.fullCalcOnLoad for name in ("xlsxwriter", "openpyxl")]
check("fullCalcOnLoad of the two files", [True, None], flags, [True, True])
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
