"""``ragcli remove``: take files or folders out of the index."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.env import Env, WaitOption, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "remove")
    def remove(
        env: Env,
        paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files or folders.")],
        wait: WaitOption = False,
    ) -> ExitCode:
        """Take files or folders out of the index.

        The files themselves stay.

        A folder that is indexed as a whole is forgotten. A path below one stays out until it is indexed by name:
        `ragcli index PATH`.
        """
        from ragcli.ingest.roots import forget
        from ragcli.render import write_json

        folder = env.existing_index()
        absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 (links are not followed)
        gone = forget(folder, absolute, env.on_wait(wait))
        if env.json:
            write_json(
                {"schema": 1, "removed": gone.documents, "roots": [str(root) for root in gone.roots]}, sys.stdout
            )
        else:
            env.say(f"removed {gone.documents} documents" + (f" and {len(gone.roots)} folders" if gone.roots else ""))
        return ExitCode.OK if gone.documents or gone.roots else ExitCode.NOT_FOUND
