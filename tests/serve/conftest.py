"""A real server of the sample index, as `ragcli serve` starts it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

Start = Callable[..., "Running"]

NO_DISPLAY = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}  # a test opens no browser of its user


class Running:
    """A server process, the folder of its socket, and the address of its page."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, port: int | None, page: str) -> None:
        self.process, self.folder, self.port, self.page = process, folder, port, page
        self.socket = folder / "serve.sock"


@contextmanager
def started(home: Path, *arguments: str, folder: Path | None = None, **variables: str) -> Iterator[Running]:
    """Start a server and wait until it listens; end it if the test did not. The path of a socket must be short."""
    own = folder is None
    folder = folder or Path(tempfile.mkdtemp(prefix="ragcli-", dir="/tmp"))
    process = subprocess.Popen(
        [sys.executable, "-m", "ragcli", "serve", "--home", str(home), "-i", "samples", *arguments],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env={**os.environ, **NO_DISPLAY, "RAGCLI_SOCKET": str(folder / "serve.sock"), **variables},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("serving at "), line + process.stderr.read()
        port = int(line.partition("http://")[2].partition(";")[0].rpartition(":")[2]) if "http://" in line else None
        page = process.stderr.readline().removeprefix("the page: ").strip() if "--open" in arguments else ""
        yield Running(process, folder, port, page)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.stderr.close()
            if own:
                shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(sample_home) -> Iterator[Running]:
    """A server for the tests that only ask it."""
    with started(sample_home, "--port", "0") as running:
        yield running


@pytest.fixture(scope="session")
def started_server() -> Callable[..., AbstractContextManager[Running]]:
    """Start a server over any home, for the length of a ``with``."""
    return started


@pytest.fixture
def start(sample_home) -> Start:
    """Start a server of one's own."""
    return lambda *arguments, **variables: started(sample_home, *arguments, **variables)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="ragcli-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Wait until something holds that another process brings about."""

    def wait(holds: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    return wait
