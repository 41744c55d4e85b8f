"""What differs between the disk and the catalog, told from names, sizes and times alone."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import CTIME_UNKNOWN, CTIME_UNSETTLED, FileState, FileStates, Place
from ragcli.ingest.discover import Found, Rules, Seen, discover, stored_time
from ragcli.ingest.sandbox.limits import Limits
from ragcli.types import Reason, Skipped
from ragcli.units import counted

# A run asks before it removes more than half of the documents of a root. With fewer than these, it asks only where the
# root shrinks by so much, and by more than one: a note that is renamed and edited is one file less and one more.
MANY = 10

if TYPE_CHECKING:
    from ragcli.ingest.sandbox.process import Request


class Members:
    """The catalog's rows of the files in one file, read or not. A run takes them out as it meets the files."""

    def __init__(self, container: Path, rows: Iterable[FileState] = (), retry: Collection[Path] = ()) -> None:
        """Those in ``retry`` must be read again, even if they did not change."""
        self._top = len(os.fspath(container)) + 1
        self._rows = {state.path: state for state in rows}
        self._inner: dict[Path, list[Path]] = defaultdict(list)
        self._met: set[Path] = set()
        for path in self._rows:
            parent = path.parent
            while len(os.fspath(parent)) > self._top:
                if parent in self._rows:
                    self._inner[parent].append(path)
                parent = parent.parent
        self.retry = {above for path in retry for above in (path, *path.parents)}

    def meet(self, path: Path) -> bool:
        """Whether this member is met for the first time: a process that a file took over may send anything."""
        is_new = path not in self._met
        self._met.add(path)
        return is_new

    def take(self, path: Path) -> FileState | None:
        """The row of a member that was met again."""
        return self._rows.pop(path, None)

    def take_below(self, path: Path) -> list[FileState]:
        """The rows of what is in a member."""
        return [state for inner in self._inner.get(path, ()) if (state := self.take(inner)) is not None]

    def rows(self) -> Collection[FileState]:
        """The rows that nobody took yet."""
        return self._rows.values()

    def take_all(self) -> list[FileState]:
        """The rows that nobody took."""
        rows, self._rows = list(self._rows.values()), {}
        return rows

    def digests(self) -> dict[str, str]:
        """The digests of the members that need no parsing again, by their paths below the file."""
        return {
            os.fspath(path)[self._top :]: state.sha256
            for path, state in self._rows.items()
            if state.sha256 and path not in self.retry
        }


class Due(NamedTuple):
    """A file to read: new, changed, or worth another try. ``state`` is its row in the catalog, if any."""

    found: Found
    state: FileState | None
    members: Members

    @property
    def known_sha256(self) -> str | None:
        """The digest of the content that needs no parsing again; None when its loader has changed since."""
        state = self.state
        if state is None or not _is_read(state) or self.members.retry:
            return None
        return state.sha256

    @property
    def improved(self) -> list[str]:
        """The loaders that read the file, or something in it, and read it better now. A changed file names none."""
        state = self.state
        if state is not None and (self.found.size, self.found.mtime_ns) != (state.size, state.mtime_ns):
            return []
        rows = (row for row in (state, *self.members.rows()) if row is not None and row.document is not None)
        return [row.loader for row in rows if not _is_read(row)]

    def request(self, part: int = 0) -> Request:
        """What a parser process is asked for; a larger document is to come in parts of ``part`` characters."""
        from ragcli.ingest.sandbox.process import Request  # a run with nothing to do starts none

        return Request(self.found.path, self.known_sha256, part, self.members.digests())


class Doubt(NamedTuple):
    """Documents of a root whose files are gone, and so many that they may be gone by mistake."""

    root: Path
    documents: tuple[int, ...]
    total: int  # documents of the root

    def __str__(self) -> str:
        return f"{len(self.documents):,} of its {self.total:,} documents have no file any more"


@dataclass(slots=True)
class Changes:
    """What a run has to do, and what it leaves alone."""

    due: list[Due] = field(default_factory=list)
    unchanged: int = 0  # indexed documents as they were
    skipped: list[Skipped] = field(default_factory=list)  # everything below the roots that is not read, with the reason
    newly_skipped: list[Skipped] = field(default_factory=list)  # those that the catalog does not list yet
    gone_documents: list[int] = field(default_factory=list)
    gone_skipped: list[Path] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)  # to be removed only when somebody says so
    closed: set[Path] = field(default_factory=set)  # nothing was learnt about what is at or below: it stays
    ctimes: dict[Path, int] = field(default_factory=dict)  # of unchanged documents whose ctime was not known
    places: dict[Path, Place] = field(default_factory=dict)  # of each root that was read

    def keep(self, doubt: Doubt) -> None:
        """Keep the documents of ``doubt``, and list the root among what is not there."""
        advice = "remove them with: ragcli index --yes"
        self.skipped.append(Skipped(doubt.root, Reason.ABSENT, f"{doubt}; they stay; {advice}", files=0))


