"""Which program opens a file at a line or page."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from ragcli.errors import RagcliError

# Formats whose lines in the index are the file's own lines: an editor can go there.
_LINES_ARE_THE_FILES = {"text", "markdown", "rst", "table", "structured"}

# Editors that take the line as "+N" before the name; Visual Studio Code and Sublime Text have ways of their own.
_GOTO = {"code": ["--goto", "{path}:{line}"], "codium": ["--goto", "{path}:{line}"], "subl": ["{path}:{line}"]}

# PDF viewers that can open a page, with their way of saying so.
_PDF_VIEWERS = {"evince": "--page-index={page}", "okular": "--page={page}", "zathura": "--page={page}"}


def opener(path: Path, loader: str, line: int, page: int | None) -> list[str]:
    """The command that opens ``path`` at ``line`` or ``page``; raises RagcliError when there is no program for it."""
    if not path.is_absolute():  # an index from a stranger: a program would take it for an option, or another file
        raise RagcliError(f"{path} is no whole path", "index the files anew: ragcli index PATH")
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if loader in _LINES_ARE_THE_FILES and editor:
        pattern = _GOTO.get(Path(editor[0]).name, ["+{line}", "{path}"])
        return editor + [part.format(path=path, line=line) for part in pattern]
    if page is not None and loader == "pdf":
        for viewer, flag in _PDF_VIEWERS.items():
            if shutil.which(viewer):
                return [viewer, flag.format(page=page), str(path)]
    desktop = "open" if sys.platform == "darwin" else "xdg-open"
    if shutil.which(desktop):
        return [desktop, str(path)]
    raise RagcliError(f"no program to open {path} with", "set EDITOR, or read it here: ragcli show")
