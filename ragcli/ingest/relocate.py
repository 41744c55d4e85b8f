"""Folders that moved: documents follow their files to another name, another mount point or another spelling.

Only paths change, in one transaction. The text, the vectors and the keyword entries of a document stay as they are,
because the name of its file stays.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import FileState, FileStates
from ragcli.ingest.discover import stored_time
from ragcli.ingest.roots import known_roots, set_rules

# How many names at the end of a root's path are looked for below another folder. With 1, notes is in archive/notes.
_DEEPEST = 3


class Move(NamedTuple):
    """A folder and its ``documents`` that are now at ``new``."""

    old: Path
    new: Path
    documents: int


def as_known(named: Sequence[Path], known: Collection[Path]) -> list[Path]:
    """``named``, with a path that lies in a known root under another name spelled as the root is.

    The other name may go through a link, through another mount point of the same disk, or differ in case where the file
    system does not tell case apart. Of named paths that are one folder, the first stays.
    """
    roots: dict[str, Path] = {}
    for root in known:
        if (identity := _identity(root)) is not None:
            roots.setdefault(identity, root)
    chosen: list[Path] = []
    for path in named:
        spelled = path
        if not any(root == path or root in path.parents for root in known):
            real = Path(os.path.realpath(path))
            for folder in (real, *real.parents):
                same = roots.get(_identity(folder) or "")
                if same is not None:
                    spelled = same / real.relative_to(folder)
                    break
        if (identity := _identity(path)) is not None:
            roots.setdefault(identity, spelled)
        if spelled not in chosen:
            chosen.append(spelled)
    return chosen


def find_moves(catalog: Catalog, named: Sequence[Path]) -> list[Move]:
    """The known roots that moved to a folder in ``named``, or to one in a known root.

    A root has moved when none of its files is left and more than half of its documents are at the same places below the
    other folder, with the same content: files that changed or went after the move are read as any others. A root that
    is a file has moved to a named file with the same content, or into such a folder. A root that is reached through a
    link, and lies below a named folder, moves there.
    """
    known = known_roots(catalog)
    states: FileStates | None = None
    moves: list[Move] = []
    places = [path for path in dict.fromkeys((*named, *known)) if os.path.isdir(path)]  # noqa: PTH112 (any name will do)
    for root in known:
        target = _below_by_its_real_name(root, [path for path in named if path not in known])
        if target is None and _may_have_moved(root):
            states = states or catalog.file_states()
            documents = [states[Path(name)] for name in states.documents_below(os.fspath(root))]
            documents = [row for row in documents if not _is_member(row.path, states)]  # they moved with their file
            if documents and documents[0].path == root:
                files = [path for path in (*named, *(place / root.name for place in places)) if path != root]
                target = next((path for path in files if _is_same_file(path, documents[0])), None)
            elif documents and not any(os.path.lexists(state.path) for state in documents):
                target = _most_alike(root, documents, places)
        if target is not None:
            states = states or catalog.file_states()
            moves.append(Move(root, target, len(states.documents_below(os.fspath(root)))))
    return moves


def relocate(catalog: Catalog, old: Path, new: Path) -> Move:
    """Note that what was at or below the folder ``old`` is now at the same place below ``new``.

    A document that is there already, under its path below ``new``, stays, and its other row goes; so does the row of a
    root that is a file and has another name now. Raises UsageError when no root is at or below ``old``.
    """
    known = known_roots(catalog)
    moved = {root: new / root.relative_to(old) for root in known if root == old or old in root.parents}
    if not moved:
        raise UsageError(f"{old} is not a folder of this index", "see its folders with: ragcli status")
    if _is_in(new, old) or _is_in(old, new):
        raise UsageError(f"{old} and {new} lie in each other", "bring them up to date with: ragcli index")
    states = catalog.file_states()
    documents = [states[Path(name)] for name in states.documents_below(os.fspath(old))]
    files = [root for root in moved if moved[root].is_file()]
    if any(root not in states for root in files):
        raise UsageError(f"{new} is a file, and {old} is a folder", "name the folder where the files are now")
    # the name of a file is one of its keywords: under another one it is read as a new file
    renamed = [root for root in files if moved[root].name != root.name]
    with catalog.transaction():
        listed = {one.path: one for one in catalog.skipped() if _is_in(one.path, old)}
        catalog.drop_skipped(listed)
        for path in listed:
            if _is_member(path, states):  # a run opens the file that it is in only when that changes
                row, moved_path = states[path], new / path.relative_to(old)
                catalog.set_skipped(replace(listed[path], path=moved_path), row.size, row.mtime_ns, row.loader_version)
        for state in documents:
            path = new / state.path.relative_to(old)
            assert state.document is not None  # as its name says
            is_there = path in states and states[path].document is not None
            if is_there or any(_is_in(state.path, root) for root in renamed):
                catalog.delete_document(state.document)
            else:
                catalog.drop_skipped([path])
                catalog.move(state.document, path)
        places = catalog.places()
        for root, target in moved.items():
            catalog.drop_root(root)
            if not any(other == target or other in target.parents for other in known if other not in moved):
                removed = tuple(str(new / Path(path).relative_to(old)) for path in known[root].removed)
                set_rules(catalog, {}, target, replace(known[root], removed=removed))
            places.pop(root, None)
        catalog.set_places(places)
        catalog.count_commit()
    return Move(old, new, len(documents))


def _is_member(path: Path, states: FileStates) -> bool:
    """Whether this is part of a file, such as an archive, and no file on the disk."""
    return any(above in states and states[above].document is not None for above in path.parents)


def _may_have_moved(root: Path) -> bool:
    """Whether ``root`` is gone, or is a folder without entries, as an empty mount point is."""
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except NotADirectoryError:
        return False
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _below_by_its_real_name(root: Path, named: Sequence[Path]) -> Path | None:
    """The path of the linked folder ``root`` below one of ``named``, which would meet its files under that path."""
    real = Path(os.path.realpath(root))
    if real == root or not os.path.exists(root):  # noqa: PTH110 (as above)
        return None
    for path in named:
        top = Path(os.path.realpath(path))
        if top in real.parents and path not in root.parents:
            return path / real.relative_to(top)
    return None


def _candidates(root: Path, places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        if place != root and root not in place.parents:
            yield place
            for depth in range(1, min(_DEEPEST, len(root.parts) - 1) + 1):
                yield place.joinpath(*root.parts[-depth:])


def _most_alike(root: Path, documents: Sequence[FileState], places: Sequence[Path]) -> Path | None:
    """The folder that holds most of ``documents`` of ``root`` as they were, if it is more than half of them."""
    best, most = None, len(documents) // 2
    for new in dict.fromkeys(_candidates(root, places)):
        if new != root and new.is_dir():
            held = _held(new, root, documents, most)
            if held > most:
                best, most = new, held
            if most == len(documents):
                break
    return best


def _held(new: Path, old: Path, documents: Sequence[FileState], more_than: int) -> int:
    """How many of ``documents`` are below ``new``; it stops counting when they cannot be ``more_than`` any more."""
    held = 0
    for number, state in enumerate(documents):
        if held + len(documents) - number <= more_than:
            break
        held += _is_same_file(new / state.path.relative_to(old), state)
    return held


def _is_same_file(path: Path, state: FileState) -> bool:
    try:
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode) or info.st_size != state.size:
            return False
        if (stored_time(info.st_mtime_ns), stored_time(info.st_ctime_ns)) == (state.mtime_ns, state.ctime_ns):
            return True
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == state.sha256
    except OSError:
        return False


def _identity(path: Path) -> str | None:
    """What tells the folder or file at ``path`` from others, whatever its name; None when nothing is there."""
    try:
        info = path.stat()
    except (OSError, ValueError):
        return None
    # two names of one file are two documents
    return f"{info.st_dev}:{info.st_ino}" if stat.S_ISDIR(info.st_mode) else os.path.realpath(path)


def _is_in(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents
