import io
from pathlib import Path

import pytest
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen import canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.pdf.scripts import has_marks, mark, written
from ragcli.formats.registry import load


def read(*story) -> str:
    out = io.BytesIO()
    SimpleDocTemplate(out).build(list(story))
    return load(Path("a.pdf"), out.getvalue(), LoadOptions()).text


def paragraph(text: str) -> Paragraph:
    return Paragraph(text, getSampleStyleSheet()["Normal"])


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        ("a load of 10<super>6</super> N", "a load of 10^6 N"),
        ("over 5 m<super>2</super> and 3 km<super>2</super>", "over 5 m^2 and 3 km^2"),
        ("1.5 x 10<super>-3</super> mol<super>-1</super>", "1.5 x 10^-3 mol^-1"),
        ("H<sub>2</sub>O, CO<sub>2</sub> and x<sub>1</sub>", "H2O, CO2 and x_1"),
        ("was safe<super>1</super>, said Quist.<super>2,3</super> Yes", "was safe[1], said Quist.[2,3] Yes"),
        ("in 2019<super>4</super> and 83,190,556<super>2</super> people", "in 2019[4] and 83,190,556[2] people"),
        ("by Li<super>1</super> and Wu<super>2</super>", "by Li[1] and Wu[2]"),
        ("$12.<super>99</super> each", "$12.99 each"),
        ("6 feet<super>2</super>", "6 feet^2"),
        ("Ca<super>2+</super> and x<super>2</super>+1", "Ca2+ and x^2+1"),
        ("<super>1</super>Certified in 2019", "1 Certified in 2019"),
        ("the 4<super>th</super> of 106 in F-16, 12345 and B12", "the 4th of 106 in F-16, 12345 and B12"),
    ],
)
def test_raised_and_lowered_numbers_keep_what_they_are(markup, shown):
    assert read(paragraph(markup)) == shown


def test_cells_of_a_table_keep_them_too():
    cells = [["Hook", "Load"], ["North", "10<super>6</super> N"], ["South", "5 m<super>2</super>"]]
    text = read(Table([[paragraph(cell) for cell in row] for row in cells], colWidths=150))
    assert text == "Hook | Load\nNorth | 10^6 N\nSouth | 5 m^2"


def test_text_that_the_file_scales_is_told_by_its_scale():
    out = io.BytesIO()
    sheet = canvas.Canvas(out)
    sheet.setFont("Helvetica", 1)
    after = 72 + stringWidth("A load of 10", "Helvetica", 12)
    for text, x, y, size in (("A load of 10", 72, 700, 12), ("6", after, 705, 8), ("N in all", after + 8, 700, 12)):
        sheet.saveState()
        sheet.transform(size, 0, 0, size, x, y)
        sheet.drawString(0, 0, text)
        sheet.restoreState()
    sheet.save()
    assert load(Path("a.pdf"), out.getvalue(), LoadOptions()).text == "A load of 10^6 N in all"


def test_marks_take_the_place_of_their_characters():
    raised, lowered = mark("2,3", is_raised=True), mark("−1", is_raised=False)
    assert [len(raised), len(lowered)] == [3, 2]
    assert [has_marks(raised), has_marks("x² 23")] == [True, False]
    assert written(f"the lock{raised} of x{lowered}") == "the lock[2,3] of x_-1"
