"""Import an exported index, which may come from anyone: checked completely before it appears, all or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ragcli.errors import IndexDamaged, RagcliError, UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.layout import sync_folder
from ragcli.index.lock import LOCK_FILES, writer_lock
from ragcli.index.reader import Index, open_index
from ragcli.index.stores import open_store
from ragcli.index.verify import verify
from ragcli.index.writer import Batch, NewFile, Writer, open_writer
from ragcli.transfer import manifest as manifests
from ragcli.transfer.manifest import Manifest, Member
from ragcli.types import Block, Document

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors

_PIECE = 1 << 20
_DOCUMENTS_PER_COMMIT = 200
_AGAIN = "export it again, or get the file again"


def import_index(file: Path, folder: Path) -> Manifest:
    """Make an index in ``folder``, where there must be none, from ``file``, which :func:`export_index` wrote.

    Compares names, sizes and digests with the manifest of the file, then checks the index as ``ragcli verify`` does;
    then the index appears, in one step. It knows no folders: a run without a path must not read folders that somebody
    else named. Raises UsageError, IndexFormat, IndexDamaged, and RagcliError for a full disk.
    """
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} exists", "choose another name with --index")
    # no index can have this name; the holder of its lock is importing, so anything else is left from a killed import
    staging = folder.parent / f".importing-{folder.name}"
    with _opened(file) as archive, writer_lock(staging):
        _clear(staging)
        try:
            manifest = _unpack(archive, staging)
            _check(staging, manifest)
            for name in LOCK_FILES[1:]:  # they name this process, which is done
                (staging / name).unlink(missing_ok=True)
            _land(staging, folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    return manifest


class Merged(NamedTuple):
    """What a merge brought into an index."""

    documents: int
    chunks: int
    there: int  # documents of the file whose paths the index had already: those of the index stay


def merge_index(file: Path, folder: Path) -> Merged:
    """Add the documents in ``file``, which ``export_index`` wrote, to the index in ``folder``.

    The file is checked as :func:`import_index` does, before anything is added; nothing is embedded. Raises what that
    raises, UsageError for an index that was built with another model, and IndexBusy.
    """
    staging = folder.parent / f".importing-{folder.name}"
    with _opened(file) as archive, writer_lock(staging):
        _clear(staging)
        try:
            _check(staging, _unpack(archive, staging))
            with open_writer(folder) as writer, open_index(staging, None) as other:
                return _merge(writer, other, staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _merge(writer: Writer, other: Index, staging: Path) -> Merged:
    mine = writer.settings()
    if mine is None or (mine.sha256, mine.dimension) != (other.settings.sha256, other.settings.dimension):
        raise UsageError(
            f"the file was built with {other.settings.model}, the index with {mine.model if mine else 'nothing yet'}",
            "import it under another name: --index NAME",
        )
    known = {row.path for row in writer.catalog.documents()}
    rows = list(other.catalog.documents())
    new = [row for row in rows if row.path not in known]
    with closing(open_store(staging, other.catalog, other.settings)) as store:
        for start in range(0, len(new), _DOCUMENTS_PER_COMMIT):
            vectors: dict[bytes, Vectors] = {}
            added = []
            for row in new[start : start + _DOCUMENTS_PER_COMMIT]:
                chunks = tuple(other.catalog.document_chunks(row.id))
                keys = other.catalog.chunk_keys(row.id)
                vectors |= {keys[i]: vector for i, vector in store.stored([chunk.id for chunk in chunks]).items()}
                pages = tuple(Block(first, first, "paragraph", page) for page, first in row.pages)
                document = Document(row.path, row.title, "", pages, row.loader, row.warnings, row.dated_ns)
                added.append(
                    NewFile(
                        document, row.sha256, row.size, row.mtime_ns, row.loader_version, chunks,
                        tuple(keys[chunk.id] for chunk in chunks),
                    )
                )  # fmt: skip
            writer.commit(Batch(added=added, vectors=vectors))
    writer.tidy()
    return Merged(len(new), sum(row.chunks for row in new), len(rows) - len(new))


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with file.open("rb") as source, tarfile.open(fileobj=source, mode="r:") as archive:
            yield archive
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise IndexDamaged(f"{file} is not an exported index, or is cut off ({error})", _AGAIN) from error
    except OSError as error:
        raise RagcliError(f"cannot import {file}: {error.strerror or error}", "check the file and the disk") from error


def _clear(staging: Path) -> None:
    for entry in os.scandir(staging):
        if entry.name in LOCK_FILES:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()


def _unpack(archive: tarfile.TarFile, staging: Path) -> Manifest:
    first = archive.next()
    if first is None or first.name != manifests.NAME or not first.isreg() or first.size > manifests.LARGEST:
        raise IndexDamaged("the file is not an exported index: it does not begin with its manifest", _AGAIN)
    source = archive.extractfile(first)
    assert source is not None  # it is a regular file
    manifest = manifests.unpack(source.read())
    free = shutil.disk_usage(staging).free
    if manifest.size > free:
        raise RagcliError(f"the index takes {manifest.size >> 20:,} MiB, {free >> 20:,} are free", "free some space")
    for member in manifest.files:
        entry = archive.next()
        # compared with the manifest, whose names are checked, so that no other name is ever used
        if entry is None or entry.name != member.name or not entry.isreg() or entry.size != member.size:
            found = "the end" if entry is None else repr(entry.name)
            raise IndexDamaged(f"the file holds {found} where its manifest says {member.name}", _AGAIN)
        _extract(archive, entry, member, staging / member.name)
    if (entry := archive.next()) is not None:
        raise IndexDamaged(f"the file holds {entry.name!r}, which is not in its manifest", _AGAIN)
    return manifest


def _extract(archive: tarfile.TarFile, entry: tarfile.TarInfo, member: Member, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    source = archive.extractfile(entry)
    assert source is not None  # it is a regular file
    digest, left = hashlib.sha256(), member.size
    with path.open("xb") as out:
        while left and (piece := source.read(min(left, _PIECE))):
            digest.update(piece)
            out.write(piece)
            left -= len(piece)
        out.flush()
        os.fsync(out.fileno())
    if left or digest.hexdigest() != member.sha256:
        raise IndexDamaged(f"{member.name} does not match its checksum", _AGAIN)


def _check(staging: Path, manifest: Manifest) -> None:
    """Raise IndexDamaged for an index with faults; make it forget its folders and servers."""
    catalog = Catalog.create(staging)
    try:
        named = {f"vectors/{row.name}" for row in catalog.ledger.vector_files()}
        listed = {member.name for member in manifest.files if member.name.startswith("vectors/")}
        if catalog.settings() is None or catalog.ledger.pending() or named != listed:
            raise IndexDamaged("the index in the file was not whole when it was exported", _AGAIN)
        settings = catalog.settings()
        if settings is not None and settings.store:
            raise IndexDamaged("the index in the file keeps its vectors elsewhere", _AGAIN)
        if any(not row.path.is_absolute() for row in catalog.documents()):
            raise IndexDamaged("the index in the file names a document without an absolute path", _AGAIN)
        with catalog.transaction():
            for root in catalog.roots():
                catalog.drop_root(root)
            catalog.ledger.forget_stores()
    finally:
        catalog.close()
    faults = verify(staging).faults
    if faults:
        raise IndexDamaged(f"the index in the file is not sound: {faults[0].replace(str(staging), '')}", _AGAIN)


def _land(staging: Path, folder: Path) -> None:
    with suppress(FileNotFoundError):
        folder.rmdir()
    staging.rename(folder)
    sync_folder(folder.parent)
