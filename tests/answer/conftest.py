"""Hand-made passages, and a server to ask."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from ragcli.types import Chunk, Hit, Snippet

# the server that the tests of the command use too
sys.path.insert(0, str(Path(__file__).parent))

from chat_client import run_chat_server

BASE = Path("/home/ada/library")


def _make_hit(text, **given):
    path = BASE / given.pop("path", "notes/logs.md")
    line = given.pop("line", 10)
    end = given.setdefault("start", 100) + len(text)
    start = given.pop("start")
    chunk = Chunk(
        id=given.pop("id", 7),
        path=path,
        title=given.pop("title", ""),
        start=start,
        end=end,
        text=text,
        bytes=(start, start + len(text.encode("utf-8", "surrogatepass"))),
        lines=(line, line + text.count("\n")),
        pages=given.pop("pages", None),
        headings=given.pop("headings", ()),
    )
    snippet = Snippet(start=start, end=end, text=text, line=line, page=given.pop("page", None), matches=())
    return Hit(chunk=chunk, score=0.5, snippet=snippet, parts=(), **given)


@pytest.fixture(scope="session")
def make_hit():
    return _make_hit


@pytest.fixture
def chat_server(tmp_path):
    with run_chat_server(tmp_path / "server") as server:
        yield server


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory, worker_id):
    """The folder of a small language model, made and trained once in about 15 s; its reply is in tiny_llama.py."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "tiny-llama"
    with filelock.FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            script = Path(__file__).with_name("tiny_llama.py")
            subprocess.run([sys.executable, script, folder], check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture
def ask_logs(ragcli, tmp_path):
    """Ask an index of one document, which bears out the first half of the model's reply."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "logs.md").write_text("# Logs\n\nThe logs of the server are rotated every 7 days at night.\n")
    done = ragcli("index", str(tmp_path / "docs"))
    assert done.returncode == 0, done.stderr
    return lambda *arguments, **options: ragcli("ask", "How often are the logs rotated?", *arguments, **options)
