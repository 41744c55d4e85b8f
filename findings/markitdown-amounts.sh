#!/usr/bin/env bash
# markitdown[xlsx]==0.1.9 (pandas==3.1.1), openpyxl==3.1.5, 2026-11
#
# Expected: a converter that prepares workbooks for language models writes what the cells hold. 1234567.89 stays an
#   amount with cents, an article number that was entered as text keeps its zeros, and an empty cell is empty.
# Happens: the workbook passes through a data frame, which guesses a type for each column, and is then printed as a
#   table for people to look at.
#   - One value with many decimals, here an average, rounds the whole column to seven digits: 1234567.89 and 1234568.21
#     are both "1.234568e+06".
#   - The texts "00471" and "1e5" become the numbers 471.0 and 100000.0.
#   - The texts "NA" (Namibia, or a name) and "None" become "NaN", and so does every empty cell.
#   - One empty cell turns the whole numbers of its column into 5.0, and TRUE into 1.0.
# Why it matters: a search for 1234567.89 finds nothing, two amounts are one, 471 is another article than 00471, and a
#   thousand empty cells are a thousand times the word NaN. No warning is given.
# What ragcli does: cells are read one by one, as the sheet shows them. A test holds these cells.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile 'markitdown[xlsx]==0.1.9' pandas==3.1.1 openpyxl==3.1.5 numpy==2.4.6 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import sys
from importlib.metadata import version

import openpyxl
from markitdown import MarkItDown

ROWS = [
    ("Invoice", "Amount", "Article", "Country", "Units", "Paid"),
    ("first", 1234567.89, "00471", "NA", 5, True),
    ("second", 1234568.21, "00472", "None", 7, False),
    ("average", 411522.8666666667, "1e5", "France", None, None),
]
STATED = [
    ["Invoice", "Amount", "Article", "Country", "Units", "Paid"],
    ["first", "1.234568e+06", "471.0", "NaN", "5.0", "1.0"],
    ["second", "1.234568e+06", "472.0", "NaN", "7.0", "0.0"],
    ["average", "4.115229e+05", "100000.0", "France", "NaN", "NaN"],
]
book = openpyxl.Workbook()
for row in ROWS:
    book.active.append(row)
book.save("invoices.xlsx")

lines = MarkItDown().convert("invoices.xlsx").text_content.splitlines()
seen = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
del seen[1]  # the dashes below the header
changed = []
print(*(f"{name} {version(name)}" for name in ("markitdown", "pandas", "openpyxl")))
for row, found, stated in zip(ROWS, seen, STATED, strict=True):
    print("in the file", " | ".join("" if cell is None else str(cell) for cell in row), sep="\t")
    print("  seen", " | ".join(found), sep="\t")
    if found != stated:
        changed.append(f"stated {stated}, seen {found}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
