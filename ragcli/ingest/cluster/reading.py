"""The side of a cluster run that holds the index: it starts the process that talks to Ray and reads the shards."""

from __future__ import annotations

import os
import re
import secrets
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ragcli.errors import EngineUnavailable, RagcliError
from ragcli.formats.blocks import LoadOptions
from ragcli.index.catalog.rows import Settings
from ragcli.index.layout import staging_folder
from ragcli.ingest.changes import Due
from ragcli.ingest.cluster.shards import Group, group_of, pack_group, read_shard
from ragcli.ingest.cluster.work import MARK, Job, write_known
from ragcli.ingest.embed import Chunked
from ragcli.ingest.sandbox.frames import Frame, read_frame, write_frame
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.process import Loaded, Request, environment
from ragcli.types import Reason, Skipped

Say = Callable[[str], None]

# The files of one task: enough work (seconds on one core) to be worth a task, little enough to repeat.
_GROUP_FILES = 32
_GROUP_BYTES = 256 << 10

# Why a worker has no document of a file that may be there for others.
_NOT_READ = (Reason.UNREADABLE, Reason.ABSENT)

_IMPORT_SECONDS = 120.0  # importing ray takes 2 s, and from a cold network folder much longer
_ENDING_SECONDS = 20.0

_MODULE = "ragcli.ingest.cluster.ray_job"


class Cluster:
    """A running and checked Ray; made by :func:`open_cluster`."""

    def __init__(self, process: _RayProcess, staging: Path, say: Say) -> None:
        self._process = process
        self._staging = staging
        self._say = say

    def read(self, due: Sequence[Due], known: Sequence[bytes]) -> Iterator[tuple[Loaded, Chunked | None]]:
        """Every file once, as soon as a worker is done with it.

        Chunks whose digest is in ``known`` (ascending) come without a vector. Raises RagcliError when the cluster is
        lost, and when a worker cannot read a file that can be read here.
        """
        write_known(self._staging, known)
        missing = set()
        for group in _groups(due):
            self._process.send({"group": pack_group(group)})
            missing.add(group.name)
        self._process.send({"go": True})
        self._say(f"waiting for the first of {len(missing)} tasks")
        while "done" not in (frame := self._process.receive()):
            if "shard" not in frame:
                continue
            name = frame["shard"].partition(".")[0]
            if name not in missing:  # done twice, and read already
                continue
            missing.remove(name)
            yield from self._take(frame["shard"])
        if missing:
            raise RagcliError(f"Ray lost {len(missing)} groups of files", "run again to go on with them")

    def _take(self, shard: str) -> Iterator[tuple[Loaded, Chunked | None]]:
        files = read_shard(self._staging, shard)
        (self._staging / shard).unlink(missing_ok=True)  # its content is in memory now, as after reading files here
        for loaded, chunked in files:
            _refuse_blind_worker(loaded)
            yield loaded, chunked


@contextmanager
def open_cluster(
    folder: Path,
    address: str | None,
    workers: int,
    settings: Settings,
    load: LoadOptions,
    limits: Limits,
    places: Sequence[Path],
    say: Say,
) -> Iterator[Cluster]:
    """Connect to Ray, or start it here, for the index in ``folder``, which the caller holds for writing.

    Every node must see that folder and ``places`` and have the model; else EngineUnavailable is raised, before anything
    is stored. ``say`` is told what takes long.
    """
    with staging_folder(folder) as staging, tempfile.TemporaryFile() as said:
        mark = secrets.token_hex(16)
        (staging / MARK).write_text(mark, encoding="utf-8")
        job = Job(staging, settings, load, limits, tuple(places), mark)
        process = _RayProcess(said, is_local=address is None)
        try:
            process.send({"address": address, "workers": workers, "job": job.to_record()})
            _wait_until_ready(process, say)
            yield Cluster(process, staging, say)
        finally:
            process.end()


def _wait_until_ready(process: _RayProcess, say: Say) -> None:
    seconds = _IMPORT_SECONDS
    try:
        while "ready" not in (frame := process.receive(seconds)):
            say(frame["doing"])
            seconds = frame["seconds"]
    except KeyboardInterrupt:
        process.kill()  # it may hang where nothing answers
        raise


def _groups(due: Sequence[Due]) -> Iterator[Group]:
    group: list[Request] = []
    room = _GROUP_BYTES
    for item in due:
        if group and (len(group) == _GROUP_FILES or item.found.size > room):
            yield group_of(group)
            group, room = [], _GROUP_BYTES
        group.append(item.request())
        room -= item.found.size
    if group:
        yield group_of(group)


def _refuse_blind_worker(loaded: Loaded) -> None:
    """Raise RagcliError for a file that the worker alone cannot read: a missing mount must not empty the index."""
    outcome = loaded.outcome
    if isinstance(outcome, Skipped) and outcome.reason in _NOT_READ and os.access(loaded.path, os.R_OK):
        raise RagcliError(
            f"a worker cannot read {loaded.path} ({outcome.detail}), which can be read here",
            "mount the same folders under the same paths on every node",
        )


class _RayProcess:
    """The process that talks to Ray; :meth:`end` must be called."""

    def __init__(self, said: IO[bytes], *, is_local: bool) -> None:
        """What Ray prints goes to ``said``."""
        self._said = said
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", _MODULE],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment() | _RAY | (_local() if is_local else {}),
            cwd="/",  # workers look for modules in the folder from which they are started
            process_group=0,  # Ctrl-C does not reach it: it ends after the finished work is stored
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self._replies: IO[bytes] = self._process.stdout

    def send(self, frame: Frame) -> None:
        with suppress(BrokenPipeError):  # the end of the replies reports it
            write_frame(self._requests, frame)

    def receive(self, seconds: float | None = None) -> Frame:
        """The next reply; EngineUnavailable when none comes within ``seconds``, or when it reports an error."""
        if seconds is not None and not self._is_heard(seconds):
            self.kill()
            raise EngineUnavailable(
                f"Ray did not answer within {seconds:.0f} s", "is it a Ray cluster? see: ray status"
            )
        frame = read_frame(self._replies)
        if frame is None:
            raise EngineUnavailable(
                f"the connection to Ray is lost{self._last_words()}", "what is finished is in the index; run again"
            )
        if "error" in frame:
            raise EngineUnavailable(frame["error"], frame["hint"])
        return frame

    def kill(self) -> None:
        """Kill the process, and Ray with it where it was started for this run."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Tell the process to disconnect from Ray, and kill it when it does not."""
        self._requests.close()
        try:
            self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._replies.close()

    def _is_heard(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._replies, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def _last_words(self) -> str:
        """The last line that Ray logged, without its time and place in the code."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().decode(errors="replace").splitlines() if line.strip()]
        return f": {_LOGGED.sub('', lines[-1])[:200].partition('. ')[0]}" if lines else ""


_LOGGED = re.compile(r"^\[[^\]]*\] \S+:\d+: ")

# No statistics are sent, workers have the priority of any other process, and a lost head is reported in time.
_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "30",
}


def _local() -> dict[str, str]:
    """Ray listens on every network of this machine and runs what it is sent: requests need the token of this run."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
