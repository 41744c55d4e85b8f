"""Office files that are one XML file: Word and Excel of 2003, and the parts of a package one after the other."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree
from openpyxl.styles.numbers import is_date_format
from openpyxl.utils.datetime import from_excel

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.ooxml.numberformats import shown_date, shown_number
from ragcli.formats.tables import Cell, add_rows, spread
from ragcli.types import Document, Reason

MAX_CELLS = 1_000_000  # with a value, in the whole workbook
_MAX_COLUMNS = 16_384
_MAX_GAP = 1_048_576  # rows; a row number is only a number in the file

_PKG = "{http://schemas.microsoft.com/office/2006/xmlPackage}"
_SS = "{urn:schemas-microsoft-com:office:spreadsheet}"
_OFFICE = "{urn:schemas-microsoft-com:office:office}"
_OLD = "http://schemas.microsoft.com/office/word/2003/wordml"
_NEW = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_AML = "{http://schemas.microsoft.com/aml/2001/core}"
_W = f"{{{_NEW}}}"
_RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"

# The names that Excel of 2003 gives to formats.
_FORMATS = {
    "Percent": "0.00%", "Fixed": "0.00", "Standard": "#,##0.00", "Currency": "$#,##0.00", "Scientific": "0.00E+00",
    "Euro Currency": "€#,##0.00", "General Date": "yyyy-mm-dd h:mm", "Long Date": "yyyy-mm-dd",
    "Medium Date": "yyyy-mm-dd", "Short Date": "yyyy-mm-dd", "Long Time": "h:mm:ss", "Medium Time": "h:mm",
    "Short Time": "h:mm",
}  # fmt: skip
_NUMBERINGS = {"0": "decimal", "1": "upperRoman", "2": "lowerRoman", "3": "upperLetter", "4": "lowerLetter"}
_NUMBERINGS |= {"22": "decimalZero", "23": "bullet", "255": "none"}


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read such a file as its siblings in zips are read.

    Raises LoadError: EMPTY, or DAMAGED for XML that is none of these.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True, remove_pis=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise LoadError(Reason.DAMAGED, f"not well-formed XML: {error}") from error
    tag = root.tag if root is not None else ""
    if tag == f"{_SS}Workbook":
        return _load_workbook(path, root)
    if tag == f"{_PKG}package":
        return _load_package(path, _packed(root), options)
    if tag == f"{{{_OLD}}}wordDocument":
        return _load_package(path, _as_package(root), options)
    raise LoadError(Reason.DAMAGED, "not an XML file of Word or Excel")


def _load_package(path: Path, data: bytes, options: LoadOptions) -> Document:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    if any(name.startswith("ppt/") for name in names):
        from ragcli.formats.ooxml import pptx

        return pptx.load(path, data, options)
    if any(name.startswith("xl/") for name in names):
        from ragcli.formats.ooxml import xlsx

        return xlsx.load(path, data, options)
    from ragcli.formats.ooxml import docx

    return docx.load(path, data, options)


def _packed(root: Any) -> bytes:  # noqa: ANN401 (an lxml element)
    """The parts of a flat package as a zip."""
    types = ['<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">']
    parts: dict[str, bytes] = {}
    for part in root.iterchildren(f"{_PKG}part"):
        name, kind = part.get(f"{_PKG}name", ""), part.get(f"{_PKG}contentType", "")
        inside = next(part.iterchildren(), None)
        if inside is None or not name.startswith("/") or name[1:] in parts:
            continue
        types.append(f"<Override PartName={quoteattr(name)} ContentType={quoteattr(kind)}/>")
        if inside.tag == f"{_PKG}xmlData":
            content = next(iter(inside.iterchildren(tag=etree.Element)), None)
            parts[name[1:]] = etree.tostring(content) if content is not None else b""
        else:
            with suppress(binascii.Error):  # a damaged picture
                parts[name[1:]] = base64.b64decode("".join((inside.text or "").split()))
    parts["[Content_Types].xml"] = "".join([*types, "</Types>"]).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return written.getvalue()


# -- Word of 2003 -----------------------------------------------------------------------------------------------------


def _as_package(root: Any) -> bytes:  # noqa: ANN401
    """A document of Word 2003 as one of 2007: its notes, comments, headers and lists in parts of their own."""
    source = etree.tostring(root).replace(_OLD.encode(), _NEW.encode())
    root = etree.fromstring(source, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
    body = root.find(f"{_W}body")
    if body is None:
        raise LoadError(Reason.DAMAGED, "there is no body in it")
    parts: list[tuple[str, str, Any]] = []  # kind, name of its root, its content
    for kind in ("footnote", "endnote"):
        notes = [note for note in body.iter(f"{_W}{kind}") if note.getparent().tag == f"{_W}r"]
        if notes:
            parts.append((f"{kind}s", f"{kind}s", _moved(notes, f"{_W}{kind}Reference", f"{_W}{kind}")))
    comments = [note for note in body.iter(f"{_AML}annotation") if note.get(f"{_W}type") == "Word.Comment"]
    if comments:
        parts.append(("comments", "comments", _moved(comments, f"{_W}commentReference", f"{_W}comment")))
    for kind, tag in (("header", "hdr"), ("footer", "ftr")):
        for running in list(body.iter(f"{_W}{tag}")):
            running.getparent().remove(running)
            parts.append((kind, tag, [*running]))
    parts.append(("styles", "styles", [*root.iterchildren(f"{_W}styles")][:1]))
    parts.append(("numbering", "numbering", _numberings(root)))
    return _zipped(body, parts)


def _moved(notes: list[Any], reference: str, tag: str) -> list[Any]:
    """Put a reference in the place of each note, and return the notes."""
    found = []
    for number, note in enumerate(notes, start=1):
        mark = etree.Element(reference, {f"{_W}id": str(number)})
        mark.tail, note.tail = note.tail, None
        note.getparent().replace(note, mark)
        note.tag = tag
        note.set(f"{_W}id", str(number))
        found.append(note)
    return found


def _numberings(root: Any) -> list[Any]:  # noqa: ANN401
    """The forms of numbers as Word 2007 has them; the paragraphs name them in its way after this."""
    for element in root.iter(f"{_W}listPr"):
        element.tag = f"{_W}numPr"
        for own in element.iterchildren(f"{_W}ilfo"):
            own.tag = f"{_W}numId"
    lists = root.find(f"{_W}lists")
    found = []
    for element in lists if lists is not None else ():
        if element.tag == f"{_W}listDef":
            element.tag = f"{_W}abstractNum"
            element.set(f"{_W}abstractNumId", element.get(f"{_W}listDefId", ""))
            for form in element.iter(f"{_W}nfc"):
                form.tag = f"{_W}numFmt"
                form.set(f"{_W}val", _NUMBERINGS.get(form.get(f"{_W}val", ""), "decimal"))
            found.append(element)
        elif element.tag == f"{_W}list":
            element.tag = f"{_W}num"
            element.set(f"{_W}numId", element.get(f"{_W}ilfo", ""))
            for own in element.iterchildren(f"{_W}ilst"):
                own.tag = f"{_W}abstractNumId"
            found.append(element)
    return found


def _zipped(body: Any, parts: list[tuple[str, str, Any]]) -> bytes:  # noqa: ANN401
    types = [
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_TYPE}.document.main+xml"/>'
    ]
    relations = []
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("_rels/.rels", _relations([("officeDocument", "word/document.xml")]))
        document = etree.Element(f"{_W}document", nsmap={"w": _NEW})
        document.append(body)
        archive.writestr("word/document.xml", etree.tostring(document))
        for number, (kind, tag, content) in enumerate(parts):
            if not content:
                continue
            holder = content[0] if kind == "styles" else etree.Element(f"{_W}{tag}", nsmap={"w": _NEW})
            for element in content if kind != "styles" else ():
                holder.append(element)
            archive.writestr(f"word/{kind}{number}.xml", etree.tostring(holder))
            types.append(f'<Override PartName="/word/{kind}{number}.xml" ContentType="{_TYPE}.{kind}+xml"/>')
            relations.append((kind, f"{kind}{number}.xml"))
        archive.writestr("word/_rels/document.xml.rels", _relations(relations))
        archive.writestr("[Content_Types].xml", "".join([*types, "</Types>"]))
    return written.getvalue()


def _relations(targets: list[tuple[str, str]]) -> str:
    found = (
        f'<Relationship Id="rId{number}" Type="{_RELATED}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    names = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'<Relationships xmlns="{names}">{"".join(found)}</Relationships>'


# -- Excel of 2003 ----------------------------------------------------------------------------------------------------


def _load_workbook(path: Path, root: Any) -> Document:  # noqa: ANN401
    builder = TextBuilder()
    formats = {
        style.get(f"{_SS}ID", ""): form.get(f"{_SS}Format", "")
        for style in root.iter(f"{_SS}Style")
        for form in style.iterchildren(f"{_SS}NumberFormat")
    }
    budget = [MAX_CELLS]
    for number, sheet in enumerate(root.iterchildren(f"{_SS}Worksheet"), start=1):
        notes: list[str] = []
        rows = spread(_rows(sheet, formats, notes, budget))
        first = next((row for row in rows if any(row.once)), None)
        if first is None and not notes:
            continue
        builder.heading(sheet.get(f"{_SS}Name", ""), 1, page=number)
        if first is not None:
            add_rows(builder, _chained(first, rows), number)
        for note in notes:
            builder.add(note, page=number)
    properties = root.find(f"{_OFFICE}DocumentProperties/{_OFFICE}Title")
    title = " ".join((properties.text or "").split()) if properties is not None else ""
    warnings = (f"only the first {MAX_CELLS:,} cells were read",) if budget[0] < 0 else ()
    return builder.build(path, title if is_title(title, path) else "", warnings)


def _chained(first: Any, rows: Iterator[Any]) -> Iterator[Any]:  # noqa: ANN401
    yield first
    yield from rows


def _rows(sheet: Any, formats: dict[str, str], notes: list[str], budget: list[int]) -> Iterator[list[Cell]]:  # noqa: ANN401
    following = 1
    covered: dict[int, int] = {}  # column -> the last row that a cell above reaches into
    for table in sheet.iterchildren(f"{_SS}Table"):
        for row in table.iterchildren(f"{_SS}Row"):
            place = _number(row, "Index", following)
            if following < place <= _MAX_GAP:
                yield []  # what is between two tables
            following = place + 1
            cells: list[Cell] = []
            column = 1
            for cell in row.iterchildren(f"{_SS}Cell"):
                while covered.get(column, 0) >= place:
                    column += 1
                at = min(_number(cell, "Index", column), _MAX_COLUMNS)
                cells += [Cell("") for gap in range(column, at) if covered.get(gap, 0) < place]
                text = _shown(cell, formats)
                across, down = _number(cell, "MergeAcross", 0) + 1, _number(cell, "MergeDown", 0) + 1
                cells.append(Cell(text, columns=across, rows=down))
                column = min(at + across, _MAX_COLUMNS)
                if down > 1:
                    covered |= dict.fromkeys(range(at, column), place + down - 1)
                said = (_joined(comment) for comment in cell.iterchildren(f"{_SS}Comment"))
                notes += [f"Comment on {_letters(at)}{place}: {note}" for note in said if note]
                budget[0] -= bool(text)
            if budget[0] < 0:
                return
            yield cells


def _shown(cell: Any, formats: dict[str, str]) -> str:  # noqa: ANN401
    value = next(cell.iterchildren(f"{_SS}Data"), None)
    if value is None:
        return ""
    text = _joined(value)
    code = formats.get(cell.get(f"{_SS}StyleID", ""), "")
    code = _FORMATS.get(code, code)
    kind = value.get(f"{_SS}Type", "String")
    try:
        if kind == "Number" and is_date_format(code):
            return shown_date(from_excel(float(text)), code)
        if kind == "Number":
            return shown_number(float(text), code)
        if kind == "DateTime":
            return shown_date(dt.datetime.fromisoformat(text), code if "y" in code else "yyyy-mm-dd")
    except (ValueError, OverflowError):
        return text
    if kind == "Error":
        return ""
    return ("FALSE", "TRUE")[text == "1"] if kind == "Boolean" else text


def _joined(element: Any) -> str:  # noqa: ANN401
    return " ".join("".join(element.itertext()).split())


def _number(element: Any, name: str, default: int) -> int:  # noqa: ANN401
    value = element.get(f"{_SS}{name}", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 9 else default


def _letters(column: int) -> str:
    name = ""
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
