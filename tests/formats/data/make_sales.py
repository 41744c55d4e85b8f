"""Write sales.xlsx, of which LibreOffice made sales.xls (README.md says how)."""

import datetime as dt
import sys

import openpyxl
from openpyxl.comments import Comment

book = openpyxl.Workbook()
book.properties.title = "On sales"
sheet = book.active
sheet.title = "Sales"
for row in (("Region", "Sales", None), (None, "new", "old"), ("North", 10.5, 11), ("South", "=B3*2", "=1/0")):
    sheet.append(row)
sheet.merge_cells("A1:A2")
sheet.merge_cells("B1:C1")
sheet["A3"].comment = Comment("The roof leaks.", "Ann")
book.create_sheet("Blank")
hidden = book.create_sheet("Łódź")
hidden.sheet_state = "hidden"
hidden.append(("Zip", "Growth", "Opened", "At", "Open"))
hidden.append((501, 0.125, dt.date(2024, 5, 6), dt.time(7, 30), True))
hidden["A2"].number_format = "00000"
hidden["B2"].number_format = "0.0%"
book.save(sys.argv[1])
