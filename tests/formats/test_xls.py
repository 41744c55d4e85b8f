"""Old Excel files: two by LibreOffice (data/README.md), others written here record by record."""

import gzip
import struct
import sys
from pathlib import Path

import openpyxl
import pytest

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Reason

sys.path.insert(0, str(Path(__file__).parent))

from ole_files import compound

SALES, FORMATS = (
    gzip.decompress((Path(__file__).parent / "data" / f"{name}.xls.gz").read_bytes()) for name in ("sales", "formats")
)


def load(data: bytes, name: str = "a.xls"):
    return loaders.load(Path(name), data, LoadOptions())


def record(number: int, data: bytes = b"") -> bytes:
    return struct.pack("<2H", number, len(data)) + data


def label(row: int, column: int, text: bytes) -> bytes:
    return record(0x0004, struct.pack("<2H3xB", row, column, len(text)) + text)


EXCEL_2 = record(0x0009, struct.pack("<2H", 2, 0x10)) + label(0, 0, b"Name") + label(0, 1, b"Town") + label(
    1, 0, b"Ann"
) + label(1, 1, b"Leith") + record(0x000A)  # fmt: skip
GLOBALS = record(0x0809, struct.pack("<4H2I", 0x0600, 5, 0x0DBB, 0x07CC, 0, 6))
PASSWORD = record(0x002F, struct.pack("<3H", 1, 1, 1) + bytes(48))


def test_numbers_are_what_the_sheet_shows():
    assert load(FORMATS).text.splitlines()[-1] == (
        "Price: € 1,234.50 | Shift: 30:15 | Phone: +33 123456789 | Loss: (0.5) | As text: 12 | Plain: 0.3"
    )


def test_sheets_are_pages_with_headers_formats_and_comments():
    found = load(SALES)
    assert (found.title, found.loader) == ("On sales", "xls")
    assert [(b.page, b.headings, found.text[b.start : b.end]) for b in found.blocks] == [
        (1, ("Sales",), "Sales"),
        (1, ("Sales",), "Region | Sales"),
        (1, ("Sales",), "Region | new | old"),
        (1, ("Sales",), "Region: North (Comment: The roof leaks.) | Sales new: 10.5 | Sales old: 11"),
        (1, ("Sales",), "Region: South | Sales new: 21"),
        (3, ("Łódź",), "Łódź"),
        (3, ("Łódź",), "Zip | Growth | Opened | At | Open"),
        (3, ("Łódź",), "Zip: 00501 | Growth: 12.5% | Opened: 2024-05-06 | At: 07:30:00 | Open: TRUE"),
    ]


def test_a_sheet_of_excel_2_without_a_container():
    found = load(EXCEL_2)
    assert found.text.splitlines()[-2:] == ["Name | Town", "Name: Ann | Town: Leith"]


def test_text_boxes_are_read_below_the_cells():
    def box(shape: int, text: str, cut: int) -> bytes:
        parts = [text[:cut], text[cut:]] if cut else [text]
        found = record(0x005D, struct.pack("<5H", 0x15, 0x12, shape, 1, 0x6011) + bytes(16))
        found += record(0x01B6, struct.pack("<5HH6x", 0x212, 0, 0, 0, 0, len(text)))
        found += b"".join(record(0x003C, b"\1" + part.encode("utf-16-le")) for part in parts)
        return found + record(0x003C, bytes(16))

    sheet = record(0x0809, struct.pack("<4H2I", 0x0600, 0x10, 0x0DBB, 0x07CC, 0, 6))
    sheet += (
        box(6, "The roof of Łódź leaks.", 9) + box(0x19, "a comment", 0) + box(7, "Press\rhere", 0) + record(0x000A)
    )
    name = b"\x05\0Roofs"
    begin = len(GLOBALS) + 4 + 6 + len(name) + 4
    book = GLOBALS + record(0x0085, struct.pack("<IBB", begin, 0, 0) + name) + record(0x000A) + sheet
    found = load(compound({"Workbook": book.ljust(5000, b"\0")}))
    assert found.text == "Roofs\n\nThe roof of Łódź leaks.\n\nPress here"
    assert {block.page for block in found.blocks} == {1}


def test_the_content_decides_between_the_formats_of_excel(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["an", "honest", "row"])
    book.save(tmp_path / "a")
    found = load((tmp_path / "a").read_bytes())
    assert (found.loader, found.text.splitlines()[-1]) == ("xlsx", "an | honest | row")
    assert load(SALES, "a.xlsx").loader == "xls"
    found = load(b"<html><table><tr><th>Name</th><th>Town</th></tr><tr><td>Ann</td><td>Leith</td></tr></table></html>")
    assert (found.loader, found.text.splitlines()[-1]) == ("html", "Name: Ann | Town: Leith")
    found = load(b"Name\tTown\nAnn\tLeith\n")
    assert (found.loader, found.text.splitlines()[-1]) == ("table", "Name: Ann | Town: Leith")


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (compound({"Workbook": (GLOBALS + PASSWORD).ljust(5000, b"\0")}), Reason.ENCRYPTED, "with a password"),
        (compound({"WordDocument": b"x" * 5000}), Reason.DAMAGED, "no Excel workbook in it"),
        (compound({"Workbook": b"x" * 5000}), Reason.DAMAGED, "not an old Excel file that can be read"),
        (SALES[:900], Reason.DAMAGED, "not an old Excel file that can be read"),
        (EXCEL_2[:3], Reason.DAMAGED, "not an old Excel file that can be read"),
        (b"%PDF-1.7\n" + bytes(2000), Reason.DAMAGED, "not an old Excel file"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data, reason, said):
    with pytest.raises(LoadError) as caught:
        load(data)
    assert caught.value.reason is reason
    assert said in caught.value.detail
