import textwrap
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ragcli.formats.pdf.bidi import is_right_to_left, logical
from ragcli.formats.pdf.layout import Line, clean_line, merge_segments, paragraphs, plain_lines
from ragcli.formats.pdf.scripts import written

words = st.lists(st.text("abcdefghijklmnop", min_size=1, max_size=12), min_size=3, max_size=60)
paragraph_texts = words.map(lambda found: f"{' '.join(found).capitalize()}.")


@given(st.lists(paragraph_texts, min_size=1, max_size=6), st.integers(30, 90))
def test_wrapped_paragraphs_come_back_as_they_were(originals, width):
    page = "\n\n".join(textwrap.fill(text, width) for text in originals)
    assert [paragraph.text for paragraph in paragraphs(plain_lines(page), frozenset())] == originals


@given(st.text())
def test_no_character_gets_lost_but_white_space_and_controls(text):
    shown = "".join(paragraph.text for paragraph in paragraphs(plain_lines(text), frozenset()))
    for character in text:
        if character.isalnum() and not 0xFB00 <= ord(character) <= 0xFB06:
            is_of_formulas = character == "ℎ" or 0x1D400 <= ord(character) < 0x1D800
            assert (unicodedata.normalize("NFKC", character) if is_of_formulas else character) in shown


def test_ligatures_are_written_out_and_soft_hyphens_dropped():
    assert clean_line("e\ufb03cient  \ufb02ow\u00ading  \x07 work\u00ad") == "efficient flowing work\u00ad"


def test_letters_of_formulas_are_those_that_people_type():
    assert clean_line("𝑓(𝑥) = 𝐚ℎ + 𝜋𝟐 ∈ ℝ") == "f(x) = ah + π2 ∈ ℝ"


def test_other_compatibility_characters_are_kept():
    assert clean_line("H₂O ½ ① ﷺ") == "H₂O ½ ① ﷺ"


def test_dot_leaders_shrink():
    assert clean_line("Introduction . . . . . . . . . . 7") == "Introduction ... 7"


def test_pieces_of_one_line_are_put_together():
    pieces = [
        Line("tokens w", 72, 120, 700, 11),
        Line("(i)", 120, 130, 705.7, 8),
        Line("1", 120, 124, 696.9, 8),
        Line(", and", 130.5, 150, 700, 11),
        Line("the next line", 72, 140, 686, 11),
    ]
    assert [written(line.text) for line in merge_segments(pieces)] == ["tokens w(i)_1, and", "the next line"]


def test_lines_that_ended_on_purpose_keep_their_break():
    lines = [
        Line("ACME Corporation of Springfield and Shelbyville", 72, 330, 700, 11),
        Line("12 Hill Road", 72, 140, 686, 11),
        Line("Springfield", 72, 130, 672, 11),
    ]
    assert paragraphs(lines, frozenset())[0].text.endswith("12 Hill Road\nSpringfield")


def test_a_font_size_of_its_own_makes_a_paragraph():
    lines = [Line("Results", 72, 140, 720, 18), Line("We found nothing.", 72, 170, 700, 11)]
    assert [paragraph.text for paragraph in paragraphs(lines, frozenset())] == ["Results", "We found nothing."]


def test_lines_from_right_to_left_are_put_in_reading_order():
    assert logical("שלח אל Quist Anna בטלפון 050-12 עד 18:30") == "שלח אל Anna Quist בטלפון 050-12 עד 18:30"
    assert logical("בקומה .3") == "בקומה 3."
    assert logical("الفصل :٣ قانون") == "الفصل ٣: قانون"
    assert logical(")מקור( אחד") == "(מקור) אחד"
    assert is_right_to_left("שלום Bob")
    assert not is_right_to_left("Hello ש")
