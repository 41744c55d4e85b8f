"""Files as an attacker would make them, each small on disk. Made here, so that none of them lies about."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import docx
import openpyxl
import pptx
import pypdf
from PIL import Image
from reportlab.pdfgen import canvas

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "formats"))

from ole_files import compound
from ppt_files import cell, comment, presentation, shape, slide, table

SECRET = "the secret that stands in a file of the reader"  # what an external entity asks for
PASSWORD = "open sesame"
LOL = '<!DOCTYPE lolz [<!ENTITY l0 "lol">' + "".join(
    f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10)
)


SLIDE = (
    '{head}<p:sld xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"><p:cSld><p:spTree><p:nvGrpSpPr>'
    '<p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/><p:sp><p:nvSpPr>'
    '<p:cNvPr id="2" name="T"/><p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r>'
    "<a:t>{inside}</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>"
)


def packed(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def repacked(data: bytes, changes: Mapping[str, bytes]) -> bytes:
    """The archive with some members replaced or added."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return packed({name: archive.read(name) for name in archive.namelist()} | dict(changes))


def good_docx() -> bytes:
    document, out = docx.Document(), io.BytesIO()
    document.add_paragraph("An honest paragraph.")
    document.save(out)
    return out.getvalue()


def good_pptx() -> bytes:
    show, out = pptx.Presentation(), io.BytesIO()
    show.slides.add_slide(show.slide_layouts[0]).shapes.title.text = "An honest slide"
    show.save(out)
    return out.getvalue()


def good_xlsx() -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["an", "honest", "row"])
    book.save(out)
    return out.getvalue()


def good_pdf(text: str = "An honest page.", pages: int = 1) -> bytes:
    out = io.BytesIO()
    sheet = canvas.Canvas(out, pageCompression=0)
    for _ in range(pages):
        sheet.drawString(72, 700, text)
        sheet.showPage()
    sheet.save()
    return out.getvalue()


def encrypted_pdf() -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(good_pdf("A page behind a password.")))
    writer.encrypt(user_password=PASSWORD, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def epub(chapter: bytes, *, package: bytes = b"") -> bytes:
    container = b'<container><rootfiles><rootfile full-path="a.opf"/></rootfiles></container>'
    package = package or (
        b"<package><metadata><title>A book</title></metadata><manifest>"
        b'<item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>'
        b'<spine><itemref idref="c"/></spine></package>'
    )
    return packed({"META-INF/container.xml": container, "a.opf": package, "c.xhtml": chapter})


def flat_odf(body: str, kind: str = "text", head: str = "") -> bytes:
    names = ("office", "text", "table", "presentation", "style")
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in names)
    spaces += ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
    body = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    return f"{head}<office:document {spaces}>{body}</office:document>".encode()


def odf(body: str, kind: str = "text", head: str = "") -> bytes:
    return packed({"content.xml": flat_odf(body, kind, head)})


ODF_TEXT = (
    '<text:h text:outline-level="1">A head</text:h><text:list><text:list-item><text:p>an item</text:p></text:list-item>'
    "</text:list><text:p>honest<text:note><text:note-body><text:p>a note</text:p></text:note-body></text:note></text:p>"
)
ODF_TABLE = (
    '<table:table table:name="t"><table:table-row><table:table-cell table:number-columns-spanned="2"><text:p>a</text:p>'
    '</table:table-cell><table:covered-table-cell/></table:table-row><table:table-row table:number-rows-repeated="3">'
    '<table:table-cell table:number-columns-repeated="2"><text:p>1</text:p></table:table-cell></table:table-row>'
    "</table:table>"
)
ODF_SLIDE = (
    '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>A slide</text:p></draw:text-box>'
    f"</draw:frame><draw:frame>{ODF_TABLE}</draw:frame><presentation:notes><draw:frame presentation:class='notes'>"
    "<draw:text-box><text:p>say it</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>"
)


def good_old_office(name: str) -> bytes:
    return gzip.decompress((Path(__file__).resolve().parents[1] / "formats" / "data" / f"{name}.gz").read_bytes())


