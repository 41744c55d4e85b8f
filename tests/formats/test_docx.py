import io
import zipfile
from pathlib import Path

import docx as python_docx
import pytest
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml.parser import parse_xml
from PIL import Image

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.ooxml import docx
from ragcli.formats.registry import load as load_any
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
    assert "- one\n1. two" in document.text


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


def test_a_word_with_its_reading_above_it_is_text():
    def run(text):
        return f"<w:r><w:t>{text}</w:t></w:r>"

    source = python_docx.Document()
    paragraph = source.add_paragraph("私は")
    for word, reading in (("漢", "かん"), ("字", "じ")):
        guide = f"<w:ruby><w:rubyPr/><w:rt>{run(reading)}</w:rt><w:rubyBase>{run(word)}</w:rubyBase></w:ruby>"
        paragraph._p.append(parse_xml(f"<w:r {NS}>{guide}</w:r>"))
    paragraph.add_run("を書く")
    assert read(source).text == "私は漢字を書く"


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


W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
M = "http://schemas.openxmlformats.org/officeDocument/2006/math"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def paragraph_of(markup: str):
    return parse_xml(f'<w:p xmlns:w="{W}" xmlns:m="{M}">{markup}</w:p>')


def appended(*markup: str) -> Document:
    source = python_docx.Document()
    for one in markup:
        source.element.body.append(paragraph_of(one))
    return read(source)


def test_headers_and_footers_are_read_once():
    source = python_docx.Document()
    source.sections[0].header.paragraphs[0].text = "Permit 77-B"
    source.sections[0].footer.paragraphs[0].text = "Page 1 of 3"
    source.sections[0].footer.add_paragraph("9 Weir Lane")
    source.add_paragraph("The text.")
    section = source.add_section()
    section.header.is_linked_to_previous = False
    section.header.paragraphs[0].text = "Permit 77-B"
    assert read(source).text == "Permit 77-B\n\nThe text.\n\n9 Weir Lane"


def test_comments_follow_their_paragraph():
    source = python_docx.Document()
    runs = source.add_paragraph("The ceiling is fixed.").runs
    source.add_comment(runs, text="Ask the bank first.", author="Ann")
    source.add_paragraph("After.")
    assert read(source).text == "The ceiling is fixed.\n\nComment: Ask the bank first.\n\nAfter."


NUMBERING = f"""<w:abstractNum xmlns:w="{W}" w:abstractNumId="70">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1."/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:isLgl/><w:lvlText w:val="%1.%2"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="3"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl>
<w:lvl w:ilvl="3"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>"""


def test_clauses_have_their_numbers():
    source = python_docx.Document()
    root = source.part.numbering_part.element
    root.insert(0, parse_xml(NUMBERING))
    root.append(parse_xml(f'<w:num xmlns:w="{W}" w:numId="70"><w:abstractNumId w:val="70"/></w:num>'))
    for level, text in ((0, "Terms"), (1, "Rent"), (1, "Deposit"), (2, "due"), (3, "dot"), (0, "End"), (1, "Keys")):
        properties = f'<w:pPr><w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="70"/></w:numPr></w:pPr>'
        source.element.body.append(paragraph_of(f"{properties}<w:r><w:t>{text}</w:t></w:r>"))
    assert read(source).text.split("\n") == [
        "I. Terms", "1.1 Rent", "1.2 Deposit", "(c) due", "- dot", "II. End", "2.1 Keys",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<w:r><w:t>x</w:t></w:r><w:r><w:rPr><w:vertAlign w:val='superscript'/></w:rPr><w:t>2</w:t></w:r>", "x^2"),
        ("<w:r><w:t>H</w:t></w:r><w:r><w:rPr><w:vertAlign w:val='subscript'/></w:rPr><w:t>2</w:t></w:r>", "H2"),
        ("<m:oMath><m:rad><m:deg/><m:e><m:r><m:t>p</m:t></m:r></m:e></m:rad></m:oMath>", "sqrt(p)"),
        ("<w:r><w:t>5</w:t><w:sym w:font='Symbol' w:char='F0B1'/><w:t>1</w:t></w:r>", "5±1"),
        ("<w:r><w:t>5 </w:t><w:sym w:font='Symbol' w:char='F06D'/><w:t>g</w:t></w:r>", "5 μg"),
        ("<w:r><w:t>555</w:t><w:noBreakHyphen/><w:t>0134</w:t></w:r>", "555-0134"),
        ("<w:r><w:t>one</w:t><w:cr/><w:t>two</w:t></w:r>", "one\ntwo"),
        ("<w:r><w:t>seen</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>", "seen"),
        ("<w:r><w:t>left</w:t><w:ptab w:alignment='right'/><w:t>right</w:t></w:r>", "left right"),
        (
            "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:r><w:t>Click here</w:t></w:r></w:sdtContent>"
            "</w:sdt><w:r><w:t>a</w:t></w:r>",
            "a",
        ),
        (
            "<w:r><w:fldChar w:fldCharType='begin'><w:ffData><w:ddList><w:result w:val='1'/><w:listEntry w:val='low'/>"
            "<w:listEntry w:val='high'/></w:ddList></w:ffData></w:fldChar></w:r>",
            "high",
        ),
    ],
)  # fmt: skip
def test_what_a_run_shows(markup, text):
    assert appended(markup).text == text


def test_a_drop_cap_and_a_deleted_end_go_on_in_the_next_paragraph():
    cap = "<w:pPr><w:framePr w:dropCap='drop'/></w:pPr><w:r><w:t>T</w:t></w:r>"
    deleted = "<w:pPr><w:rPr><w:del w:id='1'/></w:rPr></w:pPr><w:r><w:t>he weir </w:t></w:r>"
    assert appended(cap, deleted, "<w:r><w:t>holds.</w:t></w:r>").text == "The weir holds."


def test_text_in_another_format_is_read_by_its_loader():
    source = python_docx.Document()
    source.add_paragraph("Cover letter")
    name = PackURI("/word/chunk.html")
    part = Part(name, "text/html", b"<p>The boiler is <b>new</b>.</p>", source.part.package)
    key = source.part.relate_to(part, f"{RELATIONS}/aFChunk")
    source.element.body.append(parse_xml(f'<w:altChunk xmlns:w="{W}" xmlns:r="{RELATIONS}" r:id="{key}"/>'))
    assert read(source).text == "Cover letter\n\nThe boiler is new."


def test_pictures_are_their_descriptions():
    source = python_docx.Document()
    image = io.BytesIO()
    Image.new("RGB", (2, 2)).save(image, "PNG")
    for description in ("Plan of the lock", ""):
        source.add_picture(image)._inline.docPr.set("descr", description)
    document = read(source)
    assert document.text == "Plan of the lock"
    assert document.warnings == ("1 pictures without a description were not read",)


def test_templates_and_strict_files_are_read():
    source = python_docx.Document()
    source.add_paragraph("Strictly speaking.")
    data, out = saved(source), io.BytesIO()
    usual = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as written:
        for name in archive.namelist():
            content = archive.read(name)
            for old, new in (
                (usual, b"application/vnd.ms-word.template.macroEnabledTemplate.main+xml"),
                (W.encode(), b"http://purl.oclc.org/ooxml/wordprocessingml/main"),
                (RELATIONS.encode(), b"http://purl.oclc.org/ooxml/officeDocument/relationships"),
            ):
                content = content.replace(old, new)
            written.writestr(name, content)
    assert load_any(Path("a.dotm"), out.getvalue(), LoadOptions()).text == "Strictly speaking."
