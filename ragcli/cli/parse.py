"""``ragcli parse``: what the loader sees."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import ChunkOverlap, ChunkSize, Env, Ocr, OcrLanguages, Office, Password
from ragcli.errors import ExitCode, LoadError, UsageError

if TYPE_CHECKING:
    from ragcli.formats.blocks import LoadOptions
    from ragcli.ingest.chunk import ChunkOptions
    from ragcli.types import Document, Skipped


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
    ocr_lang: OcrLanguages = "eng",
    office: Office = False,
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

    Shows its pages, blocks, characters per page and warnings, or the passages that it is cut into; and the same of each
    file in an archive, a mailbox or a mail.

    Examples:
      ragcli parse report.pdf                pages without text, what a page holds
      ragcli parse report.pdf --chunks       where passages begin and end
      ragcli parse report.pdf --text | less  the text that is searched and quoted
      ragcli parse backup.zip/report.pdf     one file in an archive

    """
    from ragcli.cli.index import chunk_options
    from ragcli.formats.blocks import LoadOptions
    from ragcli.render.visible import display_path
    from ragcli.types import Document

    found = _load_file(file, LoadOptions(password=password, ocr=ocr, ocr_languages=ocr_lang, office=office))
    for member in found[1:]:
        if not isinstance(member, Document):
            why = f"{member.reason}: {member.detail}" if member.detail else str(member.reason)
            env.say(f"note: {display_path(member.path, Path.cwd())}: {why}")
    documents = [one for one in found if isinstance(one, Document)]
    if text:
        return _write_text(documents)
    if chunks:
        return _write_chunks(env, documents, model, chunk_options(chunk_size, chunk_overlap))
    return _write_blocks(env, documents)


def _load_file(path: Path, options: "LoadOptions") -> "list[Document | Skipped]":
    """Load one file in the sandbox, first the file and then what is in it, or only a member that ``path`` names.

    Raises UsageError when it does not exist, LoadError when it cannot be read.
    """
    from ragcli.ingest.sandbox.limits import Limits, seconds_for
    from ragcli.ingest.sandbox.pool import Request, Sandbox
    from ragcli.render.visible import file_of
    from ragcli.types import Document

    wanted = path.absolute()
    file = file_of(wanted)
    if not file.is_file():
        raise UsageError(f"{path} is not a file", "name one file: ragcli parse FILE")
    limits = Limits(seconds=seconds_for(options))
    with Sandbox(1, limits, options) as sandbox:
        loaded = list(sandbox.load([Request(file, None)]))
    found = [one.outcome for one in (loaded[-1], *loaded[:-1]) if wanted in (one.path, *one.path.parents)]
    if not found:
        raise UsageError(f"{path} is not in {file}", f"see what is: ragcli parse {file.name}")
    first = found[0]
    if not isinstance(first, Document):
        assert first is not None  # the request named no earlier state, so the file cannot be unchanged
        raise LoadError(first.reason, f"{path}" + (f": {first.detail}" if first.detail else ""))
    return [one for one in found if one is not None]


def _write_text(documents: "Sequence[Document]") -> ExitCode:
    """Print the extracted text and nothing else: the offsets of spans count its characters. Members follow."""
    from ragcli.render.visible import display_path, visible, visible_lines

    for document in documents:
        if document is not documents[0]:
            sys.stdout.write(f"\n--- {visible(display_path(document.path, Path.cwd()))}\n")
        sys.stdout.write(visible_lines(document.text) if sys.stdout.isatty() else document.text)
        sys.stdout.write("" if document.text.endswith("\n") else "\n")
    return ExitCode.OK


def _write_blocks(env: Env, documents: "Sequence[Document]") -> ExitCode:
    """Print the size of each page, then each block with its kind, place and beginning; then the same of each member."""
    from ragcli.render import write_json

    if env.json:
        record = {"schema": 1, **_record(documents[0]), "members": [_record(member) for member in documents[1:]]}
        write_json(record, sys.stdout)
        return ExitCode.OK
    for document in documents:
        _describe(document, is_member=document is not documents[0])
    return ExitCode.OK


def _page_sizes(document: "Document") -> dict[int, int]:
    """The characters of each page."""
    pages: dict[int, int] = {}
    for block in document.blocks:
        if block.page is not None:
            pages[block.page] = pages.get(block.page, 0) + block.end - block.start
    return pages


def _record(document: "Document") -> dict[str, object]:
    return {
        "path": str(document.path), "loader": document.loader, "title": document.title,
        "characters": len(document.text), "warnings": list(document.warnings),
        "pages": [{"page": page, "characters": count} for page, count in sorted(_page_sizes(document).items())],
        "blocks": [
            {"kind": b.kind, "start": b.start, "end": b.end, "page": b.page, "headings": list(b.headings),
             "text": document.text[b.start : b.end]}
            for b in document.blocks
        ],
    }  # fmt: skip


def _describe(document: "Document", *, is_member: bool) -> None:
    from ragcli.render.visible import display_path, visible

    out = sys.stdout
    if is_member:
        out.write(f"\nmember      {visible(display_path(document.path, Path.cwd()))}\n")
    out.write(f"loader      {document.loader}\ntitle       {visible(document.title) or '(none)'}\n")
    out.write(f"characters  {len(document.text):,}\nblocks      {len(document.blocks):,}\n")
    for warning in document.warnings:
        out.write(f"warning     {visible(warning)}\n")
    if pages := _page_sizes(document):
        out.write("pages       " + ", ".join(f"{page}: {count:,}" for page, count in sorted(pages.items())) + "\n")
    for block in document.blocks:
        page = f"p. {block.page} " if block.page is not None else ""
        beginning = visible(" ".join(document.text[block.start : block.end].split())[:80])
        out.write(f"{block.start:>8} {block.kind:<9} {page}{beginning}\n")


def _write_chunks(
    env: Env, documents: "Sequence[Document]", model: str | None, options: "ChunkOptions | None"
) -> ExitCode:
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
    window = open_query_encoder(files).window
    passages = [p for document in documents for p in chunk(document, tokenizer, window, options or ChunkOptions())]
    tokens = tokenizer.count([passage.text for passage in passages])
    if env.json:
        records = [{**chunk_record(p), "tokens": n} for p, n in zip(passages, tokens, strict=True)]
        write_json({"schema": 1, "path": str(documents[0].path), "chunks": records}, sys.stdout)
        return ExitCode.OK
    for passage, count in zip(passages, tokens, strict=True):
        pages = "" if passage.pages is None else ", pages {}-{}".format(*passage.pages)
        place = f"chunk {passage.id}, lines {passage.lines[0]}-{passage.lines[1]}{pages}, {count} tokens"
        headings = " > ".join(passage.headings)
        sys.stdout.write(visible(f"--- {place}" + (f", {headings}" if headings else "")) + "\n")
        sys.stdout.write(visible_lines(passage.text) + "\n")
    return ExitCode.OK
