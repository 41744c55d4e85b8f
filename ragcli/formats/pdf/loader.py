"""PDF: pdfium reads it, pypdf where pdfium cannot, tesseract the pages without a text layer when asked to."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pypdfium2

from ragcli.errors import LoadError
from ragcli.formats import ocr
from ragcli.formats.blocks import HeadingPath, LoadOptions, TextBuilder, is_title
from ragcli.formats.pdf.annotations import attached_files
from ragcli.formats.pdf.headers import drop_running_lines
from ragcli.formats.pdf.hyphens import ends_broken, join_lines, vocabulary
from ragcli.formats.pdf.layout import Line, clean_line, paragraphs, plain_lines, reads_on
from ragcli.formats.pdf.outline import Entry, locate
from ragcli.formats.pdf.pdfium import metadata_title, open_pdf, outline, page_image, page_lines
from ragcli.formats.pdf.rows import Tables, join_words
from ragcli.types import Document, Member, Reason

MAX_PAGES = 50_000  # a page tree can claim two thousand million
_PROBED = 3  # pages on which pypdf is tried when pdfium finds no text at all

_SECTION = re.compile(r"\d|(?:table of )?contents\Z|abstract\Z|introduction\Z|inhalt|sommaire\Z", re.IGNORECASE)
_TITLE_SIZE = 1.25  # times the size of the running text


@dataclass(slots=True)
class _Source:
    """What a reader found: the lines of every page, and what kept pages from having any."""

    pages: list[list[Line]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    title: str = ""
    scanned: list[int] = field(default_factory=list)  # 1-based pages with a picture and no text
    damaged: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: dict[int, list[str]] = field(default_factory=dict)  # what is written on a page (0-based) later
    files: list[Member] = field(default_factory=list)  # attached to the document or pinned to a page


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a PDF: blocks with 1-based pages, paragraphs as running text, outline entries as headings.

    Raises LoadError: EMPTY, ENCRYPTED (no or a wrong password), NO_TEXT (scanned pages only) or DAMAGED.
    """
    if not data:
        raise LoadError(Reason.EMPTY)
    try:
        source = _read_pdfium(data, options)
    except LoadError as error:
        if error.reason is not Reason.DAMAGED:
            raise
        source = _read_pypdf(data, options)
    if not any(source.pages):
        _try_pypdf_text(source, data, options)
    if source.damaged:
        source.warnings.append(f"{_name_pages(source.damaged)}: damaged")
    if source.scanned:
        source.warnings.append(f"{_name_pages(source.scanned)}: {_no_text(options)}")
    if not any(source.pages) and not any(source.notes.values()) and not source.files:
        raise _nothing_to_read(source, options)
    return _build(path, source)


def _read_pdfium(data: bytes, options: LoadOptions) -> _Source:
    source = _Source()
    with open_pdf(data, options.password) as document:
        count = len(document)
        if count > MAX_PAGES:
            source.warnings.append(f"only the first {MAX_PAGES:,} of {count:,} pages were read")
        for index in range(min(count, MAX_PAGES)):
            lines: list[Line] = []
            try:
                lines, drawn, beside = page_lines(document, index)
                source.notes[index] = [note for note in beside.notes if note]
                source.files += [Member(*file) for file in beside.files]
                if drawn and not lines:
                    lines = _read_image(document, index, source, options)
            except LoadError:
                source.damaged.append(index + 1)
            source.pages.append(lines)
        source.entries = outline(document)
        source.title = metadata_title(document)
        source.files += [Member(*file) for file in attached_files(document)]
    return source


def _read_image(document: pypdfium2.PdfDocument, index: int, source: _Source, options: LoadOptions) -> list[Line]:
    """The lines that OCR finds on a page; without OCR, none, and the page is noted."""
    if not options.ocr or not ocr.available():
        source.scanned.append(index + 1)
        return []
    try:
        return plain_lines(ocr.read_image(page_image(document, index), options))
    except LoadError as error:
        source.warnings.append(f"page {index + 1}: {error.detail}")
        return []


def _read_pypdf(data: bytes, options: LoadOptions, limit: int = MAX_PAGES) -> _Source:
    from ragcli.formats.pdf.pypdf_reader import read_pages

    pages, title = read_pages(data, options.password, limit)
    scanned = [number for number, lines in enumerate(pages, start=1) if not lines]
    return _Source(pages=pages, title=title, scanned=scanned)


def _try_pypdf_text(source: _Source, data: bytes, options: LoadOptions) -> None:
    """Take pypdf's text where it has some on the first pages and pdfium had none anywhere."""
    try:
        if any(_read_pypdf(data, options, _PROBED).pages):
            found = _read_pypdf(data, options)
            source.pages, source.scanned = found.pages, found.scanned
    except LoadError:
        return  # pdfium opened the file, so what it found stands


def _nothing_to_read(source: _Source, options: LoadOptions) -> LoadError:
    if source.damaged:
        return LoadError(Reason.DAMAGED, f"{_name_pages(source.damaged)} cannot be read")
    if source.scanned:
        missing = f"; {ocr.MISSING}" if options.ocr else "; read them with --ocr"
        return LoadError(Reason.NO_TEXT, f"{_name_pages(source.scanned)}{missing}")
    if source.warnings:
        return LoadError(Reason.NO_TEXT, source.warnings[0])
    return LoadError(Reason.EMPTY, "blank pages")


