"""FictionBook: the chapters of a book in one XML file, with its notes behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree
from lxml.etree import _Element as Element

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder, is_title
from ragcli.formats.equations import lowered, raised
from ragcli.formats.tables import Cell, add_rows, spread
from ragcli.types import Document, Reason

_MAX_DEPTH = 30  # of sections in sections
_LINES = frozenset(("p", "v", "subtitle", "text-author", "date"))


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a book; a block's page is the number of its chapter.

    Raises LoadError: EMPTY, or DAMAGED for XML of another kind.
    """
    del options
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, recover=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise LoadError(Reason.DAMAGED, f"not well-formed XML: {error}") from error
    if root is None or _name(root) != "FictionBook":
        raise LoadError(Reason.DAMAGED, "not a FictionBook file")
    writer = _Writer()
    for body in _children(root, "body"):
        writer.body(body)
    title = next((_line(node) for node in root.iter("{*}book-title")), "")
    return writer.builder.build(path, title if is_title(title, path) else "")


class _Writer:
    def __init__(self) -> None:
        self.builder = TextBuilder()
        self._page = 0
        self._notes: tuple[str, ...] = ()  # the heading above the notes

    def body(self, body: Element) -> None:
        """The text of the book, or its notes."""
        is_notes = body.get("name") is not None
        for child in body:
            name = _name(child)
            if name == "section":
                self._page += 1
                if is_notes:
                    self._note(child)
                else:
                    self._section(child, 1)
            elif name == "title" and is_notes:
                self.builder.heading(_line(child), 1, page=self._page + 1)
                self._notes = self.builder.headings
            elif name == "title":
                self.builder.add(_line(child), page=self._page + 1, headings=())
            else:
                self._add(child)

    def _section(self, section: Element, level: int) -> None:
        for child in section:
            name = _name(child)
            if name == "section" and level < _MAX_DEPTH:
                self._section(child, level + 1)
            elif name == "title":
                self.builder.heading(_line(child), level, page=self._page)
            else:
                self._add(child)

    def _note(self, section: Element) -> None:
        """A note behind its number, which is its title."""
        number = " ".join(_line(title) for title in _children(section, "title"))
        texts = [_line(child) for child in section.iter() if _name(child) in _LINES and not _is_in_title(child)]
        text = "\n".join(filter(None, texts))
        text = f"[{number.strip('[]')}] {text}" if number and text else text
        self.builder.add(text, page=self._page, headings=self._notes)

    def _add(self, element: Element) -> None:
        """A paragraph, a verse, a table, or what holds them."""
        name = _name(element)
        if name in _LINES:
            self.builder.add(_line(element), page=self._page)
        elif name == "stanza":
            self.builder.add("\n".join(map(_line, _children(element, "v"))), page=self._page)
        elif name == "table":
            rows = ([_cell(cell) for cell in row] for row in _children(element, "tr"))
            add_rows(self.builder, spread(rows), self._page)
        elif name == "title":
            self.builder.add(_line(element), page=self._page)
        elif name == "image":
            self.builder.add(element.get("alt", ""), page=self._page)
        elif name in ("epigraph", "annotation", "cite", "poem", "section"):
            waiting = [iter(element)]
            while waiting:  # what lies deeper than any book is read flat
                child = next(waiting[-1], None)
                if child is None:
                    waiting.pop()
                elif _name(child) in ("cite", "poem", "section", "epigraph"):
                    waiting.append(iter(child))
                else:
                    self._add(child)


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _name(child) == name)


def _is_in_title(element: Element) -> bool:
    parent = element.getparent()
    return parent is not None and _name(parent) == "title"


def _cell(cell: Element) -> Cell:
    spans = (cell.get(name, "1") for name in ("colspan", "rowspan"))
    columns, rows = (int(span) if span.isascii() and span.isdigit() and len(span) < 4 else 1 for span in spans)
    return Cell(_line(cell), _name(cell) == "th", columns, rows)


def _line(element: Element) -> str:
    """The text of an element on one line; numbers of notes are in brackets."""
    return " ".join("".join(_pieces(element, [""])).split())


def _pieces(element: Element, before: list[str]) -> Iterator[str]:
    if text := element.text:
        before[0] = text
        yield text
    for child in element.iterchildren(tag=etree.Element):
        name = _name(child)
        text = "".join(_pieces(child, [before[0]]))
        if name == "sup":
            text = raised(before[0], text)
        elif name == "sub":
            text = lowered(before[0], text)
        elif name == "a" and child.get("type") == "note" and text.strip():
            text = f"[{text.strip().strip('[]{}')}]"
        elif name in _LINES:
            text = f" {text} "
        yield text
        yield child.tail or ""
        before[0] = child.tail or text or before[0]
