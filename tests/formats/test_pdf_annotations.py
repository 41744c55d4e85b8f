"""What stands beside the text of a page: made by reportlab and pypdf, read by ragcli."""

import io
from pathlib import Path

import pypdf
import pytest
from pypdf.annotations import FreeText, Text
from reportlab.pdfgen import canvas

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.members import walk
from ragcli.formats.pdf import loader as pdf
from ragcli.types import Document


def read(data: bytes) -> Document:
    return pdf.load(Path("x.pdf"), data, LoadOptions())


def written(writer: pypdf.PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def page(*texts: str) -> bytes:
    out = io.BytesIO()
    drawn = canvas.Canvas(out)
    for number, text in enumerate(texts):
        drawn.drawString(72, 700 - 30 * number, text)
    drawn.showPage()
    drawn.save()
    return out.getvalue()


def test_values_of_a_form_stand_behind_their_labels():
    out = io.BytesIO()
    drawn = canvas.Canvas(out)
    form = drawn.acroForm
    for number, label in enumerate(("Keeper:", "Season:", "Dry weir", "Wet weir")):
        drawn.drawString(72, 700 - 40 * number, label)
    form.textfield(name="keeper", value="Ambrose Weir", x=150, y=695, width=200, height=18)
    form.choice(name="season", value="autumn", options=["spring", "autumn"], x=150, y=655, width=200, height=18)
    form.checkbox(name="dry", checked=True, x=50, y=618, size=14)
    form.checkbox(name="wet", checked=False, x=50, y=578, size=14)
    form.textfield(name="Remark", value="None so far", x=300, y=300, width=200, height=18)
    drawn.save()
    lines = read(out.getvalue()).text.split("\n")
    for line in ("Keeper: Ambrose Weir", "Season: autumn", "☒ Dry weir", "Wet weir", "Remark: None so far"):
        assert line in lines


def test_what_is_written_on_a_page_later_follows_it():
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(page("The draft.")))
    writer.add_annotation(0, FreeText(text="Use 900 mm, not 600.", rect=(72, 500, 300, 520)))
    writer.add_annotation(0, Text(text="Ask Quist.", rect=(72, 400, 90, 420)))
    assert read(written(writer)).text == "The draft.\n\nUse 900 mm, not 600.\n\nNote: Ask Quist."


def test_attached_files_are_files_of_the_document():
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(page("The report.")))
    writer.add_attachment("bore.csv", b"Depth,Soil\n4.2,rock\n")
    document = read(written(writer))
    assert document.text == "The report."
    (bore,) = walk(document, LoadOptions())
    assert (bore.name, bore.read().text) == ("bore.csv", "Depth | Soil\nDepth: 4.2 | Soil: rock\n")


def test_files_in_files_come_to_an_end():
    data = page("inner")
    for _ in range(7):
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(page("around")))
        writer.add_attachment("next.pdf", data)
        data = written(writer)
    names, refusals = [], []
    for member in walk(read(data), LoadOptions()):
        names.append(member.name)
        try:
            assert member.read().text == "around"
        except LoadError as error:
            refusals.append(str(error))
    assert names == ["/".join(["next.pdf"] * depth) for depth in range(1, 6)]
    assert refusals == ["damaged: files in files too deep"]


def test_a_page_without_text_and_notes_is_still_empty():
    with pytest.raises(LoadError):
        read(page())
