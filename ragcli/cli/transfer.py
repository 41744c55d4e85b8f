"""``ragcli export`` and ``ragcli import``: an index as one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "export")
    def export(
        env: Env, file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file to write.")]
    ) -> ExitCode:
        """Write the index into one file, with a checksum for each part.

        It holds the text of every document and the paths that they were read from: give it to whoever may read them.

        \b
        Examples:
          ragcli export notes.ragcli --index notes
        """
        from ragcli.transfer.export import export_index

        manifest = export_index(env.existing_index(), file.absolute())
        return _say(env, manifest.documents, manifest.chunks, manifest.size, "exported", str(file))

    @command(app, "import")
    def import_(
        env: Env, file: Annotated[Path, typer.Argument(metavar="FILE", help="What ragcli export wrote.")]
    ) -> ExitCode:
        """Make an index of an exported file.

        It is checked whole before it appears, and runs no code. It is searched at once; it knows no folders until
        `ragcli index PATH` names them.

        \b
        Examples:
          ragcli import notes.ragcli --index notes
        """
        from ragcli.transfer.take_in import import_index

        folder = env.index_folder()
        manifest = import_index(file, folder)
        return _say(env, manifest.documents, manifest.chunks, manifest.size, "imported", str(folder))


def _say(env: Env, documents: int, chunks: int, size: int, done: str, place: str) -> ExitCode:
    from ragcli.render import write_json
    from ragcli.units import human_size

    if env.json:
        record = {"schema": 1, done: place, "documents": documents, "chunks": chunks, "bytes": size}
        write_json(record, sys.stdout)
    else:
        env.say(f"{done} {documents:,} documents, {chunks:,} chunks ({human_size(size)}): {place}")
    return ExitCode.OK
