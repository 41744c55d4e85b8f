"""PowerPoint: slides as pages, their titles as headings, texts in reading order, tables, charts, speaker notes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pptx
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.exc import PythonPptxError
from pptx.oxml import parse_xml
from pptx.shapes.base import BaseShape
from pptx.slide import Slide

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title, row_text
from ragcli.formats.ooxml.parts import (
    chart_rows,
    choose_alternatives,
    diagram_texts,
    office_package,
    paragraph_text,
    picture_name,
)
from ragcli.formats.tables import Cell, Grid, Row, add_rows
from ragcli.formats.zip_container import ZIP_ERRORS
from ragcli.types import Document, Reason

# What python-pptx raises on a package whose parts are missing, of another kind or not well-formed XML (SyntaxError).
_DAMAGE = (*ZIP_ERRORS, PythonPptxError, SyntaxError, AttributeError, LookupError, TypeError)

_REPEATED = {
    PP_PLACEHOLDER.SLIDE_NUMBER,
    PP_PLACEHOLDER.DATE,
    PP_PLACEHOLDER.FOOTER,
    PP_PLACEHOLDER.HEADER,
}
_NUMBERS = {PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE}
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_REL, _DATA = f"{_R}id", f"{_R}dm"
_CHARTS = {"{http://schemas.openxmlformats.org/drawingml/2006/chart}chart"}
_UNREAD = {"pic": "pictures without a description", "graphicFrame": "embedded objects"}
_LISTS = {PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT, PP_PLACEHOLDER.VERTICAL_BODY}
_LINE = 230_000  # EMU, a quarter of an inch: shapes whose tops differ by less stand side by side
_LONGEST_HEADING = 200
_MAX_DEPTH = 50  # of groups in groups


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a presentation; a block's page is its slide's number, hidden slides included.

    Raises LoadError: EMPTY, ENCRYPTED or DAMAGED.
    """
    del options
    data = office_package(data, ".pptx")
    builder = TextBuilder()
    footers: set[str] = set()
    unread = Counter[str]()
    try:
        presentation = pptx.Presentation(io.BytesIO(data))
        title = " ".join((presentation.core_properties.title or "").split())
        if not is_title(title, path):
            title = ""
        for number, slide in enumerate(presentation.slides, start=1):
            heading = _add_slide(builder, slide, number, footers, unread)
            title = title or heading
        _add_backgrounds(builder, presentation.slides, footers)
    except _DAMAGE as error:
        raise LoadError(Reason.DAMAGED, f"not a readable PowerPoint file: {error}") from error
    warnings = tuple(f"{count} {what} were not read" for what, count in sorted(unread.items()))
    return builder.build(path, title, warnings)


def _add_slide(builder: TextBuilder, slide: Slide, number: int, footers: set[str], unread: Counter[str]) -> str:
    choose_alternatives(slide.shapes.element)
    title = slide.shapes.title
    heading = " ".join(_frame_text(title).split()) if title is not None else ""
    if len(heading) > _LONGEST_HEADING:  # the whole slide written into its title
        title, heading = None, ""
    builder.heading(heading, 1, page=number)
    # A slide without a title must not pass for a part of the one before.
    headings = (heading,) if heading else ()
    for shape in _reading_order(slide.shapes, 0):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if shape.has_text_frame:
            _add_text(builder, shape, number, headings, footers)
        elif not _add_graphic(builder, slide, shape, number, headings):
            name = picture_name(next((str(text) for text in shape.element.xpath(".//p:cNvPr/@descr")), ""))
            builder.add(name, page=number, headings=headings)
            if not name and (kind := _UNREAD.get(shape.element.tag.rpartition("}")[2])):
                unread[kind] += 1
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = _clean(slide.notes_slide.notes_text_frame.text)
        builder.add(f"Notes: {notes}" if notes else "", page=number, headings=headings)
    for comment in _comments(slide):
        builder.add(f"Comment: {comment}", page=number, headings=headings)
    return heading


