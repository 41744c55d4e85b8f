"""Old PowerPoint files, written here record by record as [MS-PPT] says."""

import struct
import sys
from pathlib import Path

import pytest

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Reason

sys.path.insert(0, str(Path(__file__).parent))

from ole_files import compound
from ppt_files import BODY, OTHER, TITLE, atom, cell, comment, presentation, record, shape, show, slide, table


def load(data: bytes, name: str = "a.ppt"):
    return loaders.load(Path(name), data, LoadOptions())


def blocks(data: bytes):
    found = load(data)
    return [(b.page, b.kind, b.headings, found.text[b.start : b.end]) for b in found.blocks]


def test_slides_are_pages_with_titles_texts_and_notes():
    first = slide(
        shape("Łódź harbour", OTHER, top=900, left=600),
        shape("caf\xe9\vbar", OTHER, top=950, left=0),
        shape("The tides", TITLE, top=500),
        shape("At nine\rAt ten\r", BODY, top=600),
        shape("7", OTHER, placeholder=8),
        more=comment("Ann", "really?"),
    )
    found = blocks(presentation([first, slide(shape("alone"))], {256: "Speak\rslowly."}))
    assert found == [
        (1, "heading", ("The tides",), "The tides"),
        (1, "list", ("The tides",), "- At nine"),
        (1, "list", ("The tides",), "- At ten"),
        (1, "paragraph", ("The tides",), "café\nbar"),
        (1, "paragraph", ("The tides",), "Łódź harbour"),
        (1, "paragraph", ("The tides",), "Comment by Ann: really?"),
        (1, "paragraph", ("The tides",), "Notes: Speak slowly."),
        (2, "paragraph", (), "alone"),
    ]
    assert load(presentation([first])).title == "The tides"


def test_texts_may_stand_in_the_outline_of_the_document():
    outlines = {256: [(TITLE, "Łódź"), (BODY, "one")], 257: [(TITLE, "Rock")]}
    found = blocks(presentation([slide(shape(1), shape(0)), slide(shape(0), shape(9))], outlines=outlines))
    assert [(page, text) for page, _, _, text in found] == [(1, "Łódź"), (1, "one"), (2, "Rock")]


def test_cells_in_a_group_are_a_table():
    cells = (
        cell("Region", 0, 0, 10, 20), cell("Sales", 0, 10, 30, 10), cell("new", 10, 10, 20, 20),
        cell("old", 10, 20, 30, 20), cell("North", 20, 0, 10, 30), cell("12", 20, 20, 30, 30),
    )  # fmt: skip
    found = blocks(presentation([slide(shape("before", top=0), table(*cells, top=400), shape("after", top=900))]))
    assert [(kind, text) for _, kind, _, text in found] == [
        ("paragraph", "before"),
        ("row", "Region | Sales"),
        ("row", "Region | new | old"),
        ("row", "Region: North | Sales old: 12"),
        ("paragraph", "after"),
    ]


def test_the_last_edit_is_found_when_the_stream_of_the_user_is_gone():
    tree = show([slide(shape("honest"))])
    assert load(compound({"PowerPoint Document": tree["PowerPoint Document"]})).text == "honest"
    tree["Current User"] = tree["Current User"][:-4] + struct.pack("<I", 0x7FFFFFF0)
    assert load(compound(tree)).text == "honest"


def test_of_a_file_for_two_versions_the_newer_is_read():
    older = {"PowerPoint Document": b"x" * 5000, "PP40": b"x"}
    assert load(compound(older | {"PP97_DUALSTORAGE": show([slide(shape("honest"))])})).text == "honest"


def test_an_edit_that_follows_itself_ends():
    tree = show([slide(shape("honest"))])
    (edit,) = struct.unpack_from("<I", tree["Current User"], 16)
    stream = bytearray(tree["PowerPoint Document"])
    struct.pack_into("<I", stream, edit + 16, edit)
    assert load(compound(tree | {"PowerPoint Document": bytes(stream)})).text == "honest"


def test_a_slide_that_is_listed_again_and_again_is_read_once():
    tree = show([slide(shape("honest"))] * 300)
    stream = bytearray(tree["PowerPoint Document"])
    at = stream.rfind(struct.pack("<HI", 0x1772, 4 + 4 * 301))
    struct.pack_into("<300I", stream, at + 14, *[0] * 300)  # each of them is the first
    assert load(compound(tree | {"PowerPoint Document": bytes(stream)})).text == "honest"


def test_records_in_records_without_end_are_cut():
    inside = shape("honest")
    for _ in range(3000):
        inside = record(0xF003, inside)
    with pytest.raises(LoadError) as caught:
        load(presentation([slide(inside)]))
    assert caught.value.reason is Reason.EMPTY


HONEST = show([slide(shape("honest"))])


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (presentation([slide(shape("x"))], token=0xF3D1C4DF), Reason.ENCRYPTED, "with a password"),
        (compound({"PP40": b"x" * 5000}), Reason.UNSUPPORTED, "PowerPoint 95"),
        (compound({"WordDocument": b"x" * 5000}), Reason.DAMAGED, "no presentation in it"),
        (compound({"PowerPoint Document": atom(1, b"x" * 5000)}), Reason.DAMAGED, "document is missing"),
        (compound(HONEST)[:700], Reason.DAMAGED, "not an old PowerPoint file"),
        (b"%PDF-1.7\n" + bytes(2000), Reason.DAMAGED, "not an old PowerPoint file"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data, reason, said):
    with pytest.raises(LoadError) as caught:
        load(data)
    assert caught.value.reason is reason
    assert said in caught.value.detail
