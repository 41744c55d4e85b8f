"""The checks of ``ragcli doctor``."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ragcli.cli.env import Env
from ragcli.errors import RagcliError
from ragcli.index.locate import index_names
from ragcli.units import human_size

_PACKAGES = ("faiss-cpu", "tantivy", "tokenizers", "sentence-transformers", "pypdfium2", "typer")

# A default index of some thousand documents needs tens of megabytes; below this, a run would soon fail.
_LEAST_DISK = 200 << 20


@dataclass(frozen=True, slots=True)
class Check:
    """One line: ``note`` is worth knowing, ``bad`` must be mended."""

    name: str
    state: Literal["ok", "note", "bad"]
    fact: str
    fix: str = ""


def run_checks(env: Env) -> list[Check]:
    """Every check, in the order in which a reader would mend them."""
    return [*_packages(), _sqlite(), _model(), *_home(env), _tesseract(), *_index(env)]


def _packages() -> Iterator[Check]:
    for name in _PACKAGES:
        try:
            yield Check("package", "ok", f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Check("package", "bad", f"{name} is not installed", f"pip install {name}")


def _sqlite() -> Check:
    return Check("sqlite", "ok", sqlite3.sqlite_version)


def _model() -> Check:
    from ragcli.models.open import open_query_encoder
    from ragcli.models.resolve import DEFAULT_MODEL, resolve

    try:
        files = resolve(DEFAULT_MODEL)
        encoder = open_query_encoder(files)
        near, far = (
            encoder.encode(["a cat sits on the mat", "a kitten rests on a rug", "interest rates rose"])[1:]
            @ (encoder.encode(["a cat sits on the mat"])[0])
        )
    except RagcliError as error:
        return Check("model", "bad", error.message, error.hint)
    if not near > far:
        return Check("model", "bad", f"{DEFAULT_MODEL} gives wrong vectors", "reinstall numpy and tokenizers")
    return Check(
        "model", "ok", f"{files.name}, {encoder.dimension} dimensions, {encoder.runtime} runtime, sha256 verified"
    )


def _home(env: Env) -> Iterator[Check]:
    folder = next(p for p in (env.home.path, *env.home.path.parents) if p.exists())
    if os.access(folder, os.W_OK):
        yield Check("home", "ok", f"{env.home.path} ({env.home.origin})")
    else:
        yield Check("home", "bad", f"{folder} cannot be written", "choose another with --home or RAGCLI_HOME")
    free = shutil.disk_usage(folder).free
    state: Literal["ok", "bad"] = "ok" if free > _LEAST_DISK else "bad"
    yield Check("disk", state, f"{human_size(free)} free", "" if state == "ok" else "free some space")


def _tesseract() -> Check:
    found = shutil.which("tesseract")
    if found:
        return Check("ocr", "ok", found)
    return Check("ocr", "note", "tesseract is not installed", "install it to read scanned pages with --ocr")


def _index(env: Env) -> Iterator[Check]:
    from ragcli.index.reader import open_index

    names = index_names(env.home)
    if not names:
        yield Check("index", "note", "there is no index yet", "make one with: ragcli index PATH")
    for name in names:
        try:
            with open_index(Path(env.home.path / name)) as index:
                catalog = index.catalog
                failed = sum(row.files for row in catalog.skipped() if row.reason.is_failure)
                counts = f"{name}: {catalog.count('documents'):,} documents, {catalog.count('chunks'):,} chunks"
        except RagcliError as error:
            yield Check("index", "bad", f"{name}: {error.message}", error.hint)
            continue
        if failed:
            yield Check("index", "note", f"{counts}, {failed} files failed", f"ragcli list --failed -i {name}")
        else:
            yield Check("index", "ok", counts)
