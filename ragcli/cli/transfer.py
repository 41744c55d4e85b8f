"""``ragcli export`` and ``ragcli import``: an index as one file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError


@command()
def export(
    env: Env,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file to write.", readable=False)],
) -> ExitCode:
    """Write the index into one file, with a checksum for each part.

    The file holds the text of every document and the paths that they were read from: give it only to people who may
    read them.

    Examples:
      ragcli export notes.ragcli --index notes

    """
    from ragcli.transfer.export import export_index

    manifest = export_index(env.existing_index(), file.absolute())
    return _say(env, manifest.documents, manifest.chunks, manifest.size, "exported", str(file))


@command()
def import_(
    env: Env,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that ragcli export wrote.", readable=False)],
    merge: Annotated[
        bool, typer.Option("--merge", help="Add the documents to an index that exists; those it has stay.")
    ] = False,
) -> ExitCode:
    """Make an index from an exported file.

    The file is checked whole before the index appears, and no code in it is run. The new index can be searched at
    once. It knows no folders until `ragcli index PATH` names them.

    Examples:
      ragcli import notes.ragcli --index notes
      ragcli import theirs.ragcli --index notes --merge    add what notes does not have

    """
    from ragcli.index.layout import CATALOG
    from ragcli.render import write_json
    from ragcli.transfer.take_in import import_index, merge_index
    from ragcli.units import counted

    if not file.exists():
        raise UsageError(f"{file} does not exist", "name an exported file")
    folder = env.index_folder()
    if merge and (folder / CATALOG).exists():
        merged = merge_index(file, folder)
        there = f"; {counted(merged.there, 'document')} there already" if merged.there else ""
        if env.json:
            record = {"schema": 1, "merged": str(folder), "documents": merged.documents, "chunks": merged.chunks,
                      "there": merged.there}  # fmt: skip
            write_json(record, sys.stdout)
        else:
            counts = f"{counted(merged.documents, 'document')}, {counted(merged.chunks, 'chunk')}"
            env.say(f"added {counts}{there}: {folder}")
        return ExitCode.OK
    manifest = import_index(file, folder)
    return _say(env, manifest.documents, manifest.chunks, manifest.size, "imported", str(folder))


def _say(env: Env, documents: int, chunks: int, size: int, done: str, place: str) -> ExitCode:
    from ragcli.render import write_json
    from ragcli.units import counted, human_size

    if env.json:
        record = {"schema": 1, done: place, "documents": documents, "chunks": chunks, "bytes": size}
        write_json(record, sys.stdout)
    else:
        env.say(f"{done} {counted(documents, 'document')}, {counted(chunks, 'chunk')} ({human_size(size)}): {place}")
    return ExitCode.OK