def compare(
    catalog: Catalog | None,
    roots: Mapping[Path, Rules],
    load: LoadOptions,
    own_folders: Collection[Path],
    limits: Limits | None = None,
    *,
    remove_missing: bool = False,
) -> Changes:
    """Walk ``roots`` and compare with ``catalog`` (None: an index that does not exist yet).

    ``own_folders`` hold indexes, not documents. A file that failed for a limit is due when ``limits`` (None: the
    defaults) are wider. Documents below a folder that cannot be entered stay as they were. Unless ``remove_missing``,
    so do those of a root that is gone, holds none of its files or is on another disk, and those below an empty mount
    point.
    """
    changes = Changes()
    states = catalog.file_states() if catalog else FileStates((), ())
    known = _Known(
        states,
        states.stamps(loaders.version_of),
        {skipped.path: skipped for skipped in (catalog.skipped() if catalog else ())},
        catalog.places() if catalog else {},
        load,
        limits or Limits(),
    )
    gone: list[Path] = []
    walks: list[_Walked] = []
    for root, rules in roots.items():
        if os.path.exists(root):  # noqa: PTH110 (Path.exists raises for impossible names)
            walks.append(_compare_root(changes, root, rules, known, own_folders))
        else:
            _keep_missing_root(changes, root, states)
    # a file that moved is new under its other name, perhaps in another root
    new = Counter((due.found.size, due.found.mtime_ns) for due in changes.due if due.state is None)
    for walked in walks:
        place = walked.here
        if walked.absent and not remove_missing:
            place = _keep_absent(changes, walked, new)
        changes.places[walked.root] = place
        gone += walked.absent
    doubtful = {document for doubt in changes.doubts for document in doubt.documents}
    for path in gone:
        if not _is_below(path, changes.closed):
            _add_gone(changes, states[path], doubtful)
    return changes


class _Known(NamedTuple):
    """What the catalog says, and which limits a file meets now."""

    states: FileStates
    stamps: dict[str, tuple[int, int, int]]
    listed: dict[Path, Skipped]
    places: dict[Path, Place]
    load: LoadOptions
    limits: Limits

    def is_due(self, found: Found, state: FileState, rules: Rules) -> bool:
        """Whether a known file has to be read."""
        return _is_changed(found, state) or self.is_worth_a_try(state, rules)

    def is_worth_a_try(self, state: FileState, rules: Rules) -> bool:
        """Whether a file that did not change may be read in another way now."""
        listed = self.listed.get(state.path)
        has_wider_limit = listed is not None and self.limits.are_wider_than(listed.reason, listed.detail)
        return has_wider_limit or _is_worth_a_try(state, self.load, rules)


def _compare_root(changes: Changes, root: Path, rules: Rules, known: _Known, own_folders: Collection[Path]) -> _Walked:
    """Add what differs below ``root``, and return what is there and what is not."""
    seen = Seen()
    found: set[str] = set()
    files: set[str] = set()  # among them, those that are read when they are due
    new: list[Found] = []
    for item in discover(root, rules, exclude_paths=own_folders, known=known.stamps, seen=seen):
        found.add(os.fspath(item.path))
        state = known.states.get(item.path)
        if isinstance(item, Skipped):
            _add_skipped(changes, item, known.listed.get(item.path), state)
            if item.reason is Reason.UNREADABLE:
                changes.closed.add(item.path)
            continue
        files.add(os.fspath(item.path))
        if state is None:
            changes.due.append(Due(item, None, Members(item.path)))
            new.append(item)
        elif known.is_due(item, state, rules):
            changes.due.append(Due(item, state, Members(item.path)))
        elif state.document is None:
            changes.skipped.append(known.listed[item.path])
        else:
            changes.unchanged += 1
            if state.ctime_ns == CTIME_UNKNOWN:
                changes.ctimes[item.path] = item.ctime_ns
    changes.unchanged += len(seen.unchanged)
    changes.closed |= seen.vanished  # nobody knows yet whether for good: the next run looks again
    found |= seen.unchanged
    place = Place(_file_system(root), tuple(sorted(seen.mounts)))
    absent, inside = _split(known.states, known.states.besides(found, [root]), seen.unchanged | files)
    _compare_members(changes, known, inside, rules)
    return _Walked(root, known.states, absent, found, new, _last_place(root, known.places, place), place)


class _Walked(NamedTuple):
    """What one root was found to hold, and what was known about it."""

    root: Path
    states: FileStates
    absent: list[Path]  # known, and not there
    found: set[str]  # every path that is there
    new: list[Found]
    last: Place  # of the last run
    here: Place


