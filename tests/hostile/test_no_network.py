"""Nothing opens a socket but what the user named: every local command runs where none can be opened."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run commands in one home, where every socket is refused and written down."""
    base = tmp_path_factory.mktemp("local")
    docs = base / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Harbour\n\nThe harbour is deep. A lamp burns all night at the pier.\n")
    (docs / "b.html").write_text(
        '<img src="http://127.0.0.1:9/x.png"><p>The pilot boards at dawn, before the tide.</p>'
    )
    (docs / "q.jsonl").write_text(json.dumps({"question": "how deep is the harbour?", "path": "a.md"}) + "\n")
    shutil.copy(PROJECT / "sample_docs" / "attention.md", docs)
    log = base / "sockets.log"

    def call(*arguments: str, stdin: str = "", code: int = 0, **variables: str) -> str:
        environment = {
            **os.environ, "RAGCLI_HOME": str(base / "home"), "NO_NETWORK_LOG": str(log), "EDITOR": "true",
            "PYTHONPATH": os.pathsep.join([str(HERE / "no_network"), str(PROJECT)]), "COLUMNS": "80",
        } | variables  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "ragcli", *arguments], input=stdin, capture_output=True, text=True, cwd=docs,
            env=environment, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert not log.exists(), log.read_text()
        return done.stdout

    call("index", ".", "--quiet")
    return call


# cite reads files, and the others are meant to listen or to stay: tests/serve and tests/answer run them
LISTENING = {"serve", "mcp", "watch", "cite"}
LOCAL = [
    ["index"],
    ["index", "--dry-run"],
    ["index", "--plan"],
    ["index", "--force"],
    ["query", "harbour", "--explain"],
    ["query", "harbour", "--mode", "dense", "--json"],
    ["query", "harbour", "--in", "a.md"],
    ["ask", "how deep is the harbour?"],
    ["ask", "how deep is the harbour?", "--llm", "m", "--base-url", "http://127.0.0.1:9", "--dry-run"],
    ["show", "a.md:3"],
    ["open", "a.md:3"],
    ["parse", "b.html", "--chunks"],
    ["list"],
    ["list", "--not-indexed"],
    ["status"],
    ["verify"],
    ["repair"],
    ["optimize"],
    ["models", "list"],
    ["models", "show", "all-MiniLM-L6-v2"],
    ["doctor"],
    ["config"],
    ["eval", "q.jsonl"],
    ["eval", "make", "--count", "2"],
    ["--help"],
    ["--version"],
]


@pytest.mark.parametrize("command", LOCAL, ids=" ".join)
def test_a_local_command_works_where_no_socket_opens(run, command):
    codes = {"list --not-indexed": 1}  # there is nothing to list
    run(*command, code=codes.get(" ".join(command), 0))


def test_pipes_work_where_no_socket_opens(run):
    assert json.loads(run("query", "-", stdin="harbour\n"))["hits"]
    assert "lamp" in run("rerank", "what burns at night", stdin="a lamp\na boat\n")
    assert "harbour" in run("query", "harbour", "--in", "-", stdin="the harbour\n")
    assert run("ask", "--chat", stdin="how deep is the harbour?\n/sources\n/quit\n")


def test_every_command_that_there_is_was_tried(run):
    from ragcli.cli.app import command_tree

    tried = {command[0] for command in LOCAL} | {"rerank", "remove", "export", "import"} | LISTENING
    assert command_tree().commands.keys() <= tried


def test_an_index_can_be_taken_along_where_no_socket_opens(run, tmp_path):
    run("export", str(tmp_path / "x.ragcli"))
    run("import", str(tmp_path / "x.ragcli"), "--index", "copy")
    assert "harbour" in run("query", "harbour", "--index", "copy")
    run("remove", "b.html", "--index", "copy")


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True).returncode != 0,
    reason="this machine gives no network namespaces",
)
def test_index_query_and_ask_work_in_a_machine_without_a_network(run, ragcli, tmp_path):
    (tmp_path / "a.txt").write_text("The harbour is deep.")
    alone = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "ragcli"]
    environment = os.environ | {"RAGCLI_HOME": str(tmp_path / "home")}
    for arguments in (["index", "a.txt"], ["query", "harbour"], ["ask", "how deep is the harbour?"], ["verify"]):
        done = subprocess.run([*alone, *arguments], cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, (arguments, done.stderr)


# -- --offline ------------------------------------------------------------------------------------------------------

TRIES = """
import socket, sys
from ragcli.offline import forbid_network
forbid_network()
forbid_network()
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname(), timeout=5).close()
socket.getaddrinfo("localhost", 80)
refused = 0
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for attempt in (
    lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
    lambda: socket.create_connection(("example.org", 80), timeout=1),
    lambda: socket.getaddrinfo("example.org", 443),
    lambda: socket.gethostbyname("example.org"),
    lambda: udp.sendto(b"x", ("192.0.2.1", 53)),
    lambda: socket.create_connection(("2001:db8::1", 80), timeout=1),
    lambda: __import__("urllib.request").request.urlopen("http://192.0.2.1/", timeout=1),
    lambda: __import__("httpx2").get("http://example.org/"),
):
    try:
        attempt()
    except Exception as error:
        refused += "blocked a connection" in str(error)
print(refused)
"""


def test_offline_is_held_by_the_process_itself():
    done = subprocess.run([sys.executable, "-c", TRIES], capture_output=True, text=True, check=True)
    assert done.stdout == "8\n", done.stderr


@pytest.mark.parametrize("how", ["--offline", "RAGCLI_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_reaches_nobody_however_it_is_said(ragcli, tmp_path, how):
    (tmp_path / "a.txt").write_text("The harbour is deep.")
    flags, variables = ([how], {}) if how.startswith("-") else ([], {how: "1"})
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
        variables |= {"HF_ENDPOINT": proxy, "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "HF_HOME": str(tmp_path / "hf")}
        done = ragcli("index", str(tmp_path / "a.txt"), "--model", "nobody/knows-this", *flags, **variables)
        assert done.returncode == 2
        assert "offline" in done.stderr
        asked = ragcli("models", "add", "nobody/knows-this", *flags, **variables)
        assert asked.returncode == 2
        assert ragcli("index", str(tmp_path / "a.txt"), *flags, **variables).returncode == 0
        far = ragcli("ask", "deep?", "--llm", "m", "--base-url", "http://192.0.2.1/v1", *flags, **variables)
        assert far.returncode == 2
        assert "offline" in far.stderr
        with pytest.raises(TimeoutError):
            server.accept()
