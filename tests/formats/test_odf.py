"""OpenDocument files as LibreOffice and pandoc write them, reduced to what each test is about."""

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Reason

NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{urn}:1.0"'
    for name, urn in (
        *(("office", "office"), ("style", "style"), ("text", "text"), ("table", "table"), ("draw", "drawing")),
        *(("presentation", "presentation"), ("svg", "svg-compatible"), ("meta", "meta")),
    )
) + ' xmlns:dc="http://purl.org/dc/elements/1.1/"'  # fmt: skip
MIMETYPE = b"application/vnd.oasis.opendocument.text"
STYLES = """
    <style:style style:name="Title" style:family="paragraph"/>
    <style:style style:name="Heading_20_2" style:display-name="Heading 2" style:family="paragraph"/>
    <style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>
    <style:style style:name="T9" style:family="text"><style:text-properties text:display="none"/></style:style>
    <style:style style:name="P9" style:family="paragraph"><style:text-properties text:display="none"/></style:style>
    <text:list-style style:name="L1">
      <text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
      <text:list-level-style-number text:level="2" style:num-format="1" style:num-suffix="." text:display-levels="2"/>
      <text:list-level-style-number text:level="3" style:num-format="a" style:num-prefix="(" style:num-suffix=")"/>
    </text:list-style>
    <text:list-style style:name="L2"><text:list-level-style-bullet text:level="1" text:bullet-char="x"/>
      <text:list-level-style-number text:level="2" style:num-format="I" text:start-value="9"/></text:list-style>
"""


def document(body: str, kind: str = "text", styles: str = STYLES, more: str = "") -> bytes:
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><office:document {NAMESPACES}>"
        f"<office:automatic-styles>{styles}</office:automatic-styles>{more}"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document>"
    ).encode()