def _last_place(root: Path, places: Mapping[Path, Place], here: Place) -> Place:
    """Where ``root`` was in the last run; a folder below a known root is on the disk where it is now."""
    if root in places:
        return places[root]
    above = next((place for other, place in places.items() if other in root.parents), None)
    return here if above is None else Place(here.file_system, above.mounts)


def _keep_missing_root(changes: Changes, root: Path, states: FileStates) -> None:
    documents = len(states.documents_below(os.fspath(root)))
    changes.closed.add(root)
    why = f"it is gone; {_staying(documents)}; {advice_for_gone(root)}"
    changes.skipped.append(Skipped(root, Reason.ABSENT, why, files=0))


def advice_for_gone(root: Path) -> str:
    """Say what helps where a root is gone."""
    import shlex  # hardly any run needs it

    name = shlex.quote(os.fspath(root))
    return f"did it move? ragcli index --relocate {name} NEW; not needed? ragcli remove {name}"


def _keep_absent(changes: Changes, walked: _Walked, new: Counter[tuple[int, int]]) -> Place:
    """Keep the documents of a root that seem to be gone only because a disk is not mounted; doubt a large loss.

    ``new`` counts the files in all roots that no document is of, by size and time. Returns the place to remember.
    """
    states, last, here = walked.states, walked.last, walked.here
    lost = [path for path in walked.absent if states[path].document is not None]
    for mount in map(Path, last.mounts):
        below = [path for path in lost if _is_below(path, (mount,))]
        if below and str(mount) not in here.mounts:
            _keep(changes, mount, len(below), "nothing is mounted there now")
            here = here._replace(mounts=(*here.mounts, str(mount)))
            lost = [path for path in lost if not _is_below(path, (mount,))]
    # a folder that is listed with a reason hides its files, which are not gone
    hidden = {skipped.path for skipped in changes.skipped} | changes.closed
    lost = [path for path in lost if not _is_below(path, hidden)]
    if not lost:
        return here
    is_strange = not any(Path(name) in states for name in walked.found)
    if is_strange and not walked.new:
        _keep(changes, walked.root, len(lost), "it holds none of its files now")
        return last
    total = len(states.documents_below(os.fspath(walked.root)))
    # a disk may get another number without being another one: its files then have the same times as before
    is_other = last.file_system != here.file_system
    if is_other and (last.is_away or not _has_survivor(changes, walked, total - len(lost))):
        _keep(changes, walked.root, len(lost), "it is on another disk than before")
        return here._replace(file_system=last.file_system, is_away=True)
    doubtful, replaced = _without_moved(walked, lost, new)
    shrinks_by = len(doubtful)
    if shrinks_by < MANY and not (is_strange and replaced < shrinks_by):  # a few files, such as one at a mount point
        shrinks_by -= replaced
    if shrinks_by > 1 and 2 * shrinks_by > total:
        documents = tuple(number for path in doubtful if (number := states[path].document) is not None)
        changes.doubts.append(Doubt(walked.root, documents, total))
    return here


def _without_moved(walked: _Walked, lost: Sequence[Path], new: Counter[tuple[int, int]]) -> tuple[list[Path], int]:
    """Return which of ``lost`` did not move, and how many files of the root are new without having moved.

    A file that moved has the size and the time that it had; what is in it moved too. Takes it out of ``new``.
    """
    absent, moved = set(map(os.fspath, walked.absent)), set()
    for path in walked.absent:
        state = walked.states[path]
        if _holder(path, absent) is None and new[state.size, state.mtime_ns]:
            new[state.size, state.mtime_ns] -= 1
            moved.add(path)
    left = new & Counter((item.size, item.mtime_ns) for item in walked.new)
    return [path for path in lost if not _is_below(path, moved)], left.total()


def _has_survivor(changes: Changes, walked: _Walked, left: int) -> bool:
    """Whether one of the ``left`` documents of a root has a file with the size and the time that it had."""
    changed = sum(
        1
        for found, state, _ in changes.due
        if state is not None
        and state.document is not None
        and (found.size, found.mtime_ns) != (state.size, state.mtime_ns)
        and _is_below(found.path, (walked.root,))
    )
    return left > changed


def _file_system(root: Path) -> int:
    """The number of the file system of ``root``: the one that is stored on it, where the system tells."""
    with suppress(OSError):
        if stored := os.statvfs(root).f_fsid:
            return stored
    return root.stat().st_dev


def _keep(changes: Changes, folder: Path, documents: int, why: str) -> None:
    changes.closed.add(folder)
    advice = "is a disk not mounted? remove what is gone with: ragcli index --yes"
    changes.skipped.append(Skipped(folder, Reason.ABSENT, f"{why}; {_staying(documents)}; {advice}", files=0))


