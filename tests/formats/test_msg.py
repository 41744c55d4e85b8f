"""Outlook messages, written here stream by stream as [MS-OXMSG] says."""

import datetime as dt
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.members import walk
from ragcli.formats.ole.msg import unpack_rtf
from ragcli.types import Reason

sys.path.insert(0, str(Path(__file__).parent))

from ole_files import compound


def wide(**texts: str) -> dict[str, bytes]:
    """Streams of Unicode texts by their property numbers: ``p0037`` is the subject."""
    return {f"__substg1.0_{name[1:].upper()}001F": text.encode("utf-16-le") for name, text in texts.items()}


def narrow(**texts: bytes) -> dict[str, bytes]:
    return {f"__substg1.0_{name[1:].upper()}001E": text for name, text in texts.items()}


def binary(**contents: bytes) -> dict[str, bytes]:
    return {f"__substg1.0_{name[1:].upper()}0102": content for name, content in contents.items()}


def fixed(header: int, **values: int) -> dict[str, bytes]:
    """The stream of short properties; those of eight bytes are times."""
    rows = [
        struct.pack("<HHIq", 0x40 if value > 2**32 else 3, int(name[1:], 16), 6, value)
        for name, value in values.items()
    ]
    return {"__properties_version1.0": bytes(header) + b"".join(rows)}


def ticks(*moment: int) -> int:
    return int((dt.datetime(*moment, tzinfo=dt.UTC) - dt.datetime(1601, 1, 1, tzinfo=dt.UTC)).total_seconds()) * 10**7


def recipient(kind: int, name: str, address: str) -> dict[str, bytes]:
    return fixed(8, p0c15=kind) | wide(p3001=name, p39fe=address)


def load(tree, name: str = "a.msg"):
    data = tree if isinstance(tree, bytes) else compound(tree)
    return loaders.load(Path(name), data, LoadOptions())


def text(tree) -> list[str]:
    found = load(tree)
    return [found.text[block.start : block.end] for block in found.blocks]


PLAIN = fixed(32) | wide(p0037="Tides", p1000="At nine.")


def test_a_message_has_its_headers_and_its_paragraphs():
    tree = {
        **fixed(32, p0039=ticks(2024, 5, 6, 7, 8, 9)),
        **wide(p0037="The tides of Łódź", p0c1a="Ann", p0c1f="/O=EX/CN=ANN", p5d01="ann@a.example"),
        **wide(p1000="At nine.\r\n \r\nBring\r\na boat.", p0e04="never shown"),
        "__recip_version1.0_#00000000": recipient(1, "Bo", "bo@b.example"),
        "__recip_version1.0_#00000001": recipient(1, "cy@c.example", "cy@c.example"),
        "__recip_version1.0_#00000002": recipient(2, "Di", ""),
        "__recip_version1.0_#00000003": recipient(3, "Secret", ""),
        "__nameid_version1.0": {"__substg1.0_00020102": b""},
    }
    found = load(tree)
    assert (found.title, found.loader) == ("The tides of Łódź", "msg")
    assert [(b.kind, b.headings) for b in found.blocks][1] == ("paragraph", ("The tides of Łódź",))
    assert text(tree)[1:] == [
        "From: Ann <ann@a.example>\nTo: Bo <bo@b.example>, cy@c.example\nCc: Di\nDate: Mon, 06 May 2024 07:08:09 +0000",
        "At nine.",
        "Bring\na boat.",
    ]


def test_texts_of_eight_bits_are_in_the_code_page_of_the_message():
    tree = {**fixed(32, p3ffd=1251), **narrow(p0037="Прилив".encode("cp1251"), p1000="в девять".encode("cp1251"))}
    assert text(tree) == ["Прилив", "в девять"]


def test_the_body_is_plain_or_html_or_rtf():
    html = "<html><body><h1>Rock</h1><p>h&auml;rd ü</p></body></html>".encode("cp1252")
    rtf = rb"{\rtf1\ansi\pard hard rock\par soft sand\par}"
    packed = struct.pack("<4I", len(rtf) + 12, len(rtf), 0x414C454D, 0) + rtf
    subject = fixed(32, p3fde=1252) | wide(p0037="Tides", p1000=" \r\n")
    bodies = {**binary(p1013=html, p1009=packed)}
    assert text(subject | bodies) == ["Tides", "Rock", "härd ü"]
    assert text(subject | binary(p1009=packed)) == ["Tides", "hard rock", "soft sand"]
    assert text(subject | wide(p0037="Tides", p1000="Rock,\r\nhärd ü") | bodies) == ["Tides", "Rock,\nhärd ü"]


def test_a_page_that_says_more_or_has_a_table_is_read_in_place_of_the_plain_text():
    stub = binary(p1013=b"<p>The brake of the north crane slips.</p>")
    assert text(PLAIN | stub) == ["Tides", "The brake of the north crane slips."]
    rows = "<tr><td>North</td><td>12 t</td></tr><tr><td>South</td><td>9 t</td></tr>"
    page = f"<table><tr><th>Hook</th><th>Load</th></tr>{rows}</table>"
    plain = wide(p0037="Loads", p1000="Hook\r\n\r\nLoad\r\n\r\nNorth\r\n\r\n12 t\r\n\r\nSouth\r\n\r\n9 t")
    found = ["Loads", "Hook | Load", "Hook: North | Load: 12 t", "Hook: South | Load: 9 t"]
    assert text(fixed(32) | plain | binary(p1013=page.encode())) == found
    rtf = (
        rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 "
        + page.encode().replace(b">", rb">}").replace(b"<", rb"{\*\htmltag64 <")
        + b"}"
    )
    packed = struct.pack("<4I", len(rtf) + 12, len(rtf), 0x414C454D, 0) + rtf.replace(rb"{\*\htmltag64 {", b"{")
    assert text(fixed(32) | plain | binary(p1009=packed)) == found


