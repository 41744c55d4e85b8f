"""The folders that an index covers: which of them a run walks and by which rules, and how one is forgotten."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from ragcli.errors import UsageError
from ragcli.index.catalog.database import damaged
from ragcli.index.catalog.documents import Catalog
from ragcli.index.lock import OnWait
from ragcli.index.writer import Batch, open_writer
from ragcli.ingest.discover import Rules


class Forgotten(NamedTuple):
    """How many documents went, which roots went with them, and which paths below other roots stay out."""

    documents: int
    roots: tuple[Path, ...]
    kept_out: tuple[Path, ...] = ()


def known_roots(catalog: Catalog) -> dict[Path, Rules]:
    """The roots of an index with the rules by which they were last walked."""
    return {path: _from_record(catalog, record) for path, record in catalog.roots().items()}


def choose_roots(named: Sequence[Path], known: Mapping[Path, Rules], given: Rules | None) -> dict[Path, Rules]:
    """The roots to walk: the named ones, else all known ones.

    ``given`` rules win; else a root keeps its own, and a folder below a root has the rules of that root. A path that
    was removed stays out, unless it, or something in it, is named. Raises UsageError for a named path that does not
    exist and when there is nothing to walk.
    """
    for root in named:
        if not os.path.lexists(root):
            raise UsageError(f"{root} does not exist", "check the path")
        # a known root whose link leads nowhere is one that is gone: a disk may be away
        if root not in known and not os.path.exists(root):  # noqa: PTH110 (any name will do)
            raise UsageError(f"{root} is a link to nothing", "check the path that it names")
    if not named and not known:
        raise UsageError("this index has no folders yet", "name one: ragcli index PATH")
    if not named:
        return {path: replace(given or rules, removed=rules.removed) for path, rules in known.items()}
    paths = absolute(named)
    removed = [path for path in _removed(known) if not any(_is_in(root, path) for root in paths)]
    chosen: dict[Path, Rules] = {}
    for root in paths:
        above = next((path for path in known if _is_in(root, path)), None)
        rules = given or (known[above] if above is not None else Rules())
        chosen[root] = replace(rules, removed=tuple(str(path) for path in removed if _is_in(path, root)))
    return {root: chosen[root] for root in _outermost(chosen)}


def imported(catalog: Catalog) -> int:
    """How many documents lie below no folder of the index: they were imported, and no run reads their files."""
    return catalog.count("documents") - sum(map(catalog.count_below, catalog.roots()))


def all_roots(known: Mapping[Path, Rules], chosen: Mapping[Path, Rules]) -> dict[Path, Rules]:
    """Every root, for a rebuild: what this run chose, and the known roots beside it."""
    both = {**known, **chosen}
    return {root: both[root] for root in _outermost(both)}


def taken_back(named: Sequence[Path], known: Mapping[Path, Rules]) -> list[Path]:
    """Removed folders that are indexed again as a whole, because something in them is named."""
    paths = absolute(named)
    return [path for path in _removed(known) if any(path in root.parents for root in paths)]


def store_roots(catalog: Catalog, walked: Mapping[Path, Rules]) -> None:
    """Remember the walked roots: a folder below a known root is part of it, a folder above replaces it.

    Expects a transaction.
    """
    known = known_roots(catalog)
    for root, rules in walked.items():
        above = next((other for other in known if other in root.parents), None)
        if above is not None:
            removed = tuple(path for path in known[above].removed if not _is_in(root, Path(path)))
            set_rules(catalog, known, above, replace(known[above], removed=removed))
            continue
        for other in known:
            if root in other.parents:
                catalog.drop_root(other)
        set_rules(catalog, known, root, rules)


def forget(folder: Path, paths: Sequence[Path], on_wait: OnWait | None = None) -> Forgotten:
    """Delete every document at or below ``paths`` (absolute) from the index in ``folder``; the files are left alone.

    A root is forgotten. A path below a root that stays is left out of later runs until it is indexed by name, provided
    that it still exists. Raises IndexBusy unless ``on_wait`` is given, and UsageError for a part of a file.
    """
    wanted = set(paths)
    with open_writer(folder, on_wait=on_wait) as writer:
        batch = Batch()
        if writer.settings() is None:  # a run was stopped before it began
            return Forgotten(0, ())
        met: set[Path] = set()
        states = writer.catalog.file_states()
        for path in wanted:
            # a folder is listed where it could not be entered
            holder = next((above for above in path.parents if above in states and not os.path.isdir(above)), None)  # noqa: PTH112 (any name will do)
            if holder is not None and path in states:
                raise UsageError(f"{path.name} is part of {holder}", "remove that file, or leave it out with --exclude")
        for path, state in states.items():
            asked = next((one for one in (path, *path.parents) if one in wanted), None)
            if asked is None:
                continue
            met.add(asked)
            if state.document is None:
                batch.forgotten.append(path)
            else:
                batch.deleted.append(state.document)
        known = known_roots(writer.catalog)
        roots = tuple(root for root in known if not wanted.isdisjoint((root, *root.parents)))
        staying = {root: rules for root, rules in known.items() if root not in roots}
        kept_out: list[Path] = []
        with writer.catalog.transaction():  # first: a run after a kill here deletes what is still there
            for root, rules in staying.items():
                below = {path for path in met if root in path.parents and os.path.lexists(path)}
                removed = sorted(_outermost(below | {Path(path) for path in rules.removed}))
                set_rules(writer.catalog, known, root, replace(rules, removed=tuple(map(str, removed))))
                kept_out += below
        writer.commit(batch)
        with writer.catalog.transaction():
            for root in roots:
                writer.catalog.drop_root(root)
        writer.tidy()
    return Forgotten(len(batch.deleted), roots, tuple(sorted(kept_out)))


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


def absolute(paths: Sequence[Path]) -> list[Path]:
    """The paths without ``..``, from the root of the file system on; links stay."""
    return [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 (resolve() would follow a linked root)


def _is_in(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _outermost(paths: Collection[Path]) -> list[Path]:
    """The paths that do not lie below another one: a run that walked both would meet files twice."""
    return [path for path in paths if not any(other in path.parents for other in paths)]


def _removed(known: Mapping[Path, Rules]) -> list[Path]:
    return sorted(Path(path) for rules in known.values() for path in rules.removed)


def set_rules(catalog: Catalog, known: Mapping[Path, Rules], root: Path, rules: Rules) -> None:
    """Store the rules of ``root`` unless ``known`` has them."""
    if known.get(root) == rules:
        return
    record = asdict(rules)
    for later in ("removed", "include_secrets"):  # without them as older versions wrote it
        if not record[later]:
            del record[later]
    if rules.archives:
        del record["archives"]
    catalog.set_root(root, record)


def _from_record(catalog: Catalog, record: Mapping[str, Any]) -> Rules:
    try:
        include, exclude = tuple(record["include"]), tuple(record["exclude"])
        removed = tuple(record.get("removed", ()))
        read = Rules(**{**record, "include": include, "exclude": exclude, "removed": removed})
    except (TypeError, KeyError) as error:
        raise damaged(catalog.path, "the rules of a folder are invalid") from error
    are_text = all(isinstance(text, str) for text in (*read.include, *read.exclude, *read.removed))
    if not are_text or not isinstance(read.max_file_size, int) or not isinstance(read.archives, bool):
        raise damaged(catalog.path, "the rules of a folder are invalid")
    return read
