"""Words of a PDF whose letters are set apart are words in its text."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.pdf.loader import load

FONT, SIZE = "Helvetica", 20.0


def text_of(*lines: tuple[str, float], draws_blanks: bool = False) -> str:
    """The text of a page with these lines, each with the gap between its letters in em; each letter has its place."""
    out = io.BytesIO()
    canvas = Canvas(out)
    canvas.setFont(FONT, SIZE)
    for number, (line, spacing) in enumerate(lines):
        x = 50.0
        for letter in line:
            if letter != " " or draws_blanks:
                canvas.drawString(x, 700 - 60 * number, letter)
            x += stringWidth(letter, FONT, SIZE) + spacing * SIZE
    canvas.save()
    return load(Path("x.pdf"), out.getvalue(), LoadOptions()).text


@pytest.mark.parametrize("draws_blanks", [False, True])
@pytest.mark.parametrize("spacing", [0.0, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3])
@pytest.mark.parametrize("line", ["Winter times of the ferry", "HARBOUR RULES", "A guide to the tides of 2026"])
def test_a_line_with_letter_spacing_keeps_its_words(line, spacing, draws_blanks):
    assert text_of((line, spacing), draws_blanks=draws_blanks) == line


@pytest.mark.parametrize("spacing", [0.1, 0.2])
def test_a_single_word_with_letter_spacing_is_one_word(spacing):
    assert text_of(("CONTENTS", spacing), ("The harbour has a gate.", 0.0)) == "CONTENTS\n\nThe harbour has a gate."


@pytest.mark.parametrize("spacing", [0.1, 0.2, 0.3])
def test_the_words_of_such_lines_are_not_cells(spacing):
    lines = ["Winter times of the ferry", "Summer times of the ferry", "Berths for the guests"]
    assert text_of(*((line, spacing) for line in lines)).split("\n\n") == lines


@pytest.mark.parametrize("line", ["A B C D E F", "a, b and c", "x + y = z", "I think a plan is a good start"])
def test_letters_that_stand_by_themselves_stay_apart(line):
    assert text_of((line, 0.0)) == line
    assert text_of((line, 0.0), draws_blanks=True) == line
