"""The whole way with a real server: transformers serve, with real weights, on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import jsonschema
import pytest
from tiny_llama import INVENTED, REPLY, TRUE

from ragcli.answer.llm import open_endpoint, stream_chat
from ragcli.answer.prompt import Message
from ragcli.errors import ExitCode
from ragcli.render.record import schema

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("openai", "fastapi", "uvicorn", "pydantic")),
    reason="transformers serve needs: pip install 'transformers[serving]'",
)

_PATIENCE = 120  # seconds until the server answers


@pytest.fixture(scope="module")
def served(tiny_llama, tmp_path_factory):
    """The base URL of transformers serve."""
    home = tmp_path_factory.mktemp("hf")
    (home / "hub").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (home / "log").open("w+")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "transformers.cli.transformers", "serve", str(tiny_llama),
            "--host", "127.0.0.1", "--port", str(port), "--device", "cpu",
        ],
        stdout=log, stderr=log, env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + _PATIENCE
        while not healthy(port):
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()
        log.close()


def healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.fixture
def model(served, tiny_llama):
    return ["--llm", str(tiny_llama), "--base-url", served]


def test_the_answer_streams(served, tiny_llama):
    endpoint = open_endpoint(served, str(tiny_llama), timeout=60)
    notes = []
    pieces = list(stream_chat(endpoint, [Message("system", "Be brief."), Message("user", "how often?")], notes.append))
    assert "".join(pieces) == REPLY
    assert len(pieces) > 5
    assert notes == []


def test_it_cites_and_is_checked(ask_logs, model):
    done = ask_logs(*model)
    assert done.returncode == ExitCode.OK, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{REPLY} [?]"
    assert lines[2:5] == ["not supported:", f"  {INVENTED}", "    there is no passage [5]"]
    assert lines[6].startswith("[1] ")
    assert "logs.md:" in lines[6]


def test_strict_exits_4_on_the_invented_citation(ask_logs, model):
    done = ask_logs(*model, "--strict", "--json")
    assert done.returncode == ExitCode.NOT_GROUNDED
    record = json.loads(done.stdout)
    jsonschema.validate(record, schema("answer"), cls=jsonschema.Draft202012Validator)
    assert record["text"] == TRUE
    assert [claim["supported"] for claim in record["claims"]] == [True, False]


def test_offline_may_ask_it(ask_logs, model):
    assert ask_logs(*model, "--offline").returncode == ExitCode.OK
