import io
import textwrap
from pathlib import Path

import pytest
from reportlab.lib import colors
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen import canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.pdf.loader import load
from ragcli.types import Document

STYLES = getSampleStyleSheet()
HEADER = ["Part", "Fault", "Remedy"]
FAULTS = [
    ["Seal ring, large", "Leaks at the shaft when it is cold", "Replace the ring and grease it with oil of class 4"],
    ["Rotor", "Screams above 2,000 turns", "Balance it, or fit the spare one from store 3"],
    ["Filter cage of the inlet", "Clogged by leaves in autumn", "Clean weekly"],
    ["Valve", "Sticks", "Tap it with a hammer until it moves again, then turn it by hand twice"],
    ["Belt of the second drive", "Slips when wet", "Tension it to 40 newtons measured in the middle"],
]
COLUMNS = " | ".join(HEADER)


def text(cell: str) -> Paragraph:
    return Paragraph(cell, STYLES["Normal"])


def laid_out(*parts) -> Document:
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer).build(list(parts))
    return load(Path("x.pdf"), buffer.getvalue(), LoadOptions())


def drawn(draw) -> Document:
    buffer = io.BytesIO()
    page = canvas.Canvas(buffer)
    page.setFont("Helvetica", 10)
    draw(page)
    page.save()
    return load(Path("x.pdf"), buffer.getvalue(), LoadOptions())


def lines(document: Document, kind: str = "row") -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks if block.kind == kind]


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("align", ["TOP", "MIDDLE", "BOTTOM"])
def test_a_row_whose_cells_take_several_lines_is_one_row(align, grid):
    style = [("VALIGN", (0, 0), (-1, -1), align)] + [("GRID", (0, 0), (-1, -1), 0.5, colors.black)] * grid
    table = Table([HEADER, *[list(map(text, row)) for row in FAULTS]], colWidths=[90, 130, 140], style=style)
    document = laid_out(
        text("What to do when a pump fails is told below, part by part, in the order in which they fail in practice."),
        table,
        text("Call the inspector where nothing helps."),
    )
    assert lines(document) == [" | ".join(row) for row in [HEADER, *FAULTS]]
    assert lines(document, "paragraph")[-1] == "Call the inspector where nothing helps."
    assert [block.columns for block in document.blocks if block.kind == "row"] == ["", *[COLUMNS] * 5]


@pytest.mark.parametrize("repeats", [0, 1])
def test_rows_on_later_pages_know_the_header_of_their_table(repeats):
    rows = [[text(f"Pump {n}"), text(f"Leaks at the shaft, {n} times"), text(f"Ring {n}")] for n in range(150)]
    document = laid_out(Paragraph("Faults", STYLES["Heading1"]), Table([HEADER, *rows], repeatRows=repeats))
    blocks = [block for block in document.blocks if block.kind == "row"]
    pages = {block.page for block in blocks}
    assert len(pages) > 2
    heads = [block.page for block in blocks if document.text[block.start : block.end] == " | ".join(HEADER)]
    assert heads == (sorted(pages) if repeats else [1])
    assert {block.columns for block in blocks if document.text[block.start :].startswith("Pump")} == {COLUMNS}
    assert document.text.startswith("Faults")


def test_two_tables_on_a_page_have_their_own_headers():
    fees = [["Length", "Summer", "Winter"], ["to 8 m", "120", "60"], ["to 12 m", "180", "90"]]
    cranes = [
        ["Crane", "Load", "Keeper", "Hours"],
        ["North", "12 t", "Quist", "8-16"],
        ["South", "25 t", "Ann", "6-14"],
    ]
    document = laid_out(text("Berths"), Table(fees), text("Cranes"), Table(cranes))
    found = {document.text[block.start : block.end]: block.columns for block in document.blocks}
    assert found["to 12 m | 180 | 90"] == "Length | Summer | Winter"
    assert found["North | 12 t | Quist | 8-16"] == "Crane | Load | Keeper | Hours"


def test_years_and_two_rows_of_names_head_the_columns_of_a_page():
    table = Table(
        [["Region", "Sales", "", "Returns", ""], ["", *["2024", "2025"] * 2], ["North", "10", "11", "1", "2"],
         ["South", "20", "21", "3", "4"]],
        style=[("SPAN", (1, 0), (2, 0)), ("SPAN", (3, 0), (4, 0)), ("SPAN", (0, 0), (0, 1)),
               ("ALIGN", (0, 0), (-1, -1), "CENTER")],
    )  # fmt: skip
    document = laid_out(table)
    assert lines(document)[-1] == "South | 20 | 21 | 3 | 4"
    assert document.blocks[-1].columns == "Region | Sales 2024 | Sales 2025 | Returns 2024 | Returns 2025"


def test_cells_that_are_written_line_of_print_by_line_of_print_are_put_together():
    def draw(page):
        y = 780
        for row in [HEADER, *FAULTS]:
            cells = [textwrap.wrap(cell, width) for cell, width in zip(row, (20, 26, 32), strict=True)]
            for at in range(max(map(len, cells))):
                for x, cell in zip((72, 190, 340), cells, strict=True):
                    if at < len(cell):
                        page.drawString(x, y, cell[at])
                y -= 12
            y -= 8

    assert lines(drawn(draw)) == [" | ".join(row) for row in [HEADER, *FAULTS]]


