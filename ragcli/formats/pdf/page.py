"""A page of a PDF as a picture, with passages marked on it."""

from __future__ import annotations

import ctypes
import io
import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image, ImageChops, ImageDraw

from ragcli.errors import LoadError
from ragcli.formats.pdf.pdfium import open_pdf, text_of
from ragcli.types import Reason

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels from the top left corner

MOST_PIXELS = 6_000_000  # of a picture; a page can claim to be a mile long
_MOST_CHARACTERS = 200_000  # of a page
_MOST_PLACES = 200  # of one word on a page
_MOST_BOXES = 2_000

# What pdfium puts where a hyphen ended a line; the word goes on after it.
_HYPHEN = "\ufffe"
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # each is a word
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+")
_BROKEN = re.compile(rf"(?:[-\u2010\u00ad]\s*\n\s*|{_HYPHEN}\s*)(?=\w)")

# A run of words is the passage where it is this long, or goes on where the last run ended.
_LEAST_WORDS = 3
_LEAST_LETTERS = 12
_NEAR = 8  # words

_PASSAGE = (255, 243, 191)
_BEST = (255, 228, 140)


class Drawn(NamedTuple):
    """A picture of a page, as PNG, its size, where each passage is marked, and the number of pages."""

    png: bytes
    size: tuple[int, int]
    boxes: list[list[Box]]  # one list per passage
    pages: int


def draw_page(data: bytes, number: int, passages: Sequence[str], width: int, password: str | None = None) -> Drawn:
    """Draw page ``number`` (from 1), ``width`` pixels wide or less where that would be more than 6 million pixels.

    Each of ``passages`` is marked where it stands on the page: the first lightly, the others, its best parts, more.
    Raises LoadError: ENCRYPTED, or DAMAGED when there is no such page or it cannot be drawn.
    """
    with open_pdf(data, password) as document:
        if not 1 <= number <= len(document):
            raise LoadError(Reason.DAMAGED, f"there is no page {number}; there are {len(document)}")
        try:
            page = document[number - 1]
            image = _picture(page, width)
            boxes = _boxes(page, passages, image.size) if passages else []
            page.close()
        except (pypdfium2.PdfiumError, ValueError, OSError) as error:
            raise LoadError(Reason.DAMAGED, f"the page cannot be drawn: {error}") from error
        count = len(document)
    for at, found in enumerate(boxes):
        image = _marked(image, found, _BEST if at else _PASSAGE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return Drawn(buffer.getvalue(), image.size, boxes, count)


def _picture(page: pypdfium2.PdfPage, width: int) -> Image.Image:
    wide, high = page.get_size()
    scale = min(width / max(wide, 1.0), math.sqrt(MOST_PIXELS / max(1.0, wide * high)))
    # pypdfium2 rounds up, and 900.0000001 pixels would be 901
    image: Image.Image = page.render(scale=scale * (1 - 1e-6), may_draw_forms=True).to_pil()
    return image.convert("RGB")


def _marked(image: Image.Image, boxes: Iterable[Box], shade: tuple[int, int, int]) -> Image.Image:
    """The picture with its paper coloured in ``boxes``; what is printed there stays as dark as it was."""
    pen = Image.new("RGB", image.size, "white")
    drawing = ImageDraw.Draw(pen)
    for box in boxes:
        drawing.rectangle(box, fill=shade)
    return ImageChops.multiply(image, pen)


def _boxes(page: pypdfium2.PdfPage, passages: Sequence[str], size: tuple[int, int]) -> list[list[Box]]:
    text_page = page.get_textpage()
    try:
        words = _words_of(text_page)
        found = []
        for passage in passages:
            runs = locate(words.texts, [word for word, _, _ in split(passage)])
            spans = ((words.spans[first][0], words.spans[last - 1][1]) for first, last in runs)
            found.append([box for span in spans for box in _rectangles(page, text_page, span, size)][:_MOST_BOXES])
        return found
    finally:
        text_page.close()


class _Words(NamedTuple):
    texts: list[str]
    spans: list[tuple[int, int]]  # of the characters of the page that each is made of


def _words_of(text_page: pypdfium2.PdfTextPage) -> _Words:
    count = min(text_page.count_chars(), _MOST_CHARACTERS)
    if count <= 0:
        return _Words([], [])
    text = text_of(text_page.raw, count)
    units = [0]  # offset of each character in UTF-16, which is what pdfium counts in
    for character in text:
        units.append(units[-1] + 1 + (character > "\uffff"))
    texts, spans = [], []
    for word, start, end in split(text):
        first = pdfium.FPDFText_GetCharIndexFromTextIndex(text_page.raw, units[start])
        last = pdfium.FPDFText_GetCharIndexFromTextIndex(text_page.raw, units[end] - 1)
        if 0 <= first <= last:
            texts.append(word)
            spans.append((first, last + 1))
    return _Words(texts, spans)


def split(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text as they are compared, each with its place; one that a line end breaks is one word."""
    cuts = [(match.start(), match.end()) for match in _BROKEN.finditer(text)]
    starts = [start for start, _ in cuts]
    waiting: tuple[str, int, int] | None = None
    for match in _WORD.finditer(text):
        word = unicodedata.normalize("NFKC", match[0]).casefold()
        if waiting is not None:
            at = bisect_left(starts, waiting[2])
            if at < len(cuts) and cuts[at] == (waiting[2], match.start()):
                waiting = waiting[0] + word, waiting[1], match.end()
                continue
            yield waiting
        waiting = word, match.start(), match.end()
    if waiting is not None:
        yield waiting


def locate(page: Sequence[str], passage: Sequence[str]) -> list[tuple[int, int]]:
    """The runs [first, last) of the words of a page that a passage is made of, in the order of the passage.

    A page may hold a part of the passage, in another order, and with other text between its lines: so runs count that
    are long, or that begin where the last one ended.
    """
    places: dict[str, list[int]] = {}
    for at, word in enumerate(page):
        places.setdefault(word, []).append(at)
    runs: list[tuple[int, int]] = []
    at, end = 0, -1
    while at < len(passage):
        best, length = -1, 0
        near = places.get(passage[at], [])
        begin = max(0, bisect_left(near, end) - _MOST_PLACES // 4)
        for place in near[begin : begin + _MOST_PLACES]:
            run = _common(page, place, passage, at)
            if run > length or (run == length and end <= place < best + (best < end) * len(page)):
                best, length = place, run
        is_next = end >= 0 and end <= best <= end + _NEAR
        letters = sum(map(len, passage[at : at + length]))
        if length and (is_next or length == len(passage) or (length >= _LEAST_WORDS and letters >= _LEAST_LETTERS)):
            if runs and runs[-1][1] == best:
                runs[-1] = runs[-1][0], best + length
            else:
                runs.append((best, best + length))
            at, end = at + length, best + length
        else:
            at += 1
    return runs


def _common(page: Sequence[str], place: int, passage: Sequence[str], at: int) -> int:
    length = 0
    for one, other in zip(page[place : place + len(passage) - at], passage[at:], strict=False):
        if one != other:
            break
        length += 1
    return length


def _rectangles(
    page: pypdfium2.PdfPage, text_page: pypdfium2.PdfTextPage, span: tuple[int, int], size: tuple[int, int]
) -> Iterator[Box]:
    """The places of characters on the picture, a box per line."""
    width, height = size
    corners = [(ctypes.c_int(), ctypes.c_int()) for _ in range(2)]
    for number in range(min(text_page.count_rects(span[0], span[1] - span[0]), _MOST_BOXES)):
        left, bottom, right, top = text_page.get_rect(number)
        for (x, y), (across, up) in zip(corners, ((left, top), (right, bottom)), strict=True):
            pdfium.FPDF_PageToDevice(page.raw, 0, 0, width, height, 0, across, up, ctypes.byref(x), ctypes.byref(y))
        wide, tall = (sorted(one.value for one in pair) for pair in zip(*corners, strict=True))
        box = (
            max(0, wide[0] - 1), max(0, tall[0] - 1), min(width, wide[1] + 1), min(height, tall[1] + 1)
        )  # fmt: skip
        if box[0] < box[2] and box[1] < box[3]:
            yield box