def _add_backgrounds(builder: TextBuilder, slides: Iterable[Slide], seen: set[str]) -> None:
    """The texts that the layouts and masters put on their slides, each once."""
    backgrounds: dict[int, Any] = {}
    for slide in slides:
        layout = slide.slide_layout
        backgrounds |= {id(layout.element): layout, id(layout.slide_master.element): layout.slide_master}
    for background in backgrounds.values():
        for shape in _reading_order(background.shapes, 0):
            text = "" if shape.is_placeholder or not shape.has_text_frame else _clean(_frame_text(shape))
            if text not in seen:
                builder.add(text, headings=())
                seen.add(text)


def _add_graphic(builder: TextBuilder, slide: Slide, shape: BaseShape, number: int, headings: tuple[str, ...]) -> bool:
    """Append a table, a chart or a diagram; False for anything else."""
    element = shape.element
    tables = element.findall(f".//{_A}tbl")
    charts = [node.get(_REL) for node in element.iter() if node.tag in _CHARTS and node.get(_REL)]
    diagrams = [node.get(_DATA) for node in element.iter() if node.get(_DATA)]
    for table in tables[:1]:
        add_rows(builder, _rows(table), number, headings)
    for key in charts:
        title, rows = chart_rows(slide.part.related_part(key).blob)
        builder.add(f"Chart: {title}" if title else "", page=number, headings=headings)
        for position, row in enumerate(rows[1:]):
            separator = "\n" if position else "\n\n"
            builder.add(row_text(rows[0], row), "row", page=number, headings=headings, separator=separator)
    for key in diagrams:
        for position, line in enumerate(diagram_texts(slide.part.related_part(key).blob)):
            builder.add(line, "list", page=number, headings=headings, separator="\n" if position else "\n\n")
    return bool(tables or charts or diagrams)


def _comments(slide: Slide) -> Iterator[str]:
    for relation in slide.part.rels.values():
        if relation.reltype.rpartition("/")[2] == "comments" and not relation.is_external:
            root = parse_xml(relation.target_part.blob)
            for node in root.iter():
                name = str(node.tag).rpartition("}")[2]
                if name in ("text", "t") and (text := " ".join((node.text or "").split())):
                    yield text


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


def _add_text(
    builder: TextBuilder, shape: BaseShape, number: int, headings: tuple[str, ...], footers: set[str]
) -> None:
    kind = shape.placeholder_format.type if shape.is_placeholder else None
    if kind in _REPEATED:
        text = " ".join(_frame_text(shape).split())
        if kind in _NUMBERS or text in footers:
            return
        footers.add(text)
    if kind in _LISTS and len(lines := list(_items(shape))) > 1:
        for position, line in enumerate(lines):
            separator = "\n" if position else "\n\n"
            builder.add(line, "list", page=number, headings=headings, separator=separator)
    else:
        builder.add(_clean(_frame_text(shape)), page=number, headings=headings)


def _frame_text(shape: BaseShape) -> str:
    return "\n".join(paragraph_text(paragraph) for paragraph in shape.element.iter(f"{_A}p"))


def _items(shape: BaseShape) -> Iterator[str]:
    for paragraph in shape.element.iter(f"{_A}p"):
        if text := " ".join(paragraph_text(paragraph).split()):
            properties = paragraph.find(f"{_A}pPr")
            level = properties.get("lvl", "0") if properties is not None else "0"
            yield f"{'  ' * (int(level) if level in '012345678' else 0)}- {text}"


def _rows(table: Any) -> Iterator[Row]:  # noqa: ANN401 (an a:tbl element)
    grid = Grid()
    for row in table.findall(f"{_A}tr"):
        # The text of a merged cell is that of its first one; the spanned ones may hold old text that is not shown.
        shown = [cell for cell in row.findall(f"{_A}tc") if not {"hMerge", "vMerge"} & set(cell.keys())]
        yield grid.row(
            Cell(
                " ".join(paragraph_text(paragraph) for paragraph in cell.iter(f"{_A}p")),
                columns=_span(cell.get("gridSpan")),
                rows=_span(cell.get("rowSpan")),
            )
            for cell in shown
        )


def _span(value: str | None) -> int:
    return max(1, int(value)) if value and value.isascii() and value.isdigit() and len(value) < 9 else 1


def _clean(text: str) -> str:
    lines = text.replace("\v", "\n").split("\n")
    return "\n".join(cleaned for line in lines if (cleaned := " ".join(line.split())))
