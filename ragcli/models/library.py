"""The models that the user added: copies in ragcli's own folder, each checked at every use."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from ragcli.errors import ModelMismatch, ModelUnavailable, UsageError
from ragcli.models import packaged
from ragcli.models.digest import weights_sha256
from ragcli.models.files import (
    BEST_RERANKER,
    DEFAULT_NAMES,
    MODEL_NAME,
    SHIPPED_RERANKER,
    ModelFiles,
    missing,
    read_json,
    weights,
)

_RECORD = "ragcli-model.json"


def models_folder() -> Path:
    """``RAGCLI_MODELS``, else ``models`` in the platform's data folder for ragcli."""
    if chosen := os.environ.get("RAGCLI_MODELS"):
        return Path(chosen).expanduser()
    import platformdirs  # 10 to 17 ms of a cold start, so only where it is needed

    return platformdirs.user_data_path("ragcli") / "models"


def add(source: str, *, offline: bool = False) -> ModelFiles:
    """Copy a model folder, or download a hub model, into the library; an earlier one of the same name is replaced.

    A folder is added under its own name. A copy is made beside the library's entry and renamed, so that an entry is
    always complete. UsageError when the name belongs to a built-in model or is invalid.
    """
    from ragcli.models import hub  # loads huggingface_hub, which finding a model does not need

    local = Path(source).expanduser()
    if local.is_dir():
        if lacks := missing(local):
            raise ModelUnavailable(f"{local} is not a sentence-transformers model: it has no {' and no '.join(lacks)}")
        name, folder, revision, origin = local.resolve().name, local, "local", str(local.resolve())
    else:
        folder, name, revision = hub.fetch(source, offline=offline)
        origin = f"hub:{name}"
    target = _folder(name)
    if name in (*DEFAULT_NAMES, BEST_RERANKER, SHIPPED_RERANKER, *(model.name for model in packaged.MODELS)):
        raise UsageError(f"{name} is the name of a built-in model", "rename the folder to add another one")
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    target.parent.mkdir(parents=True, exist_ok=True)
    incoming = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        for file in hub.needed(sorted(files)):
            copy = incoming / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file, copy)
        sha256 = weights_sha256(weights(incoming))
        record = {"name": name, "origin": origin, "revision": revision, "sha256": sha256}
        (incoming / _RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        _swap(incoming, target)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return ModelFiles(name, target, revision, sha256)


def remove(name: str) -> None:
    """Delete an added model; ModelUnavailable when there is none of that name."""
    target = _folder(name)
    if not (target / _RECORD).is_file():
        names = ", ".join(files.name for files, _ in installed()) or "none"
        raise ModelUnavailable(f"no model {name} was added (added: {names})")
    leaving = target.with_name(f".{target.name}.{os.getpid()}.old")
    target.rename(leaving)
    shutil.rmtree(leaving)


def find(name: str) -> ModelFiles | None:
    """The added model of that name, its weights checked against the ones that were added; None when there is none."""
    if not MODEL_NAME.fullmatch(name):
        return None
    for candidate in (name,) if "/" in name else (name, f"sentence-transformers/{name}"):
        folder = _folder(candidate)
        if read_json(folder / _RECORD).get("name") == candidate:
            return _open(folder)[0]
    return None


def installed() -> list[tuple[ModelFiles, str]]:
    """Every added model with its origin (a folder, or ``hub:NAME``), by name."""
    folders = sorted(models_folder().glob("[!.]*/" + _RECORD))
    return [_open(record.parent) for record in folders]


def _open(folder: Path) -> tuple[ModelFiles, str]:
    record = read_json(folder / _RECORD)
    name = str(record.get("name", folder.name))
    again = f"`ragcli models add {record.get('origin', name)}`".replace("hub:", "")
    if lacks := missing(folder):
        raise ModelUnavailable(
            f"the added model {name} in {folder} has no {' and no '.join(lacks)}", f"{again} once more"
        )
    sha256 = weights_sha256(weights(folder))
    if sha256 != record.get("sha256"):
        raise ModelMismatch(
            f"the weights of the added model {name} in {folder} changed: "
            f"sha256 was {record.get('sha256')}, is {sha256}",
            f"{again} once more",
        )
    return ModelFiles(name, folder, str(record.get("revision", "")), sha256), str(record.get("origin", ""))


def _folder(name: str) -> Path:
    """The folder of a model of that name; the pattern keeps every name inside the library."""
    if not MODEL_NAME.fullmatch(name):
        raise UsageError(
            f"invalid model name {name!r}", "use letters, digits, '.', '_' and '-', as in organisation/name"
        )
    return models_folder() / name.replace("/", "--")


def _swap(incoming: Path, target: Path) -> None:
    """Replace a folder by another; a rename cannot replace a full folder, so the old one is moved away first."""
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.rename(old)
    incoming.rename(target)
    shutil.rmtree(old, ignore_errors=True)
