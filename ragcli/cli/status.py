"""``ragcli status``: which index, what is in it, what is not."""

from __future__ import annotations

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "status")
    def status(env: Env) -> ExitCode:
        """Show what is in the index and what is not.

        Every file below the indexed folders is counted once: as a document, or under the reason why it is none.
        """
        from ragcli.cli import status_run

        return status_run.run(env)
