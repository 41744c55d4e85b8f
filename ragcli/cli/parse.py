"""``ragcli parse``: what the loader sees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "parse")
    def parse(
        env: Env,
        file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file that could be indexed.")],
        chunks: Annotated[bool, typer.Option("--chunks", help="Show the passages it is cut into.")] = False,
        text: Annotated[bool, typer.Option("--text", help="Print the extracted text alone.")] = False,
        password: Annotated[
            str | None, typer.Option(metavar="TEXT", help="For an encrypted PDF file.", show_default=False)
        ] = None,
        ocr: Annotated[bool, typer.Option("--ocr", help="Read pages without text with tesseract.")] = False,
        chunk_size: Annotated[int | None, typer.Option(help="Tokens a passage at most (200).")] = None,
        chunk_overlap: Annotated[int | None, typer.Option(help="Tokens that neighbours share (30).")] = None,
        model: Annotated[str | None, typer.Option(metavar="NAME|FOLDER", help="Whose tokens count.")] = None,
    ) -> ExitCode:
        """Show what the loader makes of a file.

        Its pages, blocks, characters a page and warnings, or the passages it is cut into.

        \b
        Examples:
          ragcli parse report.pdf                pages without text, what a page holds
          ragcli parse report.pdf --chunks       where passages begin and end
          ragcli parse report.pdf --text | less  the text that is searched and quoted
        """
        from ragcli.cli import parse_run
        from ragcli.cli.index_run import chunk_options
        from ragcli.formats.blocks import LoadOptions

        document = parse_run.load_file(file, LoadOptions(password=password, ocr=ocr))
        if text:
            return parse_run.write_text(document)
        if chunks:
            options = chunk_options(chunk_size, chunk_overlap)
            return parse_run.write_chunks(document, model, options, json=env.json, offline=env.offline)
        return parse_run.write_blocks(document, json=env.json)
