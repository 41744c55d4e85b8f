"""HTML: the main text of a page, without scripts, navigation and other chrome."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from selectolax.lexbor import LexborNode

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.formats.decode import declared_encoding, decode, decode_labelled, is_utf8, normalise
from ragcli.formats.equations import lowered, raised
from ragcli.formats.html.tree import (
    FIELDS,
    FORMULA,
    Survey,
    close_elements,
    drawing_text,
    field_text,
    parse,
    survey,
    tags,
    text_of,
    visit,
)
from ragcli.formats.numbering import numeral
from ragcli.formats.tables import Cell, Grid, Row, named_rows
from ragcli.types import BlockKind, Document, Reason

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = tags(
    """address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form
    header hgroup hr legend li main menu ol p pre search section summary table tbody td tfoot th thead tr ul xmp listing
    h1 h2 h3 h4 h5 h6"""
)
_PRE = frozenset(("pre", "xmp", "listing"))
_LONG_PRE = 10_000  # characters; a longer <pre> is a plain text document in an HTML wrapper
_LISTS = frozenset(("ul", "ol", "menu"))
_SCRIPTS = frozenset(("sup", "sub", "ruby", "rt"))
_INLINE = _SCRIPTS | FIELDS | {"br", "math", "svg", "img", "a", "label", "span"}
_RAISED = re.compile(r"vertical-align\s*:\s*(super|sub)\b")
_BOXES = re.compile(r"(?:[☒☐]\s*){2,}")
_DESCRIPTIONS = ('meta[name="description" i]', 'meta[property="og:description"]', 'meta[name="twitter:description"]')
_SAID = frozenset(("headline", "name", "description", "articleBody", "text", "abstract", "reviewBody"))  # in JSON-LD
_MAX_JSON_DEPTH = 20
_MOUNTED = "#root, #app, #__next, #__nuxt, #___gatsby, app-root"  # where frameworks put what they make
_SHELL = 200  # characters; a page with scripts and less text may be made by them
_NAME_OF_A_FILE = re.compile(
    r"\S+\.(?:png|jpe?g|gif|svg|webp|bmp|tiff?)\Z|(?:\S+ )?(?:image|img|icon|logo|photo|picture|avatar|spacer)\Z",
    re.IGNORECASE,
)

_DISPLAYED = re.compile(r"\{\\(?:display|text)style (.*)\}")
_LIST_STYLE = re.compile(r"list-style(?:-type)?\s*:[^;]*?\b(none|(?:lower|upper)-(?:alpha|latin|roman))\b")
_KINDS = {"lower-alpha": "a", "lower-latin": "a", "upper-alpha": "A", "upper-latin": "A", "lower-roman": "i"}
_KINDS |= {"upper-roman": "I", "none": ""}

_NOTE_MARK = re.compile(r"\d{1,3}|[a-zivx]{1,4}|[*†‡§]{1,3}")

_BEFORE_NOTE = re.compile(r"[\w.,;:!?…)”\"»%]\Z")

_LEAST_ROWS = 3  # of a table; pictures beside text are two rows at most
_PRESCAN = 4096  # bytes searched for a declared charset; browsers look at 1,024
_DECLARED = re.compile(rb"""(?i)<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""")
# A declaration that can be read in ASCII is not in UTF-16.
_NOT_IN_ASCII = frozenset(("utf-16", "utf-16le", "utf-16be", "utf-32"))


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The text of the page, with its title; LoadError(EMPTY) when nothing but chrome is there."""
    del options
    markup, warnings = decode_html(data)
    if path.suffix.lower() in (".xhtml", ".xht") or markup.lstrip().startswith("<?xml"):
        markup = close_elements(markup)
    builder = TextBuilder()
    title = html_blocks(builder, markup)
    if "<script" in markup and builder.length < _SHELL:
        is_shell = builder.is_empty or parse(markup).css_first(_MOUNTED) is not None
        title = _describe(builder, markup, is_shell=is_shell)
        if is_shell:
            warnings += ("the page needs JavaScript to show its text: only its description was read",)
    return builder.build(path, title, warnings)


