"""What Word, PowerPoint and Excel files share: their packages, text in drawings, charts and diagrams."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from lxml import etree

from ragcli.formats.equations import lowered, office_math, raised
from ragcli.formats.zip_container import open_container, read_member

# Strict Open XML (ISO/IEC 29500) calls the same things by other names.
_STRICT = b"http://purl.oclc.org/ooxml/"
_NAMES = (
    (b"http://purl.oclc.org/ooxml/officeDocument/relationships", b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"),
    (b"http://purl.oclc.org/ooxml/officeDocument/math", b"http://schemas.openxmlformats.org/officeDocument/2006/math"),
    (b"http://purl.oclc.org/ooxml/officeDocument/", b"http://schemas.openxmlformats.org/officeDocument/2006/"),
    (b"http://purl.oclc.org/ooxml/wordprocessingml/main", b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"),
    (b"http://purl.oclc.org/ooxml/spreadsheetml/main", b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"),
    (b"http://purl.oclc.org/ooxml/presentationml/main", b"http://schemas.openxmlformats.org/presentationml/2006/main"),
    (b"http://purl.oclc.org/ooxml/drawingml/", b"http://schemas.openxmlformats.org/drawingml/2006/"),
    (b"http://purl.oclc.org/ooxml/", b"http://schemas.openxmlformats.org/"),
)  # fmt: skip
# Templates, shows and files with macros differ from documents in the type of their main part only.
_MAIN_TYPE = re.compile(
    rb"application/vnd\.(?:ms-word\.(?:document|template)\.macroEnabled(?:Template)?\.main"
    rb"|openxmlformats-officedocument\.wordprocessingml\.template\.main)\+xml"
)
_WORD = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_SLIDES_TYPE = re.compile(
    rb"application/vnd\.(?:ms-powerpoint\.(?:presentation|slideshow|template)\.macroEnabled\.main"
    rb"|openxmlformats-officedocument\.presentationml\.(?:template|slideshow)\.main)\+xml"
)
_SLIDES = b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
_TYPES = "[Content_Types].xml"

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MAX_POINTS = 500  # of a chart

_GENERATED = re.compile(r"(?:AI-generated content may be incorrect\.?|Description automatically generated.*)\Z")
_NAME_OF_A_FILE = re.compile(
    r"\S+\.(?:png|jpe?g|gif|svg|webp|bmp|tiff?|emf|wmf)\Z|(?:image|picture|graphic|bild|grafik|img) ?\d*\Z",
    re.IGNORECASE,
)


def office_package(data: bytes, suffix: str) -> bytes:
    """``data`` as a package that the libraries read: strict names and the types of templates written as usual.

    Raises LoadError as ``open_container`` does.
    """
    with open_container(data, suffix) as archive:
        if _TYPES not in archive.namelist():
            return data
        types = read_member(archive, _TYPES)
        usual = _SLIDES_TYPE.sub(_SLIDES, _MAIN_TYPE.sub(_WORD, types))
        is_strict = any(
            _STRICT in read_member(archive, name)[:4096]
            for name in ("word/document.xml", "xl/workbook.xml", "ppt/presentation.xml")
            if name in archive.namelist()
        )
        if usual == types and not is_strict:
            return data
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as usual_archive:
            for name in archive.namelist():
                member = usual if name == _TYPES else read_member(archive, name)
                if is_strict and name.endswith((".xml", ".rels")):
                    for strict, transitional in _NAMES:
                        member = member.replace(strict, transitional)
                usual_archive.writestr(name, member)
        return written.getvalue()


def choose_alternatives(root: Any) -> None:  # noqa: ANN401 (an lxml element)
    """Put the first choice of every mc:AlternateContent in its place: what a new program shows."""
    for alternative in list(root.iter(f"{_MC}AlternateContent")):
        choice = alternative.find(f"{_MC}Choice")
        if choice is None:
            choice = alternative.find(f"{_MC}Fallback")
        parent = alternative.getparent()
        if parent is None:
            continue
        at = parent.index(alternative)
        for child in list(choice) if choice is not None else ():
            parent.insert(at, child)
            at += 1
        parent.remove(alternative)


def chart_rows(blob: bytes) -> tuple[str, list[list[str]]]:
    """The title of a chart, and its values as rows below the names of its series; ("", []) when it is damaged."""
    try:
        root = etree.fromstring(blob, parser=_parser())
    except etree.XMLSyntaxError:
        return "", []
    titles = [_said(found) for found in root.iter(f"{_C}title")]
    series = list(root.iter(f"{_C}ser"))
    names = [_first(one.find(f"{_C}tx")) for one in series]
    categories: dict[str, str] = {}
    columns: list[dict[str, str]] = []
    for one in series:
        for tag in ("cat", "xVal"):
            categories = {**_points(one.find(f"{_C}{tag}")), **categories}
        values = _points(one.find(f"{_C}val"))
        columns.append(values or _points(one.find(f"{_C}yVal")))
    keys = sorted({key for column in (categories, *columns) for key in column}, key=int)[:_MAX_POINTS]
    rows = [["", *names], *([categories.get(key, ""), *(column.get(key, "") for column in columns)] for key in keys)]
    axes = ", ".join(title for title in titles[1:] if title)
    title = titles[0] if titles else ""
    return f"{title} ({axes})" if title and axes else title or axes, rows if any(map(any, rows)) else []


def diagram_texts(blob: bytes) -> list[str]:
    """The texts of a SmartArt diagram, indented by level, in the order of its connections."""
    try:
        root = etree.fromstring(blob, parser=_parser())
    except etree.XMLSyntaxError:
        return []
    texts = {
        point.get("modelId", ""): " ".join("".join(point.itertext(f"{_A}t")).split())
        for point in root.iter(f"{_DGM}pt")
        if point.get("type") in (None, "node", "doc", "asst")
    }
    below: dict[str, list[tuple[int, str]]] = {}
    for connection in root.iter(f"{_DGM}cxn"):
        if connection.get("type") in (None, "parOf"):
            order = connection.get("srcOrd", "0")
            below.setdefault(connection.get("srcId", ""), []).append(
                (int(order) if order.isdigit() and len(order) < 9 else 0, connection.get("destId", ""))
            )
    children = {name for found in below.values() for _, name in found}
    lines: list[str] = []
    seen: set[str] = set()
    waiting = [(name, 0) for name in reversed(texts) if name not in children]
    while waiting:
        name, level = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        text = texts.get(name, "")
        if text:
            lines.append(f"{'  ' * min(level, 8)}- {text}")
        following = [(child, level + bool(text)) for _, child in sorted(below.get(name, ()))]
        waiting += reversed(following)
    return lines


def drawn_paragraphs(root: Any) -> Iterator[str]:  # noqa: ANN401
    """The paragraphs of DrawingML text below ``root``, such as those of a text box in a sheet."""
    for paragraph in root.iter(f"{_A}p"):
        text = " ".join(paragraph_text(paragraph).split())
        if text:
            yield text


def paragraph_text(paragraph: Any) -> str:  # noqa: ANN401
    """The text of an ``a:p``: runs, fields, equations, and a line end for each break."""
    text = ""
    for node in paragraph:
        if node.tag == f"{_A}br":
            text += "\n"
        elif node.tag in (f"{_A}r", f"{_A}fld"):
            run = "".join(part.text or "" for part in node.iter(f"{_A}t"))
            properties = node.find(f"{_A}rPr")
            height = properties.get("baseline", "0") if properties is not None else "0"
            if height.startswith("-"):
                run = lowered(text, run)
            elif height not in ("0", "0%"):
                run = raised(text, run)
            text += run
        elif isinstance(node.tag, str) and node.tag.endswith("}m"):  # a14:m
            text += " ".join("".join(office_math(part) for part in node).split())
    return text


def picture_name(text: str) -> str:
    """What stands for a picture, "" when programs wrote it and it says nothing."""
    text = _GENERATED.sub("", " ".join(text.split())).strip()
    return "" if _NAME_OF_A_FILE.match(text) else text


def _said(node: Any) -> str:  # noqa: ANN401
    texts = list(drawn_paragraphs(node))
    return " ".join(texts) or _first(node)


def _first(node: Any) -> str:  # noqa: ANN401
    found = next(node.iter(f"{_C}v"), None) if node is not None else None
    return " ".join((found.text or "").split()) if found is not None else ""


def _points(node: Any) -> dict[str, str]:  # noqa: ANN401
    """The cached values by their place; those of several levels are joined."""
    found: dict[str, str] = {}
    for point in node.iter(f"{_C}pt") if node is not None else ():
        value, place = point.find(f"{_C}v"), point.get("idx", "")
        if value is not None and value.text and place.isdigit() and len(place) < 9:
            found[place] = f"{value.text} {found[place]}" if place in found else value.text
    return {place: _rounded(" ".join(text.split())) for place, text in found.items()}


def _rounded(text: str) -> str:
    try:
        return f"{float(text):.10g}" if len(text) > 12 else text
    except ValueError:
        return text


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
