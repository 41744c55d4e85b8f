"""Files inside a file, such as attachments: each is read by the loader of its own format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from ragcli.errors import LoadError
from ragcli.formats import registry
from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.types import Document, Reason

MAX_DEPTH = 4  # of files in files
MAX_BYTES = 64 << 20  # of one file inside another


def load_embedded(name: str, data: bytes, options: LoadOptions) -> Document:
    """The document called ``name`` with the content ``data``; LoadError as from any file."""
    if options.depth >= MAX_DEPTH:
        raise LoadError(Reason.UNSUPPORTED, "files in files in files")
    if len(data) > MAX_BYTES:
        raise LoadError(Reason.TOO_LARGE, f"larger than {MAX_BYTES >> 20} MiB")
    path = Path(PurePosixPath(name.replace("\\", "/")).name or "unnamed")
    return registry.load(path, data, replace(options, depth=options.depth + 1))


def add_embedded(
    builder: TextBuilder, name: str, data: bytes, options: LoadOptions, *, level: int, page: int | None = None
) -> tuple[str, ...]:
    """Append the text of a file under its name as a heading of ``level``; returns what the reader should know of it.

    Pages of the file become headings, as the blocks have the page of the file that holds it. A file that cannot be read
    leaves nothing but a warning.
    """
    try:
        document = load_embedded(name, data, options)
    except LoadError as error:
        return (f"{name} was not read: {error}",)
    builder.heading(name, level, page=page)
    base = builder.headings
    before: tuple[str, ...] | None = None
    end = 0
    for block in document.blocks:
        headings = (*base, *((f"page {block.page}",) if block.page is not None else ()), *block.headings)
        gap = document.text[end : block.start]
        separator = gap if headings == before and gap and not gap.strip() else "\n\n"
        text = document.text[block.start : block.end]
        builder.add(text, block.kind, page=page, headings=headings, separator=separator, columns=block.columns)
        before, end = headings, block.end
    return tuple(f"{name}: {warning}" for warning in document.warnings)
