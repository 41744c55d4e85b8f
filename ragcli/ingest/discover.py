"""Which files below a folder are candidates for the index, and why each of the others is not.

Names and ``lstat`` decide: no document is opened here. Version control folders (.git, .hg, .svn, .jj) are neither
entered nor counted, as they hold no documents.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import UsageError
from ragcli.formats.registry import ARCHIVE_SUFFIXES
from ragcli.index.catalog.rows import CTIME_UNSETTLED
from ragcli.index.layout import CATALOG, VECTORS
from ragcli.index.lock import LOCK_FILES as INDEX_LOCKS
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
from ragcli.ingest.secrets import is_secret_name
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
OTHER_INDEX = "an index of ragcli"
REMOVED = "taken out with ragcli remove"
BY_NAME = "by its name; take it with --include-secrets"

_TYPE_BITS = 0o170000  # of a mode; stat.S_IFMT(mode) without the call

Stamps = Mapping[str, tuple[int, int, int]]  # size, mtime_ns and ctime_ns, by path

# A file that was changed so shortly before it was looked at may change again without another time: the clock of a file
# system ticks every few milliseconds.
_TICK_NS = 100_000_000
_LARGEST_NS = 2**63 - 1  # that SQLite stores: in the year 2262

_LINK_SIZE = 4096  # bytes in a .git file, at most


@dataclass(frozen=True, slots=True)
class Rules:
    """Which files of a root to take. Globs are gitignore patterns relative to the root; the size is in bytes."""

    include: tuple[str, ...] = ()  # takes a file when it, or a folder around it, matches; () takes all
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    ignore_files: bool = True  # .gitignore, .ragignore, .git/info/exclude and the built-in rules
    max_file_size: int = 64 * 2**20
    archives: bool = True  # read what is in .zip, .tar and the like
    removed: tuple[str, ...] = ()  # absolute paths below the root that ``ragcli remove`` took out
    include_secrets: bool = False  # files that hold keys or credentials


class Found(NamedTuple):
    """A regular file to index, as ``lstat`` saw it. Times that cannot be stored are the next ones that can."""

    path: Path
    size: int
    mtime_ns: int
    ctime_ns: int  # any change of content, name or rights sets it, and no program can set it back


@dataclass(slots=True)
class Seen:
    """What a walk met beside the files that it yields."""

    unchanged: set[str] = field(default_factory=set)  # paths of files that are as known
    mounts: set[str] = field(default_factory=set)  # folders below the root where another file system is mounted
    vanished: set[Path] = field(default_factory=set)  # what was there when its folder was listed, and then was not


class _Folder(NamedTuple):
    path: str
    ignores: Scope
    include: Scope
    exclude: Scope
    is_root: bool = False
    included: bool = False  # --include matches this folder or one around it
    kept: bool = False  # a "!" pattern of an ignore file names it, which overrides the built-in rules
    device: int | None = None  # of the folder around it


class _Walk(NamedTuple):
    """The constants of one walk."""

    rules: Rules
    top: str
    real_root: str
    barred: Mapping[str, str]  # path, spelled as the walk spells it, to why it is left out
    known: Stamps
    seen: Seen


def discover(
    root: Path,
    rules: Rules,
    *,
    exclude_paths: Collection[Path] = (),
    known: Stamps | None = None,
    seen: Seen | None = None,
) -> Iterator[Found | Skipped]:
    """Account for every file at or below ``root`` exactly once, depth first, in byte order of the names.

    ``root`` is a folder or a single file. A linked root is followed; links below it never are. A single file is judged
    by kind and size alone. A folder that is not entered is one Skipped with the number of files below it, and none when
    that is 0; only an unreadable folder is reported with ``files=0``. Version control folders are not reported. Ignore
    files work as in git, and outside a repository too; an ignored root is entered. An ignore file that cannot be
    applied is a Skipped. ``exclude_paths`` are folders of indexes. A file below a folder whose size, mtime and ctime
    are ``known`` under its path is put into ``seen.unchanged``, as that path, and not yielded: objects for thousands of
    unchanged files would take most of a run. What vanishes during the walk is in ``seen.vanished`` only.

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
    walk = _Walk(rules, str(top), real_root, barred, known or {}, seen or Seen())
    include, exclude = compile_globs("--include", rules.include), compile_globs("--exclude", rules.exclude)
    if not rules.archives:  # the walk must judge them
        walk = walk._replace(known={path: stamp for path, stamp in walk.known.items() if not _is_archive(path)})
    if any(Path(real_root).is_relative_to(path) for path in own):
        files = _count_files(str(top)) if stat.S_ISDIR(info.st_mode) else 1
        return iter((Skipped(top, Reason.EXCLUDED, OWN_INDEX, files),) if files else ())
    if not stat.S_ISDIR(info.st_mode):
        if is_secret_name(top.name) and not rules.include_secrets:
            return iter((Skipped(top, Reason.SECRET, BY_NAME),))
        return iter((_judge_stat(top, info, rules),))
    return _descend(_Folder(str(top), (), include, exclude, is_root=True, included=not include), walk)


