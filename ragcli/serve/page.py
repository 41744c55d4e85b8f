"""What the page of ``ragcli serve --open`` asks for beside answers: its files, pictures, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.errors import UsageError
from ragcli.serve.questions import Field, read_fields
from ragcli.types import Chunk, Span

if TYPE_CHECKING:
    from ragcli.index.catalog.rows import DocumentRow
    from ragcli.index.reader import Index
    from ragcli.ingest.sandbox.pool import Drawing, Picture

_FOLDER = Path(__file__).with_name("web")
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
SESSION = "/page/session"
FREE = frozenset({*FILES, SESSION})  # these hold nothing of the index

# The page runs its own script and asks its own server: text of a document that gets into it as markup does nothing.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    ),
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}

_MOST_SKIPPED = 2_000
_SECONDS, _MEMORY_MIB, _OUTPUT_MIB = 15.0, 1_536, 64  # for a picture of a page

# The most that a page of ragcli asks for is a wide window on a screen with two dots to a pixel.
PICTURE: dict[str, Field] = {
    "page": Field("integer", "Which page, from 1.", None, least=1, most=1_000_000),
    "start": Field("integer", "Where the best sentence begins in the text of the document.", None, most=1 << 53),
    "end": Field("integer", "Where it ends.", None, most=1 << 53),
    "width": Field("integer", "Pixels.", 900, least=100, most=3_000),
}


class Asked(NamedTuple):
    """A picture to make: of which file on the disk, and what to draw."""

    file: Path
    drawing: Drawing

    def draw(self) -> Picture:
        """Draw it, in a process of its own. Raises LoadError, also for a file that changed since it was indexed."""
        from ragcli.formats.blocks import LoadOptions
        from ragcli.ingest.sandbox.limits import Limits
        from ragcli.ingest.sandbox.pool import draw

        return draw(self.file, self.drawing, LoadOptions(), Limits(_SECONDS, _MEMORY_MIB, _OUTPUT_MIB))


def file_content(path: str) -> tuple[bytes, str]:
    """A file of the page and its type."""
    name, kind = FILES[path]
    return (_FOLDER / name).read_bytes(), kind


def read_numbers(given: Mapping[str, str]) -> dict[str, Any]:
    """The fields of ``PICTURE`` as a query string has them. Raises UsageError."""
    return read_fields({name: int(text) if text.isdecimal() else text for name, text in given.items()}, PICTURE)


def asked_picture(index: Index, reference: str, base: Path, fields: Mapping[str, Any]) -> Asked:
    """What to draw for a reference, as hits are printed: only documents that the index holds are read.

    Raises UsageError for what is not a PDF of the index.
    """
    from ragcli.ingest.sandbox.pool import Drawing
    from ragcli.render.visible import file_of
    from ragcli.retrieve.reference import find_reference

    place = find_reference(index, reference, base)
    chunk = place.chunk
    row = index.catalog.document(chunk.path)
    page = fields["page"] or place.page
    if row is None or row.loader != "pdf" or page is None:
        raise UsageError(f"{chunk.path} has no pages that can be drawn", "see its text: POST /v1/show")
    if not row.path.is_absolute():  # an index from elsewhere
        raise UsageError(f"{chunk.path} is not an absolute path", "re-index the file: ragcli index PATH")
    best = (fields["start"] or 0, fields["end"] or 0)
    passages = [_on_page(chunk, span, row, page) for span in ((chunk.start, chunk.end), best)]
    container = file_of(row.path)
    member = "" if container == row.path else row.path.relative_to(container).as_posix()
    return Asked(container, Drawing(member, row.sha256, page, tuple(passages), fields["width"]))


def _on_page(chunk: Chunk, span: Span, row: DocumentRow, page: int) -> str:
    """What stands on a page of a span of the document that the passage holds."""
    begins = [offset for number, offset in row.pages if number == page]
    ends = [offset for number, offset in row.pages if number > page]
    if not begins:
        return ""
    start = max(span[0], chunk.start, min(begins))
    end = min(span[1], chunk.end, *ends)
    return chunk.text[start - chunk.start : max(0, end - chunk.start)]


def not_indexed(index: Index) -> dict[str, Any]:
    """What ``ragcli list --not-indexed --json`` prints, of at most 2,000 files and folders, and how many more."""
    from ragcli.render.record import skipped_record

    found = index.catalog.skipped()
    records = [skipped_record(one) for one in found[:_MOST_SKIPPED]]
    return {"schema": 1, "not_indexed": records, "more": max(0, len(found) - _MOST_SKIPPED)}
