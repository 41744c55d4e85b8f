"""``ragcli doctor``: is everything in place."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from ragcli.cli.command import command
from ragcli.cli.env import Env
from ragcli.errors import ExitCode, RagcliError

_PACKAGES = ("faiss-cpu", "tantivy", "tokenizers", "sentence-transformers", "pypdfium2", "typer")

# A default index of some thousand documents needs tens of megabytes; below this, a run would soon fail.
_LEAST_DISK = 200 << 20


class _Check(NamedTuple):
    """One line: a ``note`` is worth knowing, ``bad`` needs to be fixed."""

    name: str
    state: Literal["ok", "note", "bad"]
    fact: str
    fix: str = ""


@command(index=False)
def doctor(env: Env) -> ExitCode:
    """Check this installation.

    Checks packages, the default model, the home folder, helper programs and the indexes. Each failed check says what
    to do. Exit code 1: a check failed.
    """
    from ragcli.render import write_json
    from ragcli.render.visible import visible

    checks = [*_packages(), _sqlite(), _model(), *_home(env), _tesseract(), *_indexes(env)]
    if env.json:
        entries = [{"check": c.name, "state": c.state, "fact": c.fact, "fix": c.fix} for c in checks]
        write_json({"schema": 1, "checks": entries}, sys.stdout)
    else:
        for check in checks:
            fix = f"; {check.fix}" if check.fix else ""
            sys.stdout.write(f"{check.state:<4} {check.name:<10} {visible(check.fact)}{fix}\n")
    return ExitCode.NOT_FOUND if any(check.state == "bad" for check in checks) else ExitCode.OK


def _packages() -> Iterator[_Check]:
    from importlib import metadata

    for name in _PACKAGES:
        try:
            yield _Check("package", "ok", f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield _Check("package", "bad", f"{name} is not installed", f"pip install {name}")


def _sqlite() -> _Check:
    import sqlite3

    return _Check("sqlite", "ok", sqlite3.sqlite_version)


def _model() -> _Check:
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
        return _Check("model", "bad", error.message, error.hint)
    if not near > far:
        return _Check("model", "bad", f"{DEFAULT_MODEL} gives wrong vectors", "reinstall numpy and tokenizers")
    return _Check(
        "model", "ok", f"{files.name}, {encoder.dimension} dimensions, {encoder.runtime} runtime, sha256 verified"
    )


def _home(env: Env) -> Iterator[_Check]:
    import shutil

    from ragcli.units import human_size

    folder = next(p for p in (env.home.path, *env.home.path.parents) if p.exists())
    if os.access(folder, os.W_OK):
        yield _Check("home", "ok", f"{env.home.path} ({env.home.origin})")
    else:
        yield _Check("home", "bad", f"{folder} is not writable", "choose another with --home or RAGCLI_HOME")
    free = shutil.disk_usage(folder).free
    if free > _LEAST_DISK:
        yield _Check("disk", "ok", f"{human_size(free)} free")
    else:
        yield _Check("disk", "bad", f"{human_size(free)} free", "free some space")


def _tesseract() -> _Check:
    import shutil

    found = shutil.which("tesseract")
    if found:
        return _Check("ocr", "ok", found)
    return _Check("ocr", "note", "tesseract is not installed", "install it to read scanned pages with --ocr")


def _indexes(env: Env) -> Iterator[_Check]:
    from ragcli.index.locate import index_names
    from ragcli.index.reader import open_index
    from ragcli.units import counted

    names = index_names(env.home)
    if not names:
        yield _Check("index", "note", "there is no index yet", "make one with: ragcli index PATH")
    for name in names:
        try:
            with open_index(Path(env.home.path / name)) as index:
                catalog = index.catalog
                failed = sum(row.files for row in catalog.skipped() if row.reason.is_failure)
                documents, chunks = catalog.count("documents"), catalog.count("chunks")
                counts = f"{name}: {counted(documents, 'document')}, {counted(chunks, 'chunk')}"
        except RagcliError as error:
            yield _Check("index", "bad", f"{name}: {error.message}", error.hint)
            continue
        if failed:
            fact = f"{counts}, {counted(failed, 'file')} failed"
            yield _Check("index", "note", fact, f"ragcli list --failed -i {name}")
        else:
            yield _Check("index", "ok", counts)