def bar_member(parts: tuple[str, ...]) -> tuple[int, Reason, str] | None:
    """The built-in rule that keeps a member of an archive out: the part of its path that it is about, and why."""
    for place, part in enumerate(parts):
        if part.startswith(".") or part == "__MACOSX":
            return place, Reason.HIDDEN, ""
        if place < len(parts) - 1 and part in GENERATED_FOLDERS:
            return place, Reason.IGNORED, f"built-in rule: {part}"
    if parts[-1] in LOCK_FILES:
        return len(parts) - 1, Reason.IGNORED, "built-in rule: lock file"
    return None


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
        except FileNotFoundError:
            walk.seen.vanished.add(Path(entry.path))
            continue
        except OSError as error:
            verdict = Skipped(Path(entry.path), Reason.UNREADABLE, str(error.strerror))
        if isinstance(verdict, _Folder):
            yield from _enter(verdict, walk, pending)
        elif verdict is not None:
            yield verdict


def _enter(folder: _Folder, walk: _Walk, pending: list[tuple[os.DirEntry[str], _Folder]]) -> Iterator[Skipped]:
    """Put the entries of a folder on the stack, its own ignore files in force."""
    try:
        with os.scandir(folder.path) as listing:
            entries = {entry.name: entry for entry in listing}
            device = os.stat(folder.path).st_dev  # noqa: PTH116 (a Path for each folder costs more than the call)
    except FileNotFoundError:
        walk.seen.vanished.add(Path(folder.path))
        return
    except OSError as error:
        yield Skipped(Path(folder.path), Reason.UNREADABLE, str(error.strerror), files=0)
        return
    if folder.device not in (None, device):
        walk.seen.mounts.add(folder.path)
    folder = folder._replace(device=device)
    if CATALOG in entries and not {VECTORS, *INDEX_LOCKS}.isdisjoint(entries):
        yield Skipped(Path(folder.path), Reason.EXCLUDED, OTHER_INDEX, _count_files(folder.path))
        return
    if walk.rules.ignore_files:
        if "pyvenv.cfg" in entries and not folder.is_root and not folder.kept:
            files = _count_files(folder.path)
            yield Skipped(Path(folder.path), Reason.IGNORED, "built-in rule: Python virtual environment", files)
            return
        if ".git" in entries and not folder.is_root and not folder.kept:
            main = _main_worktree(folder.path)
            if main is not None and _is_walked(main, walk):
                detail = f"built-in rule: linked git worktree of {main}"
                yield Skipped(Path(folder.path), Reason.IGNORED, detail, _count_files(folder.path))
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
    barred, unchanged = walk.barred, walk.seen.unchanged
    lock_files = LOCK_FILES if walk.rules.ignore_files else ()
    may_be_secret = walk.rules.include_secrets
    for name, entry in entries.items():
        path = entry.path
        stamp = known.get(path)
        if stamp is not None and path not in barred and (hidden or name[0] != ".") and name not in lock_files:
            if not may_be_secret and is_secret_name(name):
                rest[name] = entry
                continue
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:  # _judge meets and reports it too
                info = None
            if info is not None:
                size = info.st_size
                is_known = stamp == (size, info.st_mtime_ns, info.st_ctime_ns)
                if is_known and size <= largest and info.st_mode & _TYPE_BITS == regular:
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
        return _Folder(entry.path, ignores, include, exclude, included=included, kept=kept, device=folder.device)
    if entry.is_symlink():
        return Skipped(Path(entry.path), Reason.SYMLINK, _describe_link(Path(entry.path), walk.real_root))
    info = entry.stat(follow_symlinks=False)
    stamp = info.st_size, info.st_mtime_ns, info.st_ctime_ns
    if walk.known.get(entry.path) == stamp and info.st_size <= walk.rules.max_file_size:
        walk.seen.unchanged.add(entry.path)
        return None
    return _judge_stat(Path(entry.path), info, walk.rules)


