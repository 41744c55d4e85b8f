"""Which runtime encodes and reranks fastest on this CPU, and do they say the same?

    python -m benchmarks.engine [--chunks 1000] [--rounds 6]

Encoding: titles and pieces of abstracts, dealt into as many parts as there are rounds; in a round every engine, each in
a process of its own with its model loaded, encodes the same part in turn. Agreement is with numpy in float32: the least
cosine, and the mean overlap of the ten nearest of all chunks to each of 200. The engines that are not installed with
ragcli are left out where they are missing: pip install onnx openvino.

Reranking: passages of 180 tokens, warm, and a pair of texts in a fresh process.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.encoding import overlap, sentence_transformers, start, texts
from benchmarks.harness import Command, Sample, figures, print_table, run_rounds
from benchmarks.results import write_result
from ragcli.models.files import SHIPPED_RERANKER, ModelFiles

NUMPY, NAIVE = "numpy, float32", "model.encode(list)"
CANDIDATES = (6, 10, 20, 50)
PAIR = """
from ragcli.models.open import open_reranker
from ragcli.models.resolve import resolve_reranker
open_reranker(resolve_reranker("{}")).scores("why rerank the first results?", ["because it reads both texts"])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    found = {"cpu": cpu(), "cores": len(os.sched_getaffinity(0))}
    print(f"{found['cpu']}, {found['cores']} cores")
    with tempfile.TemporaryDirectory() as folder:
        found["encoding"] = encoding(Path(folder), texts(options.chunks), options.rounds)
    found["reranking"] = reranking(options.rounds)
    print(write_result("engine", found))


