"""``ragcli open``: open the file behind a hit at its place."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env
from ragcli.errors import ExitCode, RagcliError

if TYPE_CHECKING:
    from ragcli.index.catalog.rows import DocumentRow

# Formats whose lines in the index are the lines of the file: an editor can go there.
_LINES_OF_THE_FILE = {"text", "markdown", "rst", "table", "structured"}

# Most editors take the line as "+N" before the name. Visual Studio Code and Sublime Text do not.
_GOTO = {"code": ["--goto", "{path}:{line}"], "codium": ["--goto", "{path}:{line}"], "subl": ["{path}:{line}"]}

# PDF viewers that can open a page, and how they are told which.
_PDF_VIEWERS = {"evince": "--page-index={page}", "okular": "--page={page}", "zathura": "--page={page}"}


_UNPACKED = "opened"  # the folder of the cache for the copy of a member


@command()
def open_(
    env: Env,
    *,
    reference: Annotated[str, typer.Argument(metavar="REF", help="A chunk id, path:line or path#page=N.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command instead of running it.")] = False,
) -> ExitCode:
    """Open the file behind a hit at its place.

    A text file opens in $VISUAL or $EDITOR at its line, any other file in the program of the desktop. Of a file in an
    archive or a mail, a copy opens.

    Examples:
      ragcli open notes/ops.md:42
      ragcli open report.pdf#page=3
      ragcli open backup.zip/report.pdf#page=3

    """
    from ragcli.index.reader import open_index
    from ragcli.render import write_json
    from ragcli.render.visible import shell_command
    from ragcli.retrieve.reference import find_reference

    with open_index(env.existing_index(), None) as index:
        place = find_reference(index, reference)
        row = index.catalog.document(place.chunk.path)
    assert row is not None
    path = on_disk(row.path, unpack=not dry_run)
    arguments = opener(path, row.loader, place.line, place.page)
    if env.json:
        write_json({"schema": 1, "command": arguments}, sys.stdout)
    if dry_run and not env.json:
        sys.stdout.write(shell_command(arguments) + "\n")
    if not dry_run:
        _run(arguments, "see: ragcli open --dry-run")
    return ExitCode.OK


def open_place(rows: "Iterable[DocumentRow | None]", path: Path, line: int, page: int | None) -> None:
    """Open a document that was found in one of several indexes; ``rows`` is what each of them has under ``path``.

    Raises RagcliError when the document, the file or a program for it is gone, or the program fails.
    """
    row = next((row for row in rows if row is not None), None)
    if row is None:
        raise RagcliError(f"{path} is no longer in the index", "ask again")
    _run(opener(on_disk(row.path), row.loader, line, page), "see: ragcli open --dry-run")


def _run(arguments: list[str], hint: str) -> None:
    import subprocess

    with ExitStack() as stack:
        terminal = None
        if not sys.stdin.isatty():  # an editor needs the terminal, also when text is piped into ragcli
            with suppress(OSError):
                terminal = stack.enter_context(open("/dev/tty", "rb"))  # noqa: PTH123 (a device)
        done = subprocess.run(arguments, check=False, stdin=terminal)
    if done.returncode:
        raise RagcliError(f"{arguments[0]} ended with exit code {done.returncode}", hint)


def on_disk(path: Path, *, unpack: bool = True) -> Path:
    """Return a file that a program can open: ``path``, or a copy of the member of an archive that it names.

    Raises RagcliError when the file no longer exists, LoadError when it does not hold the member.
    """
    from ragcli.models.digest import cache_folder
    from ragcli.render.visible import file_of

    container = file_of(path)
    if container == path and path.exists():
        return path
    if container == path:
        raise RagcliError(f"{path} no longer exists", "bring the index up to date: ragcli index")
    copy = cache_folder() / _UNPACKED / path.name
    if unpack:
        from ragcli.formats.blocks import LoadOptions
        from ragcli.ingest.sandbox.limits import Limits
        from ragcli.ingest.sandbox.pool import extract

        content = extract(container, path.relative_to(container).as_posix(), LoadOptions(), Limits())
        shutil.rmtree(copy.parent, ignore_errors=True)  # of the last call: the copy is not a second home of the file
        copy.parent.mkdir(parents=True, mode=0o700)
        copy.write_bytes(content)
    return copy


def opener(path: Path, loader: str, line: int, page: int | None) -> list[str]:
    """Return the command that opens ``path`` at ``line`` or ``page``; RagcliError when no program can."""
    if not path.is_absolute():  # an index from elsewhere: a program could read it as an option or find another file
        raise RagcliError(f"{path} is not an absolute path", "re-index the file: ragcli index PATH")
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if loader in _LINES_OF_THE_FILE and editor:
        pattern = _GOTO.get(Path(editor[0]).name, ["+{line}", "{path}"])
        return editor + [part.format(path=path, line=line) for part in pattern]
    if page is not None and loader == "pdf":
        for viewer, flag in _PDF_VIEWERS.items():
            if shutil.which(viewer):
                return [viewer, flag.format(page=page), str(path)]
    desktop = "open" if sys.platform == "darwin" else "xdg-open"
    is_there = shutil.which(desktop) is not None
    has_screen = sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
    if is_there and has_screen:
        return [desktop, str(path)]
    for reader in ("less", "vi"):  # as over SSH, where the desktop opens nothing
        if loader in _LINES_OF_THE_FILE and shutil.which(reader):
            return [reader, f"+{line}", str(path)]
    if is_there:
        return [desktop, str(path)]
    raise RagcliError(f"found no program that opens {path}", "set EDITOR, or read it here: ragcli show")
