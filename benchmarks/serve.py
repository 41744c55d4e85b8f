"""How fast are `ragcli serve`, `mcp` and `watch`, and what do they cost?

    python -m benchmarks.serve [PART...] [--seconds 60] [--rounds 7] [--docs FOLDER] [--chroma PYTHON]

- `mcp`: the first answer of `ragcli mcp` (a list of tools): seconds, processor time, memory.
- `question`: a question through the socket, the whole command included, against the same one in process, in turn: a
  question that was never asked, and one that was.
- `clients`: eight clients over HTTP for so many seconds, against as many threads that ask the engine itself in this
  process. With a Python that has chromadb, its server has the same vectors and the same clients. All take turns.
- `life`: eight readers for so many seconds while a watcher and a writer change the index: errors, answers that are
  older than the last commit before the question, and the memory of the server.
- `watch`: an edit until a query finds it, and what looking at 10,000 files costs while nothing changes.

The index holds the documents of a folder, sample_docs by default. Nothing is written outside a temporary folder.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from benchmarks.harness import ROUNDS

if TYPE_CHECKING:
    from ragcli.index.reader import Index

SAMPLES = Path(__file__).parents[1] / "sample_docs"
RAGCLI = [sys.executable, "-m", "ragcli"]
CLIENTS = 8
TURNS = 6  # of each row of the table of clients
FILES = 10_000
JSON = {"Content-Type": "application/json"}


def main() -> None:
    """Measure the parts that are named, or all, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="mcp, question, clients, life, watch")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--docs", type=Path, default=SAMPLES, help="the documents of the index")
    parser.add_argument("--chroma", type=Path, help="a Python with chromadb")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ragcli-serve-") as folder:
        home = Path(folder) / "home"
        os.environ |= {
            "RAGCLI_HOME": str(home), "RAGCLI_INDEX": "samples", "RAGCLI_SOCKET": f"{folder}/serve.sock",
        }  # fmt: skip
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "mcp": lambda: first_answer(given.rounds),
            "question": lambda: question(given.docs, given.rounds),
            "clients": lambda: clients(given.docs, home / "samples", given.seconds, given.chroma),
            "life": lambda: life(Path(folder), given.seconds),
            "watch": lambda: watching(Path(folder), given.seconds),
        }
        if unknown := set(given.parts) - set(parts):
            parser.error(f"there is no part {unknown.pop()!r}")
        subprocess.run([*RAGCLI, "index", str(given.docs), "--quiet"], check=False)
        print(f"{processor()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
        for name in given.parts or parts:
            print(f"{name}: {json.dumps(parts[name](), indent=2)}", flush=True)


def processor() -> str:
    """The name of the processor, as the kernel has it."""
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else "unknown processor"


def questions(docs: Path) -> Iterator[str]:
    """Sentences of the documents, each once; then again with a number."""
    files = sorted(file for file in docs.rglob("*") if file.suffix in (".md", ".txt"))
    text = " ".join(file.read_text(errors="replace") for file in files[:100])
    sentences = [one for one in re.split(r"(?<=[.?])\s+", " ".join(text.split())) if 30 < len(one) < 150]
    sentences = [one for one in sentences if re.fullmatch(r"[A-Z][\w\s,'’-]+[.?]", one)]
    yield from sentences
    for number, sentence in zip(itertools.count(), itertools.cycle(sentences), strict=False):
        yield f"{sentence} {number}"


def first_answer(rounds: int) -> dict[str, Any]:
    """Start a server and ask for its tools."""
    asked = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n'
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        with subprocess.Popen([*RAGCLI, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(asked)
            process.stdin.flush()
            json.loads(process.stdout.readline())
            found.append((time.perf_counter() - began, *usage(process.pid)))
            process.kill()
    return dict(zip(("seconds", "processor_seconds", "MiB"), map(middle, zip(*found, strict=True)), strict=True))


def question(docs: Path, rounds: int) -> dict[str, Any]:
    """Ask in turn: in process, a new question through the socket, and the same one again."""
    ratios: dict[str, list[float]] = {"new": [], "asked before": [], "without reranking": []}
    seconds: dict[str, list[float]] = {name: [] for name in ("in process", "in process, without reranking", *ratios)}
    asked = questions(docs)
    with server():
        for turn in range(-1, rounds):
            text = next(asked)
            here = timed(text, "--server", "never")
            here_plain = timed(text, "--server", "never", "--no-rerank")
            times = {
                "new": timed(text, "--server", "always"),
                "asked before": timed(text, "--server", "always"),
                "without reranking": timed(text, "--server", "always", "--no-rerank"),
            }
            if turn < 0:
                continue
            for name, one in times.items():
                seconds[name].append(one)
                ratios[name].append(one / (here_plain if name == "without reranking" else here))
            seconds["in process"].append(here)
            seconds["in process, without reranking"].append(here_plain)
    return {
        "seconds": {name: middle(found) for name, found in seconds.items()},
        "p95": {name: round(quantile(found, 0.95), 3) for name, found in seconds.items()},
        "ratio": {name: middle(found) for name, found in ratios.items()},
    }


class Row(NamedTuple):
    """What one row of the table of clients asks: makes a function that asks one question, for each client."""

    client: Callable[[], Callable[[str], bool]]  # whether the answer has passages
    against: str = ""  # the row that it is a share of


def clients(docs: Path, folder: Path, seconds: float, chroma: Path | None) -> dict[str, Any]:
    """Let clients ask servers over HTTP, and threads the engine itself, in turns; each question is new."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from ragcli.index.reader import open_index
    from ragcli.models.open import open_query_encoder
    from ragcli.models.resolve import resolve_stored
    from ragcli.serve.engine import Engine
    from ragcli.serve.questions import SEARCH, read_fields, search, search_options

    engine = Engine()
    asked, lock = questions(docs), threading.Lock()
    ways: dict[str, dict[str, Any]] = {
        "reranked": {}, "two lists": {"rerank": False}, "vectors": {"rerank": False, "mode": "dense"},
    }  # fmt: skip
    with ExitStack() as stack, open_index(folder, "hybrid") as index:
        pid, port = stack.enter_context(server("--port", "0"))

        def served(fields: dict[str, Any]) -> Callable[[], Callable[[str], bool]]:
            def client() -> Callable[[str], bool]:
                ask = poster(port, "/v1/query")
                return lambda text: bool(ask({"query": text, **fields})["hits"])

            return client

        def direct(fields: dict[str, Any]) -> Callable[[], Callable[[str], bool]]:
            options = search_options(read_fields(fields, SEARCH))
            return lambda: lambda text: bool(engine.run(lambda desk: search(desk.index(folder), text, options)).hits)

        rows: dict[str, Row] = {}
        for name, fields in ways.items():
            rows[f"engine, {name}"] = Row(direct(fields))
            rows[f"ragcli serve, {name}"] = Row(served(fields), f"engine, {name}")
        if chroma is not None:
            route, its_port = stack.enter_context(chroma_server(chroma, index))
            encoder = open_query_encoder(resolve_stored(index.settings.model))

            def ask_chroma() -> Callable[[str], bool]:
                ask = poster(its_port, f"{route}/query")

                def one(text: str) -> bool:
                    vector = encoder.encode([text], kind="query")[0].tolist()
                    asked = {"query_embeddings": [vector], "n_results": 10, "include": ["documents", "distances"]}
                    return bool(ask(asked)["ids"][0])

                return one

            rows["Chroma's server, vectors"] = Row(ask_chroma, "engine, vectors")
        rates: dict[str, list[float]] = {name: [] for name in rows}
        waits: dict[str, list[float]] = {name: [] for name in rows}
        empty: dict[str, int] = dict.fromkeys(rows, 0)
        before = usage(pid)[1]
        for turn in range(TURNS + 1):  # the first warms up
            for name, row in rows.items():
                found = together(row, asked, lock, seconds / TURNS if turn else 2.0)
                if turn:
                    rates[name].append(len(found) / (seconds / TURNS))
                    waits[name] += [wait for wait, _ in found]
                    empty[name] += sum(not has_hits for _, has_hits in found)
        after = usage(pid)[1]
        chunks = index.catalog.count("chunks")
    table = {
        name: {
            "per second": middle(rates[name]),
            "median ms": round(1000 * statistics.median(waits[name])),
            "p95 ms": round(1000 * quantile(waits[name], 0.95)),
            "share": middle(mine / other for mine, other in zip(rates[name], rates[row.against], strict=True))
            if row.against
            else None,
            "answers": len(waits[name]),
            "without hits": empty[name],
        }
        for name, row in rows.items()
    }
    print(f"\n| {chunks:,} passages, {CLIENTS} clients | answers per second | median | p95 | share of the engine |")
    print("|---|---|---|---|---|")
    for name, one in table.items():
        share = "" if one["share"] is None else f"{one['share']:.2f}"
        print(f"| {name} | {one['per second']:.1f} | {one['median ms']} ms | {one['p95 ms']} ms | {share} |")
    return {"table": table, "MiB of the server before and after": [round(before), round(after)]}


def poster(port: int, route: str) -> Callable[[dict[str, Any]], Any]:
    """A function that sends JSON over a connection that stays, and returns the JSON of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def post(body: dict[str, Any]) -> Any:  # noqa: ANN401 (JSON)
        connection.request("POST", route, json.dumps(body), JSON)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{route}: {answer.status} {content[:200]!r}")
        return json.loads(content)

    return post


@contextmanager
def chroma_server(python: Path, index: Index) -> Iterator[tuple[str, int]]:
    """Chroma's server with the vectors and the texts of an index; yields the route of its collection, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chunks = index.chunks(index.catalog.chunk_ids())
    vectors = index.vectors(list(chunks))
    with tempfile.TemporaryDirectory() as store:
        command = [str(python.with_name("chroma")), "run", "--path", store, "--port", str(port), "--host", "127.0.0.1"]
        variables = {**os.environ, "ANONYMIZED_TELEMETRY": "False"}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables) as process:
            try:
                root = "/api/v2/tenants/default_tenant/databases/default_database/collections"
                about = {"name": "samples", "configuration": {"hnsw": {"space": "cosine"}}}
                deadline = time.monotonic() + 30
                while True:
                    try:
                        route = f"{root}/{poster(port, root)(about)['id']}"
                        break
                    except OSError:
                        if time.monotonic() > deadline:
                            raise
                        time.sleep(0.2)
                add = poster(port, f"{route}/add")
                ids = list(chunks)
                for at in range(0, len(ids), 500):
                    some = ids[at : at + 500]
                    add({
                        "ids": [str(one) for one in some], "embeddings": [vectors[one].tolist() for one in some],
                        "documents": [chunks[one].text for one in some],
                    })  # fmt: skip
                yield route, port
            finally:
                process.terminate()


def together(row: Row, asked: Iterator[str], lock: threading.Lock, seconds: float) -> list[tuple[float, bool]]:
    """Ask in eight threads; return how long each question took, and whether it found something."""
    found: list[tuple[float, bool]] = []
    failed: list[Exception] = []
    stop = time.monotonic() + seconds

    def run() -> None:
        try:
            ask = row.client()
            while time.monotonic() < stop:
                with lock:
                    text = next(asked)
                began = time.monotonic()
                has_hits = ask(text)
                found.append((time.monotonic() - began, has_hits))
        except Exception as error:  # noqa: BLE001 (a thread has no caller)
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return found


def life(folder: Path, seconds: float) -> dict[str, Any]:
    """Let readers ask while a watcher and a writer change the index."""
    alive = Life(folder)
    memory: list[float] = []
    with alive.watcher() as lines, server("--port", "0") as (pid, port):
        stop = time.monotonic() + seconds
        changers = [threading.Thread(target=alive.write), threading.Thread(target=alive.edit, args=(lines,))]
        readers = [threading.Thread(target=alive.read, args=(port, turn, stop)) for turn in range(CLIENTS)]
        for thread in (*changers, *readers):
            thread.start()
        while time.monotonic() < stop:
            time.sleep(1)
            memory.append(usage(pid)[1])
        alive.ending.set()
        for thread in (*changers, *readers):
            thread.join()
    third = max(1, len(memory) // 3)
    return {
        **alive.counts, "commits": alive.committed, "first errors": alive.seen[:5],
        "MiB of the server": {
            "in the first third": middle(memory[:third]), "in the last": middle(memory[-third:]),
            "most": round(max(memory)),
        },
    }  # fmt: skip


class Life:
    """An index, two files of it that change again and again, and readers who know how often each was changed.

    A reader notes what was committed before it asks: an answer with less is stale, and one without the file is an
    error, because the file is always there.
    """

    def __init__(self, folder: Path) -> None:
        self._places = {"clock": folder / "watched" / "clock.md", "ledger": folder / "written" / "ledger.md"}
        self._environment = os.environ | {"RAGCLI_INDEX": "alive"}
        self.committed = dict.fromkeys(self._places, 0)
        self.counts = {"answers": 0, "errors": 0, "stale": 0, "refused": 0}
        self.seen: list[str] = []
        self.ending = threading.Event()
        for name, place in self._places.items():
            place.parent.mkdir()
            self._change(name, 0)
        for number in range(200):  # others, that a question could find
            (place.parent / f"{number}.md").write_text(f"Note {number}: the harbour has {number + 3} boats.")
        self._index(*self._places)

    @contextmanager
    def watcher(self) -> Iterator[IO[str]]:
        """A watcher of the first file; yields the lines that it prints."""
        command = [*RAGCLI, "watch", str(self._places["clock"].parent), "--jsonl", "--quiet-for", "0.2s"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self._environment) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield process.stdout
            finally:
                process.terminate()

    def write(self) -> None:
        """Change the second file, and index it."""
        while not self.ending.is_set():
            number = self.committed["ledger"] + 1
            self._change("ledger", number)
            self._index("ledger")
            self.committed["ledger"] = number

    def edit(self, lines: IO[str]) -> None:
        """Change the first file, and wait until the watcher has indexed it."""
        while not self.ending.is_set():
            number = self.committed["clock"] + 1
            self._change("clock", number)
            next(line for line in lines if json.loads(line)["changed"])
            self.committed["clock"] = number

    def read(self, port: int, turn: int, stop: float) -> None:
        """Ask what the files say."""
        ask = poster(port, "/v1/query")
        while time.monotonic() < stop:
            turn += 1
            name = ("clock", "ledger")[turn % 2]
            before = self.committed[name]
            asked = {"query": f"what does the {name} of the harbour master say?", "index": "alive", "all": True}
            try:
                hits = ask(asked | {"rerank": turn % 5 == 0})["hits"]
            except RuntimeError as error:
                self._count("refused" if ": 503 " in str(error) else "errors", str(error))
            except (OSError, http.client.HTTPException) as error:
                self._count("errors", repr(error))
                ask = poster(port, "/v1/query")
            else:
                said = [
                    re.search(r"says (\d+) today", one["text"]) for one in hits if one["path"].endswith(f"{name}.md")
                ]
                if len(said) != 1 or said[0] is None:
                    self._count("errors", f"{len(said)} passages of the {name}")
                else:
                    self._count("answers" if int(said[0][1]) >= before else "stale")

    def _count(self, what: str, about: str = "") -> None:
        self.counts[what] += 1
        self.seen += [about] if about else []

    def _change(self, name: str, number: int) -> None:
        draft = self._places[name].with_suffix(".tmp")
        draft.write_text(f"# The {name}\n\nThe {name} of the harbour master says {number} today.\n")
        draft.rename(self._places[name])

    def _index(self, *names: str) -> None:
        command = [*RAGCLI, "index", *(str(self._places[name].parent) for name in names), "--wait", "--quiet"]
        subprocess.run(command, check=True, env=self._environment)


def watching(folder: Path, seconds: float) -> dict[str, Any]:
    """Edit a file below a watched folder with 10,000 others, and wait until it is in the index."""
    notes = folder / "notes"
    for number in range(FILES):
        place = notes / f"d{number % 20}" / f"e{number % 200}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.bin").write_text("not a document, and looked at all the same")
    (notes / "a.md").write_text("The first line.")
    command = [*RAGCLI, "watch", str(notes), "-i", "watched", "--jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(2)
        found: dict[str, list[float]] = {"renamed into place": [], "written in place": []}
        for number, name in enumerate(3 * list(found)):
            edited = notes / "a.md" if name == "written in place" else notes / "a.tmp"
            began = time.monotonic()
            edited.write_text(f"The line number {number} of a text that changed.")
            if edited.suffix == ".tmp":
                edited.rename(notes / "a.md")
            process.stdout.readline()
            found[name].append(time.monotonic() - began)
        time.sleep(3)
        before = usage(process.pid)[0]
        time.sleep(seconds)
        spent = usage(process.pid)[0] - before
        process.terminate()
    return {
        "edit_to_findable_seconds": {name: middle(times) for name, times in found.items()},
        "idle_share_of_a_core": round(spent / seconds, 4),
    }


@contextmanager
def server(*options: str) -> Iterator[tuple[int, int]]:
    """A server, warmed up with a question; yields its process and its port."""
    with subprocess.Popen([*RAGCLI, "serve", *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        port = re.search(r"http://[^:]+:(\d+)", line)
        try:
            timed("what is attention?", "--server", "always", "--quiet")
            yield process.pid, int(port[1]) if port else 0
        finally:
            process.terminate()


def timed(text: str, *options: str) -> float:
    """Run `ragcli query` and return its seconds."""
    began = time.perf_counter()
    done = subprocess.run([*RAGCLI, "query", text, *options], stdout=subprocess.DEVNULL, check=False)
    assert done.returncode in (0, 1)
    return time.perf_counter() - began


def usage(pid: int) -> tuple[float, float]:
    """Return the processor seconds of a process so far, and its memory in MiB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def middle(values: Iterable[float]) -> float:
    """Return the median, to the millisecond."""
    return round(statistics.median(values), 3)


if __name__ == "__main__":
    main()
