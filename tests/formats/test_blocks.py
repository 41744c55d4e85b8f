from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import LoadError
from ragcli.formats.blocks import HeadingPath, LoadOptions, TextBuilder, clean, row_text
from ragcli.formats.registry import load
from ragcli.types import Reason

PATH = Path("a.pdf")
LONG = b"long heading " * 2000


def test_blocks_are_the_texts_that_were_added():
    builder = TextBuilder()
    builder.heading(" A \n title ", 1, page=1)
    builder.add("one\r\ntwo", page=1)
    builder.add("\n\n    x = 1\n", "code", page=2)
    document = builder.build(PATH, " A\ntitle ", ("page 3 is blank",))
    assert document.text == "A title\n\none\ntwo\n\n    x = 1"
    assert [(document.text[b.start : b.end], b.kind, b.page, b.headings) for b in document.blocks] == [
        ("A title", "heading", 1, ("A title",)),
        ("one\ntwo", "paragraph", 1, ("A title",)),
        ("    x = 1", "code", 2, ("A title",)),
    ]
    assert (document.title, document.warnings) == ("A title", ("page 3 is blank",))


def test_rows_stand_on_lines_of_their_own():
    builder = TextBuilder()
    builder.add("a | b", "row")
    builder.add("1 | 2", "row", separator="\n")
    assert builder.build(PATH, "").text == "a | b\n1 | 2"


def test_a_heading_closes_its_own_level_and_deeper_ones():
    builder = TextBuilder()
    for text, level in [("1", 1), ("1.1", 2), ("1.1.1", 4), ("1.2", 2), ("2", 1)]:
        builder.heading(text, level)
    paths = [block.headings for block in builder.build(PATH, "").blocks]
    assert paths == [("1",), ("1", "1.1"), ("1", "1.1", "1.1.1"), ("1", "1.2"), ("2",)]


def test_the_caller_may_know_the_path_better():
    builder = TextBuilder()
    builder.heading("in force", 1)
    builder.add("text", headings=("other",))
    assert builder.build(PATH, "").blocks[1].headings == ("other",)


@pytest.mark.parametrize("blank", ["", " \n\t", "\u00a0"])
def test_blank_text_is_no_block(blank):
    builder = TextBuilder()
    builder.add(blank)
    builder.add(blank, "code")
    builder.heading(blank, 1)
    with pytest.raises(LoadError) as caught:
        builder.build(PATH, "title")
    assert caught.value.reason is Reason.EMPTY


def test_what_cannot_be_stored_is_replaced():
    builder = TextBuilder()
    builder.heading("a\x00", 1)
    builder.add("b\ud800c")
    document = builder.build(PATH, "\udfff")
    assert (document.text, document.title) == ("a\ufffd\n\nb\ufffdc", "\ufffd")
    assert document.blocks[1].headings == ("a\ufffd",)


@given(st.text(st.characters(codec=None)))
def test_clean_text_is_utf_8_of_the_same_length(text):
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert "\x00" not in cleaned.encode("utf-8").decode("utf-8")


@given(st.lists(st.tuples(st.text(), st.sampled_from(["paragraph", "code", "row", "list"])), min_size=1))
def test_blocks_cover_the_text_in_order(pieces):
    builder = TextBuilder()
    builder.add("first")
    for text, kind in pieces:
        builder.add(text, kind, separator="\n" if kind == "row" else "\n\n")
    document = builder.build(PATH, "")
    end = 0
    for block in document.blocks:
        assert block.start >= end
        assert not document.text[end : block.start].strip("\n")
        assert document.text[block.start : block.end].strip()
        end = block.end
    assert end == len(document.text)


def test_heading_path_of_nothing_is_empty():
    assert HeadingPath().path == ()


@pytest.mark.parametrize(
    ("header", "cells", "row"),
    [
        (None, ["a", "", " b\n c "], "a | b c"),
        (["x", "y"], ["1", "2"], "x: 1 | y: 2"),
        (["x", "y"], ["", "2", "3"], "y: 2 | 3"),
        (["x", ""], ["1", "2"], "x: 1 | 2"),
        (["x", "y"], ["x", "y"], "x | y"),
        (["x"], [], ""),
    ],
)
def test_row_text(header, cells, row):
    assert row_text(header, cells) == row


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", b"<h1>" + LONG + b"</h1>" + b"<p>text</p>" * 50),
        ("a.md", b"# " + LONG + b"\n\ntext" * 50),
        ("a.ini", b"[" + LONG + b"]\na = 1\n[b]\nc = 2\n"),
        ("a.rst", LONG + b"\n" + b"=" * len(LONG) + b"\n\ntext" * 50),
        ("a.html", b"<title>" + LONG + b"</title><p>text"),
    ],
)
def test_a_heading_without_end_is_not_repeated_over_every_passage(name, data):
    document = load(Path(name), data, LoadOptions())
    carried = [document.title, *(heading for block in document.blocks for heading in block.headings)]
    assert max(map(len, carried)) <= 500
    assert any(heading.startswith("long heading") for heading in carried)


def test_a_path_of_headings_has_an_end():
    path = HeadingPath()
    for level in range(1, 1000):
        path.push(str(level), level)
    assert len(path.path) == 32
    assert path.path[-1] == "999"
