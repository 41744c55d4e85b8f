import io
from pathlib import Path

import pptx as python_pptx
import pytest
from pptx.util import Inches

from ragcli.errors import LoadError
from ragcli.formats import pptx
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Document, Reason

TITLE_AND_CONTENT, BLANK = 1, 6


def saved(presentation) -> bytes:
    out = io.BytesIO()
    presentation.save(out)
    return out.getvalue()


def read(presentation) -> Document:
    return pptx.load(Path("x.pptx"), saved(presentation), LoadOptions())


def blocks(document: Document) -> list[tuple]:
    return [(b.page, b.kind, b.headings, document.text[b.start : b.end]) for b in document.blocks]


def box(shapes, left, top, text):
    shape = shapes.add_textbox(Inches(left), Inches(top), Inches(1), Inches(1))
    shape.text_frame.text = text
    return shape


def test_slides_are_pages_with_title_bullets_and_notes():
    deck = python_pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[TITLE_AND_CONTENT])
    slide.shapes.title.text = "Why it works"
    frame = slide.placeholders[1].text_frame
    frame.text = "first"
    inner = frame.add_paragraph()
    inner.text, inner.level = "deeper", 1
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    second = deck.slides.add_slide(deck.slide_layouts[BLANK])
    box(second.shapes, 1, 1, "no title here")
    document = read(deck)
    path = ("Why it works",)
    assert document.title == "Why it works"
    assert blocks(document) == [
        (1, "heading", path, "Why it works"),
        (1, "list", path, "- first"),
        (1, "list", path, "- deeper"),
        (1, "paragraph", path, "Notes: Say it slowly."),
        (2, "paragraph", (), "no title here"),
    ]


def test_shapes_are_read_from_top_to_bottom_and_left_to_right_whatever_their_order():
    deck = python_pptx.Presentation()
    shapes = deck.slides.add_slide(deck.slide_layouts[BLANK]).shapes
    box(shapes, 1, 5, "four")
    box(shapes, 5, 1, "two")
    group = shapes.add_group_shape()
    box(group.shapes, 1, 3, "three")
    box(shapes, 1, 1.05, "one")
    assert read(deck).text.split("\n\n") == ["one", "two", "three", "four"]


def test_tables_are_rows_and_merged_cells_are_said_once():
    deck = python_pptx.Presentation()
    shapes = deck.slides.add_slide(deck.slide_layouts[BLANK]).shapes
    table = shapes.add_table(3, 2, Inches(1), Inches(1), Inches(4), Inches(2)).table
    for number, text in enumerate(["Name", "Town", "Ann", "Bern", "both", "hidden"]):
        table.cell(number // 2, number % 2).text = text
    table.cell(2, 0).merge(table.cell(2, 1))
    assert read(deck).text.split("\n")[:2] == ["Name | Town", "Name: Ann | Town: Bern"]
    assert read(deck).text.count("both") == 1


def test_a_presentation_without_text_is_empty():
    deck = python_pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[BLANK])
    with pytest.raises(LoadError) as caught:
        read(deck)
    assert caught.value.reason is Reason.EMPTY


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_cut_file_is_damaged(cut):
    data = saved(python_pptx.Presentation())
    with pytest.raises(LoadError) as caught:
        pptx.load(Path("x.pptx"), data[: int(len(data) * cut)], LoadOptions())
    assert caught.value.reason is Reason.DAMAGED


def test_another_office_file_under_this_name_is_damaged():
    import docx

    out = io.BytesIO()
    docx.Document().save(out)
    with pytest.raises(LoadError) as caught:
        pptx.load(Path("x.pptx"), out.getvalue(), LoadOptions())
    assert caught.value.reason is Reason.DAMAGED
