"""Which folders a run walks, and by which rules: those named now, else every one the index knows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ragcli.errors import UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.sqlite_errors import damaged
from ragcli.ingest.discover import Rules


def known_roots(catalog: Catalog) -> dict[Path, Rules]:
    """The roots of an index with the rules they were last walked by."""
    return {path: _from_record(catalog, record) for path, record in catalog.roots().items()}


def choose_roots(named: Sequence[Path], known: Mapping[Path, Rules], given: Rules | None) -> dict[Path, Rules]:
    """The roots to walk. ``given`` rules win; else a root keeps its own, a folder below one has those of that root.

    Raises UsageError for a named path that does not exist and when there is nothing to walk.
    """
    for root in named:
        if not os.path.lexists(root):
            raise UsageError(f"{root} does not exist", "check the path")
    if not named and not known:
        raise UsageError("this index has no folders yet", "name one: ragcli index PATH")
    if not named:
        return {path: given or rules for path, rules in known.items()}
    chosen: dict[Path, Rules] = {}
    for root in (Path(os.path.abspath(path)) for path in named):  # noqa: PTH100 (resolve() would follow a linked root)
        above = next((path for path in known if path == root or path in root.parents), None)
        chosen[root] = given or (known[above] if above is not None else Rules())
    return {path: rules for path, rules in chosen.items() if not any(other in path.parents for other in chosen)}


def store_roots(catalog: Catalog, walked: Mapping[Path, Rules]) -> None:
    """Remember what was walked: a folder below a known root is part of it, a folder above swallows it."""
    known = known_roots(catalog)
    for root, rules in walked.items():
        if any(other in root.parents for other in known):
            continue
        for other in known:
            if root in other.parents:
                catalog.drop_root(other)
        if known.get(root) != rules:
            catalog.set_root(root, asdict(rules))


def refuse_broad_root(root: Path) -> None:
    """Raise UsageError when ``root`` is a file system root, the home folder, or a folder that holds it."""
    real, home = Path(os.path.realpath(root)), Path(os.path.realpath(Path.home()))
    if real == Path(real.anchor):
        what = "the root of the file system"
    elif real == home:
        what = "the home folder"
    elif real in home.parents:
        what = "a folder that holds the home folder"
    else:
        return
    raise UsageError(f"{root} is {what}", "name a folder below it, or pass --yes")


def _from_record(catalog: Catalog, record: Mapping[str, Any]) -> Rules:
    try:
        read = Rules(**{**record, "include": tuple(record["include"]), "exclude": tuple(record["exclude"])})
    except (TypeError, KeyError) as error:
        raise damaged(catalog.path, "a folder has no rules") from error
    globs_are_text = all(isinstance(glob, str) for glob in (*read.include, *read.exclude))
    if not globs_are_text or not isinstance(read.max_file_size, int):
        raise damaged(catalog.path, "the rules of a folder are none")
    return read