def test_three_columns_that_are_written_line_by_line_are_read_one_after_the_other():
    texts = [
        "The committee reviewed the annual report and found that the pumps had been greased with the wrong oil, so the "
        "seals of hall north failed. It asked for a second report by June.",
        "Dogs are allowed on the pontoon if they are kept on a lead. The harbour office keeps a list of owners and "
        "calls them when a dog is found.",
        "The bell of the chapel rings at noon and at six. On days of fog it rings each quarter of an hour, and the "
        "ferry answers with its horn.",
    ]

    def draw(page):
        columns = [textwrap.wrap(words, 26) for words in texts]
        for at in range(max(map(len, columns))):
            for x, column in zip((60, 240, 420), columns, strict=True):
                if at < len(column):
                    page.drawString(x, 780 - 12 * at, column[at])

    assert drawn(draw).text == "\n\n".join(texts)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_turned_lines_are_read_in_their_order(angle):
    said = ["The first line of the turned page tells of the harbour and", "its cranes, which were built in 1911."]

    def draw(page):
        page.translate(300, 500)
        page.rotate(angle)
        for at, line in enumerate(said):
            page.drawString(0, -14 * at, line)

    assert drawn(draw).text == " ".join(said)


@pytest.mark.parametrize("angle", [90, 270])
def test_turned_names_head_the_columns_under_them(angle):
    names = ["January", "February", "March", "April"]
    rows = [["Crane north", "yes", "no", "yes", "no"], ["Crane south", "no", "yes", "no", "yes"]]

    def draw(page):
        page.drawString(72, 780, "Inspection plan of the harbour")
        for at, name in enumerate(names):
            page.saveState()
            page.translate(208 + 30 * at, 700)
            page.rotate(angle)
            page.drawString(0 if angle == 90 else -45, 0, name)
            page.restoreState()
        for at, row in enumerate(rows):
            for x, cell in zip((72, 200, 230, 260, 290), row, strict=True):
                page.drawString(x, 680 - 20 * at, cell)

    document = drawn(draw)
    assert lines(document, "paragraph") == ["Inspection plan of the harbour"]
    assert lines(document) == [" | ".join(names), *map(" | ".join, rows)]
    assert document.blocks[-1].columns == " | ".join(names)


@pytest.mark.parametrize("angle", [90, 270])
def test_rows_of_a_turned_table_know_their_columns(angle):
    rows = [["Pump", "Pressure", "Inspector"], *([f"Pump {n}", f"{7 * n} bar", "Meier"] for n in range(1, 6))]

    def draw(page):
        page.translate(300, 400)
        page.rotate(angle)
        for at, row in enumerate(rows):
            for x, cell in zip((0, 120, 240), row, strict=True):
                page.drawString(x, -16 * at, cell)

    document = drawn(draw)
    assert lines(document) == list(map(" | ".join, rows))
    assert document.blocks[-1].columns == "Pump | Pressure | Inspector"


def test_words_broken_in_a_cell_go_by_the_words_of_the_document():
    rows = [["Code", "Meaning", "Shown"], ["17", "the line is off-", "at once"], ["18", "the gate stays shut", "later"]]
    rest = {1: "line until the keeper"}

    def draw(page):
        page.drawString(72, 780, "Pumps run on-line and off-line.")
        y = 740
        for at, row in enumerate(rows):
            for x, cell in zip((72, 150, 340), row, strict=True):
                page.drawString(x, y, cell)
                if x == 150 and at in rest:
                    page.drawString(x, y - 12, rest[at])
            y -= 40

    assert lines(drawn(draw))[1] == "17 | the line is off-line until the keeper | at once"


@pytest.mark.parametrize("marks", ["•••••", ("1.", "2.", "3.", "4.", "5."), ("(a)", "(b)", "(c)", "(d)", "(e)")])
def test_items_of_a_list_are_no_rows_however_far_their_marks_stand_apart(marks):
    def draw(page):
        for number, (mark, fault) in enumerate(zip(marks, FAULTS, strict=True)):
            page.drawString(72, 700 - 40 * number, mark)
            page.drawString(120, 700 - 40 * number, fault[1])
            page.drawString(120, 688 - 40 * number, fault[2])

    document = drawn(draw)
    assert lines(document) == []
    assert [item.split("\n")[0].split(" ")[0] for item in lines(document, "list")] == list(marks)


def test_rows_whose_cells_are_set_apart_within_one_string_are_rows():
    rows = [["Type", "Number", "Top-5"], ["Random", "7", "47.0"], ["Gold", "31", "52.1"], ["Mixed", "127", "65.8"]]

    def draw(page):
        text = page.beginText()
        text.setFont("Helvetica", 10)
        for number, row in enumerate(rows):
            text.setTextOrigin(72, 700 - 12 * number)
            moves = [100 * (page.stringWidth(cell, "Helvetica", 10) - 45) for cell in row]
            text._code.append(
                "[" + " ".join(f"({cell}) {by:.0f}" for cell, by in zip(row, moves, strict=True)) + "] TJ"
            )
        page.drawText(text)

    assert lines(drawn(draw)) == [" | ".join(row) for row in rows]


def test_short_lines_of_a_typewriter_are_lines():
    def draw(page):
        page.setFont("Courier", 10)
        for number, line in enumerate(["pxc 1 create", "port 1/x1/1/c1/1", "no shutdown", "exit"]):
            page.drawString(72, 700 - 12 * number, line)
        page.setFont("Helvetica", 10)
        for number, line in enumerate(
            ["A faceplate port that has been placed in the loopback mode", "supports only hybrid"]
        ):
            page.drawString(72, 600 - 12 * number, line)

    assert drawn(draw).text == (
        "pxc 1 create\nport 1/x1/1/c1/1\nno shutdown\nexit\n\n"
        "A faceplate port that has been placed in the loopback mode supports only hybrid"
    )