def packed(members: dict[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def load(data: bytes, name: str = "a.fodt"):
    return loaders.load(Path(name), data, LoadOptions())


def blocks(data: bytes, name: str = "a.fodt") -> list[tuple[str, str]]:
    found = load(data, name)
    return [(block.kind, found.text[block.start : block.end]) for block in found.blocks]


def text(body: str, **more: str) -> list[str]:
    return [content for _, content in blocks(document(body, **more))]


def rows(table: str) -> list[str]:
    return text(f'<table:table table:name="t">{table}</table:table>')


def row(*cells: str, **attributes: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def cell(content: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{content}</text:p></table:table-cell>"


COVERED = "<table:covered-table-cell/>"


def test_headings_make_paths_and_the_title_style_the_title():
    found = load(
        document(
            '<text:h text:outline-level="1">Earth</text:h><text:p text:style-name="P1">A guide</text:p>'
            '<text:p text:style-name="Heading_20_2">Rock</text:p><text:p>It is hard.</text:p>'
        )
    )
    assert found.title == "A guide"
    assert [(b.kind, b.headings) for b in found.blocks][-2:] == [
        ("heading", ("A guide", "Rock")),
        ("paragraph", ("A guide", "Rock")),
    ]
    assert found.loader == "odf"


def test_the_title_of_the_metadata_comes_first():
    body = '<text:h text:outline-level="1">Earth</text:h>'
    more = "<office:meta><dc:title>On earth</dc:title></office:meta>"
    assert load(document(body, more=more)).title == "On earth"
    assert load(document(body, more=more), "On earth.odt").title == "Earth"


def test_headings_have_the_numbers_of_the_outline():
    outline = (
        '<text:outline-style><text:outline-level-style text:level="1" style:num-format="1" style:num-suffix="."/>'
        '<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2"/></text:outline-style>'
    )
    body = "".join(
        f'<text:h text:outline-level="{level}">{name}</text:h>'
        for level, name in ((1, "a"), (2, "b"), (2, "c"), (1, "d"), (2, "e"), (3, "f"))
    )
    body += '<text:h text:outline-level="1" text:is-list-header="true">g</text:h>'
    assert text(body, styles=outline) == ["1. a", "1.1 b", "1.2 c", "2. d", "2.1 e", "f", "g"]


def test_white_space_tabs_and_line_breaks():
    body = "<text:p>a<text:s text:c='3'/>b<text:tab/>c\n  d<text:line-break/>e <text:span>f</text:span>g</text:p>"
    assert text(body) == ["a b c d\ne fg"]


def test_lists_have_their_numbers():
    body = """<text:list text:style-name="L1" xml:id="one"><text:list-item><text:p>a</text:p><text:list>
        <text:list-item><text:p>b</text:p><text:p>more</text:p></text:list-item>
        <text:list-item><text:p>c</text:p><text:list><text:list-item><text:p>d</text:p></text:list-item></text:list>
        </text:list-item></text:list></text:list-item>
        <text:list-header><text:p>e</text:p></text:list-header>
        <text:list-item text:start-value="7"><text:p>f</text:p></text:list-item></text:list>
        <text:p>between</text:p>
        <text:list text:style-name="L1" text:continue-numbering="true"><text:list-item><text:p>g</text:p>
        </text:list-item></text:list>
        <text:list text:style-name="L1"><text:list-item><text:list><text:list-item><text:p>h</text:p></text:list-item>
        </text:list></text:list-item></text:list>"""
    assert text(body) == ["1. a", "1.1. b", "more", "1.2. c", "(a) d", "e", "7. f", "between", "8. g", "1.1. h"]


def test_a_list_goes_on_where_it_says():
    item = "<text:list-item><text:p>x</text:p></text:list-item>"
    body = (
        f'<text:list text:style-name="L1" xml:id="one">{item}</text:list><text:list text:style-name="L1">{item}{item}'
        f'</text:list><text:list text:style-name="L1" text:continue-list="one">{item}</text:list>'
    )
    assert text(body) == ["1. x", "1. x", "2. x", "2. x"]


def test_bullets_and_other_numbers():
    body = """<text:list text:style-name="L2"><text:list-item><text:p>a</text:p><text:list><text:list-item>
        <text:p>b</text:p></text:list-item></text:list></text:list-item></text:list>
        <text:list><text:list-item><text:p>c</text:p></text:list-item></text:list>"""
    assert blocks(document(body)) == [("list", "- a"), ("list", "IX b"), ("list", "- c")]


def test_notes_comments_and_boxes_follow_their_paragraph():
    body = """<text:p>Before<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation>
        <text:note-body><text:p>below</text:p></text:note-body></text:note> it<office:annotation>
        <dc:creator>Ann</dc:creator><dc:date>2024-01-01</dc:date><text:p>really?</text:p></office:annotation> goes
        <draw:frame><draw:text-box><text:p>in a box</text:p></draw:text-box></draw:frame>on.</text:p>"""
    assert text(body) == ["Before it goes on.", "Note: below", "Comment by Ann: really?", "in a box"]


def test_the_words_that_fields_show_are_text():
    who = '<text:user-field-get text:name="a">Ann Lee</text:user-field-get>'
    rent = '<text:variable-get text:name="b">450 euro</text:variable-get>'
    berth = '<text:database-display text:table-name="t" text:column-name="c">B12</text:database-display>'
    figure = '<text:sequence-ref text:ref-name="f">Figure 7</text:sequence-ref>'
    date = "<text:author-name>Bob Gray</text:author-name>, <text:date>1 May</text:date>"
    assert text(f"<text:p>Dear {who}, the rent is {rent} for {berth}, see {figure}. {date}</text:p>") == [
        "Dear Ann Lee, the rent is 450 euro for B12, see Figure 7. Bob Gray, 1 May"
    ]


def test_what_is_deleted_or_hidden_is_not_read():
    body = """<text:tracked-changes><text:changed-region><text:deletion><office:change-info>
        <dc:creator>Ann</dc:creator></office:change-info><text:p>old words</text:p></text:deletion>
        </text:changed-region></text:tracked-changes>
        <text:section text:display="none"><text:p>no</text:p></text:section>
        <text:p>new<text:change text:change-id="c"/> <text:span text:style-name="T9">secret </text:span>words</text:p>
        <text:p text:style-name="P9">hidden</text:p>
        <text:p><text:ruby><text:ruby-base>漢</text:ruby-base><text:ruby-text>kan</text:ruby-text></text:ruby></text:p>
        <text:table-of-content><text:table-of-content-source><text:index-title-template>Contents
        </text:index-title-template></text:table-of-content-source><text:index-body><text:p>Earth 1</text:p>
        </text:index-body></text:table-of-content>"""
    assert text(body) == ["new words", "漢", "Earth 1"]


def test_rows_have_the_names_of_their_columns():
    found = rows(row(cell("Name"), cell("Town")) + row(cell("Ann"), cell("Leith")))
    assert found == ["Name | Town", "Name: Ann | Town: Leith"]


def test_repeated_columns_and_rows_stand_where_they_should():
    repeated = 'table:number-columns-repeated="2"'
    found = rows(
        row(*(cell(name) for name in "abcd"))
        + row(cell("1", repeated), "<table:table-cell/>", cell("2", 'table:number-columns-repeated="1"'))
        + row(f"<table:table-cell {repeated}/>", cell("3", repeated))
    )
    assert found == ["a | b | c | d", "a: 1 | b: 1 | d: 2", "c: 3 | d: 3"]


def test_merged_headers_name_the_columns_below_them():
    wide, high = 'table:number-columns-spanned="2"', 'table:number-rows-spanned="2"'
    found = rows(
        f"<table:table-header-rows>{row(cell('Region', high), cell('Sales', wide), COVERED)}</table:table-header-rows>"
        + row(COVERED, cell("new"), cell("old"))
        + row(cell("North", high), cell("10"), cell("11"))
        + row(COVERED, cell("12"), cell("13"))
    )
    assert found == [
        "Region | Sales",
        "Region | new | old",
        "Region: North | Sales new: 10 | Sales old: 11",
        "Region: North | Sales new: 12 | Sales old: 13",
    ]


def test_a_cell_holds_all_its_text():
    inner = f"<table:table>{row(cell('c'), cell('d'))}</table:table>"
    content = f"<table:table-cell><text:p>a</text:p><text:p>b</text:p>{inner}</table:table-cell>"
    noted = cell("x<office:annotation><dc:creator>Ann</dc:creator><text:p>hm</text:p></office:annotation>")
    assert rows(row(content, noted)) == ["a b c d | x (Comment by Ann: hm)"]


def test_headers_and_footers_stand_once():
    more = "<office:master-styles>" + (
        "<style:master-page><style:header><text:p>Contract KV-2291</text:p></style:header>"
        "<style:footer><text:p>12</text:p></style:footer></style:master-page>" * 2
    )
    assert text("<text:p>a</text:p>", more=f"{more}</office:master-styles>") == ["a", "Contract KV-2291"]


CHART = (
    "<office:chart><chart:chart><chart:title><text:p>Tides doubled</text:p></chart:title><table:table>"
    + row(cell(""), cell("GWh in Orkney"))
    + row(cell("Tidal"), cell("140"))
    + "</table:table></chart:chart></office:chart>"
)


def test_charts_and_formulas_are_read():
    math = '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mrow><mi>h</mi><mo>=</mo><mn>2</mn></mrow>'
    math += "<annotation>h = 2</annotation></semantics></math>"
    names = f'{NAMESPACES} xmlns:chart="urn:oasis:names:tc:opendocument:xmlns:chart:1.0"'
    names += ' xmlns:xlink="http://www.w3.org/1999/xlink"'
    chart = f"<office:document {names}><office:body>{CHART}</office:body></office:document>"
    said = ["before h=2", "Chart: Tides doubled", "GWh in Orkney", "Tidal | GWh in Orkney: 140"]
    body = f"<text:p>before <draw:frame><draw:object>{math}</draw:object></draw:frame>"
    assert text(f"{body}<draw:frame><draw:object>{chart}</draw:object></draw:frame></text:p>")[:2] == said[:2]
    link = '<draw:frame><draw:object xlink:href="./Object {}"/></draw:frame>'
    content = f"<office:document {names}><office:body><office:text>"
    content += f"<text:p>before {link.format(1)}{link.format(2)}{link.format(3)}</text:p>"
    content += "</office:text></office:body></office:document>"
    members = {"content.xml": content, "Object 1/content.xml": math, "Object 2/content.xml": chart}
    assert [found for _, found in blocks(packed(members), "a.odt")][:3] == said[:3]


def frame(content: str, attributes: str = "", y: float = 0, x: float = 0) -> str:
    return f'<draw:frame svg:x="{x}cm" svg:y="{y}cm" {attributes}><draw:text-box>{content}</draw:text-box></draw:frame>'


def test_slides_are_pages_with_their_title_and_notes():
    body = (
        "<draw:page>"
        + frame("<text:p>right</text:p>", y=5, x=9)
        + frame("<text:p>left</text:p>", y=5.2)
        + frame("<text:p>Tides</text:p>", 'presentation:class="title"')
        + frame("<text:p>3</text:p>", 'presentation:class="page-number"')
        + frame("<text:p>Click to add text</text:p>", 'presentation:class="outline" presentation:placeholder="true"')
        + '<draw:g><draw:custom-shape svg:y="2cm"><text:p>top</text:p></draw:custom-shape></draw:g>'
        + "<presentation:notes>"
        + frame("<text:p>Speak</text:p><text:p>slowly.</text:p>", 'presentation:class="notes"')
        + '</presentation:notes></draw:page><draw:page draw:name="p2"><draw:frame>'
        + f"<table:table>{row(cell('Name'), cell('Town'))}{row(cell('Ann'), cell('Leith'))}</table:table></draw:frame>"
        + "</draw:page>"
    )
    found = load(document(body, "presentation"), "a.fodp")
    said = [(b.page, b.headings, found.text[b.start : b.end]) for b in found.blocks]
    assert said == [
        (1, ("Tides",), "Tides"),
        (1, ("Tides",), "top"),
        (1, ("Tides",), "left"),
        (1, ("Tides",), "right"),
        (1, ("Tides",), "Notes: Speak slowly."),
        (2, (), "Name | Town"),
        (2, (), "Name: Ann | Town: Leith"),
    ]
    assert found.title == "Tides"


def sheet(name: str, *content: str) -> str:
    return f'<table:table table:name="{name}">{"".join(content)}</table:table>'


def test_sheets_are_pages_under_their_names():
    empty = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
    body = (
        sheet("Blank", empty)
        + sheet(
            "Towns",
            f"<table:shapes>{frame('<text:p>a note</text:p>')}</table:shapes>",
            f"<table:table-header-rows>{row(cell('Town'), cell('People'))}</table:table-header-rows>",
            f"<table:table-row-group>{row(cell('Leith'), cell('50 000'))}</table:table-row-group>",
            '<table:table-row table:number-rows-repeated="2">' + cell("Kirkwall") + "</table:table-row>",
            row('<table:table-cell office:value-type="float" office:value="7"/>', cell("#DIV/0!")),
            empty,
        )
        + sheet("'file:///other.ods'#$A", row(cell("cached")))
        + sheet("Last", row(cell("end")))
    )
    found = load(document(body, "spreadsheet"), "a.fods")
    said = [(b.page, b.headings, found.text[b.start : b.end]) for b in found.blocks]
    assert said == [
        (2, ("Towns",), "Towns"),
        (2, ("Towns",), "Town | People"),
        (2, ("Towns",), "Town: Leith | People: 50 000"),
        (2, ("Towns",), "Kirkwall"),
        (2, ("Towns",), "Kirkwall"),
        (2, ("Towns",), "7"),
        (2, ("Towns",), "a note"),
        (4, ("Last",), "Last"),
        (4, ("Last",), "end"),
    ]


def test_a_sheet_without_end_is_cut():
    line = "<table:table-row table:number-rows-repeated='1000000'>" + (
        cell("x", 'table:number-columns-repeated="16384"') + "</table:table-row>"
    )
    found = load(document(sheet("big", *[line] * 99), "spreadsheet"), "a.fods")
    assert found.warnings == ("only the first 1,000,000 cells were read",)
    assert len(found.text) < 10_000_000


def test_the_parts_of_a_package():
    content = document("<text:p text:style-name='Far'>Rock</text:p><text:p>It is hard.</text:p>", styles="")
    styles = f"<a {NAMESPACES}><office:styles><style:style style:name='Far' style:family='paragraph' "
    styles += "style:default-outline-level='1'/></office:styles></a>"
    meta = f"<a {NAMESPACES}><office:meta><dc:title>On rock</dc:title></office:meta></a>"
    found = load(
        packed({"mimetype": MIMETYPE, "content.xml": content, "styles.xml": styles, "meta.xml": meta}), "a.odt"
    )
    assert (found.title, found.blocks[1].headings) == ("On rock", ("Rock",))


MANIFEST = (
    '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
    '<manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data/></manifest:file-entry>'
    "</manifest:manifest>"
)
HONEST = document("<text:p>honest</text:p>")


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (packed({"content.xml": b"\x07", "META-INF/manifest.xml": MANIFEST}), Reason.ENCRYPTED, "password"),
        (packed({"encrypted-package": b"\x07"}), Reason.ENCRYPTED, "password"),
        (packed({"word/document.xml": b"<a/>"}), Reason.DAMAGED, "content.xml is missing"),
        (packed({"content.xml": HONEST})[:300], Reason.DAMAGED, "not a .odt file"),
        (packed({"content.xml": HONEST[:-40]}), Reason.DAMAGED, "content.xml"),
        (packed({"content.xml": HONEST + bytes(9 << 20)}), Reason.DAMAGED, "zip bomb"),
        (HONEST[:-40], Reason.DAMAGED, "content.xml"),
        (b"<html><body>page</body></html>", Reason.DAMAGED, "no office:body"),
        (b"%PDF-1.7 and more", Reason.DAMAGED, "not a .odt file"),
        (document("", "chart"), Reason.DAMAGED, "but chart"),
        (document(""), Reason.EMPTY, "no text"),
        (b"<!DOCTYPE a [<!ENTITY l 'lol'>]>" + HONEST.partition(b"?>")[2], Reason.DAMAGED, "entities"),
        (document("<text:span>" * 100_000), Reason.DAMAGED, "content.xml"),
        (document("<text:span>" * 200 + "x" + "</text:span>" * 200), Reason.EMPTY, "no text"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data, reason, said):
    with pytest.raises(LoadError) as caught:
        load(data, "a.odt")
    assert caught.value.reason is reason
    assert said in caught.value.detail


@pytest.mark.skipif(not shutil.which("pandoc"), reason="an extra comparison, where pandoc is at hand")
def test_a_text_by_pandoc(tmp_path):
    source = "# Rock\n\nIt is hard.[^1]\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| c | d |\n\n[^1]: Below.\n"
    made = tmp_path / "a.odt"
    subprocess.run(["pandoc", "-f", "markdown", "-o", made], input=source, text=True, check=True)
    found = load(made.read_bytes(), "a.odt")
    said = ["Rock", "It is hard.", "Note: Below.", "1. one", "2. two", "a | b", "a: c | b: d"]
    assert [found.text[b.start : b.end] for b in found.blocks] == said


@pytest.mark.parametrize("position", ["super 58%", "33% 58%"])
def test_exponents_and_indices_keep_that_they_are(position):
    styles = "".join(
        f'<style:style style:name="{name}" style:family="text"><style:text-properties style:text-position="{where}"/>'
        "</style:style>"
        for name, where in (("U", position), ("D", "sub 58%"), ("N", "0% 100%"))
    )
    spans = "10<text:span text:style-name='U'>6</text:span> x<text:span text:style-name='D'>1</text:span> "
    spans += "H<text:span text:style-name='D'>2</text:span>O n<text:span text:style-name='N'>5</text:span>"
    assert text(f"<text:p>{spans}</text:p>", styles=styles) == ["10^6 x_1 H2O n5"]


def test_formulas_by_pandoc_stand_in_their_line(tmp_path):
    if not shutil.which("pandoc"):
        pytest.skip("pandoc is not on the PATH")
    source = "Flow $\\frac{a+b}{2c}$ is\n\n$$\\sqrt{p}$$\n"
    subprocess.run(["pandoc", "-t", "odt", "-o", tmp_path / "a.odt"], input=source, text=True, check=True)
    found = load((tmp_path / "a.odt").read_bytes(), "a.odt")
    assert found.text.split("\n\n") == ["Flow (a+b)/(2c) is", "sqrt(p)"]


def test_text_that_is_deleted_in_its_place_is_not_read():
    changes = '<text:tracked-changes><text:changed-region text:id="c1"><text:deletion/></text:changed-region>'
    changes += '<text:changed-region text:id="c2"><text:insertion/></text:changed-region></text:tracked-changes>'
    line = 'Kept <text:change-start text:change-id="c2"/>new<text:change-end text:change-id="c2"/> '
    line += '<text:change-start text:change-id="c1"/>old <text:span>words</text:span> here'
    line += '<text:change-end text:change-id="c1"/>end'
    assert text(f"{changes}<text:p>{line}</text:p>") == ["Kept new end"]


def test_pictures_are_their_descriptions_and_those_without_are_counted():
    image = '<draw:frame><draw:image xlink:href="a.png"/>{}</draw:frame>'.format
    image_names = ' xmlns:xlink="http://www.w3.org/1999/xlink"'
    body = f"<text:p{image_names}>a{image('<svg:desc>Two wrecks</svg:desc>')}{image('<svg:title>Image1</svg:title>')}"
    found = load(document(f"{body}</text:p>"))
    assert found.text.split("\n\n") == ["a", "Two wrecks"]
    assert found.warnings == ("1 pictures without a description were not read",)


def test_what_a_master_puts_on_its_slides_stands_once():
    master = f'<style:master-page style:name="M">{frame("<text:p>Motto of Quist</text:p>")}</style:master-page>'
    slides = '<draw:page draw:master-page-name="M"/>' + '<draw:page draw:master-page-name="M">{}</draw:page>'.format(
        frame("<text:p>Words</text:p>")
    )
    masters = f"<office:master-styles>{master}</office:master-styles>"
    assert text(slides, kind="presentation", more=masters) == ["Words", "Motto of Quist"]