def _barred(
    entry: os.DirEntry[str], subject: str, ignored: Pattern | None, folder: _Folder, walk: _Walk
) -> tuple[Reason, str] | None:
    """The rule that keeps this entry out.

    The first of own index, removed, secret, hidden, ignored, built in and excluded.
    """
    if entry.path in walk.barred:
        return Reason.EXCLUDED, walk.barred[entry.path]
    if not walk.rules.include_secrets and not subject.endswith("/") and is_secret_name(entry.name):
        return Reason.SECRET, BY_NAME
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
    if not rules.archives and _is_archive(path):
        return Skipped(path, Reason.EXCLUDED, "--no-archives")
    if info.st_size > rules.max_file_size:
        detail = f"{human_size(info.st_size)}, the limit is {human_size(rules.max_file_size)}"
        return Skipped(path, Reason.TOO_LARGE, detail)
    is_settled = abs(time.time_ns() - info.st_ctime_ns) > _TICK_NS
    return Found(
        path,
        info.st_size,
        stored_time(info.st_mtime_ns),
        stored_time(info.st_ctime_ns) if is_settled else CTIME_UNSETTLED,
    )


def stored_time(time_ns: int) -> int:
    """A time of a file as the catalog can hold it: the nearest one in 63 bits."""
    return min(max(time_ns, -_LARGEST_NS), _LARGEST_NS)


def _main_worktree(folder: str) -> str | None:
    """The main worktree of the repository that a linked worktree belongs to; None for any other folder.

    A submodule has such a file too, which names a folder below ``modules``.
    """
    link = Path(folder, ".git")
    try:
        if link.is_symlink() or not link.is_file():
            return None
        with link.open("rb") as file:
            text = os.fsdecode(file.read(_LINK_SIZE)).strip()
    except OSError:
        return None
    if not text.startswith("gitdir:") or "\n" in text or "\0" in text:
        return None
    place = Path(os.path.realpath(os.path.join(folder, text.removeprefix("gitdir:").strip())))  # noqa: PTH118
    common = place.parent.parent
    is_linked = place.parent.name == "worktrees" and common.name == ".git" and place.is_dir()
    return str(common.parent) if is_linked else None


def _is_walked(folder: str, walk: _Walk) -> bool:
    """Whether the walk is inside ``folder``, or enters it as far as names tell."""
    if Path(walk.real_root).is_relative_to(folder):
        return True
    if not Path(folder).is_relative_to(walk.real_root):
        return False
    names = Path(folder).relative_to(walk.real_root).parts
    return walk.rules.hidden or not any(name.startswith(".") for name in names)


def _is_archive(path: str | Path) -> bool:
    return os.path.splitext(path)[1].lower() in ARCHIVE_SUFFIXES  # noqa: PTH122 (a loop over every known file)


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
