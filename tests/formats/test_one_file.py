import base64
import io
import re
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import docx
import pytest

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load

SHEET = """<?xml version="1.0"?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
<Styles><Style ss:ID="p"><NumberFormat ss:Format="Percent"/></Style>
<Style ss:ID="z"><NumberFormat ss:Format="00000"/></Style><Style ss:ID="d"><NumberFormat ss:Format="m/d/yy"/></Style>
</Styles><Worksheet ss:Name="Loads"><Table>{}</Table></Worksheet></Workbook>"""

WORD = """<?xml version="1.0" standalone="yes"?><?mso-application progid="Word.Document"?>
<w:wordDocument xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml"
 xmlns:wx="http://schemas.microsoft.com/office/word/2003/auxHint" xmlns:aml="http://schemas.microsoft.com/aml/2001/core">
<w:lists><w:listDef w:listDefId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:nfc w:val="0"/><w:lvlText w:val="%1."/>
</w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/><w:nfc w:val="4"/><w:lvlText w:val="%1%2)"/></w:lvl></w:listDef>
<w:list w:ilfo="1"><w:ilst w:val="0"/></w:list></w:lists>
<w:styles><w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style></w:styles>
<w:body><wx:sect><w:p><w:pPr><w:pStyle w:val="H1"/></w:pPr><w:r><w:t>Brakes</w:t></w:r></w:p>
<w:p><w:r><w:t>It holds</w:t></w:r><w:r><w:footnote><w:p><w:r><w:t>Since 2019.</w:t></w:r></w:p></w:footnote></w:r>
<w:r><w:t> 12 t.</w:t></w:r><aml:annotation aml:id="0" w:type="Word.Deletion"><aml:content><w:r>
<w:delText>gone</w:delText></w:r></aml:content></aml:annotation><w:r><aml:annotation aml:id="2" w:type="Word.Comment">
<aml:content><w:p><w:r><w:t>Still?</w:t></w:r></w:p></aml:content></aml:annotation></w:r></w:p>
<w:p><w:pPr><w:listPr><w:ilvl w:val="0"/><w:ilfo w:val="1"/></w:listPr></w:pPr><w:r><w:t>Stop</w:t></w:r></w:p>
<w:p><w:pPr><w:listPr><w:ilvl w:val="1"/><w:ilfo w:val="1"/></w:listPr></w:pPr><w:r><w:t>Lock</w:t></w:r></w:p>
<w:sectPr><w:hdr w:type="odd"><w:p><w:r><w:t>Contract KV-2291</w:t></w:r></w:p></w:hdr></w:sectPr></wx:sect></w:body>
</w:wordDocument>"""


def read(text: str | bytes, name: str):
    return load(Path(name), text.encode() if isinstance(text, str) else text, LoadOptions())


def sheet(*rows: str, name: str = "a.xls") -> list[str]:
    document = read(SHEET.format("".join(f"<Row>{row}</Row>" for row in rows)), name)
    assert document.loader == "office_xml"
    return [document.text[b.start : b.end] for b in document.blocks]


def cell(value: object, kind: str = "String", attributes: str = "") -> str:
    return f'<Cell {attributes}><Data ss:Type="{kind}">{escape(str(value))}</Data></Cell>'


@pytest.mark.parametrize("name", ["a.xls", "a.xml", "a.xlsx", "a"])
def test_rows_of_excel_2003_show_what_the_sheet_shows(name):
    rows = sheet(
        "".join(map(cell, ("Hook", "Share", "Zip", "Day", "Due"))),
        cell("North & <South>")
        + cell(0.125, "Number", 'ss:StyleID="p"')
        + cell(501, "Number", 'ss:StyleID="z"')
        + cell("2024-03-12T00:00:00.000", "DateTime")
        + cell(45363, "Number", 'ss:StyleID="d"'),
        cell("West") + cell("#N/A", "Error") + '<Cell ss:Index="4"><Data ss:Type="Boolean">1</Data></Cell>',
        name=name,
    )
    assert rows == [
        "Loads",
        "Hook | Share | Zip | Day | Due",
        "Hook: North & <South> | Share: 12.50% | Zip: 00501 | Day: 2024-03-12 | Due: 2024-03-12",
        "Hook: West | Day: TRUE",
    ]


def test_merged_cells_and_comments():
    comment = "<Cell><Data ss:Type='Number'>10</Data><Comment><Data>Since\n 2019</Data></Comment></Cell>"
    rows = sheet(
        cell("Region", attributes='ss:MergeDown="1"') + cell("Sales", attributes='ss:MergeAcross="1"'),
        cell("2023", attributes='ss:Index="2"') + cell("2024"),
        cell("North") + comment + cell(11, "Number"),
    )
    assert rows[-2:] == ["Region: North | Sales 2023: 10 | Sales 2024: 11", "Comment on B3: Since 2019"]


@pytest.mark.parametrize("name", ["a.doc", "a.xml"])
def test_word_2003(name):
    assert read(WORD, name).text.split("\n\n") == [
        "Contract KV-2291",
        "Brakes",
        "It holds 12 t.",
        "Note: Since 2019.",
        "Comment: Still?",
        "1. Stop\n1a) Lock",
    ]


def test_a_flat_package_is_read_as_its_zip():
    document = docx.Document()
    document.add_heading("Brakes", 1)
    document.add_paragraph("One", style="List Number")
    document.add_table(2, 2).cell(0, 0).text = "Hook"
    packed = io.BytesIO()
    document.save(packed)
    flat = read(_flat(packed.getvalue()), "a.xml")
    assert flat.text == read(packed.getvalue(), "a.docx").text
    assert flat.loader == "office_xml"


def _flat(data: bytes) -> str:
    parts = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        types = dict(
            re.findall(r'PartName="([^"]+)" ContentType="([^"]+)"', archive.read("[Content_Types].xml").decode())
        )
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith((".xml", ".rels")) and name != "[Content_Types].xml":
                kind = types.get(f"/{name}", "application/vnd.openxmlformats-package.relationships+xml")
                text = re.sub(r"\A\s*<\?xml[^>]*\?>", "", content.decode())
                data_of = f"<pkg:xmlData>{text}</pkg:xmlData>"
            else:
                kind = types.get(f"/{name}", "image/jpeg")
                data_of = f"<pkg:binaryData>{base64.b64encode(content).decode()}</pkg:binaryData>"
            parts.append(f'<pkg:part pkg:name="/{name}" pkg:contentType="{kind}">{data_of}</pkg:part>')
    names = "http://schemas.microsoft.com/office/2006/xmlPackage"
    return f'<?xml version="1.0"?><pkg:package xmlns:pkg="{names}">{"".join(parts)}</pkg:package>'


@pytest.mark.parametrize(
    "source", [WORD, SHEET.format(f"<Row>{cell('a')}{cell('b')}</Row>"), SHEET, "<Workbook xmlns="]
)
def test_files_that_are_cut_off_cost_themselves(source):
    for end in range(0, len(source), 97):
        try:
            read(source[:end], "a.xls")
        except LoadError:
            continue


def test_entities_are_not_expanded():
    bomb = '<!DOCTYPE Workbook [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;">]><Workbook xmlns='
    source = SHEET.format(f"<Row><Cell><Data>x&b;</Data></Cell>{cell('b')}</Row>").replace("<Workbook xmlns=", bomb)
    assert "aaaa" not in read(source, "a.xls").text
