"""Old Word files: one by LibreOffice, and others written here byte by byte as [MS-DOC] says."""

import gzip
import io
import struct
import sys
from pathlib import Path

import docx
import pytest

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.ole.doc_properties import read_lists
from ragcli.types import Reason

sys.path.insert(0, str(Path(__file__).parent))

from ole_files import compound

DATA = Path(__file__).parent / "data"


def load(data: bytes, name: str = "a.doc"):
    return loaders.load(Path(name), data, LoadOptions())


def blocks(data: bytes, name: str = "a.doc"):
    found = load(data, name)
    return [(block.kind, block.headings, found.text[block.start : block.end]) for block in found.blocks]


def word(*pieces: str | bytes, flags: int = 0x200, version: int = 0xC1) -> dict[str, bytes]:
    """A file whose text is in these pieces, written into the file in reverse: text is in UTF-16, bytes in cp1252."""
    head = bytearray(1472)
    body, places = bytearray(), []
    for piece in reversed(pieces):
        where = len(head) + len(body)
        places.insert(0, where if isinstance(piece, str) else 0x40000000 | 2 * where)
        body += piece.encode("utf-16-le") if isinstance(piece, str) else piece
    bounds = [0]
    for piece in pieces:
        units = len(piece.encode("utf-16-le")) // 2 if isinstance(piece, str) else len(piece)
        bounds.append(bounds[-1] + units)
    plc = struct.pack(f"<{len(bounds)}I", *bounds) + b"".join(struct.pack("<HIH", 0, at, 0) for at in places)
    clx = b"\1\2\0\0\0" + b"\2" + struct.pack("<I", len(plc)) + plc
    struct.pack_into("<2H", head, 0, 0xA5EC, version)
    struct.pack_into("<H", head, 10, flags)
    struct.pack_into("<I", head, 76, bounds[-1])
    struct.pack_into("<2I", head, 154 + 8 * 33, 4, len(clx))
    return {"WordDocument": bytes(head + body).ljust(4096, b"\0"), "1Table": b"\0\0\0\0" + clx}


def word_6(text: bytes, language: int = 0x409, system: int = 0, fonts: bytes = b"") -> bytes:
    head = bytearray(1472)
    struct.pack_into("<4H", head, 0, 0xA5DC, 0x68, 0, language)
    head[18] = system
    struct.pack_into("<2I", head, 24, len(head), len(head) + len(text))
    struct.pack_into("<I", head, 52, len(text))
    struct.pack_into("<2I", head, 0xD0, len(head) + len(text), len(fonts))
    return compound({"WordDocument": (bytes(head) + text + fonts).ljust(4096, b"\0")})


def test_a_file_by_libreoffice_says_what_its_source_says():
    data = gzip.decompress((DATA / "rocks.doc.gz").read_bytes())
    found = blocks(data)
    assert ("heading", ("Rock", "Kinds"), "Kinds") in found
    assert ("list", ("Rock", "Kinds"), "a) grey") in found
    assert ("paragraph", ("Rock",), "Note: Not all of it.") in found
    assert ("row", ("Rock", "Kinds"), "Town: Leith | People born here: 10 | People moved in: 12") in found
    assert not any("hidden" in text or "deleted" in text for _, _, text in found)
    assert found == blocks((DATA / "rocks.fodt").read_bytes(), "a.fodt")
    assert (load(data).title, load(data).loader) == ("On rocks", "doc")


def test_pieces_of_eight_and_sixteen_bits_in_any_order():
    data = compound(word("Łódź 😀 ", b"caf\xe9 \x93so\x94\r", "漢字\r"))
    assert [text for _, _, text in blocks(data)] == ["Łódź 😀 café “so”", "漢字"]


def test_of_fields_the_result_is_read():
    text = "a \x13 HYPERLINK \x13 PAGE \x147\x15 \x14the\r\x13 X \x15link\x15 b\x0bc\x1e\x1fd\x01\x08\re\x0cf\r"
    assert [text for _, _, text in blocks(compound(word(text)))] == ["a the", "link b\nc-d", "e", "f"]


def test_cells_without_properties_are_cells_still():
    assert blocks(compound(word("Name\x07Town\x07\rend\r")))[-2:] == [
        ("row", (), "Name | Town"),
        ("paragraph", (), "end"),
    ]


def test_word_6_in_its_code_page():
    assert [text for _, _, text in blocks(word_6(b"caf\xe9\rb \x13 PAGE \x149\x15\r"))] == ["café", "b 9"]
    russian = "Установка требует версия".encode("cp1251")
    assert load(word_6(russian, language=0x419)).text == "Установка требует версия"
    fonts = (
        struct.pack("<HBBHBB", 20, 11, 0, 400, 0, 0) + b"Arial\0" + struct.pack("<BBHBB", 9, 0, 400, 204, 0) + b"Cyr\0"
    )
    assert load(word_6(russian, fonts=fonts)).text == "Установка требует версия"
    assert load(word_6("été".encode("mac_roman"), system=1)).text == "été"


