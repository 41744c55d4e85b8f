"""An index of a few files for one question, kept in a bounded cache, so that the next question finds it.

A kept index is brought up to date like any other: an unchanged file costs a look at its size and time, and a chunk that
was embedded before, by the digest of its text, keeps its vector.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ragcli._version import __version__
from ragcli.errors import IndexDamaged, IndexFormat, ModelMismatch
from ragcli.ingest.discover import Rules
from ragcli.ingest.options import SyncOptions
from ragcli.ingest.progress import Progress
from ragcli.ingest.sync import Summary, sync
from ragcli.models.digest import cache_folder

_FOLDER = "query-in"
_INDEX = "index"
_TEXT = "text"

# What the cache keeps at most: about as much as a query of a few hundred source files.
MOST_INDEXES = 32
MOST_BYTES = 512 << 20


@contextmanager
def scratch_index(
    files: Sequence[Path],
    text: bytes | None = None,
    text_name: str = "text.txt",
    *,
    options: SyncOptions | None = None,
    cache: bool = True,
    report: Callable[[Progress], None] = lambda _: None,
) -> Iterator[tuple[Path, Summary]]:
    """The folder of an index of ``files`` (files or folders), and what bringing it up to date took.

    ``text``, such as standard input, is indexed as one more file, called ``text_name``. With ``cache`` the index stays
    for the next call with the same paths and the same text; the least recently used ones go. Without it, or where the
    cache cannot be written, the index is gone afterwards. Raises what :func:`ragcli.ingest.sync.sync` raises.
    """
    options = options or SyncOptions()
    folder = _cached_folder(files, text, text_name, options) if cache else None
    if folder is not None:
        for is_last in (False, True):
            try:
                done = _fill(folder, files, text, text_name, options, report)
            except (IndexDamaged, IndexFormat, ModelMismatch):  # nothing in it is worth a repair
                shutil.rmtree(folder, ignore_errors=True)
                if is_last:
                    raise
            else:
                _drop_old(folder.parent, folder)
                yield done
                return
    with tempfile.TemporaryDirectory(prefix="ragcli-") as temporary:
        yield _fill(Path(temporary), files, text, text_name, options, report)


def clear_cache() -> int:
    """Remove every kept index; how many there were."""
    found = _kept(cache_folder() / _FOLDER)
    for folder, _ in found:
        shutil.rmtree(folder, ignore_errors=True)
    return len(found)


def _fill(
    folder: Path,
    files: Sequence[Path],
    text: bytes | None,
    text_name: str,
    options: SyncOptions,
    report: Callable[[Progress], None],
) -> tuple[Path, Summary]:
    roots = list(files)
    if text is not None:
        roots.append(folder / _TEXT / text_name)
        if not roots[-1].exists():  # the name of the folder is that of its content
            roots[-1].parent.mkdir(exist_ok=True)
            roots[-1].write_bytes(text)
    # another process may be asking about the same files
    # it answers about these files as they are: nothing stays because a disk may be away, and the user named each file
    options = replace(options, remove_missing=True, rules=replace(options.rules or Rules(), include_secrets=True))
    return folder / _INDEX, sync(folder / _INDEX, roots, options, report, on_wait=lambda _: None)


def _cached_folder(files: Sequence[Path], text: bytes | None, text_name: str, options: SyncOptions) -> Path | None:
    """The folder for the index of these paths and this text, marked as used now; None when it cannot be made."""
    about = [__version__, repr((options.model, options.chunks, options.rules, options.load, options.limits))]
    paths = sorted({os.path.abspath(path) for path in files})  # noqa: PTH100 (links are not followed)
    content = b"" if text is None else hashlib.sha256(text_name.encode() + b"\0" + text).digest()
    key = hashlib.sha256(b"\0".join([*map(os.fsencode, [*about, *paths]), content])).hexdigest()[:32]
    folder = cache_folder() / _FOLDER / key
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)  # it holds the text of the files
        os.utime(folder)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


def _drop_old(cache: Path, current: Path) -> None:
    """Remove the least recently used indexes beyond the bounds; ``current`` stays."""
    room = MOST_BYTES
    for place, (folder, size) in enumerate(_kept(cache)):
        room -= size
        if (place >= MOST_INDEXES or room < 0) and folder != current:
            shutil.rmtree(folder, ignore_errors=True)


def _kept(cache: Path) -> list[tuple[Path, int]]:
    """Every kept index and its bytes, the last used first."""
    found: list[tuple[int, Path, int]] = []
    with suppress(OSError):
        for folder in cache.iterdir():
            with suppress(OSError):  # another process removes it now
                size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
                found.append((folder.stat().st_mtime_ns, folder, size))
    return [(folder, size) for _, folder, size in sorted(found, reverse=True)]