def test_rtf_that_was_html_is_read_as_html():
    rtf = (
        rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0 A;}}{\*\htmltag64 <ul>}\htmlrtf {\htmlrtf0 "
        rb"{\*\htmltag64 <li>}\htmlrtf {\pntext\tab}\htmlrtf0 one &amp; {\*\mhtmltag84 <x>}two\htmlrtf\par}\htmlrtf0"
        rb"{\*\htmltag72 </li>}{\*\htmltag64 <li>}\'e9{\*\htmltag72 </li></ul>}}"
    )
    packed = struct.pack("<4I", len(rtf) + 12, len(rtf), 0x414C454D, 0) + rtf
    assert text(fixed(32) | binary(p1009=packed)) == ["- one &amp; two", "- é"]


def test_the_packing_of_the_body():
    # The two examples of [MS-OXRTFCP] 3.1 and 3.2
    simple = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert unpack_rtf(simple) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    crossing = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert unpack_rtf(crossing) == rb"{\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


@given(st.binary(max_size=400))
def test_a_packed_body_never_grows_beyond_its_bound(data):
    packed = struct.pack("<4I", 0, 2**32 - 1, 0x75465A4C, 0) + data
    assert len(unpack_rtf(packed)) <= 9 * len(data)


def attachment(name: str, content: bytes, kind: str = "") -> dict[str, bytes]:
    return fixed(8) | wide(p3707=name, p370e=kind) | binary(p3701=content)


def test_attachments_are_named_and_are_files_of_the_message():
    tree = {
        **PLAIN,
        "__attach_version1.0_#00000000": attachment("gate.txt", b"opens at dawn"),
        "__attach_version1.0_#00000001": attachment("plan.pdf", b"%PDF-1.7", "application/pdf"),
        "__attach_version1.0_#00000002": fixed(8) | wide(p3704="DATA~1", p370e="text/csv") | binary(p3701=b"a,b"),
    }
    document = load(tree)
    assert text(tree)[2:] == ["Attachments: gate.txt, plan.pdf, DATA~1"]
    found = list(walk(document, LoadOptions()))
    assert [member.name for member in found] == ["gate.txt", "plan.pdf", "DATA~1.csv"]
    assert found[0].read().text == "opens at dawn"
    assert found[2].read().loader == "table"


def test_a_message_in_a_message_stands_under_its_subject():
    inner = fixed(24) | wide(p0037="Older", p1000="At eight.")
    tree = {**PLAIN, "__attach_version1.0_#00000000": {**fixed(8), "__substg1.0_3701000D": inner}}
    found = load(tree)
    said = [(b.headings, found.text[b.start : b.end]) for b in found.blocks]
    assert said[2:] == [(("Tides", "Older"), "Older"), (("Tides", "Older"), "At eight.")]


def test_messages_in_messages_without_end_are_cut():
    tree = PLAIN
    for _ in range(60):
        tree = {**PLAIN, "__attach_version1.0_#00000000": {**fixed(8), "__substg1.0_3701000D": tree}}
    assert text(tree).count("At nine.") == 11


CYCLE = bytearray(compound(PLAIN | binary(p1013=b"<p>x</p>" * 900)))
_TABLE = CYCLE[76] * 512 + 512  # of sectors
CYCLE[_TABLE : _TABLE + 4] = bytes(4)  # the first sector, of the HTML, is followed by itself
ENDLESS = bytearray(compound(fixed(32) | binary(p1013=b"<p>x</p>" * 900)))
_SIZE = ENDLESS.find("1013".encode("utf-16-le")) // 128 * 128 + 120
ENDLESS[_SIZE : _SIZE + 4] = b"\xff\xff\xff\x7f"
TABLES = bytearray(compound(PLAIN))
TABLES[44:48] = b"\xff\xff\xff\x7f"


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (compound(PLAIN | wide(p001a="IPM.Note.SMIME")), Reason.ENCRYPTED, "an encrypted message"),
        (
            compound({**PLAIN, "__attach_version1.0_#0": attachment("a.asc", b"", "application/pgp-encrypted")}),
            Reason.ENCRYPTED,
            "an encrypted message",
        ),
        (b"\x00From: ann", Reason.DAMAGED, "not an Outlook message"),
        (compound({"WordDocument": b"x" * 5000}), Reason.DAMAGED, "no Outlook message in it"),
        (compound(fixed(32)), Reason.EMPTY, "no text"),
        (compound(PLAIN)[:700], Reason.DAMAGED, "not an Outlook message that can be read"),
        (bytes(TABLES), Reason.DAMAGED, "tables are larger than the file"),
        (bytes(ENDLESS), Reason.DAMAGED, "larger than the file"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data, reason, said):
    with pytest.raises(LoadError) as caught:
        load(data)
    assert caught.value.reason is reason
    assert said in caught.value.detail


def test_a_signed_message_is_read():
    assert text(PLAIN | wide(p001a="IPM.Note.SMIME.MultipartSigned")) == ["Tides", "At nine."]


def test_a_chain_of_sectors_that_leads_to_itself_ends():
    assert load(bytes(CYCLE)).title == "Tides"
