"""``ragcli list``: what is in the index, or what is not and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "list")
    def list_(
        env: Env,
        not_indexed: Annotated[bool, typer.Option("--not-indexed", help="What is not in the index, and why.")] = False,
        failed: Annotated[
            bool, typer.Option("--failed", help="Only files that should be in the index and could not be read.")
        ] = False,
    ) -> ExitCode:
        """List the documents, or what is not indexed.

        \b
        Examples:
          ragcli list                      path, chunks, kind, date
          ragcli list --not-indexed        every file that was left out, with its reason
          ragcli list --failed --json      only those that need attention
        """
        from ragcli.cli import listing_run

        base = Path.cwd()
        if not_indexed or failed:
            return listing_run.skipped(env, base, sys.stdout, only_failed=failed)
        return listing_run.documents(env, base, sys.stdout)
