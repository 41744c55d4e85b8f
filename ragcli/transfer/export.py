"""Write an index into one file."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

from ragcli.errors import IndexDamaged, IndexNotFound, RagcliError, UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.layout import CATALOG, VECTORS
from ragcli.index.writer import open_writer
from ragcli.transfer import manifest as manifests
from ragcli.transfer.manifest import Manifest, Member


def export_index(folder: Path, file: Path) -> Manifest:
    """Write the index in ``folder`` to ``file``, which must not exist yet, and return the list of its content.

    Holds the lock of the writer, so that the index does not change meanwhile; the file appears when it is complete.
    Raises IndexBusy, IndexNotFound for an empty index, IndexDamaged when a segment does not match its checksum.
    """
    if os.path.lexists(file):
        raise UsageError(f"{file} exists", "name a new file, or remove it first")
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}", "make it first")
    with open_writer(folder) as writer, tempfile.TemporaryDirectory(prefix=".ragcli-export-", dir=file.parent) as draft:
        settings = writer.settings()
        if settings is None:
            raise IndexNotFound(f"nothing has been indexed in {folder} yet", "fill it with: ragcli index PATH")
        if settings.store:
            raise UsageError(
                f"the vectors of this index are at {settings.store}, not in its files",
                "take them into files first: ragcli index --store files",
            )
        # a copy, because the file lacks the commits that are still in the log of SQLite
        writer.catalog.copy_to(Path(draft) / CATALOG)
        sources = {CATALOG: Path(draft) / CATALOG} | _derived(folder, writer.catalog)
        manifest = Manifest(
            settings.model, writer.catalog.count("documents"), writer.catalog.count("chunks"),
            tuple(_member(name, source) for name, source in sources.items()),
        )  # fmt: skip
        _check_segments(manifest, writer.catalog)
        try:
            _write(Path(draft) / "archive", manifest, sources)
            Path(draft, "archive").rename(file)
        except OSError as error:
            raise RagcliError(f"cannot write {file}: {error.strerror}", "is the disk full?") from error
    return manifest


def _derived(folder: Path, catalog: Catalog) -> dict[str, Path]:
    """The files that the catalog names, by their names in the archive."""
    segments = [f"{VECTORS}/{row.name}" for row in catalog.ledger.vector_files()]
    keywords = catalog.keywords_name()
    entries = sorted(path.name for path in (folder / keywords).iterdir())
    names = [name for entry in entries if manifests.is_member_name(name := f"{keywords}/{entry}")]
    return {name: folder / name for name in (*segments, *names)}


def _member(name: str, source: Path) -> Member:
    try:
        with source.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return Member(name, os.fstat(file.fileno()).st_size, sha256)
    except OSError as error:
        raise IndexDamaged(f"cannot read {source}: {error.strerror}", "see: ragcli verify") from error


def _check_segments(manifest: Manifest, catalog: Catalog) -> None:
    found = {member.name: member.sha256 for member in manifest.files}
    for row in catalog.ledger.vector_files():
        if found[f"{VECTORS}/{row.name}"] != row.sha256:
            raise IndexDamaged(f"the segment {row.name} does not match its checksum", "see: ragcli verify")


def _write(path: Path, manifest: Manifest, sources: dict[str, Path]) -> None:
    data = manifests.pack(manifest)
    with path.open("xb") as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            archive.addfile(_entry(manifests.NAME, len(data)), io.BytesIO(data))
            for member in manifest.files:
                with sources[member.name].open("rb") as source:
                    archive.addfile(_entry(member.name, member.size), source)
        out.flush()
        with suppress(OSError):  # some files cannot be synced: pipes, and files in some network folders
            os.fsync(out.fileno())


def _entry(name: str, size: int) -> tarfile.TarInfo:
    """An entry without owner and time: every export of the same index is the same file."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry
