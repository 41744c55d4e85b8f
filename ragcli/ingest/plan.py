"""What a run would do, without doing it: a list of files with reasons, or an estimate of work."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragcli.errors import IndexNotFound, LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.index import rebuild
from ragcli.index.catalog.documents import Catalog
from ragcli.index.layout import CATALOG, REBUILD
from ragcli.ingest.changes import Changes, Due, compare
from ragcli.ingest.options import ChunkOptions, SyncOptions, needs_rebuild, rebuild_options
from ragcli.ingest.relocate import Move, as_known, find_moves
from ragcli.ingest.roots import absolute, all_roots, choose_roots, known_roots
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.worker import open_regular_file
from ragcli.types import Document, Reason, Skipped

# Files per suffix that are read to estimate chunks per byte, spread over the sizes.
_SAMPLE = 8

# Texts embedded to estimate the speed of this machine when no run has measured it yet.
_RATE_TEXTS = 24

# Bytes on disk per chunk besides its vector: its text and spans, keyword postings, indexes.
_DISK_PER_CHUNK = 1_900

# Seconds that tesseract takes on one core for a page of text at 300 dpi.
_OCR_SECONDS = 4.0

_HEAD = 8_192  # bytes by which the loaders are told apart
_PART = 1 << 20


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """What a run would do with one path. ``action`` is "add", "update", "move", "remove" or "skip"."""

    action: str
    path: Path
    reason: str = ""
    files: int = 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would cost on this machine."""

    files: int  # to read
    bytes: int  # of those files
    unchanged: int  # documents
    chunks: int
    sampled: int  # files read for this estimate
    seconds: float
    chunks_per_second: float
    rate_source: str  # how that rate is known
    disk_bytes: int
    ocr_pages: int = 0  # pictures, and pages without a text layer, about; only where they are to be read


def preview(folder: Path, roots: Sequence[Path], options: SyncOptions) -> list[PlannedAction]:
    """Every file below the roots and what a run would do with it, by path; unchanged ones are left out.

    It says what the run will say, as far as that shows without a parser: the first bytes of a due file tell whether a
    loader reads it, and its digest whether more than its time has changed. Only a parser finds a file to be damaged,
    encrypted, over a limit or without text: such a file is "add" or "update" here. Nothing is written.
    """
    changes, catalog, moves = _expected(folder, roots, options)
    entries = [PlannedAction("update" if _is_known(due) else "add", due.found.path) for due in changes.due]
    entries += [PlannedAction("move", move.old, f"to {move.new}", move.documents) for move in moves]
    entries += [PlannedAction("skip", s.path, _why(s), s.files) for s in changes.skipped]
    if catalog is not None:
        gone = set(changes.gone_documents)
        entries += [PlannedAction("remove", row.path) for row in catalog.documents() if row.id in gone]
        catalog.close()
    return sorted(entries, key=lambda entry: (entry.path, entry.action))


def estimate(folder: Path, roots: Sequence[Path], options: SyncOptions) -> Estimate:
    """Estimate chunks from a sample of each kind of file, and time from the last run or a short trial.

    Raises UsageError for a root that does not exist, ModelUnavailable.
    """
    from ragcli.ingest.chunk import chunk
    from ragcli.ingest.sandbox.pool import Request, Sandbox
    from ragcli.models.open import open_index_encoder, open_query_encoder
    from ragcli.models.resolve import DEFAULT_MODEL, resolve, resolve_stored
    from ragcli.models.tokenizer import open_tokenizer

    changes, catalog, _ = _expected(folder, roots, options)
    settings, rate = None, 0.0
    if catalog is not None:
        settings, rate = catalog.settings(), catalog.value("chunks_per_second", float) or 0.0
        catalog.close()
    if options.model or settings is None:
        files = resolve(options.model or DEFAULT_MODEL, offline=options.offline)
    else:
        files = resolve_stored(settings.model)
    tokenizer, light = open_tokenizer(files), open_query_encoder(files)
    chunking = options.chunks or ChunkOptions()
    texts: list[str] = []
    read: dict[str, list[tuple[int, int]]] = defaultdict(list)  # by suffix: (bytes, chunks)
    sample = _sample(changes.due)
    scanned: list[tuple[int, int]] = []  # of the PDF files read: (bytes, pages without a text layer)
    with Sandbox(2, options.limits or Limits(), replace(options.load, ocr=False, office=False)) as sandbox:
        inside = 0  # chunks of the members of a file, which come before it
        for loaded in sandbox.load([Request(due.found.path, None) for due in sample]):
            passages = []
            if isinstance(loaded.outcome, Document):
                passages = chunk(loaded.outcome, tokenizer, light.window, chunking)
            texts += [passage.embedded for passage in passages[:4]]
            inside += len(passages)
            if loaded.container is None and loaded.path.suffix.lower() == ".pdf":
                scanned.append((loaded.size, _pages_without_text(loaded.outcome)))
            if loaded.container is None:
                read[loaded.path.suffix.lower()].append((loaded.size, inside))
                inside = 0
    chunks = sum(_chunks_of(read[due.found.path.suffix.lower()], due.found.size) for due in changes.due)
    pages = 0
    if options.load.ocr:
        pages = sum(due.found.path.suffix.lower() in loaders.PICTURE_SUFFIXES for due in changes.due)
        size = sum(due.found.size for due in changes.due if due.found.path.suffix.lower() == ".pdf")
        pages += round(_chunks_of(scanned, size))
    source = "as in the last run"
    if not rate and texts:
        encoder = open_index_encoder(files, round(chunks))
        encoder.encode(texts[:2])  # start-up is not speed
        started = time.monotonic()
        encoder.encode(texts[:_RATE_TEXTS])
        rate, source = len(texts[:_RATE_TEXTS]) / (time.monotonic() - started), "a short trial"
    return Estimate(
        files=len(changes.due),
        bytes=sum(due.found.size for due in changes.due),
        unchanged=changes.unchanged,
        chunks=round(chunks),
        sampled=len(sample),
        seconds=(chunks / rate if rate else 0.0) + pages * _OCR_SECONDS / (options.workers or os.cpu_count() or 1),
        chunks_per_second=rate,
        rate_source=source,
        disk_bytes=round(chunks * (_DISK_PER_CHUNK + 2 * light.dimension)),
        ocr_pages=pages,
    )


