"""Take documents out of an index without looking at the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ragcli.index.lock import OnWait
from ragcli.index.writer import Batch, open_writer


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many documents went, and which roots with them."""

    documents: int
    roots: tuple[Path, ...]


def forget(folder: Path, paths: Sequence[Path], on_wait: OnWait | None = None) -> Forgotten:
    """Delete every document at or below ``paths`` (absolute) from the index; raises IndexBusy unless ``on_wait``."""
    wanted = set(paths)

    def is_wanted(path: Path) -> bool:
        return path in wanted or not wanted.isdisjoint(path.parents)

    with open_writer(folder, on_wait=on_wait) as writer:
        batch = Batch()
        if writer.settings() is None:  # a run was stopped before it began
            return Forgotten(0, ())
        for path, state in writer.catalog.file_states().items():
            if not is_wanted(path):
                continue
            if state.document is None:
                batch.forgotten.append(path)
            else:
                batch.deleted.append(state.document)
        roots = tuple(root for root in writer.catalog.roots() if is_wanted(root))
        writer.commit(batch)
        with writer.catalog.transaction():
            for root in roots:
                writer.catalog.drop_root(root)
        writer.tidy()
    return Forgotten(len(batch.deleted), roots)
