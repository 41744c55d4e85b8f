"""A worker whose loader does what the name of the file says, as a broken parser would."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.sandbox.worker import main
from ragcli.types import Block, Document, Reason


def hang(path: Path) -> None:
    time.sleep(600)


def spin(path: Path) -> None:
    while True:
        pass


def segfault(path: Path) -> None:
    ctypes.string_at(0)


def leave(path: Path) -> None:
    os._exit(3)


def killed(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def explode(path: Path) -> None:
    list(range(10**9))


def fail(path: Path) -> None:
    raise ZeroDivisionError("x" * 1000)


def recurse(path: Path) -> None:
    recurse(path)


def encrypted(path: Path) -> None:
    raise LoadError(Reason.ENCRYPTED, "needs a password")


def noise(path: Path) -> None:
    os.write(1, b"\x00" * 100)
    sys.stdout.write("printed")
    sys.stdout.flush()
    subprocess.run(["cat"], check=True)  # reads stdin, which must not be the requests


def child(path: Path) -> None:
    started = subprocess.Popen(["sleep", "600"])
    path.with_suffix(".pid").write_text(str(started.pid))
    hang(path)


def slow(path: Path) -> None:
    time.sleep(0.3)


def replies() -> int:
    """The descriptor of the replies, as a parser that was taken over would find it."""
    for number in range(3, 64):
        try:
            if (
                str(Path(f"/proc/self/fd/{number}").readlink()).startswith("pipe:")
                and fcntl.fcntl(number, fcntl.F_GETFL) & 1
            ):
                return number
        except OSError:
            continue
    raise AssertionError("there is no such descriptor")


def shout(path: Path) -> None:
    os.write(replies(), (1 << 40).to_bytes(8, "big"))
    hang(path)


def lie(path: Path) -> None:
    body = b'{"document": {"contexts": 7, "text": 0}}'
    os.write(replies(), len(body).to_bytes(8, "big") + body)
    hang(path)


def send(body: bytes) -> None:
    os.write(replies(), len(body).to_bytes(8, "big") + body)


def lie_in_a_part(path: Path) -> None:
    send(b'{"parts": {"title": "", "loader": "text", "warnings": []}}')
    send(b'{"structure": 5, "text": 3}')
    os.write(replies(), b"12345abc")
    send(b'{"end": true}')
    hang(path)


def nothing_in_a_part(path: Path) -> None:
    send(b'{"parts": {"title": "", "loader": "text", "warnings": []}}')
    body = b'{"title": "", "blocks": [], "contexts": [], "loader": "text", "warnings": []}'
    send(b'{"structure": %d, "text": 0}' % len(body))
    os.write(replies(), body)
    send(b'{"end": true}')
    hang(path)


def end_in_a_part(path: Path) -> None:
    send(b'{"parts": {"title": "", "loader": "text", "warnings": []}}')
    send(b'{"structure": 5, "text": 3}')
    leave(path)


def connect(path: Path) -> None:
    socket.create_connection(("127.0.0.1", int(path.read_text())), timeout=5)


def look_up(path: Path) -> None:
    socket.getaddrinfo("example.org", 80)


DEEDS = {deed.__name__: deed for deed in (hang, spin, segfault, leave, killed, explode, fail, recurse, encrypted)}
DEEDS |= {deed.__name__: deed for deed in (noise, child, slow, shout, lie, connect, look_up)}
DEEDS |= {deed.__name__: deed for deed in (lie_in_a_part, nothing_in_a_part, end_in_a_part)}


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    if path.stem in DEEDS:
        DEEDS[path.stem](path)
    answers = {"pid": str(os.getpid()), "options": repr(options)}
    text = answers.get(path.stem) or data.decode()
    return Document(path, "", text, (Block(0, len(text), "paragraph"),), "test")


if __name__ == "__main__":
    if len(sys.argv) > 1 and os.environ.get("RAGCLI_TEST_NO_START"):
        sys.exit(5)
    main(load)