def html_blocks(builder: TextBuilder, markup: str, page: int | None = None, *, whole: bool = False) -> str:
    """Append the main text of ``markup`` (a page or a fragment) and return its title, "" when it has none.

    ``whole``: nothing in it is chrome, as in a chapter of a book.
    """
    tree = parse(markup)
    found = survey(tree)
    if found is None:
        return ""
    writer = _Writer(builder, found, page)
    writer.write(chrome=whole)
    if not writer.blocks and not whole:  # a page that is all form or all header: better its text than nothing
        writer.write(chrome=True)
    title = tree.css_first("head > title")
    return (" ".join(title.text().split()) if title else "") or writer.title


def read_page(markup: str) -> tuple[str, bool]:
    """The text of a page, and whether it has a table: at least three rows of two cells and more."""
    builder = TextBuilder()
    html_blocks(builder, markup)
    if builder.is_empty:
        return "", False
    document = builder.build(Path(), "")
    rows = sum(" | " in document.text[block.start : block.end] for block in document.blocks if block.kind == "row")
    return document.text, rows >= _LEAST_ROWS


def _describe(builder: TextBuilder, markup: str, *, is_shell: bool) -> str:
    """Append the description of a page and its JSON-LD and return its title, which is text in a shell.

    Raises LoadError(EMPTY) where there is no other text and no description.
    """
    tree = parse(markup)
    found = tree.css_first("head > title")
    title = " ".join((found.text() if found else "").split())
    texts = [node.attributes.get("content") or "" for name in _DESCRIPTIONS for node in tree.css(name)]
    for script in tree.css('script[type="application/ld+json"]'):
        with suppress(ValueError, RecursionError):
            texts += _said(json.loads(script.text() or ""), 0)
    texts = [text for one in texts if (text := " ".join(one.split())) and text != title]
    if not texts and builder.is_empty:
        raise LoadError(Reason.EMPTY, "the page needs JavaScript to show its text")
    if is_shell:
        builder.heading(title, 1)
    for text in dict.fromkeys(texts):
        builder.add(text)
    return title


def _said(value: object, depth: int) -> Iterator[str]:
    if depth > _MAX_JSON_DEPTH:
        return
    if isinstance(value, dict):
        for key, inside in value.items():
            if isinstance(inside, str):
                yield from (inside,) if key in _SAID else ()
            else:
                yield from _said(inside, depth + 1)
    elif isinstance(value, list):
        for inside in value:
            yield from _said(inside, depth + 1)


