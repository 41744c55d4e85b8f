"""The process that talks to Ray: ``python -m ragcli.ingest.cluster.ray_job``. The only module that imports ray.

Ray prints, logs from C++, and ends a process that lost its cluster: none of this may happen to the process that holds
the index. This one reads frames from stdin (see ``ragcli.ingest.sandbox.worker``): the address of Ray and the job of
the workers, then the groups of files. It writes to stdout what it is doing, the name of each finished shard, and how
the run ended. When stdin closes, the run is given up.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import ray
import ray.data
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ragcli._version import __version__
from ragcli.ingest.cluster.work import EmbedStage, ReadAndEmbedStage, ReadStage
from ragcli.ingest.sandbox.frames import Frame, pack_frame, read_frame, write_frame

# Seconds per step, after which the other process gives up. A cluster answers within a few, Ray starts within 20, a
# node answers within one; on a busy machine with a cold disk all of them take longer.
_CONNECT_SECONDS = 45.0
_START_SECONDS = 120.0
_NODE_SECONDS = 120.0
# Nodes come back, or others replace them, within a minute; without this limit a run would wait forever.
_NO_NODE_SECONDS = 60.0
_LOOK_SECONDS = 5.0
# So many texts that torch is worth the seconds of its import, for workers with a GPU.
_MUCH = 1 << 20


class _Refused(Exception):
    """The run cannot go on; has the fact and the next step."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class _Link:
    """The connection to the process that holds the index; threads may share it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, **frame: object) -> None:
        with self._lock:
            write_frame(self._stream, frame)

    def fail(self, message: str, hint: str) -> None:
        """Report the error that ends the run."""
        self.send(error=message, hint=hint)


def main() -> None:
    """Do one run."""
    requests, link = _take_streams()
    try:
        _run(requests, link)
    except _Refused as error:
        link.fail(str(error), error.hint)
    except Exception as error:  # noqa: BLE001 (whatever Ray raises: the other process reports it in one line)
        link.fail(_sentence(error), "what is finished is in the index; run again to go on")
    finally:
        ray.shutdown()


def _run(requests: IO[bytes], link: _Link) -> None:
    """Raises _Refused, and whatever Ray raises; returns early when the run is given up."""
    if (spec := read_frame(requests)) is None:
        return
    if spec["address"]:
        link.send(doing="connecting to Ray", seconds=_CONNECT_SECONDS)
    else:
        link.send(doing="starting Ray", seconds=_START_SECONDS)
    _connect(spec["address"], spec["workers"])
    link.send(doing="looking at the nodes", seconds=_NODE_SECONDS + _LOOK_SECONDS)
    _check_nodes(spec["job"])
    link.send(ready=True)
    if (groups := _groups(requests)) is None:
        return
    threading.Thread(target=_give_up_with, args=(requests,), daemon=True).start()
    gpus = int(ray.cluster_resources().get("GPU", 0))
    threading.Thread(target=_watch_nodes, args=(link, "GPU" if gpus else "CPU"), daemon=True).start()
    for row in _stages(groups, spec["job"], spec["workers"], gpus).iter_rows():
        if row["error"]:
            raise _Refused(*json.loads(row["error"]))
        link.send(shard=row["shard"])
    link.send(done=True)


def _take_streams() -> tuple[IO[bytes], _Link]:
    """The streams of requests and replies, for frames alone; whatever Ray prints goes to stderr."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, _Link(replies)