def _no_text(options: LoadOptions) -> str:
    return f"no text layer ({ocr.MISSING})" if options.ocr else "no text layer (needs OCR)"


def _name_pages(numbers: list[int]) -> str:
    """``[2, 4, 5, 6]`` as "pages 2, 4-6"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    named = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"page {named}" if len(numbers) == 1 else f"pages {named}"


def _build(path: Path, source: _Source) -> Document:
    pages, running = drop_running_lines(source.pages)
    words: frozenset[str] = frozenset()
    if any(ends_broken(line.text) or "\n" in line.text for lines in pages for line in lines):
        words = vocabulary(part for lines in pages for line in lines for part in line.text.split("\n"))
        pages = [[join_words(line, words) for line in lines] for lines in pages]
    _join_page_breaks(pages, words)
    by_page: dict[int, list[Entry]] = {}
    for entry in source.entries:
        by_page.setdefault(entry.page, []).append(entry)
    builder, in_force = TextBuilder(), HeadingPath()
    writer = _Writer(builder, words)
    waiting: list[str] = []  # running lines, which do not cut a sentence that goes on
    for number, lines in enumerate(pages, start=1):
        position = 0
        waiting += running.get(number - 1, [])
        if waiting and not (writer.last and lines and reads_on(writer.last, lines[0].text)):
            writer.texts(waiting, number, in_force.path)
        for place in locate(by_page.get(number, []), lines):
            writer.lines(lines[position : place.start], number, in_force.path)
            position = max(position, place.end)
            printed = " ".join(line.text for line in lines[place.start : place.end])
            in_force.push(printed or place.entry.title, place.entry.level)
            if printed:
                writer.heading(printed, number, in_force.path)
        writer.lines(lines[position:], number, in_force.path)
        if source.notes.get(number - 1):
            writer.texts(source.notes[number - 1], number, in_force.path)
    writer.texts(waiting, len(pages), in_force.path)
    if builder.is_empty and source.files:
        return Document(path, "", "", (), "", tuple(source.warnings), members=source.files)
    return replace(builder.build(path, _title(path, source), tuple(source.warnings)), members=source.files)


class _Writer:
    """Writes the lines of the pages as blocks."""

    def __init__(self, builder: TextBuilder, words: frozenset[str]) -> None:
        self._builder = builder
        self._words = words
        self._tables = Tables()
        self.last = ""  # the text of the last block, on which the next one may read on

    def heading(self, text: str, page: int, headings: tuple[str, ...]) -> None:
        self._builder.add(text, "heading", page=page, headings=headings)
        self._tables.end()
        self.last = ""

    def texts(self, texts: list[str], page: int, headings: tuple[str, ...]) -> None:
        """Append each text as a paragraph and empty the list; nothing reads on from them."""
        for text in texts:
            self._builder.add(text, page=page, headings=headings)
        texts.clear()
        self.last = ""

    def lines(self, lines: list[Line], page: int, headings: tuple[str, ...]) -> None:
        """Append lines as paragraphs and rows of tables."""
        for paragraph in paragraphs(lines, self._words):
            if paragraph.rows:
                separator = "\n\n"
                for row, columns in zip(paragraph.rows, self._tables.columns(paragraph.rows), strict=True):
                    self._builder.add(
                        row.text, "row", page=page, headings=headings, separator=separator, columns=columns
                    )
                    separator = "\n"
                self.last = ""
                continue
            self._tables.end()
            # A sentence that goes on over the page break reads on in the text too, though each page has its own block.
            goes_on = self.last and paragraph.kind == "paragraph" and reads_on(self.last, paragraph.text)
            separator = " " if goes_on else "\n\n"
            self._builder.add(paragraph.text, paragraph.kind, page=page, headings=headings, separator=separator)
            self.last = paragraph.text


def _join_page_breaks(pages: list[list[Line]], words: frozenset[str]) -> None:
    """Bring the rest of a word that is broken over two pages to the first of them."""
    for above, below in pairwise(lines for lines in pages if lines):
        if ends_broken(above[-1].text) and below[0].text[0].islower():
            rest, _, remaining = below[0].text.partition(" ")
            above[-1] = above[-1]._replace(text=join_lines(above[-1].text, rest, words))
            below[:1] = [below[0]._replace(text=remaining)] if remaining else []


def _title(path: Path, source: _Source) -> str:
    """The title in the metadata if it looks like one, else what is printed largest on the first page, else ""."""
    title = clean_line(source.title)
    if is_title(title, path) or not any(source.pages):
        return title if is_title(title, path) else ""
    shown = [paragraph for paragraph in paragraphs(source.pages[0], frozenset()) if is_title(paragraph.text, path)]
    if not shown:
        return ""
    running = statistics.median(line.size for lines in source.pages[:_PROBED] for line in lines for _ in line.text)
    largest = max(shown, key=lambda paragraph: paragraph.size)
    stands_out = largest.size >= _TITLE_SIZE * running and _SECTION.match(largest.text) is None
    return largest.text.replace("\n", " ") if stands_out else ""
