"""Make the binary files of sample_docs (two PDF booklets, one Word document) from docs/samples/*.txt.

sample_docs is a small library on how language models work, written for this project so that a fresh checkout has
something real to search. Thirteen documents share much of their vocabulary, so that finding the right one takes more
than matching a word; they come as Markdown, plain text, reStructuredText, HTML, PDF and Word. What is said of real
people, papers and machines is meant to be true; the Ashgrove reading room and its measurements are invented, and say
so. ``sample_docs/questions.jsonl`` holds one question a line: the file that answers it, the passage word for word, the
page for a PDF, and a short answer; ten more questions, with ``path`` null, are answered by nothing in the folder. A
.ragignore keeps the questions out of the index, where they would be the best match for themselves. The text formats are
edited in place. The binary ones are made here, and the same bytes come out of every run:

    python docs/make_samples.py             # writes into sample_docs/
    python docs/make_samples.py FOLDER      # writes elsewhere, to compare

Sources are plain text: ``name: value`` lines, a blank line, then blocks separated by blank lines. ``#`` and ``##``
start headings, ``-`` and ``1.`` list items, ``|`` table rows, four spaces a formula; ``---page---`` ends a page.
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

import docx
from docx.opc.rel import Relationships
from reportlab.lib.pagesizes import A5
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageBreak, PageTemplate, Paragraph, Preformatted

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "docs" / "samples"
MARGIN = 50
OLDEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)

BODY = ParagraphStyle("body", fontName="Times-Roman", fontSize=11, leading=14, spaceAfter=7)
STYLES = {
    "title": ParagraphStyle("title", BODY, fontName="Times-Bold", fontSize=16, leading=19, spaceAfter=10),
    "heading": ParagraphStyle("heading", BODY, fontName="Times-Bold", fontSize=12, leading=15, spaceBefore=4),
    "text": BODY,
    "item": ParagraphStyle("item", BODY, leftIndent=12, bulletIndent=0, spaceAfter=3),
    "formula": ParagraphStyle("formula", BODY, fontName="Courier", fontSize=10, leading=12.5, leftIndent=14),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a source: ``kind`` is a key of STYLES, or number, table or page; ``lines`` carry no markers."""

    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed source file; ``fields`` are its ``name: value`` lines."""

    fields: dict[str, str]
    blocks: tuple[Block, ...]


MARKERS = (
    ("title", re.compile(r"# ")),
    ("heading", re.compile(r"## ")),
    ("item", re.compile(r"- ")),
    ("number", re.compile(r"\d+\. ")),
    ("table", re.compile(r"\|")),
    ("formula", re.compile(r" {4}")),
)


def read_source(path: Path) -> Source:
    """Parse one file of docs/samples; ValueError names the file if a block mixes kinds of lines."""
    head, *parts = path.read_text(encoding="utf-8").strip().split("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    return Source(fields, tuple(read_block(part, path) for part in parts))


def read_block(text: str, path: Path) -> Block:
    if text == "---page---":
        return Block("page", ())
    for kind, marker in MARKERS:
        lines = text.splitlines()
        if marker.match(lines[0]):
            if not all(marker.match(line) for line in lines):
                raise ValueError(f"{path.name}: lines of different kinds in one block: {lines[0]!r}")
            return Block(kind, tuple(marker.sub("", line, count=1) for line in lines))
    return Block("text", (text.replace("\n", " "),))


def cells(line: str) -> list[str]:
    """The cells of a table row that has already lost its leading bar."""
    return [cell.strip() for cell in line.strip().removesuffix("|").split("|")]


def make_pdf(source: Source) -> bytes:
    """An A5 booklet with a running header, a footer with the page number, and an outline of its headings."""
    buffer = io.BytesIO()
    width, height = A5

    def furniture(canvas: Canvas, _doc: BaseDocTemplate) -> None:
        canvas.setFont("Times-Italic", 8)
        canvas.drawString(MARGIN, height - 32, source.fields["header"])
        canvas.drawString(MARGIN, 28, source.fields["footer"])
        canvas.drawRightString(width - MARGIN, 28, f"page {canvas.getPageNumber()}")

    class Booklet(BaseDocTemplate):
        def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802  (a hook that reportlab calls by this name)
            level = {"title": 0, "heading": 1}.get(getattr(flowable, "style", BODY).name)
            if level is not None:
                text = flowable.getPlainText()
                self.canv.bookmarkPage(text)
                self.canv.addOutlineEntry(text, text, level)

    # Uncompressed, because the output of zlib differs between its implementations and these bytes are compared.
    document = Booklet(
        buffer,
        pagesize=A5,
        title=source.fields["title"],
        author="The sample library",
        subject="How language models work",
        lang="en",
        invariant=1,
        pageCompression=0,
    )
    frame = Frame(MARGIN, 40, width - 2 * MARGIN, height - 80, leftPadding=0, rightPadding=0)
    document.addPageTemplates(PageTemplate(frames=[frame], onPage=furniture))
    document.build([flowable for block in source.blocks for flowable in pdf_flowables(block)])
    return buffer.getvalue()


def pdf_flowables(block: Block) -> list[Flowable]:
    if block.kind == "page":
        return [PageBreak()]
    if block.kind == "formula":
        return [Preformatted("\n".join(block.lines), STYLES["formula"])]
    bullet = "\u2022" if block.kind == "item" else None
    return [Paragraph(bold_markup(line), STYLES[block.kind], bulletText=bullet) for line in block.lines]


def bold_markup(line: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(line))


def make_docx(source: Source) -> bytes:
    """A Word document with real headings, numbered lists and tables, whose dates are those of the source."""
    document = docx.Document()
    for block in source.blocks:
        if block.kind == "table":
            rows = [cells(line) for line in block.lines]
            table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
            for row, texts in zip(table.rows, rows, strict=True):
                for cell, text in zip(row.cells, texts, strict=True):
                    cell.text = text
            continue
        style = {"title": "Title", "heading": "Heading 1", "number": "List Number", "item": "List Bullet"}
        for line in block.lines:
            document.add_paragraph(line, style=style.get(block.kind, "Normal"))

    properties = document.core_properties
    properties.title = source.fields["title"]
    properties.author = properties.last_modified_by = "The sample library"
    properties.comments = ""
    properties.created = properties.modified = datetime.fromisoformat(source.fields["date"])
    # Left by the empty template and read by nobody: its picture, and a second copy of its styles for Word 2010.
    drop_related(document.part.package.rels, "/thumbnail")
    drop_related(document.part.rels, "/stylesWithEffects")

    buffer = io.BytesIO()
    document.save(buffer)
    return without_clock(buffer.getvalue())


def drop_related(relations: Relationships, kind: str) -> None:
    for key in [key for key, relation in relations.items() if relation.reltype.endswith(kind)]:
        del relations[key]


def without_clock(archive: bytes) -> bytes:
    """The same zip members in the same order, with the time of writing taken out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            info = zipfile.ZipInfo(name, date_time=OLDEST_ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # else it says on which kind of system it was made
            new.writestr(info, old.read(name))
    return buffer.getvalue()


MAKERS = {
    "reversible-networks.pdf": make_pdf,
    "reading-room-notebook.pdf": make_pdf,
    "retrieval-metrics.docx": make_docx,
}


def main(folder: Path) -> None:
    for name, make in MAKERS.items():
        path = folder / name
        path.write_bytes(make(read_source((SOURCES / name).with_suffix(".txt"))))
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sample_docs")
