"""Which index a command means, and where indexes live.

``--index NAME|PATH``, else RAGCLI_INDEX, else ``default``; names stand under the home: ``--home``, else RAGCLI_HOME,
else ``indexes/`` beside the nearest ragcli.toml upward, else the platform's user data folder.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import IndexNotFound, UsageError
from ragcli.index.layout import CATALOG

DEFAULT_NAME = "default"
CONFIG_NAME = "ragcli.toml"
_NAME = re.compile(r"[\w][\w.-]*")


class Home(NamedTuple):
    """The folder that holds the indexes, and how it was chosen."""

    path: Path
    origin: str


def find_config(start: Path) -> Path | None:
    """The nearest ragcli.toml in ``start`` or above."""
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
    return None


def find_home(given: Path | None) -> Home:
    """The home folder; it need not exist yet. ``given`` is what --home or RAGCLI_HOME said."""
    if given is not None:
        return Home(given.expanduser().absolute(), "--home or RAGCLI_HOME")
    config = find_config(Path.cwd())
    if config is not None:
        return Home(config.parent / "indexes", f"beside {config}")
    from platformdirs import user_data_path  # 20 ms that most runs need not pay

    return Home(user_data_path("ragcli") / "indexes", "the user data folder")


def find_index(home: Home, given: str) -> Path:
    """The folder that ``given`` means: a path when it has a separator, else a name under ``home``."""
    if os.sep in given or given in {".", ".."} or (os.altsep and os.altsep in given):
        return Path(given).expanduser().absolute()
    if not _NAME.fullmatch(given):
        raise UsageError(f"{given!r} is no name for an index", "use letters, digits, '.', '-' and '_', or a path")
    return home.path / given


def index_names(home: Home) -> list[str]:
    """Names of the indexes under ``home`` that --index takes, sorted."""
    if not home.path.is_dir():
        return []
    entries = (entry for entry in os.scandir(home.path) if _NAME.fullmatch(entry.name))
    return sorted(entry.name for entry in entries if (Path(entry.path) / CATALOG).is_file())


def require_index(home: Home, given: str) -> Path:
    """Like :func:`find_index` for an index that must exist; IndexNotFound says which do."""
    folder = find_index(home, given)
    if (folder / CATALOG).is_file():
        return folder
    if folder.parent != home.path:
        raise IndexNotFound(f"there is no index in {folder}", f"make one with: ragcli index --index {given} PATH")
    names = index_names(home)
    if not names:
        raise IndexNotFound(f"there is no index {given!r} in {home.path}", "make one with: ragcli index PATH")
    near = difflib.get_close_matches(given, names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise IndexNotFound(f"there is no index {given!r} in {home.path}", f"{guess}there are: {', '.join(names)}")
