"""What stands on the pages of a PDF beside their text: values of forms, notes, attached files."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from ragcli.formats.pdf.layout import Line, clean_line

_MAX_ANNOTATIONS = 10_000  # of a page
_MAX_FILES = 1000
_MAX_FILE = 64 << 20  # bytes
_TEXT_FIELDS = {pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX}
_BOXES = {pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON}
_NOTES = {
    pdfium.FPDF_ANNOT_TEXT, pdfium.FPDF_ANNOT_HIGHLIGHT, pdfium.FPDF_ANNOT_UNDERLINE, pdfium.FPDF_ANNOT_SQUIGGLY,
    pdfium.FPDF_ANNOT_STRIKEOUT, pdfium.FPDF_ANNOT_SQUARE, pdfium.FPDF_ANNOT_CIRCLE, pdfium.FPDF_ANNOT_LINE,
    pdfium.FPDF_ANNOT_POLYGON, pdfium.FPDF_ANNOT_POLYLINE, pdfium.FPDF_ANNOT_INK, pdfium.FPDF_ANNOT_STAMP,
    pdfium.FPDF_ANNOT_CARET,
}  # fmt: skip
_HIDDEN = 0x02 | 0x20  # flags: hidden, no view
_CHECKED = "☒"
_NEAR = 30.0  # points from a box to its label


class Field(NamedTuple):
    """The value of a form field and where it stands (points, upward); ``name`` is that of the field."""

    value: str
    name: str
    left: float
    right: float
    bottom: float
    top: float


class Beside(NamedTuple):
    """What a page has beside its text."""

    fields: list[Field]
    notes: list[str]
    files: list[tuple[str, bytes]]


def read_annotations(document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage) -> Beside:
    """The values of the form on a page, what is written on it later, and the files pinned to it."""
    found = Beside([], [], [])
    for number in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MAX_ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, number)
        if not annotation:
            continue
        try:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            if kind == pdfium.FPDF_ANNOT_LINK or pdfium.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
                continue
            if kind == pdfium.FPDF_ANNOT_WIDGET:
                found.fields.extend(_field(document, annotation))
            elif kind == pdfium.FPDF_ANNOT_FREETEXT:
                found.notes.append(_text(annotation, b"Contents"))
            elif kind in _NOTES:
                text = _text(annotation, b"Contents")
                found.notes.append(f"Note: {text}" if text else "")
            elif kind == pdfium.FPDF_ANNOT_FILEATTACHMENT:
                handle = pdfium.FPDFAnnot_GetFileAttachment(annotation)
                found.files.extend(_file(pypdfium2.PdfAttachment(handle, document)) if handle else ())
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return found


def attached_files(document: pypdfium2.PdfDocument) -> list[tuple[str, bytes]]:
    """The names and contents of the files that are attached to a document."""
    count = min(document.count_attachments(), _MAX_FILES)
    return [file for number in range(count) for file in _file(document.get_attachment(number))]


def place_fields(lines: list[Line], fields: list[Field]) -> list[Line]:
    """``lines`` with each value behind the label to its left, below the line above it, or else with its own name."""
    placed = list(lines)
    for field in fields:
        label = _label(placed, field)
        if label is not None:
            line = placed[label]
            is_before = field.value == _CHECKED and line.left >= field.left
            text = f"{field.value} {line.text}" if is_before else f"{line.text} {field.value}"
            placed[label] = line._replace(text=text, right=max(line.right, field.right))
            continue
        size = min(12.0, max(1.0, field.top - field.bottom))
        above = (line for line in placed if line.left < field.right)
        has_label = any(0 < line.baseline - field.top < 2 * line.size for line in above)
        middle = (field.top + field.bottom) / 2
        at = next((at for at, line in enumerate(placed) if line.baseline < middle - size), len(placed))
        if field.value == _CHECKED:
            value = f"{field.value} {field.name}"
        else:
            value = field.value if has_label or not field.name else f"{field.name}: {field.value}"
        placed.insert(at, Line(value, field.left, field.right, middle - 0.3 * size, size))
    return placed


def _label(lines: list[Line], field: Field) -> int | None:
    """The line that a value belongs to: the nearest to its left; for a box the text right behind it comes first."""
    beside = [
        (at, line)
        for at, line in enumerate(lines)
        if field.bottom - 0.3 * line.size <= line.baseline + 0.3 * line.size <= field.top + 0.3 * line.size
    ]
    behind = [(line.left - field.right, at) for at, line in beside if line.left >= field.left]
    if field.value == _CHECKED and behind and min(behind)[0] < _NEAR:
        return min(behind)[1]
    before = [(field.left - line.right, at) for at, line in beside if line.left < field.left]
    return min(before)[1] if before else None


def _field(document: pypdfium2.PdfDocument, annotation: pdfium.FPDF_ANNOTATION) -> Iterator[Field]:
    if document.formenv is None:
        return
    form = document.formenv.raw
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in _TEXT_FIELDS:
        value = _string(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldValue(form, annotation, buffer, size))
    elif kind in _BOXES:
        value = _CHECKED if pdfium.FPDFAnnot_IsChecked(form, annotation) else ""
    else:
        return
    name = _string(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldAlternateName(form, annotation, buffer, size))
    name = name or _string(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldName(form, annotation, buffer, size))
    box = pdfium.FS_RECTF()
    if value and pdfium.FPDFAnnot_GetRect(annotation, box):
        yield Field(value, name, box.left, box.right, min(box.bottom, box.top), max(box.bottom, box.top))


def _text(annotation: pdfium.FPDF_ANNOTATION, key: bytes) -> str:
    return _string(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(annotation, key, buffer, size))


def _string(read: object) -> str:
    """What a function of pdfium writes into a buffer as UTF-16."""
    assert callable(read)
    size = read(None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    read(buffer, size)
    text = bytes(buffer)[: size - 2].decode("utf-16-le", "replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line for raw in lines if (line := clean_line(raw)))


def _file(attachment: pypdfium2.PdfAttachment) -> Iterator[tuple[str, bytes]]:
    try:
        name = clean_line(attachment.get_name()) or "unnamed"
        size = ctypes.c_ulong()
        if pdfium.FPDFAttachment_GetFile(attachment, None, 0, size) and size.value <= _MAX_FILE:
            yield name, bytes(attachment.get_data())
    except (pypdfium2.PdfiumError, UnicodeDecodeError, ValueError):
        return
