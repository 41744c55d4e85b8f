"""What differs between the disk and the catalog, told from names, sizes and times alone."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import FileState, FileStates
from ragcli.ingest.discover import Found, Rules, discover
from ragcli.ingest.sandbox.limits import Limits
from ragcli.types import Reason, Skipped


class Due(NamedTuple):
    """A file to read: new, changed, or worth another try. ``state`` is its row in the catalog, if any."""

    found: Found
    state: FileState | None

    @property
    def known_sha256(self) -> str | None:
        """The digest of the content that needs no parsing again; None when its loader has changed since."""
        state = self.state
        if state is None or state.document is None or state.loader_version != loaders.version_of(state.loader):
            return None
        return state.sha256


@dataclass(slots=True)
class Changes:
    """What a run has to do, and what it leaves alone."""

    due: list[Due] = field(default_factory=list)
    unchanged: int = 0  # indexed documents as they were
    skipped: list[Skipped] = field(default_factory=list)  # everything below the roots that is not read, with the reason
    newly_skipped: list[Skipped] = field(default_factory=list)  # those that the catalog does not list yet
    gone_documents: list[int] = field(default_factory=list)
    gone_skipped: list[Path] = field(default_factory=list)


def compare(
    catalog: Catalog | None,
    roots: Mapping[Path, Rules],
    load: LoadOptions,
    own_folders: Collection[Path],
    limits: Limits | None = None,
) -> Changes:
    """Walk ``roots`` and compare with ``catalog`` (None: an index that does not exist yet).

    ``own_folders`` hold indexes, not documents. A file that failed for a limit is due when ``limits`` (None: the
    defaults) are wider. Documents below a folder that cannot be entered stay as they were, and those of a missing root.
    """
    changes = Changes()
    states = catalog.file_states() if catalog else FileStates((), ())
    stamps = states.stamps(loaders.version_of)
    listed = {skipped.path: skipped for skipped in (catalog.skipped() if catalog else ())}
    seen: set[str] = set()
    unchanged: set[str] = set()
    closed: set[Path] = set()
    limits = limits or Limits()
    for root, rules in roots.items():
        if not os.path.exists(root):  # noqa: PTH110 (Path.exists raises for impossible names)
            changes.skipped.append(Skipped(root, Reason.UNREADABLE, "it is gone; its documents stay in the index"))
            closed.add(root)
            continue
        for item in discover(root, rules, exclude_paths=own_folders, known=stamps, unchanged=unchanged):
            seen.add(os.fspath(item.path))
            state = states.get(item.path)
            if isinstance(item, Skipped):
                _add_skipped(changes, item, listed.get(item.path), state)
                if item.reason is Reason.UNREADABLE:
                    closed.add(item.path)
            elif state is None or _is_due(item, state, load) or _has_wider_limit(listed.get(item.path), limits):
                changes.due.append(Due(item, state))
            elif state.document is not None:
                changes.unchanged += 1
            else:
                changes.skipped.append(listed[item.path])
    changes.unchanged += len(unchanged)
    for path in states.besides(seen | unchanged, roots):
        if not _is_below(path, closed):
            _add_gone(changes, states[path])
    return changes


def _add_skipped(changes: Changes, skipped: Skipped, listed: Skipped | None, state: FileState | None) -> None:
    changes.skipped.append(skipped)
    if skipped != listed:
        changes.newly_skipped.append(skipped)
    if state is not None and state.document is not None:
        changes.gone_documents.append(state.document)


def _add_gone(changes: Changes, state: FileState) -> None:
    if state.document is None:
        changes.gone_skipped.append(state.path)
    else:
        changes.gone_documents.append(state.document)


def _is_due(found: Found, state: FileState, load: LoadOptions) -> bool:
    if (found.size, found.mtime_ns) != (state.size, state.mtime_ns):
        return True
    if state.document is not None:
        return state.loader_version != loaders.version_of(state.loader)
    return (
        state.loader_version != loaders.ALL_VERSIONS
        or state.reason is Reason.UNREADABLE  # permissions change without a trace in size and time
        or (state.reason is Reason.NO_TEXT and load.ocr)
        or (state.reason is Reason.ENCRYPTED and load.password is not None)
    )


def _has_wider_limit(listed: Skipped | None, limits: Limits) -> bool:
    return listed is not None and limits.are_wider_than(listed.reason, listed.detail)


def _is_below(path: Path, folders: Collection[Path]) -> bool:
    return path in folders or any(parent in folders for parent in path.parents)
