"""Nodes of a Ray cluster on this machine, each of whose processes can be found and killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import ragcli

_PROJECT = Path(ragcli.__file__).parents[1]
_RAY = Path(sys.executable).parent / "ray"
_MARK = "RAGCLI_TEST_NODE"

# Ray listens on every network of this machine: only who knows the token may send it work.
ACCESS = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex}

# What a cluster decides by default within half a minute shall not take so long here.
_QUICK = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def processes_with(variable: str, title: str = "") -> list[int]:
    """The processes that have ``variable``, NAME=VALUE, in their environment, and a title that begins so."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it is gone, or somebody else's
            has_it = variable.encode() in (place / "environ").read_bytes().split(b"\0")
            if has_it and (place / "cmdline").read_bytes().decode(errors="replace").startswith(title):
                found.append(int(place.name))
    return found


class Node:
    """One node: all processes that were started for it, and what they started, carry its mark in their environment."""

    def __init__(self, *arguments: str, before: Sequence[str] = (), **variables: str) -> None:
        """``arguments`` are those of ``ray start``, which is run by the command ``before``."""
        self._mark = f"{_MARK}={uuid.uuid4().hex}"
        environment = os.environ | {"PYTHONPATH": str(_PROJECT)} | ACCESS | _QUICK | variables
        environment |= dict([self._mark.split("=")])
        command = [
            *before, _RAY, "start", *arguments, "--num-cpus=1", "--object-store-memory=80000000",
            "--disable-usage-stats",
        ]  # fmt: skip
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            self.kill()
            raise RuntimeError(f"{command}: {done.stdout} {done.stderr}")

    def processes(self, title: str = "") -> list[int]:
        """The processes of the node, or those of them whose title begins so."""
        return processes_with(self._mark, title)

    def kill(self, title: str = "") -> int:
        """SIGKILL for all of these; returns for how many."""
        count = 0
        while pids := self.processes(title):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    count += 1
            if title:
                break
            time.sleep(0.1)  # what was being started meanwhile
        return count


class Nodes:
    """A head and one more node with a processor each; ``with Nodes() as nodes``."""

    def __enter__(self) -> Nodes:
        self._folder = tempfile.mkdtemp(prefix="rg", dir="/tmp")  # sockets are in it, whose names must be short
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.all: list[Node] = []
        try:
            self.head = self._add("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder}")
            self.other = self.add()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.all:
            node.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, *arguments: str, before: Sequence[str] = (), **variables: str) -> Node:
        """One more node."""
        return self._add(f"--address={self.address}", *arguments, before=before, **variables)

    def _add(self, *arguments: str, before: Sequence[str] = (), **variables: str) -> Node:
        node = Node(*arguments, before=before, **variables)
        self.all.append(node)
        return node