def good_ppt() -> bytes:
    cells = (cell(text, 9 * (n // 2), 9 * (n % 2), 9 * (n % 2 + 1), 9 * (n // 2 + 1)) for n, text in enumerate("abcd"))
    first = slide(shape(0, top=9), shape("An honest box", top=999), table(*cells), more=comment("Ann", "hm"))
    return presentation([first, slide(shape("b\rc", 1))], {256: "say it"}, {256: [(0, "A title")]})


def tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("L", (40, 30), 200).save(out, kind)
    return out.getvalue()


def good_msg() -> bytes:
    properties = bytes(32) + struct.pack("<HHIq", 0x40, 0x39, 6, 133_594_000_000_000_000)
    inner = {"__properties_version1.0": bytes(24), "__substg1.0_0037001F": "Inside".encode("utf-16-le")}
    return compound(
        {
            "__properties_version1.0": properties,
            "__substg1.0_0037001F": "An honest message".encode("utf-16-le"),
            "__substg1.0_10130102": b"<p>honest</p>" * 400,
            "__recip_version1.0_#0": {"__substg1.0_3001001F": "Ann".encode("utf-16-le")},
            "__attach_version1.0_#0": {"__properties_version1.0": bytes(8), "__substg1.0_3701000D": inner},
        }
    )


RTF = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset128 B;}}{\stylesheet{\s1 heading 1;}}"
    rb"{\info{\title A title}}{\header a}\pard\s1 Head\par\pard{\listtext 1.\tab}text \u945 ?{\f1 \'8a\'bf}\par"
    rb"{\field{\*\fldinst X}{\fldrslt y}}{\footnote z}\par\trowd\clvmgf\cellx9\cellx99\pard\intbl a\cell b\cell\row"
    rb"\trowd\clvmrg\cellx9\cellx99\pard\intbl\cell c\cell\row\pard{\pict\bin3 abc}{\v no}end\par}"
)


def bomb_member(megabytes: int) -> bytes:
    return b"<a>" + bytes(megabytes << 20)


def overlapping_zip(times: int) -> bytes:
    """A directory whose many entries share one body: 40 KB that unpack to ``times`` times 10 MiB."""
    body = zlib.compress(bytes(10 << 20), 9)[2:-4]
    crc, size = zlib.crc32(bytes(10 << 20)), 10 << 20
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, crc, len(body), size, 1, 0) + b"a"
    entries = [
        struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, crc, len(body), size, len(name), 0, 0, 0, 0, 0, 0
        ) + name
        for name in (f"m{number}".encode() for number in range(times))
    ]  # fmt: skip
    directory = b"".join(entries)
    data = local + body
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, times, times, len(directory), len(data), 0)
    return data + directory + end


def lying_zip() -> bytes:
    """A docx whose document.xml says that it is small."""
    data = bytearray(repacked(good_docx(), {"word/document.xml": bomb_member(20)}))
    for mark, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            if data[at + offset : at + offset + 4] == ((20 << 20) + 3).to_bytes(4, "little"):
                data[at + offset : at + offset + 4] = (900).to_bytes(4, "little")
    return bytes(data)


