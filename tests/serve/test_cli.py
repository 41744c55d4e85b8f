"""The command line with a server prints what it prints without one, and never waits for a dead one."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"


@pytest.fixture
def both(server, sample_home):
    """Run a command with the server and in process; both must print the same. Returns what they print."""

    def run(*arguments: str, stdin: str = "", cwd: Path = SAMPLES, **variables: str):
        done = [
            subprocess.run(
                [sys.executable, "-m", "ragcli", *arguments, "--server", choice],
                input=stdin, capture_output=True, text=True, cwd=cwd, check=False, timeout=300,
                env={
                    **os.environ, "RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples",
                    "RAGCLI_SOCKET": str(server.socket), **variables,
                },
            )
            for choice in ("always", "never")
        ]  # fmt: skip
        assert "server" not in done[0].stderr
        assert (done[0].returncode, done[0].stdout, done[0].stderr) == (
            done[1].returncode, done[1].stdout, done[1].stderr,
        )  # fmt: skip
        return done[0]

    return run


def questions(count: int) -> list[str]:
    """Some of them are sentences of the documents, some a few of their words, and some hold words of none."""
    text = (SAMPLES / "sampling.txt").read_text() + (SAMPLES / "attention.md").read_text()
    sentences = [one for one in re.split(r"(?<=[.?])\s+", " ".join(text.split())) if len(one) > 20]
    words = re.findall(r"\w{4,}", text)
    made = [
        sentences[i % len(sentences)] if i % 3 == 0 else " ".join(words[i * 7 % len(words) :: 97][: 1 + i % 5])
        for i in range(count)
    ]
    return [f"{one} zebra {i}" if i % 10 == 9 else one for i, one in enumerate(made)]


def test_two_hundred_questions_have_the_same_answers(both):
    asked = questions(200)
    done = both("query", "-", "--no-rerank", "-k", "5", stdin="\n".join(asked))
    assert len(done.stdout.splitlines()) == 200
    assert done.returncode == 0


def test_reranked_questions_have_the_same_answers(both):
    asked = [one for one in questions(60) if len(one) > 30][:6]
    done = both("query", "-", stdin="\n".join([*asked, *asked]))
    answers = done.stdout.splitlines()
    assert answers[: len(asked)] == answers[len(asked) :]
    assert {part for line in answers for hit in json.loads(line)["hits"] for part in hit["parts"]} == {
        "fused", "dense", "keyword", "rerank",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["text", "plain", "json", "jsonl", "csv", "paths", "vimgrep", "markdown"])
def test_every_format_is_the_same(both, form):
    assert both("query", "how are hits reranked?", "--format", form).returncode == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--path", "*.md"),
        ("--path", "sampling.txt", "--unique"),
        ("--path", "."),
        ("--type", "pdf", "-C", "2", "-f", "text"),
        ("--after", "2001-01-01", "--mode", "keyword"),
        ("--min-prob", "0.99"),
        ("--min-prob", "0.5", "--candidates", "3"),
        ("--mode", "dense", "--no-rerank"),
        ("--path", "nothing/*"),
    ],
)
def test_options_act_the_same(both, options):
    both("query", "byte pair encoding merges", *options)


def test_color_and_width_are_those_of_the_terminal_of_the_command(both):
    done = both("query", "byte pair encoding", "-f", "text", FORCE_COLOR="1", COLUMNS="50")
    assert "\x1b[" in done.stdout


def test_relative_paths_are_those_of_the_command(both):
    assert both("query", "attention", "--path", "samples_of_nothing", cwd=SAMPLES.parent).returncode == 1
    assert both("query", "attention", "--path", "sample_docs", cwd=SAMPLES.parent).returncode == 0
    assert both("show", "sample_docs/sampling.txt:5", cwd=SAMPLES.parent).returncode == 0


@pytest.mark.parametrize(
    "question", ["how can a network run backwards?", "who won the chess championship of 1851?", "nothing zebra"]
)
@pytest.mark.parametrize("form", [(), ("--json",), ("--min-prob", "0.9")])
def test_an_answer_is_the_same(both, question, form):
    both("ask", question, *form)


def test_several_indexes_have_the_same_hits_and_answers(both, ragcli, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "nets.txt").write_text("A network of Feistel rounds runs backwards with the keys reversed.\n")
    assert ragcli("index", "docs", "-i", "./more", cwd=tmp_path).returncode == 0
    indexes = ("-i", "samples", "-i", str(tmp_path / "more"), "-i", "samples")
    question = "how can a network run backwards?"
    found = {hit["path"] for hit in json.loads(both("query", question, *indexes, "--json").stdout)["hits"]}
    assert {Path(path).name for path in found} >= {"nets.txt", "reversible-networks.pdf"}
    assert both("query", "-", "--no-rerank", *indexes, stdin=f"{question}\nwhat is a token?\n").returncode == 0
    assert both("ask", question, *indexes).returncode == 0
    assert both("query", question, *indexes, "--path", "nets.txt", cwd=tmp_path / "docs").returncode == 0


@pytest.mark.parametrize("reference", ["3", "sampling.txt:7", "reversible-networks.pdf#page=3"])
def test_a_passage_is_the_same(both, reference):
    assert both("show", reference, "-C", "3").returncode == 0
    assert json.loads(both("show", reference, "--json").stdout)["schema"] == 1


def test_lines_and_records_are_reranked_the_same(both):
    lines = (SAMPLES / "sampling.txt").read_text()
    assert both("rerank", "what is nucleus sampling?", "-k", "3", stdin=lines).returncode == 0
    records = "".join(json.dumps({"text": line, "n": n}) + "\n" for n, line in enumerate(lines.splitlines()) if line)
    assert both("rerank", "temperature", "--min-prob", "0.01", stdin=records).stdout.count("\n") >= 1


def test_errors_are_those_of_this_process(server, sample_home, ragcli):
    """A server that refuses is not the last word: the command answers itself, with its usual error."""
    variables = {"RAGCLI_SOCKET": str(server.socket), "RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples"}
    variables["XDG_CONFIG_HOME"] = os.environ.get("XDG_CONFIG_HOME", "")
    for call, told in {
        ("query", " "): "the query is empty",
        ("query", "x", "--mode", "deep"): "unknown mode 'deep'",
        ("query", "x", "--after", "someday"): "invalid date 'someday'",
        ("show", "nothing.md:3"): "nothing.md is not in the index",
        ("query", "x", "-i", "other"): "there is no index 'other'",
        ("query", "x", "-i", "other", "--server", "always"): "there is no index 'other'",
    }.items():
        done = ragcli(*call, **variables)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr


def test_a_client_with_other_settings_answers_itself(server, sample_home, ragcli, tmp_path):
    variables = {"RAGCLI_SOCKET": str(server.socket), "RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples"}
    other = {**variables, "RAGCLI_MODELS": str(tmp_path)}
    assert ragcli("query", "attention", "--no-rerank", **other).returncode == 0
    done = ragcli("query", "attention", "--no-rerank", "--server", "always", **other)
    assert done.returncode == 2
    assert "the client has another version or other settings" in done.stderr


def test_without_a_server_auto_answers_and_always_says_so(ragcli, sample_home, tmp_path):
    variables = {"RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples", "RAGCLI_SOCKET": str(tmp_path / "none")}
    done = ragcli("query", "attention", "--no-rerank", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    done = ragcli("query", "attention", "--server", "always", **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert "start one: ragcli serve" in done.stderr


def test_a_question_starts_a_server_for_the_next_one(ragcli, sample_home, short_folder, wait_until):
    place = short_folder / "made" / "serve.sock"
    variables = {"RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples", "RAGCLI_SOCKET": str(place)}

    def status():
        return json.loads(ragcli("serve", "--status", "--json", **variables).stdout)

    question = ("query", "attention", "--no-rerank", "--json", "--server")
    alone = ragcli(*question, "never", **variables)
    assert not place.parent.exists()
    first = ragcli(*question, "start", **variables)
    try:
        wait_until(lambda: status()["running"])
        found = status()
        assert (found["answered"], found["idle_seconds"]) == (0, 1800)
        assert place.stat().st_mode & 0o777 == 0o600
        assert place.parent.stat().st_mode & 0o777 == 0o700
        assert os.getsid(found["pid"]) == found["pid"]  # a terminal that closes does not end it
        second = ragcli(*question, "start", **variables)
        assert (status()["answered"], status()["pid"]) == (1, found["pid"])
        for done in (first, second):
            assert (done.returncode, done.stdout, done.stderr) == (0, alone.stdout, "")
    finally:
        assert ragcli("serve", "--stop", **variables).returncode == 0
    # one that died is not started again and again, but after some seconds it is
    ragcli(*question, "start", **variables)
    assert not place.exists()
    os.utime(place.with_suffix(".start"), (1, 1))
    ragcli(*question, "start", **variables)
    wait_until(lambda: status()["running"])
    assert ragcli("serve", "--stop", **variables).returncode == 0


def test_a_folder_may_not_start_a_server_before_it_is_trusted(ragcli, sample_home, short_folder, tmp_path):
    (tmp_path / "ragcli.toml").write_text('[query]\nserver = "start"\n')
    variables = {"RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples", "RAGCLI_SOCKET": str(short_folder / "s")}
    done = ragcli("query", "attention", cwd=tmp_path, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not trusted, so it may not set server" in done.stderr
    assert list(short_folder.iterdir()) == []
    (tmp_path / "ragcli.toml").write_text('[query]\nserver = "never"\n')
    assert ragcli("query", "attention", "--no-rerank", cwd=tmp_path, **variables).returncode == 0


@pytest.fixture
def dead(short_folder):
    """Sockets behind which no answer comes."""
    place = short_folder / "s"

    def make(kind: str) -> Path:
        if kind == "stale":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(place))
            return place
        if kind == "a file":
            place.write_text("not a socket")
            return place
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(place))
        listening.listen(8)
        answers = {"closes": b"", "speaks nonsense": b"\x00\xffgarbage\r\n", "half": b"HTTP/1.1 200 OK\r\n\r\n {"}

        def serve() -> None:
            while True:
                connection, _ = listening.accept()
                if kind == "silent":
                    kept.append(connection)
                    continue
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answers[kind])

        kept: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        return place

    return make


@pytest.mark.parametrize("kind", ["stale", "a file", "silent", "closes", "speaks nonsense", "half"])
def test_a_dead_server_does_not_stop_a_question(dead, kind, ragcli, sample_home):
    variables = {"RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples", "RAGCLI_SOCKET": str(dead(kind))}
    done = ragcli("query", "attention", "--no-rerank", "--json", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["hits"]


def test_a_stopped_server_does_not_stop_a_question(start, ragcli, sample_home):
    """SIGSTOP: the kernel still accepts connections for it."""
    with start() as running:
        running.process.send_signal(signal.SIGSTOP)
        variables = {"RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples", "RAGCLI_SOCKET": str(running.socket)}
        done = ragcli("query", "attention", "--no-rerank", **variables)
        running.process.send_signal(signal.SIGCONT)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_server_of_an_index_that_was_made_again_is_not_believed(start, ragcli, tmp_path, short_folder):
    """The same name, another index: the answer is that of the new one."""
    home, notes = tmp_path / "home", tmp_path / "notes"
    notes.mkdir()
    (notes / "a.txt").write_text("The tower clock strikes thirteen.")
    variables = {"RAGCLI_HOME": str(home), "RAGCLI_SOCKET": str(short_folder / "serve.sock")}
    assert ragcli("index", str(notes), **variables).returncode == 0
    with start(folder=short_folder, XDG_CONFIG_HOME=str(tmp_path / "settings")):
        first = ragcli("query", "clock", "--server", "always", "--json", "--no-rerank", **variables)
        assert [hit["text"] for hit in json.loads(first.stdout)["hits"]] == ["The tower clock strikes thirteen."]
        (home / "default").rename(home / "old")
        (notes / "a.txt").write_text("The tower clock was sold.")
        assert ragcli("index", str(notes), **variables).returncode == 0
        second = ragcli("query", "clock", "--server", "always", "--json", "--no-rerank", **variables)
        assert [hit["text"] for hit in json.loads(second.stdout)["hits"]] == ["The tower clock was sold."]


def test_the_client_loads_no_models_and_no_numpy(server, sample_home, tmp_path):
    code = (
        "import sys\nfrom ragcli.cli.app import main\nmain()\n"
        "heavy = ['numpy', 'sqlite3', 'faiss', 'tantivy', 'tokenizers', 'onnxruntime', 'http.client', 'rich']\n"
        "print([m for m in [*heavy, 'ragcli.retrieve.engine', 'ragcli.models.open'] if m in sys.modules])"
    )
    for call in (["query", "attention"], ["ask", "what is attention?"], ["show", "3"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *call, "--server", "always"], capture_output=True, text=True, check=True,
            timeout=120, env={
                **os.environ, "RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples",
                "RAGCLI_SOCKET": str(server.socket),
            },
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "[]", call


# -- the server as a process ------------------------------------------------------------------------------------------


def test_status_and_stop(start, ragcli):
    with start("--port", "0") as running:
        variables = {"RAGCLI_SOCKET": str(running.socket)}
        record = json.loads(ragcli("serve", "--status", "--json", **variables).stdout)
        assert (record["running"], record["pid"], record["port"]) == (True, running.process.pid, running.port)
        assert str(running.process.pid) in ragcli("serve", "--status", **variables).stdout
        done = ragcli("serve", "--stop", **variables)
        assert done.returncode == 0
        assert running.process.wait(10) == 0
        assert not running.socket.exists()
        assert ragcli("serve", "--status", **variables).returncode == 1
        assert ragcli("serve", "--stop", **variables).returncode == 1


def test_only_the_user_may_open_the_socket(server):
    assert server.socket.stat().st_mode & 0o777 == 0o600


def test_a_second_server_is_refused_and_the_first_goes_on(start, ragcli):
    with start() as running:
        done = ragcli("serve", RAGCLI_SOCKET=str(running.socket))
        assert done.returncode == 2
        assert f"a server already runs at {running.socket}" in done.stderr
        assert ragcli("serve", "--status", RAGCLI_SOCKET=str(running.socket)).returncode == 0


def test_a_port_that_is_taken_is_one_line(ragcli, short_folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = ragcli("serve", "--port", str(taken.getsockname()[1]), RAGCLI_SOCKET=str(short_folder / "s"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Address already in use" in done.stderr
    assert not (short_folder / "s").exists()


def test_a_socket_that_a_killed_server_left_is_replaced(start, short_folder):
    with start(folder=short_folder) as running:
        running.process.kill()
        running.process.wait()
        assert running.socket.exists()
        with start(folder=short_folder) as next_one:
            assert next_one.process.poll() is None


def test_a_file_in_place_of_the_socket_is_left_alone(ragcli, short_folder):
    (short_folder / "s").write_text("mine")
    done = ragcli("serve", RAGCLI_SOCKET=str(short_folder / "s"))
    assert done.returncode == 2
    assert (short_folder / "s").read_text() == "mine"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_a_server_cleanly(start, number):
    with start() as running:
        running.process.send_signal(number)
        assert running.process.wait(15) == 0
        assert not running.socket.exists()
        assert running.process.stderr.read() == ""


def test_a_server_under_nohup_outlives_its_terminal(sample_home, ragcli, short_folder):
    variables = {"RAGCLI_SOCKET": str(short_folder / "serve.sock"), "RAGCLI_HOME": str(sample_home)}
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "ragcli", "serve"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        env={**os.environ, **variables}, text=True,
    )  # fmt: skip
    while not process.stderr.readline().startswith("serving at "):
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    assert ragcli("serve", "--status", **variables).returncode == 0
    assert ragcli("serve", "--stop", **variables).returncode == 0
    assert process.wait(20) == 0
    process.stderr.close()


def test_an_idle_server_ends(start):
    with start("--idle", "1s") as running:
        assert running.process.wait(20) == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--host", "0.0.0.0", "--port", "0"), "other machines can reach 0.0.0.0"),
        (("--host", "192.0.2.1"), "--host needs a --port"),
        (("--idle", "soon"), "invalid time 'soon'"),
        (("--status", "--stop"), "choose one of --status, --stop and --open"),
    ],
)
def test_what_cannot_be_served_is_said(ragcli, short_folder, options, told):
    done = ragcli("serve", *options, RAGCLI_SOCKET=str(short_folder / "s"))
    assert done.returncode == 2
    assert told in done.stderr


def test_a_path_that_is_too_long_for_a_socket_is_said(ragcli, tmp_path):
    done = ragcli("serve", RAGCLI_SOCKET=str(tmp_path / ("x" * 120)))
    assert done.returncode == 2
    assert "the path of the socket is too long" in done.stderr


def test_a_token_file_that_others_can_read_is_refused(ragcli, short_folder):
    token = short_folder / "token"
    token.write_text("a" * 32)
    token.chmod(0o644)
    done = ragcli("serve", "--port", "0", "--token", str(token), RAGCLI_SOCKET=str(short_folder / "s"))
    assert done.returncode == 2
    assert f"chmod 600 {token}" in done.stderr
