"""``ragcli parse``: what the loader sees."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import ChunkOverlap, ChunkSize, Env, Ocr, Password
from ragcli.errors import ExitCode, LoadError, UsageError

if TYPE_CHECKING:
    from ragcli.formats.blocks import LoadOptions
    from ragcli.ingest.chunk import ChunkOptions
    from ragcli.types import Document


@command(index=False, home=False)
def parse(
    env: Env,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file that could be indexed.", readable=False)],
    chunks: Annotated[
        bool, typer.Option("--chunks", help="Show the passages that the file is cut into.", rich_help_panel="Output")
    ] = False,
    text: Annotated[
        bool, typer.Option("--text", help="Print only the extracted text.", rich_help_panel="Output")
    ] = False,
    password: Password = None,
    ocr: Ocr = False,
    chunk_size: ChunkSize = None,
    chunk_overlap: ChunkOverlap = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER", help="Count the tokens of this embedding model.",
            rich_help_panel="Passages and vectors",
        ),
    ] = None,
) -> ExitCode:  # fmt: skip
    """Show how a file is read.

    Shows its pages, blocks, characters per page and warnings, or the passages that it is cut into.

    Examples:
      ragcli parse report.pdf                pages without text, what a page holds
      ragcli parse report.pdf --chunks       where passages begin and end
      ragcli parse report.pdf --text | less  the text that is searched and quoted

    """
    from ragcli.cli.index import chunk_options
    from ragcli.formats.blocks import LoadOptions

    document = _load_file(file, LoadOptions(password=password, ocr=ocr))
    if text:
        return _write_text(document)
    if chunks:
        return _write_chunks(env, document, model, chunk_options(chunk_size, chunk_overlap))
    return _write_blocks(env, document)


def _load_file(path: Path, options: "LoadOptions") -> "Document":
    """Load one file in the sandbox; UsageError when it does not exist, LoadError when it cannot be read."""
    from ragcli.ingest.sandbox.limits import Limits
    from ragcli.ingest.sandbox.pool import Request, Sandbox
    from ragcli.types import Document

    if not path.is_file():
        raise UsageError(f"{path} is not a file", "name one file: ragcli parse FILE")
    with Sandbox(1, Limits(), options) as sandbox:
        outcome = next(iter(sandbox.load([Request(path.absolute(), None)]))).outcome
    if not isinstance(outcome, Document):
        assert outcome is not None  # the request named no earlier state, so the file cannot be unchanged
        raise LoadError(outcome.reason, f"{path}" + (f": {outcome.detail}" if outcome.detail else ""))
    return outcome


def _write_text(document: "Document") -> ExitCode:
    """Print the extracted text and nothing else: the offsets of spans count its characters."""
    from ragcli.render.visible import visible_lines

    sys.stdout.write(visible_lines(document.text) if sys.stdout.isatty() else document.text)
    sys.stdout.write("" if document.text.endswith("\n") else "\n")
    return ExitCode.OK


def _write_blocks(env: Env, document: "Document") -> ExitCode:
    """Print the size of each page, then each block with its kind, place and beginning."""
    from ragcli.render import write_json
    from ragcli.render.visible import visible

    pages = Counter({block.page: 0 for block in document.blocks if block.page is not None})
    for block in document.blocks:
        if block.page is not None:
            pages[block.page] += block.end - block.start
    if env.json:
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


def _write_chunks(env: Env, document: "Document", model: str | None, options: "ChunkOptions | None") -> ExitCode:
    """Print every passage with its place, size in tokens and heading path."""
    from ragcli.ingest.chunk import ChunkOptions, chunk
    from ragcli.models.open import open_query_encoder
    from ragcli.models.resolve import DEFAULT_MODEL, resolve
    from ragcli.models.tokenizer import open_tokenizer
    from ragcli.render import write_json
    from ragcli.render.record import chunk_record
    from ragcli.render.visible import visible, visible_lines

    files = resolve(model or DEFAULT_MODEL, offline=env.offline)
    tokenizer = open_tokenizer(files)
    passages = chunk(document, tokenizer, open_query_encoder(files).window, options or ChunkOptions())
    tokens = tokenizer.count([passage.text for passage in passages])
    if env.json:
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
