"""Write formats.xlsx, of which LibreOffice made formats.xls (README.md says how)."""

import sys

import openpyxl

book = openpyxl.Workbook()
sheet = book.active
sheet.title = "Formats"
sheet.append(("Price", "Shift", "Phone", "Loss", "As text", "Plain"))
sheet.append((1234.5, 30.25 / 24, 33123456789, -0.5, 12, 0.1 + 0.2))
codes = ("[$€-2] #,##0.00", "[h]:mm", '"+"00" "000000000', "0.0;(0.0)", "@", "General")
for cell, code in zip(sheet[2], codes, strict=True):
    cell.number_format = code
book.save(sys.argv[1])
