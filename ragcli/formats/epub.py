"""EPUB: a zip of XHTML files, read in the order of its spine."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote
from xml.parsers import expat
from zipfile import ZipFile

from selectolax.lexbor import LexborNode

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.decode import decode
from ragcli.formats.html.loader import html_blocks
from ragcli.formats.html.tree import close_elements, parse
from ragcli.formats.zip_container import open_container, read_member
from ragcli.types import Document, Reason

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_NCX = "application/x-dtbncx+xml"
_MAX_ENTRIES = 500  # of the table of contents for one file
_HEADING = re.compile(r"<h[1-6][\s>]", re.IGNORECASE)
_FONT_OBFUSCATION = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}
_MARKUP = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"}


class _Entry(NamedTuple):
    """A line of the table of contents."""

    title: str
    level: int
    anchor: str  # the id of an element of the file, "" for its start


@dataclass(frozen=True, slots=True)
class _Element:
    name: str  # without its namespace
    attributes: dict[str, str]
    text: list[str]


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a book; a block's page is the number of its file in the spine.

    Raises LoadError: EMPTY, ENCRYPTED (DRM) or DAMAGED. A chapter that is missing or damaged becomes a warning.
    """
    del options
    builder = TextBuilder()
    warnings = []
    with open_container(data, ".epub") as archive:
        _refuse_drm(archive)
        title, chapters, contents = _read_package(archive)
        names = _read_contents(archive, contents) if contents else {}
        for number, name in enumerate(chapters, start=1):
            try:
                markup = _markup(archive, name)
            except LoadError as error:
                warnings.append(f"part {number}: {error.detail}")
                continue
            if name in names and not _HEADING.search(markup) and _has_text(markup):
                # These titles stand in the table of contents only.
                at_start, markup = _placed([one for one in names[name] if is_title(one.title, path)], markup)
                for entry in at_start:
                    builder.heading(entry.title, entry.level, page=number)
            html_blocks(builder, markup, number, whole=True)
    if len(warnings) == len(chapters):
        raise LoadError(Reason.DAMAGED, warnings[0] if warnings else "the spine names no text")
    return builder.build(path, title if is_title(title, path) else "", tuple(warnings))


def _refuse_drm(archive: ZipFile) -> None:
    if _ENCRYPTION not in archive.namelist():
        return
    methods = {
        element.attributes.get("Algorithm", "")
        for element in _elements(read_member(archive, _ENCRYPTION), _ENCRYPTION)
        if element.name == "EncryptionMethod"
    }
    if not methods <= _FONT_OBFUSCATION:
        raise LoadError(Reason.ENCRYPTED, "the book has DRM")


def _has_text(markup: str) -> bool:
    body = parse(markup).body
    return body is not None and bool(body.text().strip())


def _markup(archive: ZipFile, name: str) -> str:
    return close_elements(decode(read_member(archive, name))[0])


def _read_package(archive: ZipFile) -> tuple[str, list[str], str]:
    """The title of the book, the names of its text files in reading order, and that of its table of contents."""
    container = _elements(read_member(archive, _CONTAINER), _CONTAINER)
    package = next((e.attributes.get("full-path", "") for e in container if e.name == "rootfile"), "")
    elements = _elements(read_member(archive, package), package)
    title = next((" ".join("".join(e.text).split()) for e in elements if e.name == "title"), "")
    items = {e.attributes.get("id", ""): e.attributes for e in elements if e.name == "item"}
    folder = posixpath.dirname(package)
    chapters = []
    for reference in (e.attributes.get("idref", "") for e in elements if e.name == "itemref"):
        item = items.get(reference, {})
        is_contents = "nav" in item.get("properties", "").split()
        if item.get("media-type", "") in _MARKUP and not is_contents:
            chapters.append(_resolved(folder, item.get("href", "")))
    listed = [item.get("href", "") for item in items.values() if "nav" in item.get("properties", "").split()]
    listed += [item.get("href", "") for item in items.values() if item.get("media-type") == _NCX]
    return title, chapters, _resolved(folder, listed[0]) if listed else ""


def _placed(entries: list[_Entry], markup: str) -> tuple[list[_Entry], str]:
    """The titles that stand before a chapter, and the chapter with the others at the elements that they name."""
    at_start = []
    for entry in entries[:_MAX_ENTRIES]:
        anchor = re.search(rf"""<[a-zA-Z][^<>]*\s(?:id|name)\s*=\s*["']{re.escape(entry.anchor)}["']""", markup)
        if not entry.anchor or anchor is None:
            at_start.append(entry)
        else:
            heading = f"<h{min(6, entry.level)}>{escape(entry.title)}</h{min(6, entry.level)}>"
            markup = markup[: anchor.start()] + heading + markup[anchor.start() :]
    return at_start, markup


def _resolved(folder: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(href.partition("#")[0])))


def _read_contents(archive: ZipFile, name: str) -> dict[str, list[_Entry]]:
    """The entries of the table of contents (nav or NCX) by the file that they lead to; {} when it is damaged."""
    try:
        tree = parse(_markup(archive, name))
    except LoadError:
        return {}
    folder = posixpath.dirname(name)
    found: dict[str, list[_Entry]] = {}
    points = [
        (point, point.css_first("navlabel"), point.css_first("content"), "src", "navpoint")
        for point in tree.css("navpoint")
    ] or [(link, link, link, "href", "ol") for link in tree.css("nav a")]
    for point, label, target, attribute, parent in points:
        title = " ".join(label.text().split()) if label is not None else ""
        href = (target.attributes.get(attribute) or "") if target is not None else ""
        if title and href:
            entry = _Entry(title, _level(point, parent), unquote(href.partition("#")[2]))
            found.setdefault(_resolved(folder, href), []).append(entry)
    return found


def _level(node: LexborNode, name: str) -> int:
    """How many elements called ``name`` are open at ``node``, itself included."""
    level = 0
    above: LexborNode | None = node
    while above is not None:
        level += above.tag == name
        above = above.parent
    return max(1, level)


def _elements(data: bytes, name: str) -> list[_Element]:
    """The elements of an XML file in document order; LoadError(DAMAGED) when it is not well-formed or has entities."""
    elements: list[_Element] = []
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(tag: str, attributes: dict[str, str]) -> None:
        elements.append(_Element(tag.rpartition(" ")[2], attributes, []))

    def text(characters: str) -> None:
        if elements:
            elements[-1].text.append(characters)

    def refuse(*_: object) -> None:
        raise LoadError(Reason.DAMAGED, f"{name} declares XML entities")

    parser.StartElementHandler = start
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise LoadError(Reason.DAMAGED, f"{name}: {error}") from error
    return elements
