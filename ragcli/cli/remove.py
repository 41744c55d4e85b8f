"""``ragcli remove``: take files or folders out of the index."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, Wait
from ragcli.errors import ExitCode


@command()
def remove(
    env: Env,
    *,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files or folders.", readable=False)],
    wait: Wait = False,
) -> ExitCode:
    """Take files or folders out of the index.

    The files themselves stay. An indexed folder is forgotten. A path below an indexed folder stays out until it is
    indexed by name: `ragcli index PATH`.
    """
    from ragcli.ingest.roots import forget
    from ragcli.render import write_json
    from ragcli.render.visible import display_path, shell_command
    from ragcli.units import counted

    folder = env.existing_index()
    absolute = _spelled(folder, [Path(os.path.abspath(path)) for path in paths])  # noqa: PTH100 (links stay)
    documents, roots, kept_out = 0, [], []
    if _is_known(folder, absolute):
        gone = forget(folder, absolute, env.on_wait(wait))
        documents, roots = gone.documents, [str(root) for root in gone.roots]
        kept_out = [display_path(path, Path.cwd()) for path in gone.kept_out]
    if env.json:
        write_json({"schema": 1, "removed": documents, "roots": roots}, sys.stdout)
    elif documents or roots:
        env.say(
            f"removed {counted(documents, 'document')}" + (f" and {counted(len(roots), 'folder')}" if roots else "")
        )
        for path in kept_out:
            env.say(f"note: {path} stays out of the index until you name it: ragcli index {shell_command([path])}")
    else:
        env.say(f"nothing removed: the index holds nothing at or below {', '.join(map(str, paths))}")
    return ExitCode.OK if documents or roots else ExitCode.NOT_FOUND


def _spelled(folder: Path, paths: Sequence[Path]) -> list[Path]:
    """``paths``, with those in an indexed folder under another name spelled as that folder is."""
    from ragcli.index.reader import open_index
    from ragcli.ingest.relocate import as_known

    with open_index(folder, None) as index:
        return as_known(paths, index.catalog.roots())


def _is_known(folder: Path, paths: Sequence[Path]) -> bool:
    """Whether the index has anything at or below ``paths``: if not, there is no need to wait for its writer."""
    from ragcli.index.reader import open_index

    wanted = set(paths)
    with open_index(folder, None) as index:
        catalog = index.catalog
        known = (*catalog.roots(), *catalog.file_states())
    return any(path in wanted or not wanted.isdisjoint(path.parents) for path in known)
