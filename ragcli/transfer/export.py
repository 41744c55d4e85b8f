"""Write an index into one file."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import IndexBusy, IndexDamaged, RagcliError, UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.catalog.rows import ApproximateRow, SegmentRow
from ragcli.index.layout import CATALOG, VECTORS
from ragcli.index.lock import is_held
from ragcli.index.reader import open_index
from ragcli.transfer import manifest as manifests
from ragcli.transfer.manifest import Manifest, Member

# A commit takes a second or two, and there is a pause after each.
_PATIENCE_SECONDS = 60.0
_COMMIT_SECONDS = 5.0  # without anybody who writes: a commit that is not complete by then was cut off


def export_index(folder: Path, file: Path) -> Manifest:
    """Write the index in ``folder`` to ``file``, which must not exist yet, and return the list of its content.

    Reads one state of the index, as a question does: a run may go on writing, and the folder may be read-only. The
    file appears when it is complete. Raises IndexNotFound for an empty index, IndexDamaged when a segment does not
    match its checksum, IndexBusy when commits follow one another too quickly.
    """
    if os.path.lexists(file):
        raise UsageError(f"{file} exists", "name a new file, or remove it first")
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}", "make it first")
    try:
        draft = tempfile.TemporaryDirectory(prefix=".ragcli-export-", dir=file.parent)
    except OSError as error:
        raise RagcliError(f"cannot write {file}: {error.strerror}", "choose another place") from error
    with draft as name, ExitStack() as stack:
        frozen = _freeze(folder, Path(name), stack)
        manifest = Manifest(
            frozen.model, frozen.documents, frozen.chunks,
            tuple(_member(name, source) for name, source in frozen.files.items()),
        )  # fmt: skip
        found = {member.name: member.sha256 for member in manifest.files}
        for row in frozen.vectors:
            if found[f"{VECTORS}/{row.name}"] != row.sha256:
                raise IndexDamaged(f"the segment {row.name} does not match its checksum", "see: ragcli verify")
        try:
            _write(Path(name) / "archive", manifest, frozen.files)
            Path(name, "archive").rename(file)
        except OSError as error:
            raise RagcliError(f"cannot write {file}: {error.strerror}", "is the disk full?") from error
    return manifest


class _Frozen(NamedTuple):
    """One state of an index: its files are open, so that they stay when a writer removes them."""

    model: str
    documents: int
    chunks: int
    vectors: list[SegmentRow | ApproximateRow]
    files: dict[str, BufferedReader]  # by their names in the archive


def _freeze(folder: Path, draft: Path, stack: ExitStack) -> _Frozen:
    """Open the files of one state of the index; the catalog, whose log holds commits, is copied to ``draft``."""
    began = time.monotonic()
    while time.monotonic() < began + _PATIENCE_SECONDS:
        with open_index(folder, None) as index, ExitStack() as opened:
            settings, catalog = index.settings, index.catalog
            if settings.store:
                raise UsageError(
                    f"the vectors of this index are at {settings.store}, not in its files",
                    "take them into files first: ragcli index --store files",
                )
            # ids are reserved before derived files change, and commits are counted after
            if not catalog.ledger.pending():
                state = catalog.commits(), catalog.ledger.next_id()
                counts = catalog.count("documents"), catalog.count("chunks")
                _require_room(folder, catalog, draft)
                copy = draft / CATALOG
                copy.unlink(missing_ok=True)
                catalog.copy_to(copy)
                sources = {CATALOG: copy} | _derived(folder, catalog)
                rows = catalog.ledger.vector_files()
                files = {name: opened.enter_context(path.open("rb")) for name, path in _there(sources)}
                if state == _state_now(folder) == _state_now(draft):
                    missing = next((path for name, path in sources.items() if name not in files), None)
                    if missing is not None:
                        raise IndexDamaged(f"cannot read {missing}", "see: ragcli verify")
                    stack.push(opened.pop_all())
                    return _Frozen(settings.model, *counts, rows, files)
            elif time.monotonic() > began + _COMMIT_SECONDS and not is_held(folder):
                raise RagcliError(
                    f"a run of {folder} was stopped in the midst of a commit",
                    "bring the index up to date, then export it again: ragcli index",
                )
        time.sleep(0.1)
    raise IndexBusy(f"{folder} changes faster than it can be read", "export it again when the run is over")


def _require_room(folder: Path, catalog: Catalog, draft: Path) -> None:
    """Raise RagcliError where the copy of the catalog and the archive, which holds it again, have no room."""
    with suppress(FileNotFoundError):  # a writer removed one, and the state is another one by now
        rest = sum(path.stat().st_size for path in _derived(folder, catalog).values())
        needed, free = 2 * (folder / CATALOG).stat().st_size + rest, shutil.disk_usage(draft).free
        if needed > free:
            raise RagcliError(
                f"no space left in {draft.parent}: the export needs {needed >> 10:,} KiB, {free >> 10:,} are free",
                "free some, or choose another place",
            )


def _state_now(folder: Path) -> tuple[int, int]:
    catalog = Catalog.open(folder)
    try:
        return catalog.commits(), catalog.ledger.next_id()
    finally:
        catalog.close()


def _there(sources: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    for name, path in sources.items():
        if path.exists():  # or a writer has removed it, and the state is another one by now
            yield name, path


def _derived(folder: Path, catalog: Catalog) -> dict[str, Path]:
    """The files that the catalog names, by their names in the archive."""
    segments = [f"{VECTORS}/{row.name}" for row in catalog.ledger.vector_files()]
    keywords = catalog.keywords_name()
    entries = sorted(path.name for path in (folder / keywords).iterdir())
    names = [name for entry in entries if manifests.is_member_name(name := f"{keywords}/{entry}")]
    return {name: folder / name for name in (*segments, *names)}


def _member(name: str, source: BufferedReader) -> Member:
    sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    return Member(name, os.fstat(source.fileno()).st_size, sha256)


def _write(path: Path, manifest: Manifest, sources: dict[str, BufferedReader]) -> None:
    data = manifests.pack(manifest)
    with path.open("xb") as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            archive.addfile(_entry(manifests.NAME, len(data)), io.BytesIO(data))
            for member in manifest.files:
                sources[member.name].seek(0)
                archive.addfile(_entry(member.name, member.size), sources[member.name])
        out.flush()
        with suppress(OSError):  # some files cannot be synced: pipes, and files in some network folders
            os.fsync(out.fileno())


def _entry(name: str, size: int) -> tarfile.TarInfo:
    """An entry without owner and time: every export of the same index is the same file."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry
