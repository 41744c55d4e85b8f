"""Interleaved runs of commands, so that what else the machine does hits all of them alike.

A round runs every command once, in turn. Ratios are taken within a round and their median is what counts: it holds on a
busy machine, where seconds do not.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUNDS = 7


@dataclass(frozen=True)
class Sample:
    """One run: seconds on the clock, seconds of processor (children too), the most memory in MiB."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Command:
    """A command, what to do before each run of it, and variables that it sees besides the environment's."""

    command: Sequence[str | Path]
    before: Callable[[], object] | None = None
    variables: Mapping[str, str] | None = None
    codes: tuple[int, ...] = (0,)  # exit codes that mean it worked
    stdin: Path = Path(os.devnull)


def run_rounds(tasks: Mapping[str, Command], rounds: int = ROUNDS, *, warm: int = 1) -> dict[str, list[Sample]]:
    """Every task once a round; the first ``warm`` rounds fill caches and do not count."""
    samples: dict[str, list[Sample]] = {name: [] for name in tasks}
    for turn in range(-warm, rounds):
        for name, task in tasks.items():
            if task.before is not None:
                task.before()
            found = run(task)
            if turn >= 0:
                samples[name].append(found)
                print(f"\r{turn + 1}/{rounds} {name:40.40}", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    return samples


def run(task: Command) -> Sample:
    """Run a task once, its output thrown away; RuntimeError with what it said when it fails."""
    command = [os.fspath(part) for part in task.command]
    started = time.perf_counter()
    with task.stdin.open("rb") as stdin, subprocess.Popen(
        command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, **(task.variables or {})},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in task.codes:
        raise RuntimeError(f"{command} ended with {process.returncode}: {said.decode(errors='replace')[-2000:]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def figures(samples: Mapping[str, Sequence[Sample]], against: str) -> dict[str, Any]:
    """For each task the median and range of every measure, and its ratio to the task ``against``."""
    return {
        name: {
            "wall": spread([one.wall for one in found]),
            "cpu": spread([one.cpu for one in found]),
            "memory MiB": round(max(one.memory for one in found), 1),
            "wall ratio": ratio(found, samples[against], "wall"),
            "cpu ratio": ratio(found, samples[against], "cpu"),
        }
        for name, found in samples.items()
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most, in seconds to a tenth of a millisecond."""
    return {
        "median": round(statistics.median(values), 4), "min": round(min(values), 4), "max": round(max(values), 4),
    }  # fmt: skip


def ratio(samples: Sequence[Sample], against: Sequence[Sample], measure: str) -> dict[str, float]:
    """Median and range of the ratios within each round."""
    pairs = zip(samples, against, strict=True)
    return spread([getattr(one, measure) / getattr(other, measure) for one, other in pairs])


def print_table(found: Mapping[str, Any], against: str) -> None:
    """The figures as lines for people."""
    print(f"{'':34} {'wall s':>8} {'(range)':>17} {'cpu s':>8} {'MiB':>6}   ratio to {against}: wall, cpu")
    for name, one in found.items():
        wall, cpu, walls, cpus = one["wall"], one["cpu"], one["wall ratio"], one["cpu ratio"]
        print(
            f"{name:34.34} {wall['median']:8.3f} ({wall['min']:7.3f} {wall['max']:7.3f}) {cpu['median']:8.3f} "
            f"{one['memory MiB']:6.0f}   {_share(walls['median'])}, {_share(cpus['median'])}"
        )


def _share(ratio: float) -> str:
    return f"1/{1 / ratio:.1f}" if ratio < 1 else f"{ratio:.2f}"
