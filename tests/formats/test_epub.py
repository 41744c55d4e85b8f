import io
import zipfile
from pathlib import Path

import pytest

from ragcli.errors import LoadError
from ragcli.formats import epub
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Document, Reason

CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>On  Feistel &amp; friends</dc:title></metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="two" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/chapter%20one.xhtml" media-type="application/xhtml+xml"/>
<item id="css" href="style.css" media-type="text/css"/>
</manifest>
<spine><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/></spine></package>"""


def chapter(title: str, text: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        f'<head><title/><script src="x.js"/></head><body><h1>{title}</h1><a id="x"/><p>{text}</p></body></html>'
    )


def book(**changes: str | None) -> bytes:
    members: dict[str, str | None] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE,
        "OEBPS/nav.xhtml": chapter("Contents", "a list of links"),
        "OEBPS/text/chapter one.xhtml": chapter("One", "It is reversible."),
        "OEBPS/text/two.xhtml": chapter("Two", "It goes in rounds."),
    } | changes
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            if text is not None:
                archive.writestr(name, text)
    return out.getvalue()


def read(data: bytes) -> Document:
    return epub.load(Path("x.epub"), data, LoadOptions())


def refused(data: bytes) -> LoadError:
    with pytest.raises(LoadError) as caught:
        read(data)
    return caught.value


def test_chapters_come_in_the_order_of_the_spine_without_the_contents():
    document = read(book())
    assert document.title == "On Feistel & friends"
    assert [(b.page, b.kind, document.text[b.start : b.end]) for b in document.blocks] == [
        (1, "heading", "One"),
        (1, "paragraph", "It is reversible."),
        (2, "heading", "Two"),
        (2, "paragraph", "It goes in rounds."),
    ]


def test_a_missing_chapter_is_a_warning():
    document = read(book(**{"OEBPS/text/two.xhtml": None}))
    assert document.warnings == ("part 2: OEBPS/text/two.xhtml is missing from the archive",)
    assert "reversible" in document.text


@pytest.mark.parametrize(
    ("algorithm", "is_locked"),
    [("http://www.w3.org/2001/04/xmlenc#aes128-cbc", True), ("http://www.idpf.org/2008/embedding", False)],
)
def test_drm_is_refused_and_hidden_fonts_are_not(algorithm, is_locked):
    data = book(
        **{
            "META-INF/encryption.xml": '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
            'xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
            f'<e:EncryptionMethod Algorithm="{algorithm}"/></e:EncryptedData></encryption>'
        }
    )
    if is_locked:
        assert refused(data).reason is Reason.ENCRYPTED
    else:
        assert "reversible" in read(data).text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_in_the_package_are_refused(encoding):
    bomb = PACKAGE.replace('<?xml version="1.0"?>', '<!DOCTYPE p [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;">]>')
    out = io.BytesIO(book(**{"OEBPS/book.opf": None}))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("OEBPS/book.opf", bomb.encode(encoding))
    error = refused(out.getvalue())
    assert (error.reason, error.detail) == (Reason.DAMAGED, "OEBPS/book.opf declares XML entities")


@pytest.mark.parametrize(
    "changes",
    [
        {"META-INF/container.xml": None},
        {"META-INF/container.xml": "<container"},
        {"OEBPS/book.opf": None},
        {"OEBPS/book.opf": "<package/>"},
        {"OEBPS/text/chapter one.xhtml": None, "OEBPS/text/two.xhtml": None},
    ],
)
def test_a_book_that_cannot_be_followed_is_damaged(changes):
    assert refused(book(**changes)).reason is Reason.DAMAGED


def test_a_book_does_not_reach_out_of_its_archive():
    document = read(book(**{"OEBPS/book.opf": PACKAGE.replace("text/two.xhtml", "../../../../etc/passwd")}))
    assert "root:" not in document.text
    assert len(document.warnings) == 1


NCX = """<?xml version="1.0"?><ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint id="a">
<navLabel><text>First: Rain</text></navLabel><content src="text/chapter%20one.xhtml"/></navPoint><navPoint id="b">
<navLabel><text>Second: Snow</text></navLabel><content src="text/two.xhtml#top"/></navPoint></navMap></ncx>"""
NAV = (
    '<html xmlns="http://www.w3.org/1999/xhtml"><body><nav><ol><li><a href="text/chapter%20one.xhtml">First: '
    '<b>Rain</b></a></li><li><a href="text/two.xhtml">Second: Snow</a></li></ol></nav></body></html>'
)


@pytest.mark.parametrize("kind", ["nav", "ncx"])
def test_chapters_without_a_heading_have_the_name_of_the_table_of_contents(kind):
    bare = "<html><body><p>{}</p><aside epub:type='footnote'>Note {}.</aside></body></html>"
    changes = {"OEBPS/text/chapter one.xhtml": bare.format("It pours.", 1), "OEBPS/nav.xhtml": NAV}
    if kind == "ncx":
        item = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/></manifest>'
        nav = '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        changes["OEBPS/book.opf"] = PACKAGE.replace(nav, "").replace("</manifest>", item)
        changes["OEBPS/toc.ncx"] = NCX
    document = read(book(**changes))
    assert [(document.text[b.start : b.end], b.headings) for b in document.blocks] == [
        ("First: Rain", ("First: Rain",)),
        ("It pours.", ("First: Rain",)),
        ("Note 1.", ("First: Rain",)),
        ("Two", ("Two",)),
        ("It goes in rounds.", ("Two",)),
    ]


def test_chapters_in_one_file_are_told_apart_by_the_table_of_contents():
    point = "<navPoint><navLabel><text>{}</text></navLabel><content src='text/two.xhtml{}'/>{}</navPoint>".format
    points = point("Part II", "", point("Snow", "#s", "") + point("Ice & hail", "#i", ""))
    item = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/></manifest>'
    nav = '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
    body = "<html><body><p>In winter.</p><p id='s'>It snows.</p><div><p id=\"i\">It freezes.</p></div></body></html>"
    document = read(
        book(
            **{
                "OEBPS/text/two.xhtml": body,
                "OEBPS/book.opf": PACKAGE.replace(nav, "").replace("</manifest>", item),
                "OEBPS/toc.ncx": f"<ncx><navMap>{points.replace('&', '&amp;')}</navMap></ncx>",
            }
        )
    )
    paths = {document.text[b.start : b.end]: b.headings for b in document.blocks if b.page == 2}
    assert paths["In winter."] == ("Part II",)
    assert paths["It snows."] == ("Part II", "Snow")
    assert paths["It freezes."] == ("Part II", "Ice & hail")
