"""A collection as an index: cut into passages the way a user's folder is, kept for the next time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ragcli._version import __version__
from ragcli.evaluate.datasets import Dataset, Entry
from ragcli.ingest.discover import Rules
from ragcli.ingest.progress import Progress
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.models.digest import cache_folder
from ragcli.models.files import ModelFiles

Report = Callable[[str, int, int], None]  # what is being done, how much of it is done, of how much

_DONE = "done"


def passages_index(dataset: Dataset, model: ModelFiles, *, offline: bool, report: Report) -> Path:
    """The index of the collection as a folder of Markdown files, title as heading; built when it is not kept yet.

    A build that was stopped goes on. Raises IndexBusy when another process builds it, ModelUnavailable, OSError.
    """
    folder = kept_folder(dataset, model, "passages")
    if not is_built(folder):
        files = folder / "files"
        files.mkdir(parents=True, exist_ok=True)
        for number, entry in enumerate(dataset.corpus.values()):
            (files / document_name(number)).write_text(_markdown(entry), encoding="utf-8", errors="replace")

        def pass_on(progress: Progress) -> None:
            report("indexing", progress.files_done, progress.files_total)

        # nothing that stands above the cache folder, such as a .gitignore, may leave documents out
        rules = Rules(hidden=True, ignore_files=False)
        sync(folder / "index", [files], SyncOptions(model=model.name, rules=rules, offline=offline), pass_on)
        mark_built(folder)
    return folder / "index"


def kept_folder(dataset: Dataset, model: ModelFiles, form: str) -> Path:
    """Where an index of the collection is kept: another corpus, model, form or version of ragcli has another place."""
    about = "\n".join((dataset.digest, model.name, model.sha256, form, __version__))
    digest = hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return cache_folder().absolute() / "eval" / f"{dataset.name.partition('/')[0]}-{digest}"


def is_built(folder: Path) -> bool:
    """Whether the build in ``folder`` came to its end."""
    return (folder / _DONE).is_file()


def mark_built(folder: Path) -> None:
    """Say that the build in ``folder`` came to its end."""
    (folder / _DONE).touch()


def document_name(number: int) -> str:
    """The file name of a document by its place in the corpus.

    Not its id: file names are searched, and ids may be words of the text or numbers that questions hold.
    """
    return f"d{number:08d}.md"


def document_number(path: Path) -> int:
    """The place in the corpus of the document with that file name."""
    return int(path.stem[1:])


def _markdown(entry: Entry) -> str:
    title = " ".join(entry.title.split())
    return f"# {title}\n\n{entry.text}\n" if title else f"{entry.text}\n"
