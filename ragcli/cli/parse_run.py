"""What ``ragcli parse`` prints."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from ragcli.errors import ExitCode, LoadError, UsageError
from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.chunk import ChunkOptions, chunk
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.pool import Request, Sandbox
from ragcli.render import write_json
from ragcli.render.record import chunk_record
from ragcli.render.visible import visible, visible_lines
from ragcli.types import Document


def load_file(path: Path, options: LoadOptions) -> Document:
    """Load one file in the sandbox; raises UsageError when it is not there and LoadError with its reason."""
    if not path.is_file():
        raise UsageError(f"{path} is not a file", "name one file: ragcli parse FILE")
    with Sandbox(1, Limits(), options) as sandbox:
        outcome = next(iter(sandbox.load([Request(path.absolute(), None)]))).outcome
    if not isinstance(outcome, Document):
        assert outcome is not None  # nothing was known of the file, so it cannot be unchanged
        raise LoadError(outcome.reason, f"{path}" + (f": {outcome.detail}" if outcome.detail else ""))
    return outcome


def write_text(document: Document) -> ExitCode:
    """The extracted text and nothing else: offsets of spans count in it."""
    sys.stdout.write(visible_lines(document.text) if sys.stdout.isatty() else document.text)
    sys.stdout.write("" if document.text.endswith("\n") else "\n")
    return ExitCode.OK


def write_blocks(document: Document, *, json: bool) -> ExitCode:
    """Counts a page, then each block with its kind, place and beginning."""
    pages = Counter({block.page: 0 for block in document.blocks if block.page is not None})
    for block in document.blocks:
        if block.page is not None:
            pages[block.page] += block.end - block.start
    if json:
        write_json(
            {
                "schema": 1, "path": str(document.path), "loader": document.loader, "title": document.title,
                "characters": len(document.text), "warnings": list(document.warnings),
                "pages": [{"page": page, "characters": count} for page, count in sorted(pages.items())],
                "blocks": [
                    {"kind": b.kind, "start": b.start, "end": b.end, "page": b.page, "headings": list(b.headings),
                     "text": document.text[b.start : b.end]}
                    for b in document.blocks
                ],
            },
            sys.stdout,
        )  # fmt: skip
        return ExitCode.OK
    out = sys.stdout
    out.write(f"loader      {document.loader}\ntitle       {visible(document.title) or '(none)'}\n")
    out.write(f"characters  {len(document.text):,}\nblocks      {len(document.blocks):,}\n")
    for warning in document.warnings:
        out.write(f"warning     {visible(warning)}\n")
    if pages:
        out.write("pages       " + ", ".join(f"{page}: {count:,}" for page, count in sorted(pages.items())) + "\n")
    for block in document.blocks:
        page = f"p. {block.page} " if block.page is not None else ""
        beginning = visible(" ".join(document.text[block.start : block.end].split())[:80])
        out.write(f"{block.start:>8} {block.kind:<9} {page}{beginning}\n")
    return ExitCode.OK


def write_chunks(
    document: Document, model: str | None, options: ChunkOptions | None, *, json: bool, offline: bool
) -> ExitCode:
    """Every passage with its place, size in tokens and heading path."""
    from ragcli.models.open import open_query_encoder
    from ragcli.models.resolve import DEFAULT_MODEL, resolve
    from ragcli.models.tokenizer import open_tokenizer

    files = resolve(model or DEFAULT_MODEL, offline=offline)
    tokenizer = open_tokenizer(files)
    passages = chunk(document, tokenizer, open_query_encoder(files).window, options or ChunkOptions())
    tokens = tokenizer.count([passage.text for passage in passages])
    if json:
        records = [{**chunk_record(p), "tokens": n} for p, n in zip(passages, tokens, strict=True)]
        write_json({"schema": 1, "path": str(document.path), "chunks": records}, sys.stdout)
        return ExitCode.OK
    for passage, count in zip(passages, tokens, strict=True):
        pages = "" if passage.pages is None else ", pages {}-{}".format(*passage.pages)
        place = f"chunk {passage.id}, lines {passage.lines[0]}-{passage.lines[1]}{pages}, {count} tokens"
        headings = " > ".join(passage.headings)
        sys.stdout.write(visible(f"--- {place}" + (f", {headings}" if headings else "")) + "\n")
        sys.stdout.write(visible_lines(passage.text) + "\n")
    return ExitCode.OK
