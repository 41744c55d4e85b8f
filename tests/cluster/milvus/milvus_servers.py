"""Start, kill and stop Milvus servers on this machine."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_NEEDED = {"lite": "milvus_lite", "real": "milvus"}


@dataclass
class Server:
    """One server on this machine; ``uri("docs")`` is a store on it."""

    kind: str
    data: Path
    port: int
    auth: bool = False
    names: int = 0
    launcher: subprocess.Popen | None = field(default=None, repr=False)
    pid: int = 0  # of the server itself

    def start(self) -> None:
        deadline = time.monotonic() + 120
        while not _is_free(self.port) and time.monotonic() < deadline:
            time.sleep(0.5)  # connections of a server that was killed linger, and Milvus does not take such a port
        command = [sys.executable, str(HERE / "milvus_server.py"), self.kind, str(self.data), str(self.port)]
        quiet = {**os.environ, "PYTHONPATH": ""}
        with (self.data.parent / "server.log").open("ab") as log:
            self.launcher = subprocess.Popen(
                [*command, *(["--auth"] if self.auth else [])], stdout=subprocess.PIPE, stderr=log, text=True, env=quiet
            )
        self.pid = int(self.launcher.stdout.readline() or 0)
        assert self.pid, (self.data.parent / "server.log").read_text()[-2000:]
        self._wait()

    def kill(self) -> None:
        """As a machine that loses power does, for all the server can tell."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, 9)
        self.stop()

    def stop(self) -> None:
        if self.launcher is not None:
            self.launcher.terminate()
            self.launcher.wait(30)
            self.launcher.stdout.close()
            self.launcher = None
        while _exists(self.pid):
            time.sleep(0.05)

    def uri(self, name: str = "") -> str:
        """A store in a collection that no test had before, unless it is named."""
        self.names += 1
        return f"milvus://127.0.0.1:{self.port}/{name or f'c{self.names}'}"

    def client(self, token: str = ""):
        from pymilvus import MilvusClient

        return MilvusClient(uri=f"http://127.0.0.1:{self.port}", token=token, timeout=20, dedicated=True)

    def _wait(self) -> None:
        from pymilvus.exceptions import MilvusException

        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(OSError, MilvusException):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                client = self.client("root:Milvus" if self.auth else "")
                client.list_collections(timeout=5)
                client.close()
                return
            time.sleep(0.2)
        raise TimeoutError((self.data.parent / "server.log").read_text()[-2000:])


def _exists(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(kind: str, folder: Path, *, auth: bool = False) -> Iterator[Server]:
    found = importlib.util.find_spec(_NEEDED[kind])
    if found is None or found.origin is None:  # no origin: the folder of these tests, which is called milvus
        pytest.skip(f"needs the package {_NEEDED[kind]}: make test-cluster installs it")
    folder.mkdir(exist_ok=True)
    server = Server(kind, folder / "data", free_port(), auth)
    server.start()
    try:
        yield server
    finally:
        server.stop()
