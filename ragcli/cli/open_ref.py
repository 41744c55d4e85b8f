"""``ragcli open``: open the file behind a hit at its place."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "open")
    def open_(
        env: Env,
        reference: Annotated[str, typer.Argument(metavar="REF", help="A chunk id, path:line or path#page=N.")],
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command instead of running it.")] = False,
    ) -> ExitCode:
        """Open the file behind a hit at its place.

        Text opens in $VISUAL or $EDITOR at its line, the rest with the program of the desktop.

        \b
        Examples:
          ragcli open notes/ops.md:42
          ragcli open report.pdf#page=3
        """
        import subprocess

        from ragcli.cli.opener import opener
        from ragcli.errors import RagcliError
        from ragcli.index.reader import open_index
        from ragcli.render import write_json
        from ragcli.render.visible import shell_command
        from ragcli.retrieve.reference import find_reference

        with open_index(env.existing_index(), None) as index:
            place = find_reference(index, reference)
            row = index.catalog.document(place.chunk.path)
        assert row is not None
        if not row.path.exists():
            raise RagcliError(f"{row.path} is no longer there", "bring the index up to date: ragcli index")
        arguments = opener(row.path, row.loader, place.line, place.page)
        if env.json:
            write_json({"schema": 1, "command": arguments}, sys.stdout)
        if dry_run and not env.json:
            sys.stdout.write(shell_command(arguments) + "\n")
        if dry_run:
            return ExitCode.OK
        done = subprocess.run(arguments, check=False)
        if done.returncode:
            raise RagcliError(f"{arguments[0]} ended with exit code {done.returncode}", "see: ragcli open --dry-run")
        return ExitCode.OK