def _expected(folder: Path, roots: Sequence[Path], options: SyncOptions) -> tuple[Changes, Catalog | None, list[Move]]:
    """What a run would have to do, with the catalog that it would compare with; None: it would begin with nothing."""
    catalog = _open(folder)
    known = known_roots(catalog) if catalog else {}
    named = as_known(absolute(roots), known)
    moves = find_moves(catalog, named) if catalog else []
    chosen = choose_roots(named, known, options.rules)
    old = catalog.settings() if catalog else None
    if catalog is not None and old is not None and (options.force or needs_rebuild(old, options)):
        chosen = all_roots(known, chosen)
        catalog.close()
        begun = rebuild.settings(folder)  # an unfinished one with the same settings goes on
        is_begun = begun is not None and not needs_rebuild(begun, rebuild_options(old, options))
        catalog = _open(folder / REBUILD) if is_begun else None
    changes = compare(catalog, chosen, options.load, [folder], options.limits, remove_missing=options.remove_missing)
    for doubt in changes.doubts:
        changes.keep(doubt)
    for move in moves:  # a run notes new paths for the documents, and then finds them unchanged
        changes.skipped = [skipped for skipped in changes.skipped if skipped.path != move.old]
        changes.due = [d for d in changes.due if move.new not in (d.found.path, *d.found.path.parents)]
        changes.unchanged += move.documents
    due, changes.due = changes.due, []
    for item in due:
        refused = _refused(item.found.path, options.load)
        if refused is not None:
            changes.skipped.append(refused)
            if item.state is not None and item.state.document is not None:
                changes.gone_documents.append(item.state.document)
        elif _has_known_content(item):
            changes.unchanged += 1
        else:
            changes.due.append(item)
    return changes, catalog, moves


def _open(folder: Path) -> Catalog | None:
    try:
        return Catalog.open(folder) if (folder / CATALOG).is_file() else None
    except IndexNotFound:  # begun and never filled
        return None


def _refused(path: Path, options: LoadOptions) -> Skipped | None:
    """Why no loader will read this file, told from its first bytes as in a run; None when one will."""
    try:
        with open_regular_file(path) as (file, _):
            part = head = file.read(_HEAD)
            while part.isspace():
                part = file.read(_PART)
            is_blank = not part
        name = loaders.loader_for(path, head)
        if is_blank or name is None or (name == "picture" and not options.ocr):
            loaders.load(path, head, LoadOptions())  # which says so
    except LoadError as error:
        return Skipped(path, error.reason, error.detail)
    return None


def _has_known_content(due: Due) -> bool:
    if due.known_sha256 is None or due.state is None or due.state.size != due.found.size:
        return False
    with due.found.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == due.known_sha256


def _pages_without_text(outcome: Document | Skipped | None) -> int:
    """How many pages a PDF loader names as those without a text layer, such as "pages 2, 4-6"."""
    if isinstance(outcome, Document):
        said = next((text for text in outcome.warnings if "no text layer" in text), "").partition(":")[0]
    else:
        said = outcome.detail.partition(";")[0] if outcome is not None and outcome.reason is Reason.NO_TEXT else ""
    runs = re.findall(r"(\d+)(?:-(\d+))?", said)
    return sum(int(last or first) - int(first) + 1 for first, last in runs)


def _why(skipped: Skipped) -> str:
    return f"{skipped.reason}: {skipped.detail}" if skipped.detail else str(skipped.reason)


def _is_known(due: Due) -> bool:
    return due.state is not None and due.state.document is not None


def _sample(due: Sequence[Due]) -> list[Due]:
    """Up to a few files of each suffix, evenly spread over the sizes."""
    by_suffix: dict[str, list[Due]] = defaultdict(list)
    for item in due:
        by_suffix[item.found.path.suffix.lower()].append(item)
    chosen: list[Due] = []
    for items in by_suffix.values():
        items.sort(key=lambda item: item.found.size)
        step = max(1, len(items) / _SAMPLE)
        chosen += [items[int(i * step)] for i in range(min(_SAMPLE, len(items)))]
    return chosen


def _chunks_of(read: Sequence[tuple[int, int]], size: int) -> float:
    total = sum(found for found, _ in read)
    return size * sum(chunks for _, chunks in read) / total if total else 0.0
