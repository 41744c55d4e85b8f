"""Read the source of every document again and compare: ``ragcli verify --deep``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.index.catalog.rows import DocumentRow, storable
from ragcli.index.reader import Index, open_index
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.pool import Loaded, Request, Sandbox
from ragcli.types import Chunk, Document


@dataclass(slots=True)
class Recheck:
    """What reading every source again showed."""

    documents: int = 0  # read, and as they were indexed
    faults: list[str] = field(default_factory=list)  # the same file, and yet other text: the index is wrong
    outdated: list[str] = field(default_factory=list)  # the file is not what it was: the next run takes it up


def recheck(folder: Path) -> Recheck:
    """Compare the index in ``folder`` with its files; raises IndexNotFound, IndexFormat, IndexDamaged."""
    found = Recheck()
    with open_index(folder, None) as index:
        rows = {row.path: row for row in index.catalog.documents()}
        requests = [Request(path, None) for path in rows]
        with Sandbox(min(len(rows), os.cpu_count() or 1), Limits(), LoadOptions()) as sandbox:
            for loaded in sandbox.load(requests):
                _compare(index, rows[loaded.path], loaded, found)
    found.faults.sort()
    found.outdated.sort()
    return found


def _compare(index: Index, row: DocumentRow, loaded: Loaded, found: Recheck) -> None:
    if loaded.sha256 and loaded.sha256 != row.sha256:
        found.outdated.append(f"{row.path}: the file has changed since it was indexed")
    elif not isinstance(loaded.outcome, Document):
        reason = loaded.outcome.detail or loaded.outcome.reason if loaded.outcome else "it was not read"
        found.outdated.append(f"{row.path}: it cannot be read again ({reason})")
    elif (row.loader, row.loader_version) != (loaded.outcome.loader, loaders.version_of(loaded.outcome.loader)):
        found.outdated.append(f"{row.path}: it was read by another version of the loader")
    else:
        text = storable(loaded.outcome.text)
        wrong = [chunk.id for chunk in index.catalog.document_chunks(row.id) if not _is_at_its_place(chunk, text)]
        if wrong:
            found.faults.append(
                f"{row.path}: {len(wrong)} chunks are not the text at their spans, the first is {wrong[0]}"
            )
        else:
            found.documents += 1


def _is_at_its_place(chunk: Chunk, text: str) -> bool:
    first_byte, first_line = len(text[: chunk.start].encode()), text.count("\n", 0, chunk.start) + 1
    return (
        text[chunk.start : chunk.end] == chunk.text
        and chunk.bytes == (first_byte, first_byte + len(chunk.text.encode()))
        and chunk.lines[0] == first_line
    )
