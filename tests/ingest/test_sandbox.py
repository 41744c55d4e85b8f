import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import RagcliError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.sandbox.frames import pack_document, read_frame, unpack_document, write_frame
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.pool import Loaded, Request, Sandbox
from ragcli.models.digest import cache_folder
from ragcli.types import Block, Document, Reason, Skipped

needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are counted in /proc")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")

OPTIONS = LoadOptions()
LIMITS = Limits(seconds=30)


def write(folder: Path, *names: str) -> list[Request]:
    for name in names:
        (folder / name).write_text(f"text of {name}")
    return [Request(folder / name, None) for name in names]


def run(requests: list[Request], workers: int = 2, limits: Limits = LIMITS, **options: str) -> dict[str, Loaded]:
    with Sandbox(workers, limits, OPTIONS, **options) as sandbox:
        results = list(sandbox.load(requests))
    assert len(results) == len(requests)
    return {loaded.path.name: loaded for loaded in results}


@pytest.fixture
def misbehave(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return lambda requests, **how: run(requests, module="misbehaving_worker", **how)


def is_alive(pid: int) -> bool:
    """True for a process that runs; a zombie that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_dead(pid: int) -> bool:
    for _ in range(500):
        if not is_alive(pid):
            return True
        time.sleep(0.01)
    return False


def children() -> set[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split() if is_alive(int(pid))}


def test_documents_are_what_the_loaders_make_of_the_files(tmp_path):
    (tmp_path / "a.md").write_text("---\ntitle: T\n---\n# Größe 😀\n\ntext\n\n## B\n\n- item\n\n|a|b|\n|-|-|\n|1|2|\n")
    (tmp_path / "b.csv").write_bytes(b"name,n\n\xe9t\xe9,1\n")
    results = run([Request(tmp_path / name, None) for name in ("a.md", "b.csv")])
    for name, loaded in results.items():
        data, state = (tmp_path / name).read_bytes(), (tmp_path / name).stat()
        assert loaded.outcome == loaders.load(tmp_path / name, data, OPTIONS)
        assert loaded.sha256 == hashlib.sha256(data).hexdigest()
        assert (loaded.size, loaded.mtime_ns) == (state.st_size, state.st_mtime_ns)


def test_unchanged_content_is_not_parsed(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(b"would not parse")
    sha256 = hashlib.sha256(b"would not parse").hexdigest()
    loaded = run([Request(path, sha256)])["a.pdf"]
    assert (loaded.outcome, loaded.sha256, loaded.size) == (None, sha256, 15)
    outcome = run([Request(path, "0" * 64)])["a.pdf"].outcome
    assert isinstance(outcome, Skipped)
    assert outcome.reason is Reason.DAMAGED


def test_what_is_no_readable_file_is_named_and_nothing_waits(tmp_path):
    os.mkfifo(tmp_path / "fifo.txt")
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.txt"))
        names = ["fifo.txt", "folder.txt", "loop.txt", "socket.txt", "gone.txt"]
        results = run([Request(tmp_path / name, None) for name in names])
    outcomes = {name: (loaded.outcome.reason, loaded.outcome.detail) for name, loaded in results.items()}
    assert outcomes == {
        "fifo.txt": (Reason.NOT_A_FILE, ""),
        "folder.txt": (Reason.NOT_A_FILE, ""),
        "loop.txt": (Reason.UNREADABLE, "too many levels of symbolic links"),
        "socket.txt": (Reason.NOT_A_FILE, ""),
        "gone.txt": (Reason.ABSENT, "vanished while it was read"),
    }
    assert {(loaded.sha256, loaded.size, loaded.mtime_ns) for loaded in results.values()} == {("", 0, 0)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path):
    (request,) = write(tmp_path, "secret.txt")
    request.path.chmod(0)
    outcome = run([request])["secret.txt"].outcome
    assert outcome == Skipped(request.path, Reason.UNREADABLE, "permission denied")


def test_names_that_are_not_utf_8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff.txt"))
    path.write_text("text")
    loaded = next(iter(run([Request(path, None)]).values()))
    assert loaded.path == path
    assert isinstance(loaded.outcome, Document)
    assert loaded.outcome.path == path


@needs_linux
def test_a_misbehaving_parser_costs_its_own_file(tmp_path, misbehave):
    names = ["hang", "spin", "segfault", "leave", "killed", "explode", "fail", "recurse", "encrypted", "noise"]
    requests = write(tmp_path, *(f"{name}.x" for name in names), *(f"good{number}.x" for number in range(20)))
    results = misbehave(requests, limits=Limits(seconds=3, memory_mib=512))
    for request in requests:
        content = request.path.read_bytes()
        loaded = results[request.path.name]
        assert (loaded.sha256, loaded.size) == (hashlib.sha256(content).hexdigest(), len(content))
    failed = {
        name.removesuffix(".x"): (loaded.outcome.reason, loaded.outcome.detail)
        for name, loaded in results.items()
        if isinstance(loaded.outcome, Skipped)
    }
    reason, detail = failed.pop("recurse")
    assert reason is Reason.DAMAGED
    assert detail.startswith("RecursionError: ")
    assert failed == {
        "hang": (Reason.TIMED_OUT, "3 s"),
        "spin": (Reason.TIMED_OUT, "3 s"),
        "segfault": (Reason.DAMAGED, f"the parser crashed (signal {signal.SIGSEGV.value})"),
        "leave": (Reason.DAMAGED, "the parser crashed (exit code 3)"),
        "killed": (Reason.OUT_OF_MEMORY, "the parser was killed (signal 9)"),
        "explode": (Reason.OUT_OF_MEMORY, "512 MiB"),
        "fail": (Reason.DAMAGED, f"ZeroDivisionError: {'x' * 181}"),
        "encrypted": (Reason.ENCRYPTED, "needs a password"),
    }
    good = {name: loaded.outcome.text for name, loaded in results.items() if isinstance(loaded.outcome, Document)}
    assert good == {name: f"text of {name}" for name in ["noise.x", *(f"good{number}.x" for number in range(20))]}


@needs_proc
def test_a_parser_that_was_taken_over_costs_its_own_file(tmp_path, misbehave):
    with socket.create_server(("127.0.0.1", 0)) as server:
        requests = write(tmp_path, "shout.x", "lie.x", "connect.x", "look_up.x", "good.x")
        (tmp_path / "connect.x").write_text(str(server.getsockname()[1]))
        results = misbehave(requests)
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()
    outcomes = {name: loaded.outcome for name, loaded in results.items()}
    assert outcomes.pop("good.x").text == "text of good.x"
    assert {name.removesuffix(".x"): (outcome.reason, outcome.detail) for name, outcome in outcomes.items()} == {
        "shout": (Reason.DAMAGED, "invalid reply of the parser (ValueError)"),
        "lie": (Reason.DAMAGED, "invalid reply of the parser (TypeError)"),
        "connect": (Reason.DAMAGED, "PermissionError: a parser opens no sockets"),
        "look_up": (Reason.DAMAGED, "PermissionError: a parser opens no sockets"),
    }


def test_a_document_larger_than_it_may_be_is_named_with_the_limit(tmp_path):
    (tmp_path / "long.txt").write_text("word " * 300_000)
    (tmp_path / "short.txt").write_text("word " * 10_000)
    results = run([Request(tmp_path / name, None) for name in ("long.txt", "short.txt")], limits=Limits(output_mib=1))
    assert results["long.txt"].outcome == Skipped(tmp_path / "long.txt", Reason.TOO_LARGE, "1 MiB of text")
    assert isinstance(results["short.txt"].outcome, Document)


@needs_proc
def test_what_a_late_parser_started_dies_with_it(tmp_path, misbehave):
    results = misbehave(write(tmp_path, "child.x"), limits=Limits(seconds=1))
    assert results["child.x"].outcome.reason is Reason.TIMED_OUT
    assert wait_until_dead(int((tmp_path / "child.pid").read_text()))


def test_a_busy_consumer_is_not_held_against_the_parser(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    requests = write(tmp_path, "slow.x", "a.x", "b.x", "c.x")
    outcomes = []
    with Sandbox(1, Limits(seconds=2), OPTIONS, module="misbehaving_worker") as sandbox:
        for loaded in sandbox.load(requests):
            if len(outcomes) < 2:
                time.sleep(2.5)
            outcomes.append(loaded.outcome)
    assert all(isinstance(outcome, Document) for outcome in outcomes)


def test_options_reach_the_loader_and_a_worker_serves_many(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    options = LoadOptions(password="geheim", ocr=True)
    folders = [tmp_path / str(number) for number in range(6)]
    for folder in folders:
        folder.mkdir()
    requests = [*write(tmp_path, "options.x"), *(request for folder in folders for request in write(folder, "pid.x"))]
    with Sandbox(1, LIMITS, options, module="misbehaving_worker") as sandbox:
        first, *others = [loaded.outcome.text for loaded in sandbox.load(requests)]
    assert first == repr(replace(options, cache=str(cache_folder())))  # where text that was read with OCR is kept
    assert len(set(others)) == 1


@needs_proc
def test_workers_start_when_needed_and_requests_are_read_a_little_ahead(tmp_path):
    requests = write(tmp_path, *(f"{number}.txt" for number in range(40)))
    asked = 0

    def asking() -> Iterator[Request]:
        nonlocal asked
        for request in requests:
            asked += 1
            yield request

    before = children()
    with Sandbox(4, LIMITS, OPTIONS) as sandbox:
        one = list(sandbox.load(requests[:1]))
        results = sandbox.load(asking())
        assert asked == 0
        next(results)
        assert asked <= 9
        assert len(children() - before) <= 4
        rest = list(results)
    assert len(one) == 1
    assert len(rest) == 39
    assert children() <= before


@needs_proc
def test_no_process_is_left_when_the_consumer_stops(tmp_path, misbehave, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    requests = write(tmp_path, "good.x", "hang.x", "spin.x", "slow.x")
    before = children()
    with Sandbox(3, LIMITS, OPTIONS, module="misbehaving_worker") as sandbox:
        results = sandbox.load(requests)
        next(results)
        assert children() - before
        results.close()
        assert children() <= before
        again = sandbox.load(requests)
        next(again)
        assert children() - before
    assert children() <= before

    def interrupted() -> None:
        with Sandbox(3, LIMITS, OPTIONS, module="misbehaving_worker") as sandbox:
            for _ in sandbox.load(requests):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert children() <= before


@needs_proc
def test_workers_die_with_the_process_that_started_them(tmp_path):
    write(tmp_path, "pid.x", "hang.x")
    code = f"""
import os, sys
from pathlib import Path
from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.sandbox.pool import Limits, Request, Sandbox
with Sandbox(1, Limits(), LoadOptions(), module="misbehaving_worker") as sandbox:
    for loaded in sandbox.load([Request(Path({str(tmp_path)!r}, "pid.x"), None)]):
        print(loaded.outcome.text, flush=True)
        os.kill(os.getpid(), 9)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert wait_until_dead(int(done.stdout))


def test_a_worker_that_does_not_start_is_an_error_not_a_failed_file(tmp_path, misbehave, monkeypatch):
    monkeypatch.setenv("RAGCLI_TEST_NO_START", "1")
    with pytest.raises(RagcliError, match=r"did not start \(exit code 5\); run .*misbehaving_worker.* to see why"):
        misbehave(write(tmp_path, "a.x"))


def test_modules_in_the_current_folder_are_not_imported(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('hostile')")
    monkeypatch.chdir(tmp_path)
    assert isinstance(run(write(tmp_path, "a.txt"))["a.txt"].outcome, Document)


@needs_proc
def test_no_requests_start_nothing():
    before = children()
    assert run([], workers=0) == {}
    assert children() <= before


TEXT = st.text(st.characters(codec=None), max_size=8)


@given(
    TEXT,
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(1, 3), st.lists(TEXT, max_size=2))
    ),
    st.lists(TEXT, max_size=2),
)
def test_documents_survive_the_pipe(text, blocks, warnings):
    packed = tuple(Block(start, end, "row", page, tuple(headings)) for start, end, page, headings in blocks)
    document = Document(Path("a"), text, text, packed, "text", tuple(warnings))
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as out, os.fdopen(reader, "rb") as into:
        write_frame(out, pack_document(document))
        frame = read_frame(into)
        out.close()
        assert read_frame(into) is None
    assert frame is not None
    assert unpack_document(Path("a"), frame) == document