def good_docx() -> bytes:
    document, out = docx.Document(), io.BytesIO()
    document.add_paragraph("An honest paragraph.")
    document.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "loader", "text"),
    [
        ("a.doc", rb"{\rtf1\ansi honest\par}", "rtf", "honest"),
        ("a.doc", good_docx(), "docx", "An honest paragraph."),
        ("a.doc", b"<html><body><p>honest</p></body></html>", "html", "honest"),
        ("a.doc", b"just honest text", "text", "just honest text"),
        ("a.docx", compound(word("honest\r")), "doc", "honest"),
        ("a.docx", rb"{\rtf1\ansi honest\par}", "rtf", "honest"),
        ("a.rtf", compound(word("honest\r")), "doc", "honest"),
        ("a.rtf", good_docx(), "docx", "An honest paragraph."),
    ],
)
def test_the_content_decides_between_the_formats_of_word(name, data, loader, text):
    found = load(data, name)
    assert (found.loader, found.text) == (loader, text)


def changed(tree: dict[str, bytes], name: str, at: int, value: bytes) -> bytes:
    data = bytearray(tree[name])
    data[at : at + len(value)] = value
    return compound({**tree, name: bytes(data)})


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (compound(word("x\r", flags=0x300)), Reason.ENCRYPTED, "a Word file with a password"),
        (compound({"EncryptedPackage": b"x", "EncryptionInfo": b"y"}), Reason.ENCRYPTED, "a password"),
        (compound({"Workbook": b"x" * 5000}), Reason.DAMAGED, "no Word document in it"),
        (compound({"WordDocument": word("x\r")["WordDocument"]}), Reason.DAMAGED, "table stream is missing"),
        (changed(word("x\r"), "1Table", 9, b"\3"), Reason.DAMAGED, "table of pieces is missing"),
        (changed(word("x\r"), "1Table", 18, b"\xff\xff\xff\x7f"), Reason.DAMAGED, "pieces are longer"),
        (changed(word("x\r"), "WordDocument", 0, b"\0\0"), Reason.DAMAGED, "no Word document in it"),
        (compound(word("\r\r")), Reason.EMPTY, "no text"),
        (compound(word("x\r"))[:1500], Reason.DAMAGED, "not an old Word file that can be read"),
        (b"\xdb\xa5\x2d\0" + bytes(range(256)) * 4, Reason.UNSUPPORTED, "Word 2 or older"),
        (changed(word("x\r"), "WordDocument", 0, b"\x99\xa6"), Reason.UNSUPPORTED, "East Asian Word"),
        (b"%PDF-1.7\n" + bytes(2000), Reason.DAMAGED, "not an old Word file"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data, reason, said):
    with pytest.raises(LoadError) as caught:
        load(data)
    assert caught.value.reason is reason
    assert said in caught.value.detail


def test_pieces_that_share_their_text_do_not_make_it_grow():
    tree = word(*["x" * 900] * 3)
    pieces = struct.pack("<I", 12 * 500 + 4) + struct.pack("<501I", *range(0, 501 * 1000, 1000))
    clx = b"\2" + pieces + struct.pack("<HIH", 0, 1472, 0) * 500
    head = bytearray(tree["WordDocument"])
    struct.pack_into("<2I", head, 154 + 8 * 33, 0, len(clx))
    with pytest.raises(LoadError, match="longer than the file"):
        load(compound({"WordDocument": bytes(head), "1Table": clx}))


def level(template: str, start: int = 1, kind: int = 0) -> bytes:
    text = template.encode("utf-16-le")
    return struct.pack("<iB23x", start, kind) + struct.pack("<H", len(text) // 2) + text


def use(identity: int, overrides: int = 0) -> bytes:
    return struct.pack("<i8xB3x", identity, overrides)


def test_lists_count_by_level_and_start_where_a_use_says():
    lists = struct.pack("<H", 2) + struct.pack("<i22xH", 7, 0) + struct.pack("<i22xH", 8, 1)
    lists += level("\0.") + level("\0.\1)", kind=4) + level("", kind=255) + level("x", kind=23) * 6
    lists += level("\0", start=3, kind=1)
    uses = struct.pack("<I", 4) + use(7) + use(7, overrides=1) + use(8) + use(99)
    uses += bytes(4) + bytes(4) + struct.pack("<iI", 9, 0x10) + bytes(8)
    found = read_lists(lists + uses, (0, len(lists)), (len(lists), len(uses)))
    said = [found.label(number, at) for number, at in ((1, 0), (1, 1), (1, 1), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0))]
    assert said == ["1. ", "1.a) ", "1.b) ", "2. ", "2.a) ", "", "- ", "9. "]
    assert [found.label(number, 0) for number in (2, 3, 3, 4, 5)] == ["10. ", "III ", "IV ", "- ", "- "]
    assert read_lists((lists + uses)[:60], (0, 60), (60, 0)).label(1, 0) == "- "


def test_exponents_and_indices_keep_that_they_are():
    data = gzip.decompress((DATA / "scripts.doc.gz").read_bytes())  # by LibreOffice
    assert [text for _, _, text in blocks(data)] == ["Flow of 10^6 grains in H2O at x_1."]
