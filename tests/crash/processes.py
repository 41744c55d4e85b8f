"""Many readers and one writer on the same index."""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from reader import PARTS
from trial import LAUNCHER

import ragcli

_READER = Path(__file__).parent / "reader.py"


@dataclass(frozen=True)
class Shared:
    """What happened while they worked on it together."""

    runs: int  # of the writer
    looks: int  # of all readers
    median: float  # seconds that opening took a reader
    slowest: float
    failures: tuple[str, ...]


def write(folder: Path, name: int, revision: int) -> None:
    """A document whose parts name its revision, so that a mixture would show."""
    parts = [f"## Part {n}\n\nThis is revision {revision} part {n} of note {name}." for n in range(PARTS)]
    (folder / f"{name}.md").write_text(f"# Note {name}\n\n" + "\n\n".join(parts) + "\n", encoding="utf-8")


def together(place: Path, seconds: float, readers: int, *, is_writing: bool = True) -> Shared:
    """``readers`` processes look at an index for so long, while ``ragcli index`` follows a changing folder."""
    docs, home, rng = place / "docs", place / "home", random.Random(0)
    docs.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(Path(ragcli.__file__).parents[1]), "RAGCLI_HOME": str(home)}
    environment |= {"RAGCLI_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    failures = []

    def index() -> None:
        command = [sys.executable, LAUNCHER, "-", "index", docs, "--workers", "1"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            failures.append(f"the writer ended with {done.returncode}: {done.stderr}")

    for name in range(6):
        write(docs, name, 0)
    index()
    command = [sys.executable, _READER, home / "default", str(seconds)]
    children = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(readers)
    ]
    end, revision = time.monotonic() + seconds, 0
    while is_writing and time.monotonic() < end:
        revision += 1
        for _ in range(3):
            write(docs, rng.randrange(12), revision)
        (docs / f"{rng.randrange(12)}.md").unlink(missing_ok=True)
        index()
    opening = []
    for child in children:
        out, err = child.communicate()
        if child.returncode:
            failures.append(err[-800:])
        else:
            opening += json.loads(out)["opening"]
    return Shared(revision, len(opening), statistics.median(opening or [0]), max(opening or [0]), tuple(failures))
