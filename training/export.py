"""Write a trained cross-encoder as the model that ships with ragcli, in the layout of sentence-transformers.

    python -m training.export final

Matrices are stored as float8 (e4m3), everything else as float16: a quarter of float32. docs/ranking.md has
the cost in ranking. config.json says float32, the type after loading and in computing.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from ragcli.models.files import SHIPPED_RERANKER
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from training.model import Student, load_state
from training.recipes import RECIPES
from training.sources import manifest

WORK = Path(__file__).parent / "work"
SHIPPED = Path(__file__).resolve().parents[1] / "ragcli" / "models" / "shipped" / SHIPPED_RERANKER
WINDOW = 160  # tokens of a pair: longer ones cost more than they add, see docs/ranking.md


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="folder below training/work")
    parser.add_argument("--recipe", help="its recipe; default: the name")
    parser.add_argument("--to", type=Path, default=SHIPPED)
    parser.add_argument("--float32", action="store_true", help="no rounding, to measure what it costs")
    options = parser.parse_args()
    student = Student(RECIPES[options.recipe or options.name])
    load_state(student, WORK / options.name / "checkpoint.pt")
    export(student, options.to, rounded=not options.float32)
    (Path(__file__).parent / "manifest.json").write_text(json.dumps(manifest(), indent=1) + "\n", encoding="utf-8")
    print(f"{sum(path.stat().st_size for path in options.to.iterdir()) / 1e6:.1f} MB in {options.to}")


def export(student: Student, folder: Path, *, rounded: bool = True) -> None:
    """Write the classifier with the tokenizer of the body."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, tensor in classifier(student).items():
        kind = torch.float8_e4m3fn if tensor.dim() == 2 and tensor.shape[0] > 2 else torch.float16
        tensors[name] = tensor.contiguous().to(kind if rounded else torch.float32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    source = resolve(DEFAULT_MODEL).folder
    config = student.body.config.to_dict() | {
        "architectures": ["BertForSequenceClassification"], "id2label": {"0": "answers"}, "label2id": {"answers": 0},
        "dtype": "float32", "_name_or_path": None,
    }  # fmt: skip
    _write(folder / "config.json", {key: value for key, value in config.items() if value is not None})
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    settings = json.loads((source / "tokenizer_config.json").read_text())
    settings = {key: value for key, value in settings.items() if key not in {"max_length", "name_or_path"}}
    _write(folder / "tokenizer_config.json", settings | {"model_max_length": WINDOW})
    kind = "sentence_transformers.base.modules.transformer.Transformer"
    _write(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": kind}])
    _write(
        folder / "sentence_bert_config.json",
        {
            "transformer_task": "sequence-classification",
            "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
            "module_output_name": "scores",
        },
    )
    _write(
        folder / "config_sentence_transformers.json",
        {"activation_fn": "torch.nn.modules.activation.Sigmoid", "model_type": "CrossEncoder", "prompts": {}},
    )


def classifier(student: Student) -> dict[str, torch.Tensor]:
    """The weights under the names of BertForSequenceClassification, which reads the state of [CLS]."""
    if student.pooling != "cls":
        raise ValueError("only a head on [CLS] is a BertForSequenceClassification")
    heads = {"bert.pooler.dense": student.dense, "classifier": student.out}
    tensors = {f"bert.{name}": tensor for name, tensor in student.body.state_dict().items()}
    for name, part in heads.items():
        tensors |= {f"{name}.weight": part.weight.detach(), f"{name}.bias": part.bias.detach()}
    return tensors


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
