"""Which folders a run walks, and by which rules: those named now, else every one the index knows."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
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

    What was removed below a root stays out, unless it, or something in it, is named. Raises UsageError for a named path
    that does not exist and when there is nothing to walk.
    """
    for root in named:
        if not os.path.lexists(root):
            raise UsageError(f"{root} does not exist", "check the path")
    if not named and not known:
        raise UsageError("this index has no folders yet", "name one: ragcli index PATH")
    if not named:
        return {path: replace(given or rules, removed=rules.removed) for path, rules in known.items()}
    paths = [Path(os.path.abspath(path)) for path in named]  # noqa: PTH100 (resolve() would follow a linked root)
    removed = [path for path in _removed(known) if not any(is_below(root, path) for root in paths)]
    chosen: dict[Path, Rules] = {}
    for root in paths:
        above = next((path for path in known if is_below(root, path)), None)
        rules = given or (known[above] if above is not None else Rules())
        chosen[root] = replace(rules, removed=tuple(str(path) for path in removed if is_below(path, root)))
    return {root: chosen[root] for root in outermost(chosen)}


def all_roots(known: Mapping[Path, Rules], chosen: Mapping[Path, Rules]) -> dict[Path, Rules]:
    """Every root for a rebuild: what this run chose, and the known roots beside it."""
    both = {**known, **chosen}
    return {root: both[root] for root in outermost(both)}


def is_below(path: Path, folder: Path) -> bool:
    """Whether ``path`` is ``folder`` or lies in it."""
    return path == folder or folder in path.parents


def taken_back(named: Sequence[Path], known: Mapping[Path, Rules]) -> list[Path]:
    """Removed folders that are indexed again, whole, because something in them is named."""
    paths = [Path(os.path.abspath(path)) for path in named]  # noqa: PTH100
    return [path for path in _removed(known) if any(path in root.parents for root in paths)]


def _removed(known: Mapping[Path, Rules]) -> list[Path]:
    return sorted(Path(path) for rules in known.values() for path in rules.removed)


def outermost(paths: Collection[Path]) -> list[Path]:
    """The paths that do not lie below another one: walking both would meet files twice."""
    return [path for path in paths if not any(other in path.parents for other in paths)]


def store_roots(catalog: Catalog, walked: Mapping[Path, Rules]) -> None:
    """Remember what was walked: a folder below a known root is part of it, a folder above swallows it."""
    known = known_roots(catalog)
    for root, rules in walked.items():
        above = next((other for other in known if other in root.parents), None)
        if above is not None:
            removed = tuple(path for path in known[above].removed if not is_below(root, Path(path)))
            rules = replace(known[above], removed=removed)
        for other in known:
            if root in other.parents:
                catalog.drop_root(other)
        set_rules(catalog, known, above or root, rules)


def set_rules(catalog: Catalog, known: dict[Path, Rules], root: Path, rules: Rules) -> None:
    """Store the rules of ``root`` where they are not those of ``known``, which is brought up to date."""
    if known.get(root) != rules:
        record = asdict(rules)
        if not rules.removed:  # as it was written before anything could be
            del record["removed"]
        catalog.set_root(root, record)
        known[root] = rules


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
        lists = {name: tuple(record.get(name, ())) for name in ("include", "exclude", "removed")}
        read = Rules(**{**record, **lists})
    except (TypeError, KeyError) as error:
        raise damaged(catalog.path, "a folder has no rules") from error
    globs_are_text = all(isinstance(glob, str) for glob in (*read.include, *read.exclude, *read.removed))
    if not globs_are_text or not isinstance(read.max_file_size, int):
        raise damaged(catalog.path, "the rules of a folder are none")
    return read