def cpu() -> str:
    """The CPU's name, with its instructions for low precision."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    about = dict(line.split(":", 1) for line in lines if ":" in line)
    known = {key.strip(): value.strip() for key, value in about.items()}
    low = [flag for flag in known.get("flags", "").split() if flag in {"avx2", "avx512_vnni", "avx_vnni"} | BFLOAT16]
    return f"{known.get('model name', 'unknown')} ({', '.join(low)})"


BFLOAT16 = {"avx512_bf16", "amx_bf16", "amx_int8"}


def encoding(folder: Path, chunks: list[str], rounds: int) -> dict[str, Any]:
    engines: dict[str, Callable[[], Callable[[list[str]], Any]]] = {
        NUMPY: numpy_float32,
        "torch, bfloat16": torch_bfloat16,
        NAIVE: sentence_transformers,
        "model.encode(list), bfloat16, batches of 8": sentence_bfloat16,
    }
    if find_spec("onnx"):
        export(folder)
        engines["onnxruntime, float32"] = partial(onnx_runtime, folder / "float32.onnx")
        engines["onnxruntime, int8 per channel"] = partial(onnx_runtime, folder / "int8.onnx")
        if find_spec("openvino"):
            engines["OpenVINO, bfloat16"] = partial(openvino, folder / "float32.onnx")
    workers = {name: start(engine) for name, engine in engines.items()}
    samples: dict[str, list[Sample]] = {name: [] for name in workers}
    rows: dict[str, list[Any]] = {name: [] for name in workers}
    tokens = 0
    for turn in range(rounds):
        for name, pipe in workers.items():
            pipe.send(chunks[turn::rounds])
            wall, spent, encoded, lengths, _ = pipe.recv()
            samples[name].append(Sample(wall, spent, 0.0))
            rows[name].append(encoded)
            tokens += sum(lengths) if name == NUMPY else 0
        print(f"\rround {turn + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    for pipe in workers.values():
        pipe.send(None)
    print(file=sys.stderr)
    table = figures(samples, NAIVE)
    print_table(table, NAIVE)
    for name in workers:
        table[name]["tokens a processor second"] = round(tokens / sum(one.cpu for one in samples[name]))
        table[name]["least cosine"] = least_cosine(rows[name], rows[NUMPY])
        table[name]["overlap of the ten nearest"] = overlap(rows[name], rows[NUMPY])
        print(f"{name:44.44}", *(f"{key} {table[name][key]}" for key in list(table[name])[-3:]), sep="  ")
    return {"chunks": len(chunks), "tokens": tokens, "engines": table}


def least_cosine(rows: list[Any], others: list[Any]) -> float:
    return round(min(float((a * b).sum(axis=1).min()) for a, b in zip(rows, others, strict=True)), 6)


def reranking(rounds: int) -> dict[str, Any]:
    from ragcli.models.open import open_reranker
    from ragcli.models.packaged import RERANKER
    from ragcli.models.resolve import resolve_reranker

    names = (RERANKER.name, SHIPPED_RERANKER)
    models = {name: open_reranker(resolve_reranker(name)) for name in names}
    passages = [f"{i} " + "the question is read together with the passage " * 19 for i in range(max(CANDIDATES))]
    warm: dict[str, list[Sample]] = {f"{name}, {count}": [] for name in names for count in CANDIDATES}
    for turn in range(-1, rounds):
        for count in CANDIDATES:
            for name, model in models.items():
                wall, spent = time.perf_counter(), time.process_time()
                model.scores("how is a question read?", passages[:count])
                wall, spent = time.perf_counter() - wall, time.process_time() - spent
                if turn >= 0:
                    warm[f"{name}, {count}"].append(Sample(wall, spent, 0.0))
    against = f"{SHIPPED_RERANKER}, {min(CANDIDATES)}"
    table = figures(warm, against)
    print_table(table, against)
    commands = {name: Command([sys.executable, "-c", PAIR.format(name)]) for name in names}
    commands["import numpy"] = Command([sys.executable, "-c", "import numpy"])
    cold = figures(run_rounds(commands, rounds), "import numpy")
    print_table(cold, "import numpy")
    return {"warm": table, "one pair in a fresh process": cold}


def default_files() -> ModelFiles:
    from ragcli.models.resolve import DEFAULT_MODEL, resolve

    return resolve(DEFAULT_MODEL)


def numpy_float32() -> Callable[[list[str]], Any]:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as the command does
    from ragcli.models.numpy.encoder import NumpyEncoder

    return NumpyEncoder(default_files()).encode


def torch_bfloat16() -> Callable[[list[str]], Any]:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from ragcli.models.torch.bfloat16 import Bfloat16Encoder

    return Bfloat16Encoder(default_files()).encode


def sentence_bfloat16() -> Callable[[list[str]], Any]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(default_files().folder)).bfloat16()
    return lambda part: model.encode(part, normalize_embeddings=True, batch_size=8)


def export(folder: Path) -> None:
    """The default model as ONNX, and with weights of 8 bits, one scale per channel."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import BertModel

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = BertModel.from_pretrained(default_files().folder, attn_implementation="eager").eval()

        def forward(self, ids: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
            return self.body(input_ids=ids, attention_mask=attention).last_hidden_state

    ids = torch.ones((2, 8), dtype=torch.long)
    lengths = {0: "texts", 1: "tokens"}
    torch.onnx.export(
        States(),
        (ids, ids),
        str(folder / "float32.onnx"),
        input_names=["input_ids", "attention_mask"],
        output_names=["states"],
        dynamic_axes={"input_ids": lengths, "attention_mask": lengths, "states": lengths},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(folder / "float32.onnx", folder / "int8.onnx", per_channel=True, weight_type=QuantType.QInt8)


def onnx_runtime(path: Path) -> Callable[[list[str]], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return one_by_one(lambda feed: session.run(["states"], feed)[0])


def openvino(path: Path) -> Callable[[list[str]], Any]:
    from openvino import Core

    threads = len(os.sched_getaffinity(0))
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads}
    compiled = Core().compile_model(str(path), "CPU", settings)
    return one_by_one(lambda feed: compiled.create_infer_request().infer(feed)["states"])


def one_by_one(states: Callable[[dict[str, Any]], Any]) -> Callable[[list[str]], Any]:
    """Each text by itself, without padding, as many at a time as there are processors."""
    import numpy as np

    from ragcli.models.tokenizer import open_tokenizer

    tokenizer = open_tokenizer(default_files())
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def encode_one(ids: list[int]) -> np.ndarray:
        feed = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
        row = states(feed)[0].mean(axis=0)
        return row / np.linalg.norm(row)

    return lambda part: np.stack(list(pool.map(encode_one, tokenizer.ids(part, 256))))


if __name__ == "__main__":
    main()
