import io
import zipfile
from pathlib import Path

import docx as python_docx
import pytest
from docx.oxml.parser import parse_xml

from ragcli.errors import LoadError
from ragcli.formats import docx
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Document, Reason

NS = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def read(source, name: str = "x.docx") -> Document:
    data = source if isinstance(source, bytes) else saved(source)
    return docx.load(Path(name), data, LoadOptions())


def blocks(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_the_body_comes_in_its_own_order():
    source = python_docx.Document()
    source.add_paragraph("before")
    table = source.add_table(2, 2)
    for cell, text in zip([c for row in table.rows for c in row.cells], ["Name", "Town", "Ann", "Bern"], strict=True):
        cell.text = text
    source.add_paragraph("after")
    assert blocks(read(source)) == [
        ("paragraph", "before"),
        ("row", "Name | Town"),
        ("row", "Name: Ann | Town: Bern"),
        ("paragraph", "after"),
    ]


def test_headings_make_the_path_and_lists_are_lists():
    source = python_docx.Document()
    source.add_heading("The whole", 0)
    source.add_heading("Part", 1)
    source.add_heading("Detail", 2)
    source.add_paragraph("text")
    source.add_paragraph("one", style="List Bullet")
    source.add_paragraph("two", style="List Number")
    source.add_heading("Next part", 1)
    document = read(source)
    assert document.title == "The whole"
    assert [(block.kind, block.headings) for block in document.blocks] == [
        ("heading", ("The whole",)),
        ("heading", ("Part",)),
        ("heading", ("Part", "Detail")),
        ("paragraph", ("Part", "Detail")),
        ("list", ("Part", "Detail")),
        ("list", ("Part", "Detail")),
        ("heading", ("Next part",)),
    ]
    assert "- one\n- two" in document.text


def test_a_style_based_on_a_heading_is_one_and_a_circle_of_styles_ends():
    source = python_docx.Document()
    mine = source.styles.add_style("Mine", 1)
    mine.base_style = source.styles["Heading 2"]
    one, two = source.styles.add_style("One", 1), source.styles.add_style("Two", 1)
    one.base_style, two.base_style = two, one
    source.add_paragraph("Mine is a heading", style="Mine")
    source.add_paragraph("round and round", style="One")
    assert [kind for kind, _ in blocks(read(source))] == ["heading", "paragraph"]


def test_the_title_is_the_one_in_the_properties_if_it_means_something():
    source = python_docx.Document()
    source.add_heading("Printed", 1)
    for stored, expected in (("A real title", "A real title"), ("report.docx", "Printed"), ("", "Printed")):
        source.core_properties.title = stored
        assert read(source).title == expected


def test_merged_cells_fill_their_rows_and_nested_tables_are_flattened():
    source = python_docx.Document()
    table = source.add_table(3, 3)
    for number, cell in enumerate(c for row in table.rows for c in row.cells):
        cell.text = f"c{number}"
    table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "tall"
    inner = table.cell(2, 2).add_table(1, 2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "in", "side"
    assert read(source).text.split("\n") == [
        "wide | c2",
        "wide: tall | wide: c4 | c2: c5",
        "wide: tall | wide: c7 | c2: c8 in side",
    ]


def test_deleted_text_is_gone_and_inserted_text_is_there():
    source = python_docx.Document()
    paragraph = source.add_paragraph("kept ")
    paragraph._p.append(parse_xml(f"<w:del {NS}><w:r><w:t>deleted</w:t></w:r></w:del>"))
    paragraph._p.append(parse_xml(f"<w:ins {NS}><w:r><w:t>inserted</w:t></w:r></w:ins>"))
    assert read(source).text == "kept inserted"


def test_text_boxes_and_content_controls_are_read_once():
    source = python_docx.Document()
    paragraph = source.add_paragraph("outside")
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    paragraph._p.append(
        parse_xml(
            f'<w:r {NS} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:AlternateContent>'
            f"<mc:Choice>{box}</mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
        )
    )
    control = f"<w:sdt {NS}><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    source.element.body.insert(1, parse_xml(control))
    assert read(source).text.split("\n\n") == ["outside", "boxed", "controlled"]


def test_footnotes_follow_the_paragraph_that_refers_to_them():
    source = python_docx.Document()
    paragraph = source.add_paragraph("A claim.")
    paragraph._p.append(parse_xml(f'<w:r {NS}><w:footnoteReference w:id="7"/></w:r>'))
    source.add_paragraph("The next paragraph.")
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    body = "<w:p><w:r><w:t>Its source.</w:t></w:r></w:p>"
    note = f'<w:footnotes {NS}><w:footnote w:id="7">{body}</w:footnote></w:footnotes>'
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(source))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "[Content_Types].xml":
                override = f'<Override PartName="/word/footnotes.xml" ContentType="{kind}"/></Types>'
                data = data.replace(b"</Types>", override.encode())
            elif name == "word/_rels/document.xml.rels":
                base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
                relation = f'<Relationship Id="rId99" Type="{base}/footnotes" Target="footnotes.xml"/></Relationships>'
                data = data.replace(b"</Relationships>", relation.encode())
            new.writestr(name, data)
        new.writestr("word/footnotes.xml", note)
    assert read(out.getvalue()).text.split("\n\n") == ["A claim.", "Note: Its source.", "The next paragraph."]


def test_an_empty_document_is_empty():
    with pytest.raises(LoadError) as caught:
        read(python_docx.Document())
    assert caught.value.reason is Reason.EMPTY


def test_damage_of_every_kind_is_damage():
    good = saved(python_docx.Document())
    without_body, not_xml = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old:
        for out, change in ((without_body, None), (not_xml, b"<w:document")):
            with zipfile.ZipFile(out, "w") as new:
                for name in old.namelist():
                    if name != "word/document.xml":
                        new.writestr(name, old.read(name))
                    elif change:
                        new.writestr(name, change)
    for data in (good[: len(good) // 2], without_body.getvalue(), not_xml.getvalue(), b"PK"):
        with pytest.raises(LoadError) as caught:
            read(data)
        assert caught.value.reason is Reason.DAMAGED
