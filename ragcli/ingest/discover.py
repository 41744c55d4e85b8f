"""Which files below a folder are candidates for the index, and why each of the others is not.

Names and ``lstat`` decide: no document is opened here. Version control folders (.git, .hg, .svn, .jj) are neither
entered nor counted, as they hold no documents.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import UsageError
from ragcli.ingest.ignore import (
    IGNORE_FILES,
    Pattern,
    Scope,
    compile_globs,
    deeper,
    last_match,
    outer_scope,
    read_ignore_files,
)
from ragcli.types import Reason, Skipped
from ragcli.units import human_size

VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".jj"})
GENERATED_FOLDERS = frozenset(
    {"node_modules", "__pycache__", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"}
)
LOCK_FILES = frozenset(
    {"package-lock.json", "yarn.lock", "pnpm-lock.yaml", "poetry.lock", "uv.lock", "Pipfile.lock", "Cargo.lock"}
    | {"Gemfile.lock", "composer.lock", "go.sum", "flake.lock"}
)
OWN_INDEX = "ragcli's own index"
REMOVED = "taken out with ragcli remove"

_TYPE_BITS = 0o170000  # of a mode; stat.S_IFMT(mode) without the call

Stamps = Mapping[str, tuple[int, int]]  # size and mtime_ns, by path


@dataclass(frozen=True, slots=True)
class Rules:
    """Which files of a root to take. Globs are gitignore patterns relative to the root; the size is in bytes."""

    include: tuple[str, ...] = ()  # takes a file when it, or a folder around it, matches; () takes all
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    ignore_files: bool = True  # .gitignore, .ragignore, .git/info/exclude and the built-in rules
    max_file_size: int = 64 * 2**20
    removed: tuple[str, ...] = ()  # absolute paths below the root that ``ragcli remove`` took out


class Found(NamedTuple):
    """A regular file to index, as ``lstat`` saw it."""

    path: Path
    size: int
    mtime_ns: int


class _Folder(NamedTuple):
    path: str
    ignores: Scope
    include: Scope
    exclude: Scope
    is_root: bool = False
    included: bool = False  # --include matches this folder or one around it
    kept: bool = False  # a "!" pattern of an ignore file names it, which overrides the built-in rules


class _Walk(NamedTuple):
    """The constants of one walk."""

    rules: Rules
    top: str
    real_root: str
    barred: Mapping[str, str]  # path, spelled as the walk spells it, to why it is left out
    known: Stamps
    unchanged: set[str]  # filled by the walk: the paths that are as known


def discover(
    root: Path,
    rules: Rules,
    *,
    exclude_paths: Collection[Path] = (),
    known: Stamps | None = None,
    unchanged: set[str] | None = None,
) -> Iterator[Found | Skipped]:
    """Account for every file at or below ``root`` exactly once, depth first, in byte order of the names.

    ``root`` is a folder or a single file. A linked root is followed; links below it never are. A single file is judged
    by kind and size alone. A folder that is not entered is one Skipped with the number of files below it, and none when
    that is 0; only an unreadable folder is reported with ``files=0``. Version control folders are not reported. Ignore
    files work as in git, and outside a repository too; an ignored root is entered. An ignore file that cannot be
    applied is a Skipped. ``exclude_paths`` are folders of indexes. A file below a folder whose size and mtime are
    ``known`` under its path is put into ``unchanged``, as that path, and not yielded: objects for thousands of
    unchanged files would take most of a run.

    Raises UsageError at the call, not at the first result, for a root that cannot be reached and for an invalid glob.
    """
    top = Path(os.path.normpath(root.absolute()))
    try:
        info = top.stat()
    except OSError as error:
        raise UsageError(f"cannot index {top}: {error.strerror}", "check the path") from error
    real_root = os.path.realpath(top)
    own = [os.path.realpath(path) for path in exclude_paths]
    # Links below the root are not followed, so a path below the real root has one spelling only.
    spelled = [os.path.normpath(top / os.path.relpath(path, real_root)) for path in own]
    barred = dict.fromkeys(rules.removed, REMOVED) | dict.fromkeys(spelled, OWN_INDEX)
    walk = _Walk(rules, str(top), real_root, barred, known or {}, set() if unchanged is None else unchanged)
    include, exclude = compile_globs("--include", rules.include), compile_globs("--exclude", rules.exclude)
    if any(Path(real_root).is_relative_to(path) for path in own):
        files = _count_files(str(top)) if stat.S_ISDIR(info.st_mode) else 1
        return iter((Skipped(top, Reason.EXCLUDED, OWN_INDEX, files),) if files else ())
    if not stat.S_ISDIR(info.st_mode):
        return iter((_judge_stat(top, info, rules),))
    return _descend(_Folder(str(top), (), include, exclude, is_root=True, included=not include), walk)


def _descend(root: _Folder, walk: _Walk) -> Iterator[Found | Skipped]:
    if walk.rules.ignore_files:
        ignores, notices = outer_scope(walk.real_root)
        yield from notices
        root = root._replace(ignores=ignores)
    # An explicit stack: trees may be deeper than Python recurses.
    pending: list[tuple[os.DirEntry[str], _Folder]] = []
    yield from _enter(root, walk, pending)
    while pending:
        entry, folder = pending.pop()
        try:
            verdict = _judge(entry, folder, walk)
        except OSError as error:
            verdict = Skipped(Path(entry.path), Reason.UNREADABLE, _why(error))
        if isinstance(verdict, _Folder):
            yield from _enter(verdict, walk, pending)
        elif verdict is not None:
            yield verdict


def _enter(folder: _Folder, walk: _Walk, pending: list[tuple[os.DirEntry[str], _Folder]]) -> Iterator[Skipped]:
    """Put the entries of a folder on the stack, its own ignore files in force."""
    try:
        with os.scandir(folder.path) as listing:
            entries = {entry.name: entry for entry in listing}
    except OSError as error:
        yield Skipped(Path(folder.path), Reason.UNREADABLE, _why(error), files=0)
        return
    if walk.rules.ignore_files:
        if "pyvenv.cfg" in entries and not folder.is_root and not folder.kept:
            files = _count_files(folder.path)
            yield Skipped(Path(folder.path), Reason.IGNORED, "built-in rule: Python virtual environment", files)
            return
        names = [name for name in IGNORE_FILES if name.partition("/")[0] in entries]
        if names:
            label = "" if folder.is_root else os.path.relpath(folder.path, walk.top) + os.sep
            own, skipped = read_ignore_files(folder.path, names, label)
            folder = folder._replace(ignores=folder.ignores + own)
            for notice in skipped:
                counted = entries.pop(notice.path.name, None) is not None  # not so .git/info/exclude
                yield replace(notice, files=int(counted))
    if walk.known and folder.included and not (folder.ignores or folder.include or folder.exclude):
        entries = _without_unchanged(entries, walk)
    in_order = sorted(entries.values(), key=lambda entry: os.fsencode(entry.name), reverse=True)
    pending.extend((entry, folder) for entry in in_order)


def _without_unchanged(entries: dict[str, os.DirEntry[str]], walk: _Walk) -> dict[str, os.DirEntry[str]]:
    """Note the unchanged files and return the rest. ``_judge`` would say the same where no pattern is in force.

    This loop is most of what a run over unchanged files takes, beside the system calls: it calls nothing else.
    """
    rest = {}
    known, hidden, largest, regular = walk.known, walk.rules.hidden, walk.rules.max_file_size, stat.S_IFREG
    barred, unchanged = walk.barred, walk.unchanged
    lock_files = LOCK_FILES if walk.rules.ignore_files else ()
    for name, entry in entries.items():
        path = entry.path
        stamp = known.get(path)
        if stamp is not None and path not in barred and (hidden or name[0] != ".") and name not in lock_files:
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:  # _judge meets and reports it too
                info = None
            if info is not None:
                size = info.st_size
                if stamp == (size, info.st_mtime_ns) and size <= largest and info.st_mode & _TYPE_BITS == regular:
                    unchanged.add(path)
                    continue
        rest[name] = entry
    return rest


def _judge(entry: os.DirEntry[str], folder: _Folder, walk: _Walk) -> Found | Skipped | _Folder | None:
    """The verdict on one entry: a _Folder is to be entered; None: unchanged, or a folder without files."""
    is_folder = entry.is_dir(follow_symlinks=False)
    if is_folder and entry.name in VERSION_CONTROL:
        return None
    subject = f"{entry.name}/" if is_folder else entry.name
    ignored = last_match(folder.ignores, subject) if folder.ignores else None
    listed = last_match(folder.include, subject) if folder.include else None
    included = folder.included if listed is None else not listed.negated
    barred = _barred(entry, subject, ignored, folder, walk)
    if barred is None and not included and not is_folder:
        barred = (Reason.EXCLUDED, "no --include pattern matches")
    if barred is not None:
        files = _count_files(entry.path) if is_folder else 1
        return Skipped(Path(entry.path), *barred, files) if files else None
    if is_folder:
        ignores, include, exclude = (deeper(s, subject) for s in (folder.ignores, folder.include, folder.exclude))
        kept = ignored is not None  # a match that does not bar is a "!" pattern
        return _Folder(entry.path, ignores, include, exclude, included=included, kept=kept)
    if entry.is_symlink():
        return Skipped(Path(entry.path), Reason.SYMLINK, _describe_link(Path(entry.path), walk.real_root))
    info = entry.stat(follow_symlinks=False)
    if walk.known.get(entry.path) == (info.st_size, info.st_mtime_ns) and info.st_size <= walk.rules.max_file_size:
        walk.unchanged.add(entry.path)
        return None
    return _judge_stat(Path(entry.path), info, walk.rules)


def _barred(
    entry: os.DirEntry[str], subject: str, ignored: Pattern | None, folder: _Folder, walk: _Walk
) -> tuple[Reason, str] | None:
    """The rule that keeps this entry out: the first of own index, removed, hidden, ignored, built in and excluded."""
    if entry.path in walk.barred:
        return Reason.EXCLUDED, walk.barred[entry.path]
    if entry.name.startswith(".") and not walk.rules.hidden:
        return Reason.HIDDEN, ""
    if ignored is not None and not ignored.negated:
        return Reason.IGNORED, f"{ignored.source}: {ignored.text}"
    if ignored is None and walk.rules.ignore_files:
        if subject.endswith("/") and entry.name in GENERATED_FOLDERS:
            return Reason.IGNORED, f"built-in rule: {entry.name}"
        if subject in LOCK_FILES:
            return Reason.IGNORED, "built-in rule: lock file"
    excluded = last_match(folder.exclude, subject) if folder.exclude else None
    if excluded is not None and not excluded.negated:
        return Reason.EXCLUDED, f"--exclude {excluded.text}"
    return None


def _judge_stat(path: Path, info: os.stat_result, rules: Rules) -> Found | Skipped:
    if not stat.S_ISREG(info.st_mode):
        kinds = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}
        return Skipped(path, Reason.NOT_A_FILE, kinds.get(stat.S_IFMT(info.st_mode), "device"))
    if info.st_size == 0:
        return Skipped(path, Reason.EMPTY)
    if info.st_size > rules.max_file_size:
        detail = f"{human_size(info.st_size)}, the limit is {human_size(rules.max_file_size)}"
        return Skipped(path, Reason.TOO_LARGE, detail)
    return Found(path, info.st_size, info.st_mtime_ns)


def _describe_link(link: Path, real_root: str) -> str:
    target = link.readlink()
    try:
        link.stat()
    except OSError as error:
        is_broken = error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
        return f"{'broken link' if is_broken else error.strerror} -> {target}"
    if Path(os.path.realpath(link)).is_relative_to(real_root):
        return "link; the target is indexed itself"
    return f"leaves the root -> {target}"


def _count_files(path: str) -> int:
    """How many files are below a folder that is not entered, as far as they can be listed; links count as files."""
    total, pending = 0, [path]
    while pending:
        # an unreadable folder cannot be counted; the folder itself is reported all the same
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as listing:
            for entry in listing:
                if not entry.is_dir(follow_symlinks=False):
                    total += 1
                elif entry.name not in VERSION_CONTROL:
                    pending.append(entry.path)
    return total


def _why(error: OSError) -> str:
    return "vanished" if isinstance(error, FileNotFoundError) else str(error.strerror)
