"""PowerPoint: slides as pages, their titles as headings, texts in reading order, tables, speaker notes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import pptx
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.exc import PythonPptxError
from pptx.shapes.base import BaseShape
from pptx.slide import Slide
from pptx.table import Table
from pptx.text.text import TextFrame

from ragcli.errors import LoadError
from ragcli.formats.archive import ZIP_ERRORS, open_archive
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.tables import Cell, Grid, Row, add_rows
from ragcli.types import Document, Reason

# What python-pptx raises on a package whose parts are missing, of another kind or not well-formed XML (SyntaxError).
_DAMAGE = (*ZIP_ERRORS, PythonPptxError, SyntaxError, AttributeError, LookupError, TypeError)

_REPEATED = {
    PP_PLACEHOLDER.SLIDE_NUMBER,
    PP_PLACEHOLDER.DATE,
    PP_PLACEHOLDER.FOOTER,
    PP_PLACEHOLDER.HEADER,
}
_LISTS = {PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT, PP_PLACEHOLDER.VERTICAL_BODY}
_LINE = 230_000  # EMU, a quarter of an inch: shapes whose tops differ by less stand side by side
_LONGEST_HEADING = 200
_MAX_DEPTH = 50  # of groups in groups


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a presentation; a block's page is its slide's number, hidden slides included.

    Raises LoadError: EMPTY, ENCRYPTED or DAMAGED.
    """
    del options
    open_archive(data, ".pptx").close()
    builder = TextBuilder()
    try:
        presentation = pptx.Presentation(io.BytesIO(data))
        title = " ".join((presentation.core_properties.title or "").split())
        if not is_title(title, path):
            title = ""
        for number, slide in enumerate(presentation.slides, start=1):
            heading = _add_slide(builder, slide, number)
            title = title or heading
    except _DAMAGE as error:
        raise LoadError(Reason.DAMAGED, f"not a readable PowerPoint file: {error}") from error
    return builder.build(path, title)


def _add_slide(builder: TextBuilder, slide: Slide, number: int) -> str:
    title = slide.shapes.title
    heading = " ".join(title.text_frame.text.split()) if title is not None else ""
    if len(heading) > _LONGEST_HEADING:  # the whole slide written into its title
        title, heading = None, ""
    builder.heading(heading, 1, page=number)
    # A slide without a title must not pass for a part of the one before.
    headings = (heading,) if heading else ()
    for shape in _reading_order(slide.shapes, 0):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if shape.has_text_frame:
            _add_text(builder, shape, number, headings)
        elif shape.has_table:
            add_rows(builder, _rows(shape.table), number, headings)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = _clean(slide.notes_slide.notes_text_frame.text)
        builder.add(f"Notes: {notes}" if notes else "", page=number, headings=headings)
    return heading


def _reading_order(shapes: Iterable[BaseShape], depth: int) -> Iterator[BaseShape]:
    """The shapes from top to bottom, side by side ones from left to right, groups opened where they stand."""
    bands: list[list[BaseShape]] = []
    for shape in sorted(shapes, key=lambda shape: shape.top or 0):
        if bands and (shape.top or 0) - (bands[-1][0].top or 0) < _LINE:
            bands[-1].append(shape)
        else:
            bands.append([shape])
    for shape in (shape for band in bands for shape in sorted(band, key=lambda shape: shape.left or 0)):
        if not hasattr(shape, "shapes"):
            yield shape
        elif depth < _MAX_DEPTH:
            yield from _reading_order(shape.shapes, depth + 1)


def _add_text(builder: TextBuilder, shape: BaseShape, number: int, headings: tuple[str, ...]) -> None:
    kind = shape.placeholder_format.type if shape.is_placeholder else None
    if kind in _REPEATED:
        return
    if kind in _LISTS and len(lines := list(_items(shape.text_frame))) > 1:
        for position, line in enumerate(lines):
            separator = "\n" if position else "\n\n"
            builder.add(line, "list", page=number, headings=headings, separator=separator)
    else:
        builder.add(_clean(shape.text_frame.text), page=number, headings=headings)


def _items(frame: TextFrame) -> Iterator[str]:
    for paragraph in frame.paragraphs:
        if text := " ".join(paragraph.text.split()):
            yield f"{'  ' * paragraph.level}- {text}"


def _rows(table: Table) -> Iterator[Row]:
    grid = Grid()
    for row in table.rows:
        # The text of a merged cell is that of its first one; the spanned ones may hold old text that is not shown.
        shown = [cell for cell in row.cells if not cell.is_spanned]
        yield grid.row(
            Cell(cell.text_frame.text, columns=cell.span_width, rows=cell.span_height)
            if cell.is_merge_origin
            else Cell(cell.text_frame.text)
            for cell in shown
        )


def _clean(text: str) -> str:
    lines = text.replace("\v", "\n").split("\n")
    return "\n".join(cleaned for line in lines if (cleaned := " ".join(line.split())))
