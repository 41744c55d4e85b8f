"""Starts the server of chat_server.py: what it should say, and what it was asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ChatServer:
    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def url(self, how: str) -> str:
        return f"http://127.0.0.1:{self.port}/{how}/v1"

    def reply(self, text: str, name: str = "reply") -> None:
        (self.folder / f"{name}.txt").write_text(text, encoding="utf-8")

    def requests(self) -> list[dict]:
        log = self.folder / "requests.jsonl"
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


@contextmanager
def run_chat_server(folder: Path) -> Iterator[ChatServer]:
    """A server in a process of its own, until the end of the block."""
    folder.mkdir()
    script = Path(__file__).with_name("chat_server.py")
    with subprocess.Popen([sys.executable, script, folder], stdout=subprocess.PIPE, text=True) as process:
        server = ChatServer(folder, int(process.stdout.readline()))
        server.reply("Logs are rotated weekly [1].")
        yield server
        process.kill()
