"""Is the time that the progress bar of `ragcli index` says is left the time that is left?

    python -m benchmarks.eta FOLDER... [--rounds 3] [--options "..."]

Each folder is indexed from nothing on a terminal, and what the bar says is read with the moment at which it was drawn.
The error at 10, 25, 50 and 75 % of the run is (time said - time left) / time left: the median of the rounds, and the
worst. It is given twice. By the clock, it holds what else the machine does, which nobody can foresee. By processor
time, the time left is what the rest would take at the speed until then: processor seconds left, times the seconds by
the clock per processor second until then. Folders that take less than ten seconds say little: the bar counts seconds.
"""

from __future__ import annotations

import argparse
import bisect
import fcntl
import os
import pty
import re
import shlex
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.results import write_result

AT = (0.10, 0.25, 0.50, 0.75)
_EVERY = 0.3  # seconds: the bar is drawn more often
_LEFT = re.compile(r"left (?:(\d+):(\d\d):(\d\d)|-:--:--)")
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Said(NamedTuple):
    """What the bar said: after how many seconds, and processor seconds, and how many it said are left."""

    at: float
    processor: float
    left: float | None


def main() -> None:
    """Index each folder, print a table, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--options", default="", help="of ragcli index")
    given = parser.parse_args()
    print(f"{'folder':28} {'seconds':>8} " + " ".join(f"{share:>16.0%}" for share in AT))
    found: dict[str, Any] = {}
    for folder in given.folders:
        rounds = [indexing(folder, shlex.split(given.options)) for _ in range(given.rounds)]
        seconds = statistics.median(total for _, total, _ in rounds)
        found[folder.name] = {"seconds": round(seconds, 1)}
        for way in ("clock", "processor"):
            errors = {share: [error(*one, share, way) for one in rounds] for share in AT}
            found[folder.name][way] = {f"{share:.0%}": values for share, values in errors.items()}
            print(f"{folder.name[-28:]:28} {seconds:8.1f} " + " ".join(f"{_told(v):>16}" for v in errors.values()), way)
    write_result("eta", found)


def _told(errors: list[float | None]) -> str:
    known = [one for one in errors if one is not None]
    if not known:
        return "nothing said"
    return f"{statistics.median(known):+.0%} ({max(known, key=abs):+.0%})"


def indexing(folder: Path, options: list[str]) -> tuple[list[Said], float, float]:
    """Index a folder into an empty home; return what the bar said, and the seconds and processor seconds of the run."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    said: list[Said] = []
    with tempfile.TemporaryDirectory(prefix="ragcli-eta-") as home:
        command = [sys.executable, "-m", "ragcli", "index", str(folder), "--home", home, *options]
        began = time.monotonic()
        process = subprocess.Popen(
            command, stderr=follower, stdout=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"}
        )
        os.close(follower)
        text = ""
        try:
            while piece := os.read(leader, 1 << 16):
                text = (text + piece.decode(errors="replace"))[-4096:]
                shown = _LEFT.findall(_SEQUENCE.sub("", text))
                now = time.monotonic() - began
                if shown and (not said or now - said[-1].at > _EVERY):
                    hours, minutes, seconds = (int(part or -1) for part in shown[-1])
                    left = 3600.0 * hours + 60 * minutes + seconds
                    said.append(Said(now, processor_seconds(process.pid), None if left < 0 else left))
        except OSError:  # how Linux says that the other end was closed
            pass
        os.close(leader)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 3):
            raise RuntimeError(f"{command} ended with {process.returncode}")
        return said, time.monotonic() - began, usage.ru_utime + usage.ru_stime


def processor_seconds(pid: int) -> float:
    """Return the processor seconds of a process, of those below it, and of those that it waited for."""
    fields: dict[int, list[str]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields[int(place.parent.name)] = place.read_text().rpartition(")")[2].split()
    ahead, ticks = [pid], 0
    while ahead:
        one = ahead.pop()
        ticks += sum(int(part) for part in fields.get(one, ["0"] * 15)[11:15])
        ahead += [other for other, found in fields.items() if int(found[1]) == one]
    return ticks / os.sysconf("SC_CLK_TCK")


def error(said: list[Said], total: float, processor: float, share: float, way: str) -> float | None:
    """Return the relative error of the time left at a share of the run; None where nothing was said."""
    measure = {"clock": [one.at for one in said], "processor": [one.processor for one in said]}[way]
    end = {"clock": total, "processor": processor}[way]
    at = bisect.bisect_right(measure, share * end) - 1
    one = said[at]
    if at < 0 or one.left is None:
        return None
    left = total - one.at if way == "clock" else (processor - one.processor) * one.at / one.processor
    return round((one.left - left) / left, 3)


if __name__ == "__main__":
    main()
