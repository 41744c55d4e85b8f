"""Take documents out of an index without looking at the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragcli.index.lock import OnWait
from ragcli.index.writer import Batch, open_writer
from ragcli.ingest.roots import known_roots, outermost, set_rules


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many documents went, which roots went with them, and the paths below other roots that stay out."""

    documents: int
    roots: tuple[Path, ...]
    kept_out: tuple[Path, ...] = ()


def forget(folder: Path, paths: Sequence[Path], on_wait: OnWait | None = None) -> Forgotten:
    """Delete every document at or below ``paths`` (absolute) from the index in ``folder``.

    A root is forgotten. A path below a root that stays is left out of later runs until it is indexed by name, provided
    that it still exists. Raises IndexBusy unless ``on_wait`` is given.
    """
    wanted = set(paths)
    with open_writer(folder, on_wait=on_wait) as writer:
        batch = Batch()
        if writer.settings() is None:  # a run was stopped before it began
            return Forgotten(0, ())
        met: set[Path] = set()
        for path, state in writer.catalog.file_states().items():
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
        kept_out: list[Path] = []
        with writer.catalog.transaction():  # first: stopped after it, the next run deletes what is still there
            for root, rules in list(known.items()):
                below = {path for path in met if root in path.parents and os.path.lexists(path)}
                if root not in roots and below:
                    removed = outermost(below | set(map(Path, rules.removed)))
                    set_rules(writer.catalog, known, root, replace(rules, removed=tuple(map(str, sorted(removed)))))
                    kept_out += below
        writer.commit(batch)
        with writer.catalog.transaction():
            for root in roots:
                writer.catalog.drop_root(root)
        writer.tidy()
    return Forgotten(len(batch.deleted), roots, tuple(sorted(kept_out)))