def _connect(address: str | None, workers: int) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        cpus = workers or os.cpu_count() or 1
        options |= {"num_cpus": cpus, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        # "local": else RAY_ADDRESS could send documents to a cluster that nobody named
        ray.init(address or "local", **options)
    except Exception as error:
        where = f"the Ray cluster at {address} cannot be used" if address else "Ray did not start"
        raise _Refused(f"{where}: {_sentence(error)}", _way_out(error, address)) from error


def _way_out(error: Exception, address: str | None) -> str:
    if "Version mismatch" in str(error):
        return "install the cluster's versions of Ray and Python here"
    return f"this machine must be a node of the cluster: ray start --address={address}" if address else ""


def _check_nodes(job: Frame) -> None:
    """Raise _Refused unless every node that has work to do can do it."""

    # nested, so that Ray sends its code: a node may have no ragcli, or another version
    def look(version: str, job: Frame) -> tuple[str, str] | None:
        try:
            from ragcli._version import __version__ as found
        except ImportError:
            return "has no ragcli", f"install ragcli {version} there"
        if found != version:
            return f"has ragcli {found}, and here is {version}", "install the same version on every node"
        from ragcli.ingest.cluster.work import Job, fault_here

        return fault_here(Job.from_record(job))

    nodes = _working_nodes()
    if not nodes:
        raise _Refused("the Ray cluster has no CPU to work on", "add a node: ray start --address=…")
    task = ray.remote(look)
    asked = {
        task.options(
            num_cpus=0, max_retries=3, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(__version__, job): node
        for node in nodes
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_NODE_SECONDS)
    for answer in answered:
        try:
            fault = ray.get(answer)
        except ray.exceptions.RayError as error:
            if asked[answer]["NodeID"] not in {node["NodeID"] for node in _working_nodes()}:
                continue  # it was lost in the meantime, as nodes are
            fault = f"cannot be asked: {_sentence(error)}", "see: ray status"
        if fault is not None:
            raise _Refused(f"the node {_name(asked[answer])} {fault[0]}", fault[1])
    if silent:
        raise _Refused(f"the node {_name(asked[silent[0]])} does not answer", "see: ray status")


def _stages(groups: Sequence[bytes], job: Frame, workers: int, gpus: int) -> ray.data.Dataset:
    """Load, chunk and embed as a dataset of shards. A task that is lost with its worker or node runs again."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    cpus = max(1, int(ray.cluster_resources().get("CPU", 0)))
    # a block per group, so that each shard is reported when it is ready
    rows = ray.data.from_items([{"group": group} for group in groups], override_num_blocks=len(groups))
    if not gpus:
        return _pool(rows, ReadAndEmbedStage, (job,), min(workers or cpus, cpus, len(groups)), num_cpus=1)
    # reading and embedding apart, so that a GPU never waits for a parser
    read = _pool(rows, ReadStage, (job,), min(cpus, len(groups)), num_cpus=1)
    return _pool(read, EmbedStage, (job, _MUCH), min(workers or gpus, gpus, len(groups)), num_cpus=0, num_gpus=1)


def _pool(
    rows: ray.data.Dataset, stage: Callable[..., Any], arguments: tuple[object, ...], size: int, **resources: float
) -> ray.data.Dataset:
    # Without a limit: until Ray knows that a node is lost, its tasks fail within a second, again and again. ReadStage
    # counts how often a group was begun, and so finds the group that kills worker after worker.
    return rows.map_batches(
        stage, batch_size=1, fn_constructor_args=arguments, compute=ray.data.ActorPoolStrategy(size=size),
        max_restarts=-1, max_task_retries=-1, **resources,
    )  # fmt: skip


def _groups(requests: IO[bytes]) -> list[bytes] | None:
    """The groups of files, packed; None when the run is given up before all of them arrive."""
    groups: list[bytes] = []
    while (frame := read_frame(requests)) is not None:
        if "go" in frame:
            return groups
        groups.append(pack_frame(frame["group"]))
    return None


def _give_up_with(requests: IO[bytes]) -> None:
    """End this process when the one that started it has ended or closed its side."""
    if read_frame(requests) is None:
        ray.shutdown()
        os._exit(0)


def _watch_nodes(link: _Link, needed: str) -> None:
    """End this process when no node has had the ``needed`` resource for a while."""
    seen = time.monotonic()
    while time.monotonic() - seen < _NO_NODE_SECONDS:
        time.sleep(_LOOK_SECONDS)
        if _working_nodes(needed):
            seen = time.monotonic()
    link.fail("the Ray cluster has no node left to work on", "what is finished is in the index; run again to go on")
    os._exit(1)


def _working_nodes(needed: str = "CPU") -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get(needed, 0) > 0]


def _name(node: dict[str, Any]) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _sentence(error: Exception) -> str:
    """The message of an exception, which from Ray may be a page, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}"


if __name__ == "__main__":
    main()
