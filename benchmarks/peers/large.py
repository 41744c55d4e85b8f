"""A very large collection in ragcli, LanceDB and Milvus: the same vectors, questions and recall.

    python -m benchmarks.peers.large --vectors 5000000 --keep FOLDER [--venvs FOLDER] [--only ragcli LanceDB Milvus]

The vectors are those of ``benchmarks.scale``, written once as float32 rows of unit length. Every engine builds its
index from that file and is asked 300 questions of SciFact and SQuAD, by vector, in another process. How hard each
searches is chosen with 200 times eight words of passages, by the rule of ``ragcli``: the least effort that finds 0.98
of the ten nearest. ragcli chooses its own as it builds. LanceDB has IVF_FLAT with its own number of lists: IVF_PQ,
with which its guide begins, found 0.78 of five million with 800 lists and 2,000 rows read again. Milvus 2.3.5, one
server, has IVF_FLAT with four times the root of the rows of a segment as lists. Times are given by the clock and of the
processor, those of a server among them. With --only, the figures of the others stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ENGINES = ("ragcli", "LanceDB", "Milvus")
PACKAGES = {"LanceDB": ("lancedb", "pyarrow"), "Milvus": ("milvus==2.3.5", "pymilvus", "setuptools<81")}
DIMENSION = 384
BLOCK = 20_000  # 31 MB of float32: Milvus takes 64 MB at a time
NEAREST = 10
LEAST_RECALL = 0.98
SEGMENT_ROWS = 340_000  # of Milvus: 512 MB
SERVER = """
import signal, sys
from milvus import default_server as server
server.set_base_dir(sys.argv[1])
server.config.configs["proxy_port"] = int(sys.argv[2])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server.start()
print(server.server_proc.pid, flush=True)
server.server_proc.wait()
"""
PORT = "port"  # a file with that of the server: one that was used a moment ago is not free


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="a folder for the vectors, which a later call uses again")
    parser.add_argument("--venvs", type=Path, help="where the environments are, or are to be made")
    parser.add_argument("--only", nargs="*", default=list(ENGINES))
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        engine, step = options.step
        print(json.dumps({"build": build, "search": search}[step](engine, options.keep)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        place = options.keep or Path(temporary)
        prepare_rows(place, options.vectors)
        name = f"peers-large-{options.vectors}"
        figures: dict[str, Any] = {"vectors": options.vectors, **known(name)}
        for engine in options.only:
            python = environment(engine, options.venvs or Path(temporary) / "venvs")
            shutil.rmtree(place / engine, ignore_errors=True)
            figures[engine] = {}
            for step in ("build", "search"):
                command = [python, __file__, "--keep", place, "--step", engine, step]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=with_project())
                figures[engine][step] = json.loads(done.stdout.splitlines()[-1])
                print(json.dumps({f"{engine}, {step}": figures[engine][step]}), flush=True)
            shutil.rmtree(place / engine, ignore_errors=True)
    from benchmarks.results import write_result

    write_result(name, figures)


def known(name: str) -> dict[str, Any]:
    """The figures that an earlier run has kept."""
    kept = Path(__file__).parents[1] / "results" / f"{name}.json"
    found: dict[str, Any] = json.loads(kept.read_text())["figures"] if kept.exists() else {}
    return found


def with_project() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def environment(engine: str, venvs: Path) -> str:
    """The Python of an engine; its environment is made where it is missing."""
    if engine == "ragcli":
        return sys.executable
    python = venvs / engine / "bin" / "python"
    if not (venvs / engine / "made").exists():
        shutil.rmtree(venvs / engine, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venvs / engine], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES[engine], "numpy"], check=True)
        (venvs / engine / "made").touch()
    return str(python)


def prepare_rows(place: Path, count: int) -> None:
    """The rows, the queries, and the ten nearest rows of each query by brute force."""
    from benchmarks.scale import many, prepare

    place.mkdir(parents=True, exist_ok=True)
    if not (place / "base.npy").exists():
        with tempfile.TemporaryDirectory() as temporary:
            prepare(place, Path(temporary))
    kept = place / "rows.npy"
    if kept.exists() and np.load(kept, mmap_mode="r").shape[0] == count:
        return
    rows = np.lib.format.open_memmap(kept, "w+", np.float32, (count, DIMENSION))
    queries = np.concatenate([np.load(place / "questions.npy"), np.load(place / "fragments.npy")])
    best = np.full((len(queries), NEAREST), -np.inf, np.float32)
    numbers = np.zeros((len(queries), NEAREST), np.int64)
    start = 0
    for block in many(np.load(place / "base.npy"), 0, count):
        rows[start : start + len(block)] = block
        scores = np.concatenate([best, queries @ block.T], axis=1)
        every = np.concatenate([numbers, np.tile(np.arange(start, start + len(block)), (len(queries), 1))], axis=1)
        top = np.argpartition(-scores, NEAREST, axis=1)[:, :NEAREST]
        best, numbers = np.take_along_axis(scores, top, 1), np.take_along_axis(every, top, 1)
        start += len(block)
    rows.flush()
    np.save(place / "truth.npy", numbers)


def rows_of(place: Path) -> Iterator[tuple[int, np.ndarray]]:
    rows = np.load(place / "rows.npy", mmap_mode="r")
    for start in range(0, len(rows), BLOCK):
        yield start, np.asarray(rows[start : start + BLOCK])


def queries_of(place: Path) -> tuple[np.ndarray, np.ndarray, list[set[int]], list[set[int]]]:
    """The questions and the fragments, and the ten nearest of each."""
    questions, fragments = np.load(place / "questions.npy"), np.load(place / "fragments.npy")
    truth = [set(row.tolist()) for row in np.load(place / "truth.npy")]
    return questions, fragments, truth[: len(questions)], truth[len(questions) :]


def build(engine: str, place: Path) -> dict[str, Any]:
    """Seconds, the largest memory, and the size of what was written."""
    folder = place / engine
    folder.mkdir()
    started, cpu = time.perf_counter(), processor_seconds()
    with serving(engine, folder) as server:
        told = BUILD[engine](place, folder)
        figures = {
            "s": round(time.perf_counter() - started, 1),
            "processor s": round(processor_seconds(server) - cpu, 1),
            "peak MiB, the rows that it reads among them": peak(server),
        }
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return figures | {"disk MiB": round(size / 2**20)} | told


def search(engine: str, place: Path) -> dict[str, Any]:
    """The questions, asked with the least effort that is enough for the fragments."""
    folder = place / engine
    questions, fragments, near_questions, near_fragments = queries_of(place)
    with serving(engine, folder) as server:
        started = time.perf_counter()
        ask, efforts = OPEN[engine](folder)
        figures: dict[str, Any] = {"open, s": round(time.perf_counter() - started, 3)}
        for effort in efforts:
            share = recall([ask(query, effort) for query in fragments], near_fragments)
            if share >= LEAST_RECALL:
                break
        found, walls = [], []
        cpu = processor_seconds(server)
        for question in questions:
            started = time.perf_counter()
            found.append(ask(question, effort))
            walls.append(1000 * (time.perf_counter() - started))
        cpu = processor_seconds(server) - cpu
        return figures | {
            "effort": effort, "recall@10 of fragments": round(share, 4),
            "recall@10 of questions": round(recall(found, near_questions), 4),
            "median, ms": round(statistics.median(walls), 1),
            "95th percentile, ms": round(sorted(walls)[int(0.95 * len(walls))], 1),
            "processor ms": round(1000 * cpu / len(questions), 1), "resident MiB": resident(server),
        }  # fmt: skip


def recall(found: list[list[int]], nearest: list[set[int]]) -> float:
    return statistics.mean(len(set(one) & true) / len(true) for one, true in zip(found, nearest, strict=True))


def processor_seconds(server: int = 0) -> float:
    own = sum(os.times()[:4])
    if not server:
        return own
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return own + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(server: int) -> int:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return own + (status(server, "VmHWM") if server else 0)


def resident(server: int) -> int:
    return status(os.getpid(), "VmRSS") + (status(server, "VmRSS") if server else 0)


def status(process: int, field: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith(field))


@contextmanager
def serving(engine: str, folder: Path) -> Iterator[int]:
    """The process of the server of an engine that has one, else 0."""
    if engine != "Milvus":
        yield 0
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (folder / PORT).write_text(port)
    command = [sys.executable, "-c", SERVER, str(folder / "data"), port]
    launched = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert launched.stdout is not None
    try:
        yield int(launched.stdout.readline())
    finally:
        launched.send_signal(signal.SIGTERM)
        launched.wait()


def build_ragcli(place: Path, folder: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from ragcli.index.vectors.approximate import build as make_lists
    from ragcli.index.vectors.segments import coded, write_rows

    total = np.load(place / "rows.npy", mmap_mode="r").shape[0]
    blocks = ((np.arange(start, start + len(rows)), coded(rows)) for start, rows in rows_of(place))
    segment = write_rows(folder, "seg-0001-00000001.faiss", total, blocks)
    assert segment is not None
    none = np.empty(0, np.int64)
    row = make_lists(folder, "ivf.faiss", None, [segment], DIMENSION, none, np.load(place / "fragments.npy"))
    (folder / segment.name).unlink()
    (folder / "row.json").write_text(json.dumps(asdict(row)))
    return {"lists": row.lists}


def open_ragcli(folder: Path) -> tuple[Callable[[np.ndarray, Any], list[int]], list[Any]]:
    from ragcli.index.catalog.rows import ApproximateRow
    from ragcli.index.vectors.segments import Segments

    row = ApproximateRow(**json.loads((folder / "row.json").read_text()))
    opened = Segments(folder, [], DIMENSION, row)
    return lambda query, _: [number for number, _ in opened.search(query, NEAREST)], [f"{row.probes} lists"]


def build_lance(place: Path, folder: Path) -> dict[str, Any]:
    import lancedb
    import pyarrow as pa
    from lancedb.index import IvfFlat

    schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), DIMENSION))])

    def batches() -> Iterator[Any]:
        for start, rows in rows_of(place):
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), DIMENSION)
            yield pa.RecordBatch.from_arrays([pa.array(np.arange(start, start + len(rows))), vectors], schema=schema)

    table = lancedb.connect(folder).create_table("rows", batches(), schema=schema)
    table.create_index("vector", config=IvfFlat(distance_type="dot"))
    return {"version": lancedb.__version__}


def open_lance(folder: Path) -> tuple[Callable[[np.ndarray, Any], list[int]], list[Any]]:
    import lancedb

    table = lancedb.connect(folder).open_table("rows")

    def ask(query: np.ndarray, effort: Any) -> list[int]:  # noqa: ANN401 (numbers of the engine)
        found = table.search(query).distance_type("dot").nprobes(effort).limit(NEAREST)
        return [row["id"] for row in found.select(["id", "_distance"]).to_list()]

    return ask, [5, 10, 20, 40, 80, 160, 320, 640]


def client(folder: Path) -> Any:  # noqa: ANN401 (its package is of another environment)
    from pymilvus import MilvusClient

    deadline = time.monotonic() + 120
    while True:
        try:
            return MilvusClient(uri=f"http://127.0.0.1:{(folder / PORT).read_text()}", timeout=60)
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def build_milvus(place: Path, folder: Path) -> dict[str, Any]:
    from pymilvus import DataType, MilvusClient

    milvus = client(folder)
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    milvus.create_collection("rows", schema=schema)
    for start, rows in rows_of(place):
        milvus.insert("rows", [{"id": start + i, "vector": row} for i, row in enumerate(rows)], timeout=600)
    milvus.flush("rows", timeout=3600)
    lists = round(4 * SEGMENT_ROWS**0.5)
    parameters = milvus.prepare_index_params()
    parameters.add_index("vector", index_type="IVF_FLAT", metric_type="IP", params={"nlist": lists})
    milvus.create_index("rows", parameters, timeout=36_000)
    total = np.load(place / "rows.npy", mmap_mode="r").shape[0]
    while True:
        told = milvus.describe_index("rows", "vector")
        if told["indexed_rows"] >= total and not told.get("pending_index_rows"):
            break
        time.sleep(1)
    return {"lists of a segment": lists}


def open_milvus(folder: Path) -> tuple[Callable[[np.ndarray, Any], list[int]], list[Any]]:
    milvus = client(folder)
    milvus.load_collection("rows", timeout=3600)

    def ask(query: np.ndarray, effort: Any) -> list[int]:  # noqa: ANN401 (numbers of the engine)
        parameters = {"metric_type": "IP", "params": {"nprobe": effort}}
        found = milvus.search("rows", [query], limit=NEAREST, search_params=parameters, anns_field="vector")
        return [hit["id"] for hit in found[0]]

    return ask, [8, 16, 32, 64, 128, 256, 512]


BUILD: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "ragcli": build_ragcli, "LanceDB": build_lance, "Milvus": build_milvus,
}  # fmt: skip
OPEN: dict[str, Callable[[Path], tuple[Callable[[np.ndarray, Any], list[int]], list[Any]]]] = {
    "ragcli": open_ragcli, "LanceDB": open_lance, "Milvus": open_milvus,
}  # fmt: skip


if __name__ == "__main__":
    main()