def _staying(documents: int) -> str:
    return f"{counted(documents, 'document')} {'stays' if documents == 1 else 'stay'} in the index"


def _split(states: FileStates, paths: Iterable[Path], files: Set[str]) -> tuple[list[Path], dict[str, list[FileState]]]:
    """Of the paths that a walk did not meet, those that are in none of its ``files``, and the others by the file."""
    absent: list[Path] = []
    inside: dict[str, list[FileState]] = defaultdict(list)
    for path in paths:
        holder = _holder(path, files)
        if holder is None:
            absent.append(path)
        else:
            inside[holder].append(states[path])
    return absent, inside


def _compare_members(changes: Changes, known: _Known, inside: Mapping[str, list[FileState]], rules: Rules) -> None:
    """Give files that are due the rows of what is ``inside`` them; a file is due too when one of these is."""
    due = {os.fspath(item.found.path): place for place, item in enumerate(changes.due)} if inside else {}
    for name, rows in inside.items():
        again = [row.path for row in rows if known.is_worth_a_try(row, rules)]
        if name in due or again:
            state = known.states.get(Path(name))
            _add_members(changes, due.get(name), state, Members(Path(name), rows, again), known.listed)
        else:
            changes.unchanged += sum(row.document is not None for row in rows)
            changes.skipped += [known.listed[row.path] for row in rows if row.document is None]


def _add_members(
    changes: Changes, place: int | None, state: FileState | None, members: Members, listed: Mapping[Path, Skipped]
) -> None:
    """Give a due file, the one at ``place``, the rows of its members; without a place the file becomes due."""
    if place is not None:
        changes.due[place] = changes.due[place]._replace(members=members)
        return
    assert state is not None  # a file that is not due is known
    changes.due.append(Due(Found(state.path, state.size, state.mtime_ns, state.ctime_ns), state, members))
    if state.document is None:
        changes.skipped.remove(listed[state.path])
    else:
        changes.unchanged -= 1


def _holder(path: Path, files: Set[str]) -> str | None:
    """The file that a member is in; None for a path that is not below a file."""
    name = os.path.dirname(path)  # noqa: PTH120 (a member is met for every message of a mailbox)
    while name not in files:
        above = os.path.dirname(name)  # noqa: PTH120
        if above == name:
            return None
        name = above
    return name


def _add_skipped(changes: Changes, skipped: Skipped, listed: Skipped | None, state: FileState | None) -> None:
    changes.skipped.append(skipped)
    if skipped != listed:
        changes.newly_skipped.append(skipped)
    if state is not None and state.document is not None:
        changes.gone_documents.append(state.document)


def _add_gone(changes: Changes, state: FileState, doubtful: Collection[int]) -> None:
    if state.document is None:
        changes.gone_skipped.append(state.path)
    elif state.document not in doubtful:
        changes.gone_documents.append(state.document)


def shows_change(path: Path, state: FileState) -> bool:
    """Whether a run would read the file of a document again, by its size and times."""
    try:
        info = path.stat()
    except OSError:
        return True
    stamp = info.st_size, stored_time(info.st_mtime_ns), stored_time(info.st_ctime_ns)
    return stamp != (state.size, state.mtime_ns, state.ctime_ns)


def _is_changed(found: Found, state: FileState) -> bool:
    """Whether a file may hold something else than before, by its size and times."""
    if (found.size, found.mtime_ns) != (state.size, state.mtime_ns):
        return True
    is_touched = state.ctime_ns == CTIME_UNSETTLED or state.ctime_ns not in (CTIME_UNKNOWN, found.ctime_ns)
    return state.document is not None and is_touched


def _is_worth_a_try(state: FileState, load: LoadOptions, rules: Rules) -> bool:
    """Whether a file that did not change may be read in another way now."""
    if state.document is not None:
        return not _is_read(state)
    return (
        state.loader_version != loaders.ALL_VERSIONS
        or state.reason is Reason.UNREADABLE  # permissions change without a trace in size and time
        or (load.office and _is_unsupported(state, loaders.OFFICE_SUFFIXES))
        or (load.ocr and (state.reason is Reason.NO_TEXT or _is_unsupported(state, loaders.PICTURE_SUFFIXES)))
        or (state.reason is Reason.ENCRYPTED and load.password is not None)
        or (state.reason is Reason.SECRET and rules.include_secrets)
    )


def _is_unsupported(state: FileState, suffixes: Collection[str]) -> bool:
    return state.reason is Reason.UNSUPPORTED and state.path.suffix.lower() in suffixes


def _is_read(state: FileState) -> bool:
    """Whether this is a document as the present version of its loader reads it."""
    return state.document is not None and state.loader_version == loaders.version_of(state.loader)


def _is_below(path: Path, folders: Collection[Path]) -> bool:
    return path in folders or any(parent in folders for parent in path.parents)
