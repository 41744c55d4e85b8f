"""Pictures of PDF pages: a passage is marked where it is printed."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pypdf
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from ragcli.errors import LoadError
from ragcli.formats.pdf.page import MOST_PIXELS, draw_page, locate, split
from ragcli.types import Reason

SENTENCE = "The lighthouse keeper counts the ships of the evening before the fog comes in"


def pdf(*lines: str, turned: int = 0, crop: tuple[float, float, float, float] | None = None, size=A4) -> bytes:
    """One page with ``lines`` from the top, turned by so many degrees, and cut to ``crop``."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=size)
    for number, line in enumerate(lines):
        canvas.drawString(120, 600 - 20 * number, line)
    canvas.save()
    if not turned and not crop:
        return buffer.getvalue()
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(buffer.getvalue()))
    if crop:
        writer.pages[0].cropbox = pypdf.generic.RectangleObject(crop)
    writer.pages[0].rotate(turned)
    turned_buffer = io.BytesIO()
    writer.write(turned_buffer)
    return turned_buffer.getvalue()


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def ink(data: bytes, width: int) -> np.ndarray:
    """Where a page without marks is dark."""
    return pixels(draw_page(data, 1, [], width).png).sum(axis=2) < 500


def marked(data: bytes, passage: str, width: int) -> np.ndarray:
    """Where a mark changed the page."""
    return (pixels(draw_page(data, 1, [passage], width).png) != pixels(draw_page(data, 1, [], width).png)).any(axis=2)


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [None, (60, 300, 560, 760)])
def test_the_marks_lie_where_the_ink_is(turned, crop):
    data = pdf(SENTENCE, turned=turned, crop=crop)
    where, printed = marked(data, SENTENCE, 900), ink(data, 900)
    rows, columns = np.nonzero(printed)
    assert printed.sum() > 500
    box = where[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert box.mean() > 0.7  # dark pixels stay as they are, and the marks are one box
    rows_marked, columns_marked = np.nonzero(where)
    for ends, marks in ((rows, rows_marked), (columns, columns_marked)):
        assert abs(ends.min() - marks.min()) < 8
        assert abs(ends.max() - marks.max()) < 8


def test_only_the_passage_is_marked_and_the_best_sentence_more():
    lines = ["Bread rises in a warm kitchen.", SENTENCE, "A comet grows a tail beside the sun."]
    data = pdf(*lines)
    drawn = draw_page(data, 1, [" ".join(lines[:2]), lines[1]], 900)
    assert [len(boxes) for boxes in drawn.boxes] == [2, 1]
    assert (drawn.pages, drawn.size) == (1, Image.open(io.BytesIO(drawn.png)).size)
    plain, coloured = pixels(draw_page(data, 1, [], 900).png), pixels(drawn.png)
    blue = []  # a marker takes blue from the paper
    for line in lines:
        left, top, right, bottom = searched(data, line, 900)
        blue.append(int(np.median(coloured[top:bottom, left:right, 2])))
    assert blue[2] == 255 > blue[0] > blue[1]
    assert (coloured <= plain).all()  # what is printed stays as dark as it is


def searched(data: bytes, line: str, width: int) -> tuple[int, int, int, int]:
    """Where pdfium's own search finds a line, in pixels."""
    page = pypdfium2.PdfDocument(data)[0]
    text = page.get_textpage()
    place = text.search(line).get_next()
    assert place is not None
    assert text.count_rects(*place) == 1
    left, bottom, right, top = text.get_rect(0)
    scale, height = width / page.get_width(), page.get_height()
    return int(left * scale), int((height - top) * scale), int(right * scale), int((height - bottom) * scale)


def test_a_word_that_a_line_end_breaks_is_found():
    data = pdf("The lighthouse keeper remem-", "bers the ships of the evening.")
    (boxes,) = draw_page(data, 1, ["The lighthouse keeper remembers the ships of the evening."], 900).boxes
    assert len(boxes) == 2
    assert min(right - left for left, _, right, _ in boxes) > 150


def test_a_part_of_a_passage_is_found_on_its_page():
    """A passage goes over two pages, has a footer between its lines, and begins in the middle of a line."""
    data = pdf(f"Something else. {SENTENCE}", "Page 3 of the report", "and the harbour falls asleep.")
    (boxes,) = draw_page(data, 1, [f"Other words of another page. {SENTENCE} and the harbour falls asleep."], 900).boxes
    assert len(boxes) == 2
    (first, second) = boxes
    assert first[0] > second[0] + 50
    assert second[1] - first[1] > 30  # the footer between them is not marked


def test_a_picture_is_no_larger_than_it_may_be():
    for size in ((5_000, 20), (30, 14_000), (14_400, 14_400)):
        drawn = draw_page(pdf("x", size=size), 1, ["nothing"], 3_000)
        assert drawn.size[0] * drawn.size[1] <= 1.01 * MOST_PIXELS
        assert drawn.size[0] <= 3_000
        assert drawn.boxes == [[]]


@pytest.mark.parametrize(("data", "page"), [(b"no PDF", 1), (pdf("x"), 0), (pdf("x"), 2), (pdf("x"), -1)])
def test_what_cannot_be_drawn_says_why(data, page):
    with pytest.raises(LoadError) as raised:
        draw_page(data, page, [], 900)
    assert raised.value.reason is Reason.DAMAGED


def test_words_are_compared_without_case_forms_and_line_ends():
    assert [word for word, _, _ in split("Ein ﬁnaler Satz, 検索 x_y")] == [
        "ein",
        "finaler",
        "satz",
        "検",
        "索",
        "x",
        "y",
    ]
    text = "The re-\nsult, twice"
    assert [(word, text[start:end]) for word, start, end in split(text)] == [
        ("the", "The"), ("result", "re-\nsult"), ("twice", "twice"),
    ]  # fmt: skip


words = st.lists(st.sampled_from("abcdefgh"), max_size=40)


@given(words, words, st.lists(st.integers(0, 10_000), min_size=3, max_size=30, unique=True))
def test_a_passage_is_found_whole_wherever_it_stands(before, after, numbers):
    passage = [f"word{number}" for number in numbers]
    assert locate([*before, *passage, *after], passage) == [(len(before), len(before) + len(passage))]


@given(words, words)
def test_runs_are_of_equal_words_and_advance_in_the_passage(page, passage):
    runs = locate(page, passage)
    assert all(0 <= first < last <= len(page) for first, last in runs)
    found = [word for first, last in runs for word in page[first:last]]
    rest = iter(passage)
    assert all(word in rest for word in found)  # a subsequence of the passage
    assert all(one[1] != other[0] for one, other in pairwise(runs))