def decode_html(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The markup of a page and what the reader should know about how it was decoded."""
    declared = None if declared_encoding(data) else _DECLARED.search(data[:_PRESCAN])
    # Programs save pages as UTF-8 and leave what these declare.
    if declared and (data.isascii() or not is_utf8(data)):
        label = (declared[1] or declared[2]).decode("ascii").lower()
        try:
            text = decode_labelled(data, "utf-8" if label in _NOT_IN_ASCII else label)
        except (LookupError, UnicodeError):  # an unknown or a wrong label: the bytes decide
            return decode(data)
        return normalise(text), ()
    return decode(data)


class _Table:
    """Takes a table cell by cell."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.parts: list[str] | None = None  # text of the open cell
        self.in_head = False
        self._cells: list[Cell] = []
        self._cell = Cell("")
        self._grid = Grid()
        self._has_body = False  # rows of <th> after a row of values are not the table's header

    def open_cell(self, is_header: bool, columns: str | None, rows: str | None) -> None:
        """Begin a cell; text goes to ``parts`` until ``close_cell``."""
        self.parts = []
        self._cell = Cell("", is_header, _span(columns), _span(rows))

    def leave(self, tag: str) -> None:
        if tag == "thead":
            self.in_head = False
        elif tag in ("td", "th"):
            self.close_cell()
        elif tag == "tr":
            self.close_row()

    def close_cell(self) -> None:
        if self.parts is not None:
            self._cells.append(replace(self._cell, text="".join(f" {part}" for part in self.parts)))
        self.parts = None

    def close_row(self) -> None:
        cells, self._cells = self._cells, []
        filled = [cell for cell in cells if cell.text and not cell.text.isspace()]
        all_headers = not self._has_body and len(filled) > 1 and all(cell.is_header for cell in filled)
        is_head = self.in_head or all_headers
        self._has_body = self._has_body or (bool(filled) and not is_head)
        self.rows.append(self._grid.row(cells, is_head=is_head))


def _span(value: str | None) -> int:
    return max(1, int(value)) if value and value.isascii() and value.isdigit() and len(value) < 9 else 1


class _Numbers:
    """Counts the items of an ``<ol>`` as browsers do."""

    def __init__(self, node: LexborNode) -> None:
        attributes = node.attributes
        style = _LIST_STYLE.search(attributes.get("style") or "")
        self._kind = _KINDS[style[1]] if style else attributes.get("type") or "1"
        self._step = -1 if "reversed" in attributes else 1
        first = 1 if self._step > 0 else sum(1 for child in node.iter() if child.tag == "li")
        self._next = _integer(attributes.get("start"), first)

    def following(self, value: str | None) -> str:
        """What stands before the next item, whose own attribute may set its number."""
        number = _integer(value, self._next)
        self._next = number + self._step
        return f"{numeral(number, self._kind)}. " if self._kind else "- "


def _integer(value: str | None, default: int) -> int:
    value = (value or "").strip()
    return int(value) if re.fullmatch(r"[+-]?\d{1,9}", value, re.ASCII) else default


def _is_note_reference(link: LexborNode) -> bool:
    attributes = link.attributes
    kinds = f"{attributes.get('epub:type')} {attributes.get('role')} {attributes.get('class')}"
    return "noteref" in kinds or "footnote" in kinds or (link.css_first("sup") is not None)


def _alternative(node: LexborNode) -> str:
    """What stands for a picture, "" for ornaments and where the caption says the same."""
    attributes = node.attributes
    text = " ".join((attributes.get("alt") or "").split())
    if formula := _DISPLAYED.fullmatch(text):  # as Wikipedia has it
        return formula[1].strip()
    if _NAME_OF_A_FILE.match(text) or attributes.get("role") in ("presentation", "none"):
        return ""
    parent = node.parent
    for _ in range(3):
        if parent is None or parent.tag == "figure":
            break
        parent = parent.parent
    caption = parent.css_first("figcaption") if parent is not None and parent.tag == "figure" else None
    is_said = caption is not None and "".join((caption.text() or "").split()) == "".join(text.split())
    return "" if is_said and caption and caption.attributes.get("aria-hidden") != "true" else text


class _Writer:
    """Turns the events of a page into blocks; text gathers until a block element begins or ends."""

    def __init__(self, builder: TextBuilder, found: Survey, page: int | None) -> None:
        self.blocks = 0
        self.title = ""  # the first <h1>
        self._builder = builder
        self._found = found
        self._page = page
        self._inline: list[str] = []
        self._open_scripts: list[int] = []  # where in it each open <sup>, <sub>, <ruby> and <rt> begins; -1: as it is
        self._readings = ""  # of the open <ruby>
        self._link = 0, False  # where in it the open <a> begins, and whether it leads to a note
        self._heading: int | None = None
        self._pre = 0
        self._lists: list[_Numbers | None] = []  # None: a list without numbers
        self._marker = ""
        self._items = 0  # open <li>
        self._tables: list[_Table | None] = []  # None: a table that only arranges the page
        self._follows: BlockKind | None = None  # kind of the last block when the next one of its kind goes right below

    def write(self, *, chrome: bool) -> None:
        for node, tag, entering in visit(self._found.root, self._found.chrome, chrome=chrome):
            if tag == "-text":
                text = text_of(node)
                self._inline.append(text if self._pre else re.sub(r"[ \t\n\r\f]+", " ", text))
            elif tag in _INLINE:
                self._add_inline(node, tag, entering)
            elif tag in _BLOCKS:
                self._flush()
                if entering:
                    self._enter(node, tag)
                else:
                    self._leave(tag)
        self._flush()

    def _add_inline(self, node: LexborNode, tag: str, entering: bool) -> None:
        if tag in _SCRIPTS:
            self._add_script(tag, entering)
        elif tag == "span":
            raised_by = _RAISED.search(node.attributes.get("style") or "")
            if raised_by:
                self._add_script("sup" if raised_by[1] == "super" else "sub", entering)
        elif tag == "a":
            self._add_link(node, entering)
        elif not entering:
            return
        elif tag == "br":
            self._inline.append("\n")
        elif tag == "label":  # the names of tabs stand side by side
            self._inline.append(" ")
        elif tag == "math":
            self._inline.append(FORMULA.line(node))
        elif tag == "svg":
            self._inline.append(f"\n{text}\n" if (text := drawing_text(node)) else "")
        elif tag in FIELDS:
            self._inline.append(f" {field_text(node)} ")
        elif tag == "img":
            self._inline.append(f" {_alternative(node)} ")

    def _add_link(self, node: LexborNode, entering: bool) -> None:
        """The number of a note keeps apart from the word or the number behind which it stands."""
        if entering:
            self._link = len(self._inline), bool(self._open_scripts) or _is_note_reference(node)
            if self._open_scripts:
                self._open_scripts[-1] = -1
            return
        (start, is_note), self._link = self._link, (0, False)
        text = "".join(self._inline[start:]).strip().removeprefix("^")
        before = "".join(self._inline[max(0, start - 3) : start])
        if is_note and _BEFORE_NOTE.search(before) and _NOTE_MARK.fullmatch(text):
            self._inline[start:] = [f"[{text}]"]

    def _add_script(self, tag: str, entering: bool) -> None:
        """Text above, below or beside the line: exponents and indices keep that they are, readings are said once."""
        if entering:
            self._open_scripts.append(len(self._inline))
            return
        start = self._open_scripts.pop() if self._open_scripts else -1
        if not 0 <= start <= len(self._inline):  # a block ended in between
            return
        text = "".join(self._inline[start:])
        before = "".join(self._inline[max(0, start - 3) : start])
        if tag == "rt":
            self._readings += text
            text = ""
        elif tag == "ruby":
            text += f"({self._readings})" if self._readings else ""
            self._readings = ""
        else:
            text = raised(before, text) if tag == "sup" else lowered(before, text)
        self._inline[start:] = [text]

    def _enter(self, node: LexborNode, tag: str) -> None:
        if tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag in _PRE:
            self._pre += 1
        elif tag in _LISTS:
            self._lists.append(_Numbers(node) if tag == "ol" else None)
        elif tag == "li":
            self._open_item(node.attributes.get("value"))
        elif tag == "table":
            self._tables.append(None if node.mem_id in self._found.layout else _Table())
            self._follows = None
        elif self._tables and (table := self._tables[-1]):
            if tag == "thead":
                table.in_head = True
            elif tag in ("td", "th"):
                attributes = node.attributes
                table.open_cell(tag == "th", attributes.get("colspan"), attributes.get("rowspan"))

    def _leave(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._heading = None
        elif tag in _PRE:
            self._pre -= 1
        elif tag in _LISTS:
            self._lists.pop()
            if not self._lists:
                self._follows = None
        elif tag == "li":
            self._items -= 1
            self._marker = ""
        elif tag == "table":
            table = self._tables.pop()
            for row in named_rows(table.rows if table else (), is_marked=True):
                self._add(row, "row")
        elif self._tables and (table := self._tables[-1]):
            table.leave(tag)

    def _open_item(self, value: str | None) -> None:
        self._items += 1
        numbers = self._lists[-1] if self._lists else None
        self._marker = numbers.following(value) if numbers else "- "

    def _flush(self) -> None:
        text = "".join(self._inline).replace("\u00ad", "")  # soft hyphens only say where a line may break
        self._inline.clear()
        self._open_scripts = [-1] * len(self._open_scripts)
        if not text or text.isspace() or _BOXES.fullmatch(text.strip()):  # boxes alone open and close something
            return
        table = self._tables[-1] if self._tables else None
        if table and table.parts is not None:
            table.parts.append(text)
        elif self._heading is not None:
            text = " ".join(text.split()).removesuffix("¶").rstrip()
            if self._marker and self._marker != "- ":  # LibreOffice writes the numbers of headings so
                text = f"{self._marker}{text}"
                self._marker = ""
            self._builder.heading(text, self._heading, page=self._page)
            self.title = self.title or (text if self._heading == 1 else "")
            self.blocks += 1
            self._follows = None
        elif self._pre and len(text) > _LONG_PRE:
            for paragraph in re.split(r"\n[ \t]*\n", text):
                self._add(paragraph.strip("\n"), "paragraph")
        elif self._pre:
            self._add(text, "code")
        else:
            text = "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()
            for paragraph in re.split(r"\n{2,}", text):  # <br><br>
                self._add(self._marker + paragraph, "list" if self._items else "paragraph")
                self._marker = ""

    def _add(self, text: str, kind: BlockKind) -> None:
        if text:
            separator = "\n" if kind == self._follows else "\n\n"
            self._builder.add(text, kind, page=self._page, separator=separator)
            self.blocks += 1
            self._follows = kind if kind in ("row", "list") else None
