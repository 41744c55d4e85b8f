"""Reading the JSON files of a sentence-transformers model folder, without numpy or torch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ragcli.errors import ModelUnavailable, refuse_environment

Kind = Literal["query", "passage"]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
SHIPPED_RERANKER = "ragcli-reranker"
# The packaged cross-encoder where its package is installed, else the shipped one.
BEST_RERANKER = "default"
DEFAULT_RERANKER = BEST_RERANKER
DEFAULT_NAMES = (DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}")
# A name, or organisation/name: no part can lead out of a folder.
MODEL_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)

# The names that sentence-transformers itself tries, in its order.
_PROMPT_NAMES: dict[Kind, tuple[str, ...]] = {"query": ("query",), "passage": ("document", "passage", "corpus")}
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)
_CONFIGURED = ("Pooling", "Dense")  # modules that need their config.json


class ModelFiles(NamedTuple):
    """A model on this machine: its folder and the digest of its weights."""

    name: str
    folder: Path
    revision: str
    sha256: str  # of the weights file; of sharded weights, of all of them in name order


class Module(NamedTuple):
    """One line of modules.json: the last part of the class name and the folder of its files."""

    kind: str
    folder: Path
    known: bool  # the class belongs to sentence-transformers


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, {} when the file is absent; ModelUnavailable when it is not readable JSON."""
    value = _parse(path)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ModelUnavailable(f"{path} is damaged: it should hold one JSON object", "fetch the model again")
    return value


def modules(folder: Path) -> list[Module]:
    """The steps that modules.json lists, in order; [] for a plain transformer without modules.json."""
    path = folder / "modules.json"
    lines = _parse(path)
    if lines is None:
        return []
    if not isinstance(lines, list):
        raise ModelUnavailable(f"{path} is damaged: it should hold a JSON list", "fetch the model again")
    try:
        ordered = sorted(lines, key=lambda line: int(line["idx"]))
        return [
            Module(
                kind=str(line["type"]).rpartition(".")[2],
                folder=folder / str(line["path"]),
                known=str(line["type"]).startswith("sentence_transformers."),
            )
            for line in ordered
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable(f"{path} is damaged: {error!r}", "fetch the model again") from error


def transformer_folder(folder: Path) -> Path:
    """Where config.json, the weights and the tokenizer are: the folder itself, or the one its first module names."""
    steps = modules(folder)
    return steps[0].folder if steps else folder


def weights(folder: Path) -> list[Path]:
    """The weights files in name order, safetensors before pickled ones; [] when there are none or one is missing."""
    home = transformer_folder(folder)
    for name in _WEIGHTS:
        path = home / name
        if not path.is_file():
            continue
        if not name.endswith(".index.json"):
            return [path]
        shards = sorted({home / str(shard) for shard in read_json(path).get("weight_map", {}).values()})
        if shards and all(shard.is_file() for shard in shards):
            return shards
    return []


def onnx_file(folder: Path) -> Path | None:
    """The ONNX file of a packaged model; None for a folder with weights of another kind."""
    path = folder / "model.onnx"
    return path if path.is_file() and not weights(folder) else None


def missing(folder: Path) -> list[str]:
    """The parts of a model that a folder lacks, in words; [] when it is complete."""
    home = transformer_folder(folder)
    lacks = [] if _has(home, "config.json") else ["config.json"]
    parts = [step.folder for step in modules(folder)[1:] if step.kind in _CONFIGURED]
    lacks += [f"{part.name}/config.json" for part in parts if not _has(part, "config.json")]
    if not weights(folder):
        lacks.append("weights (model.safetensors or pytorch_model.bin)")
    if not _has(home, *_TOKENIZERS):
        lacks.append("tokenizer (tokenizer.json)")
    return lacks


def is_cross_encoder(folder: Path) -> bool:
    """Whether the folder holds a reranker: a classifier with one output."""
    config = read_json(transformer_folder(folder) / "config.json")
    names = config.get("architectures") or [""]
    return names[0].endswith("ForSequenceClassification") and len(config.get("id2label", {0: "", 1: ""})) == 1


def prompt(folder: Path, kind: Kind) -> str:
    """The text that the model expects before a text of this kind; "" for most models."""
    config = read_json(folder / "config_sentence_transformers.json")
    prompts: dict[str, str | None] = config.get("prompts") or {}
    named = [text for name in _PROMPT_NAMES[kind] if (text := prompts.get(name)) is not None]
    if named:  # "" means: no prompt for these texts
        return next((text for text in named if text), "")
    return prompts.get(config.get("default_prompt_name") or "") or ""


def window(folder: Path, positions: int) -> int:
    """The longest input in tokens, special ones included: as saved with the model, at most ``positions``."""
    home = transformer_folder(folder)
    limit = read_json(home / "sentence_bert_config.json").get("max_seq_length")
    if limit is None:
        limit = read_json(home / "tokenizer_config.json").get("model_max_length")
    # tokenizers without a limit save 1e30
    return min(int(limit), positions) if limit is not None else positions


def _has(folder: Path, *names: str) -> bool:
    return any((folder / name).is_file() for name in names)


def _parse(path: Path) -> object:
    try:
        value: object = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        refuse_environment(path, error)
        raise ModelUnavailable(f"{path} cannot be read: {error}", "fetch the model again") from error
    return value