def pdf_of(objects: list[bytes], *, trailer: bytes = b"/Root 1 0 R", xref: bool = True, start: bytes = b"") -> bytes:
    """A PDF with these objects, numbered from 1; ``start`` overrides where it says that its table begins."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    at = len(out)
    if xref:
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
        out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        out += b"trailer\n<< /Size %d %s >>\nstartxref\n%s\n%%%%EOF" % (
            len(objects) + 1, trailer, start or b"%d" % at,
        )  # fmt: skip
    return bytes(out)


_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
_PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R >>"
_STREAM = b"<< /Length 5 >>\nstream\nBT ET\nendstream"


def looping_pdfs() -> dict[str, bytes]:
    return {
        "kids-of-itself.pdf": pdf_of([_CATALOG, b"<< /Type /Pages /Count 1 /Kids [2 0 R] >>"]),
        "kids-without-end.pdf": pdf_of(
            [_CATALOG, b"<< /Type /Pages /Count 2147483647 /Kids [3 0 R] >>",
             b"<< /Type /Pages /Count 2147483647 /Kids [2 0 R 2 0 R] /Parent 2 0 R >>"]
        ),
        "parent-of-itself.pdf": pdf_of(
            [_CATALOG, b"<< /Type /Pages /Count 1 /Kids [3 0 R] /Parent 2 0 R >>",
             b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>", _STREAM]
        ),
        "length-of-itself.pdf": pdf_of(
            [_CATALOG, b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", _PAGE,
             b"<< /Length 4 0 R >>\nstream\nBT ET\nendstream"]
        ),
        "form-in-itself.pdf": pdf_of(
            [_CATALOG, b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
             b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R "
             b"/Resources << /XObject << /F 5 0 R >> >> >>",
             b"<< /Length 5 >>\nstream\n/F Do\nendstream",
             b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F 5 0 R >> >> /Length 5 >>\n"
             b"stream\n/F Do\nendstream"]
        ),
        "outline-in-a-circle.pdf": pdf_of(
            [b"<< /Type /Catalog /Pages 2 0 R /Outlines 5 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", _PAGE,
             _STREAM, b"<< /First 6 0 R /Last 6 0 R >>",
             b"<< /Title (round) /Parent 5 0 R /Next 6 0 R /First 6 0 R /Dest [3 0 R /Fit] >>"]
        ),
        "table-after-itself.pdf": pdf_of([_CATALOG], trailer=b"/Root 1 0 R /Prev 60"),
        "no-table.pdf": pdf_of([_CATALOG, b"<< /Type /Pages /Count 0 /Kids [] >>"], xref=False),
        "table-nowhere.pdf": pdf_of([_CATALOG], start=b"99999999999"),
        "a-million-brackets.pdf": pdf_of([_CATALOG, b"[" * 1_000_000]),
    }  # fmt: skip


def entity_files(secret: Path, url: str) -> dict[str, bytes]:
    """XML that asks for a thousand million words, for a file of the reader and for an address."""
    asks = f'<!DOCTYPE d [<!ENTITY f SYSTEM "file://{secret}"><!ENTITY u SYSTEM "{url}">]>'
    word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    sheet = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    found = {}
    for kind, head, inside in (("lol", LOL + "]>", "&l9;"), ("asks", asks, "honest &f; &u;")):
        document = f"{head}<w:document {word}><w:body><w:p><w:r><w:t>{inside}</w:t></w:r></w:p></w:body></w:document>"
        rows = f'{head}<worksheet {sheet}><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>{inside}</t></is></c>'
        slide = SLIDE.format(head=head, inside=inside)
        page = f"{head}<html><body><p>honest text {inside}</p></body></html>"
        package = f"{head}<package><metadata><title>{inside}</title></metadata><spine/></package>"
        found |= {
            f"{kind}.docx": repacked(good_docx(), {"word/document.xml": document.encode()}),
            f"{kind}.xlsx": repacked(
                good_xlsx(), {"xl/worksheets/sheet1.xml": f"{rows}</row></sheetData></worksheet>".encode()}
            ),
            f"{kind}.pptx": repacked(good_pptx(), {"ppt/slides/slide1.xml": slide.encode()}),
            f"{kind}.epub": epub(page.encode()),
            f"{kind}-package.epub": epub(b"<p>x</p>", package=package.encode()),
            f"{kind}.odt": odf(f"<text:p>{inside}</text:p>", head=head),
            f"{kind}.xhtml": page.encode(),
            f"{kind}.xml": f"{head}<a>honest {inside}</a>".encode(),
        }
    return found


def bombs() -> dict[str, bytes]:
    """What unpacks or unfolds to far more than it is."""
    many = {f"word/extra{number}.xml": bytes(1 << 20) for number in range(600)}
    cell = b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>'
    sheet = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    wide = b"".join(cell % (number, number) for number in range(1, 301))
    return {
        "bomb.docx": repacked(good_docx(), {"word/document.xml": bomb_member(300)}),
        "many.docx": repacked(good_docx(), many),
        "bomb.xlsx": repacked(good_xlsx(), {"xl/sharedStrings.xml": bomb_member(300)}),
        "wide.xlsx": repacked(
            good_xlsx(), {"xl/worksheets/sheet1.xml": sheet + wide + b"</sheetData></worksheet>"}
        ),
        "bomb.pptx": repacked(good_pptx(), {"ppt/slides/slide1.xml": bomb_member(300)}),
        "bomb.epub": epub(bomb_member(300)),
        "bomb.odt": packed({"content.xml": bomb_member(300)}),
        "shared-body.docx": overlapping_zip(5000),
        "lying.docx": lying_zip(),
    }  # fmt: skip


def nested() -> dict[str, bytes]:
    deep = 200_000
    word = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    return {
        "deep.html": b"<div>" * deep + b"honest text" + b"</div>" * deep,
        "open.html": b"<b><i><table><tr><td>" * deep + b"honest text",
        "deep.json": b"[" * 1_000_000 + b'"honest"' + b"]" * 1_000_000,
        "deep.ipynb": b'{"cells":' + b"[" * 1_000_000,
        "deep.xml": b"<a>" * deep + b"honest" + b"</a>" * deep,
        "deep.md": b"> " * deep + b"honest\n" + b"* " * 5_000 + b"text",
        "deep.rst": b"\n".join(b" " * level + b"* item" for level in range(3_000)),
        "deep.yaml": b"\n".join(b" " * level + b"a:" for level in range(3_000)),
        "deep.docx": repacked(
            good_docx(), {"word/document.xml": (word + "<w:sdt><w:sdtContent>" * 50_000).encode()}
        ),
        "deep.fodt": flat_odf("<text:span>" * deep + "honest" + "</text:span>" * deep),
        "deep.rtf": b"{\\rtf1 " + b"{" * 1_000_000 + b"honest",
        "deep.eml": b"Content-Type: multipart/mixed; boundary=a\n\n"
        + b"--a\nContent-Type: message/rfc822\n\n" * 20_000,
        "brackets.md": b"[" * 300_000 + b"honest",
        "ticks.md": b"".join(b"`" * (number % 900 + 1) + b" a " for number in range(3_000)),
        "stars.md": b"*a_ " * 300_000,
    }  # fmt: skip


def disguised() -> dict[str, bytes]:
    """What is not what its name says."""
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
    return {
        "png.pdf": png, "png.docx": png, "png.txt": png, "png.md": png, "png.html": png, "png.eml": png,
        "pdf.docx": good_pdf(), "docx.pdf": good_docx(), "docx.xlsx": good_docx(), "xlsx.epub": good_xlsx(),
        "zip.csv": packed({"a": b"b" * 9999}), "old.docx": bytes.fromhex("D0CF11E0A1B11AE1") + bytes(4096),
        "pdf.txt": good_pdf(), "text.pdf": b"only text", "text.docx": b"only text", "text.ipynb": b"only text",
        "empty.zip.docx": packed({}), "half.pdf": good_pdf()[:600], "half.xlsx": good_xlsx()[:900],
    }  # fmt: skip


def long_lines(size: int) -> dict[str, bytes]:
    """One line of ``size`` bytes in every format of text: words, and a single word."""
    words, word = b"lorem ipsum dolor sit amet " * (size // 27), b"x" * size
    suffixes = ("txt", "md", "rst", "html", "csv", "json", "jsonl", "yaml", "xml", "ini", "py", "log", "tex", "eml")
    return {f"{kind}.{suffix}": body for suffix in suffixes for kind, body in (("words", words), ("word", word))} | {
        "quotes.csv": b'"' * size,
        "cell.ipynb": b'{"cells": [{"cell_type": "markdown", "source": "' + words + b'"}]}',
    }
