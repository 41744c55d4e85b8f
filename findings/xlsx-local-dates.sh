#!/usr/bin/env bash
# XlsxWriter==3.3.1 read by openpyxl==3.1.5 and python-calamine==0.9.1, 2026-11
#
# Expected: a date in a workbook is a number with a date format, and the file says what the format is: 14 and a few more
#   are built in and mean the same everywhere, and any other format is written out in the file.
# Happens: the standard has more built-in ones, whose meaning depends on the language of the program. 27 to 36 and 50 to
#   58 are dates and times in Chinese, Japanese and Korean, 71 to 81 in Thai. LibreOffice shows a date under each of
#   them. openpyxl calls them all "General", so that the 28th of November 2026 is the number 46354. pandas reads with
#   openpyxl and has it too. calamine knows the East Asian ones and not the Thai ones.
# Why it matters: in a workbook from Tokyo the dates are what people ask for, and nobody finds them. A workbook from
#   Berlin has 14 or a written format, so that tests with it pass.
# What ragcli does: they are dates. Tests hold them, in both date systems of Excel.
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

DATE = datetime.date(2026, 11, 28)
FORMATS = [14, *range(27, 37), *range(50, 59), *range(71, 82)]
with xlsxwriter.Workbook("dates.xlsx") as book:
    sheet = book.add_worksheet()
    for row, number in enumerate(FORMATS):
        sheet.write_datetime(row, 0, DATE, book.add_format({"num_format": number}))


def spans(numbers):
    """[14, 27, 28, 29] as "14, 27-29"."""
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(f"{first}-{last}" if first < last else str(first) for first, last in found)


changed = []


def check(what, values, stated):
    dates = spans(number for number, value in zip(FORMATS, values) if isinstance(value, datetime.date))
    others = spans(number for number, value in zip(FORMATS, values) if value == 46354)
    print(f"{what}\n  expected a date under {spans(FORMATS)}")
    print(f"  seen     a date under {dates}; 46354 under {others or 'none'}")
    if (dates, others) != stated:
        changed.append(f"{what}: stated {stated}, seen {(dates, others)}")


print(*(f"{name} {version(name)}" for name in ("xlsxwriter", "openpyxl", "python-calamine")))
column = openpyxl.load_workbook("dates.xlsx").active["A"]
check("openpyxl", [cell.value for cell in column], ("14", "27-36, 50-58, 71-81"))
print("  its number_format of 31:", column[FORMATS.index(31)].number_format)
rows = CalamineWorkbook.from_path("dates.xlsx").get_sheet_by_index(0).to_python()
check("calamine", [row[0] for row in rows], ("14, 27-36, 50-58", "71-81"))
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
