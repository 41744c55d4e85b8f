"""How the command line asks a server that runs: one request over a Unix socket, and no answer when anything is amiss.

This module costs a process without a server one ``stat``. It speaks HTTP by hand: ``http.client`` takes 26 ms to
import, a third of such a run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ragcli._version import __version__
from ragcli.errors import RagcliError
from ragcli.index.layout import CATALOG

_SOCKET = "serve.sock"
# A server shows a sign of life at once, and then one each second until it has the answer. On a busy machine both take
# longer; who insists on a server waits for it.
BEAT_SECONDS = 1.0
_FIRST_SECONDS = 2.0
_NEXT_SECONDS = 15.0
_PATIENCE = 5  # times as long
STARTED_IDLE = "30m"  # without a question until a server ends that a question started
_STARTING_SECONDS = 10.0  # in which no other question starts one

# Whatever lets two processes answer differently: where settings, models and caches are, and how numpy computes.
_VARIABLES = (
    "HOME", "RAGCLI_CACHE", "RAGCLI_MODELS", "RAGCLI_MILVUS_TOKEN", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
    "XDG_DATA_HOME", "HF_HOME", "HF_HUB_CACHE", "OPENBLAS_NUM_THREADS", "TZ",
)  # fmt: skip


class NoAnswer(Exception):
    """There is no server, or it gave no answer; the message says why."""


class NoServer(NoAnswer):
    """No process listens."""


def socket_path() -> Path:
    """``RAGCLI_SOCKET``, else ``ragcli/serve.sock`` in the user's runtime folder, else in the cache folder."""
    if chosen := os.environ.get("RAGCLI_SOCKET"):
        return Path(chosen).expanduser().absolute()
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime, "ragcli", _SOCKET)
    from ragcli.models.digest import cache_folder

    return cache_folder() / _SOCKET


def identity() -> list[str]:
    """What must be equal in two processes for them to answer alike."""
    return [__version__, os.path.dirname(__file__), *(os.environ.get(name, "") for name in _VARIABLES)]  # noqa: PTH120


def index_identity(folder: Path) -> list[int]:
    """What tells the index in ``folder`` from any other one; OSError when there is none."""
    stat = (folder / CATALOG).stat()
    return [stat.st_dev, stat.st_ino]


def ask(route: str, fields: dict[str, Any], indexes: Sequence[Path] = (), *, patient: bool = False) -> Any:  # noqa: ANN401 (what ``wire`` carries)
    """Return what the server answers to a question of the command line. Raises NoAnswer, and OSError for no index."""
    body = {
        "client": identity(), "fields": fields,
        "indexes": [str(index) for index in indexes], "identities": [index_identity(index) for index in indexes],
    }  # fmt: skip
    found = request("POST", f"/cli/{route}", body, patient=patient, meanwhile=_load_what_prints)
    if not isinstance(found, dict) or "answer" not in found:
        raise NoAnswer(str(found.get("error", "no answer")) if isinstance(found, dict) else "an invalid answer")
    from ragcli.serve.wire import unpack

    try:
        return unpack(found["answer"])
    except (ValueError, TypeError) as error:
        raise NoAnswer(f"an invalid answer: {error}") from error


def _load_what_prints() -> None:
    """Import what prints an answer: 25 ms, in which the server computes it."""
    import ragcli.render.lines
    import ragcli.render.terminal
    import ragcli.serve.wire  # noqa: F401 (used later)


def request(
    method: str, path: str, body: object = None, *, patient: bool = True, meanwhile: Callable[[], None] = lambda: None
) -> Any:  # noqa: ANN401 (JSON)
    """Return the JSON that the server answers; call ``meanwhile`` while it computes. Raises NoAnswer."""
    patience = _PATIENCE if patient else 1
    place = socket_path()
    try:
        owner = place.stat().st_uid
    except OSError:
        raise NoServer(f"no server runs at {place}") from None
    if owner != os.geteuid():
        raise NoAnswer(f"{place} belongs to another user")
    import socket  # 4 ms

    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode()
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_FIRST_SECONDS * patience)
            connection.connect(str(place))
            connection.sendall(head + content)
            meanwhile()
            return _answer(connection, _NEXT_SECONDS * patience)
    except TimeoutError as error:
        raise NoAnswer(f"the server at {place} says nothing") from error
    except ConnectionRefusedError as error:  # a server that was killed left its socket
        raise NoServer(f"no server runs at {place}") from error
    except (OSError, ValueError) as error:  # also a path that is too long, and JSON that ends too early
        raise NoAnswer(f"no answer from {place}: {error}") from error


def _answer(connection: Any, seconds: float) -> Any:  # noqa: ANN401 (a socket, whose module is not loaded here)
    received = connection.recv(1 << 16)
    connection.settimeout(seconds)
    parts: list[bytes] = []
    while received:
        parts.append(received)
        received = connection.recv(1 << 16)
    head, _, content = b"".join(parts).partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        content = _unchunked(content)
    return json.loads(content)


def _unchunked(content: bytes) -> bytes:
    """Join the chunks of a body in chunked transfer encoding (RFC 9112, section 7.1)."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = content.index(b"\r\n", at)
        size = int(content[at:end], 16)
        if not size:
            return b"".join(parts)
        parts.append(content[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


def start_server() -> None:
    """Start a server in the background, which ends when nobody has asked it for half an hour.

    It reads no ragcli.toml, and keeps no folder and no terminal in use. Where two questions start one, the second one
    finds the socket locked, and ends.
    """
    import subprocess
    import time

    from ragcli.serve.install import program

    place = socket_path()
    mark = place.with_suffix(".start")
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if mark.exists() and 0 <= time.time() - mark.stat().st_mtime < _STARTING_SECONDS:
            return
        mark.touch()
        subprocess.Popen(
            [*program(), "serve", "--quiet", "--idle", STARTED_IDLE], cwd=os.sep,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, "RAGCLI_SOCKET": str(place)},
        )  # fmt: skip


class Choice:
    """What the user wants of a server.

    ``auto`` uses one that runs, ``start`` also starts one for the next question, ``always`` needs one, and ``never``
    leaves it alone.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def ask(self, route: str, fields: dict[str, Any], *indexes: Path) -> Any:  # noqa: ANN401 (JSON)
        """Return the server's answer; None when this process is to answer. Raises RagcliError for ``always``."""
        if self._name == "never":
            return None
        try:
            return ask(route, fields, indexes, patient=self._name == "always")
        except OSError:  # there is no such index: this process says so
            return None
        except NoAnswer as error:
            if self._name == "always":
                raise RagcliError(f"no server answered: {error}", "start one: ragcli serve") from error
            if self._name == "start" and isinstance(error, NoServer):
                start_server()
            return None
