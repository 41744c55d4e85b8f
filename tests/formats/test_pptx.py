import io
import zipfile
from pathlib import Path

import pptx as python_pptx
import pytest
from PIL import Image
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.oxml import parse_xml
from pptx.util import Inches

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.ooxml import pptx
from ragcli.formats.ooxml.parts import diagram_texts
from ragcli.formats.registry import load as load_any
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


CHOICE = """<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">
<mc:Choice Requires="a14" xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main">{}</mc:Choice>
<mc:Fallback/></mc:AlternateContent>"""
EQUATION = """<a14:m xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main"
xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num>
<m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath></a14:m>"""


def test_a_shape_with_an_equation_is_read():
    deck = python_pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    box = slide.shapes.add_textbox(0, 0, 900_000, 900_000)
    box.text_frame.text = "The mean is "
    box.text_frame.paragraphs[0]._p.append(parse_xml(EQUATION))
    tree = box.element.getparent()
    alternative = parse_xml(CHOICE.format(""))
    tree.append(alternative)
    alternative[0].append(box.element)
    assert read(deck).text == "The mean is (a+b)/2"


def test_charts_are_their_title_and_values():
    deck = python_pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    data = CategoryChartData()
    data.categories = ["Wick", "Oban"]
    data.add_series("Cod", (1, 2))
    data.add_series("Hake", (3, 4))
    frame = slide.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, 0, 0, 900_000, 900_000, data)
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "Landings"
    assert read(deck).text == "Chart: Landings\n\nWick | Cod: 1 | Hake: 3\nOban | Cod: 2 | Hake: 4"


def test_a_diagram_is_read_in_the_order_of_its_connections():
    data = """<dgm:dataModel xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"
    xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><dgm:ptLst><dgm:pt modelId="0" type="doc"/>
    <dgm:pt modelId="2"><dgm:t><a:p><a:r><a:t>Close the gate</a:t></a:r></a:p></dgm:t></dgm:pt>
    <dgm:pt modelId="1"><dgm:t><a:p><a:r><a:t>Open the </a:t></a:r><a:r><a:t>sluice</a:t></a:r></a:p></dgm:t></dgm:pt>
    <dgm:pt modelId="3"><dgm:t><a:p><a:r><a:t>slowly</a:t></a:r></a:p></dgm:t></dgm:pt>
    <dgm:pt modelId="9" type="pres"/></dgm:ptLst><dgm:cxnLst><dgm:cxn srcId="0" destId="2" srcOrd="1"/>
    <dgm:cxn srcId="0" destId="1" srcOrd="0"/><dgm:cxn srcId="1" destId="3" srcOrd="0"/>
    <dgm:cxn type="presOf" srcId="1" destId="9" srcOrd="0"/></dgm:cxnLst></dgm:dataModel>"""
    assert diagram_texts(data.encode()) == ["- Open the sluice", "  - slowly", "- Close the gate"]


def test_pictures_are_their_descriptions_and_the_others_are_counted():
    deck = python_pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    image = io.BytesIO()
    Image.new("RGB", (2, 2)).save(image, "PNG")
    for description in ("Map of the weir", "image1.png"):
        picture = slide.shapes.add_picture(image, 0, 0)
        picture.element.nvPicPr.cNvPr.set("descr", description)
    document = read(deck)
    assert document.text == "Map of the weir"
    assert document.warnings == ("1 pictures without a description were not read",)


@pytest.mark.parametrize("kind", ["ppsx", "potx", "pptm"])
def test_shows_templates_and_files_with_macros_are_read(kind):
    types = {"ppsx": "slideshow", "potx": "template"}
    usual = b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
    other = f"application/vnd.openxmlformats-officedocument.presentationml.{types.get(kind, '')}.main+xml".encode()
    if kind == "pptm":
        other = b"application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml"
    deck = python_pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[0]).shapes.title.text = "Head loss"
    out, made = io.BytesIO(), io.BytesIO()
    deck.save(made)
    with zipfile.ZipFile(made) as archive, zipfile.ZipFile(out, "w") as written:
        for name in archive.namelist():
            written.writestr(name, archive.read(name).replace(usual, other))
    assert load_any(Path(f"a.{kind}"), out.getvalue(), LoadOptions()).text == "Head loss"


def test_a_strict_file_is_read_like_the_usual_one():
    deck = python_pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[TITLE_AND_CONTENT])
    slide.shapes.title.text = "Rent"
    slide.placeholders[1].text = "850 euro"
    box(slide.shapes.add_group_shape().shapes, 1, 5, "in a group")
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    out = io.BytesIO()
    usual, strict = b"http://schemas.openxmlformats.org/", b"http://purl.oclc.org/ooxml/"
    with zipfile.ZipFile(io.BytesIO(saved(deck))) as source, zipfile.ZipFile(out, "w") as written:
        for name in source.namelist():
            content = source.read(name)
            for kind in (b"presentationml", b"drawingml", b"officeDocument"):
                if name != "[Content_Types].xml":
                    content = content.replace(usual + kind + b"/2006/", strict + kind + b"/")
            written.writestr(name, content)
    document = load_any(Path("x.pptx"), out.getvalue(), LoadOptions())
    assert "Say it slowly." in document.text
    assert document.text == read(deck).text
