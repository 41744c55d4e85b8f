"""Where indexes are, and which of them a command means.

A command means ``--index NAME|PATH``, else RAGCLI_INDEX, else ``default``. Names are folders in the home: ``--home``,
else RAGCLI_HOME, else ``indexes/`` beside the nearest ragcli.toml upward, else the user data folder of the platform.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import IndexNotFound, UsageError
from ragcli.index.layout import CATALOG, VECTORS, is_keywords_name, without_catalog

DEFAULT_NAME = "default"
_NAME = re.compile(r"[\w][\w.-]*")


class Home(NamedTuple):
    """The folder that holds the indexes, and what chose it."""

    path: Path
    origin: str


def find_home(given: Path | None, config: Path | None) -> Home:
    """The home folder, which need not exist yet: ``given`` by --home or RAGCLI_HOME, else beside ``config``."""
    if given is not None:
        return Home(given.expanduser().absolute(), "--home or RAGCLI_HOME")
    if config is not None:
        return Home(config.parent / "indexes", f"beside {config}")
    from platformdirs import user_data_path  # 20 ms that most runs need not pay

    return Home(user_data_path("ragcli") / "indexes", "the user data folder")


def find_index(home: Home, given: str) -> Path:
    """The folder of the index ``given``: a path when it has a separator, else a name in ``home``."""
    if os.sep in given or given in {".", ".."}:
        return Path(given).expanduser().absolute()
    if not _NAME.fullmatch(given):
        raise UsageError(f"invalid index name {given!r}", "use letters, digits, '.', '-' and '_', or a path")
    return home.path / given


def index_names(home: Home) -> list[str]:
    """The names that --index accepts in ``home``, sorted."""
    if not home.path.is_dir():
        return []
    entries = (entry for entry in os.scandir(home.path) if _NAME.fullmatch(entry.name))
    return sorted(entry.name for entry in entries if (Path(entry.path) / CATALOG).is_file())


def require_index(home: Home, given: str) -> Path:
    """As :func:`find_index`; raises IndexNotFound, which names the indexes that exist, when there is none."""
    folder = find_index(home, given)
    if (folder / CATALOG).is_file():
        return folder
    if (folder / VECTORS).is_dir() and any(map(is_keywords_name, os.listdir(folder))):  # noqa: PTH208 (names)
        raise without_catalog(folder)
    if folder.parent != home.path:
        raise IndexNotFound(f"there is no index in {folder}", f"make one with: ragcli index --index {given} PATH")
    names = index_names(home)
    if not names:
        raise IndexNotFound(f"there is no index {given!r} in {home.path}", "make one with: ragcli index PATH")
    near = difflib.get_close_matches(given, names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise IndexNotFound(f"there is no index {given!r} in {home.path}", f"{guess}there are: {', '.join(names)}")
