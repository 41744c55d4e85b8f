"""Words from right to left whose letters share glyphs come out of a PDF as they are written."""

from __future__ import annotations

import io
from pathlib import Path

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf.generic import NameObject, StreamObject
from reportlab.pdfgen.canvas import Canvas

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.pdf.loader import load
from ragcli.formats.pdf.page import draw_page

# Each is one glyph of the page: letters, ligatures whose letters the file names, and one by its presentation form.
GLYPHS = ["س", "م", "ب", "د", "ل", "ا", "ك", "ت", "لا", "لأ", "لإ", "لآ", "لم", "الله", "ش", "ר", "שׁ", "\ufefb", "😀"]
CODES = "abcdefghijklmnopqrs"


def page(*lines: list[list[str]]) -> bytes:
    """A PDF with lines of words, each a list of GLYPHS, drawn from right to left as a typesetter does."""
    out = io.BytesIO()
    canvas = Canvas(out)
    for number, words in enumerate(lines):
        drawn = " ".join("".join(CODES[GLYPHS.index(glyph)] for glyph in word) for word in words)[::-1]
        canvas.drawRightString(500, 700 - 30 * number, drawn)
    canvas.save()
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(out.getvalue()))
    named = "".join(
        f"<{ord(code):02x}> <{glyph.encode('utf-16-be').hex()}>\n"
        for code, glyph in zip([*CODES, " "], [*GLYPHS, " "], strict=True)
    )
    cmap = StreamObject()
    cmap.set_data(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        f"1 begincodespacerange <00> <ff> endcodespacerange\n{len(GLYPHS) + 1} beginbfchar\n{named}endbfchar\n"
        "endcmap CMapName currentdict /CMap defineresource pop end end".encode()
    )
    font = next(iter(writer.pages[0]["/Resources"]["/Font"].values())).get_object()
    font[NameObject("/ToUnicode")] = writer._add_object(cmap)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def read(data: bytes) -> str:
    return load(Path("x.pdf"), data, LoadOptions()).text


def written(words: list[list[str]]) -> str:
    return " ".join("".join(word) for word in words).replace("\ufefb", "لا")


@pytest.mark.parametrize("glyphs", [["ا", "ل", "س", "لا", "م"], ["ب", "لا", "د"], ["ا", "لإ", "س", "لا", "م"], ["لآ"]])
def test_lam_and_alef_in_one_glyph_keep_their_order(glyphs):
    assert read(page([["ك", "ت", "ا", "ب"], glyphs])) == written([["ك", "ت", "ا", "ب"], glyphs])


@given(st.lists(st.lists(st.sampled_from(GLYPHS[:-2]), min_size=1, max_size=8), min_size=2, max_size=6))
def test_words_come_back_as_they_were(words):
    assert read(page(words)) == written(words)


def test_a_ligature_by_its_presentation_form_is_in_order_already():
    words = [["س", "\ufefb", "م"], ["ك", "ت", "ا", "ب"]]
    assert read(page(words)) == "سلام كتاب"


def test_characters_of_two_units_do_not_shift_what_follows():
    words = [["😀"], ["س", "لا", "م"], ["ب", "لا", "د"]]
    assert read(page([["😀"]], words[1:], words[1:])).split()[1:] == ["سلام", "بلاد"] * 2


def test_a_passage_with_a_ligature_is_marked():
    data = page([["ك", "ت", "ا", "ب"], ["س", "لا", "م"], ["ب", "لا", "د"]])
    assert draw_page(data, 1, ["سلام بلاد"], 600).boxes[0]
