"""One ``ragcli index`` that meets a fault, and what must hold after it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import states
import syscalls
from corpus import Corpus

import ragcli
from ragcli.index.verify import verify

LAUNCHER = Path(__file__).parent / "launcher.py"
_SECONDS = 300  # that a run may take at most, on a busy machine; before that it says where it hangs


@dataclass
class Figures:
    """What was counted over many trials."""

    faults: Counter = field(default_factory=Counter)  # by kind
    found: Counter = field(default_factory=Counter)  # what state the fault left
    ended: Counter = field(default_factory=Counter)  # how runs ended that met an error
    litter: int = 0  # stray files that a fault left
    embedded: int = 0  # passages that the next runs embedded
    again: int = 0  # of them, such as had been finished
    stray: int = 0  # files after the next run
    different: list = field(default_factory=list)


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    record: dict
    message: str


class Bench:
    """A folder that changes, an index of it, and what fresh indexes of it hold."""

    def __init__(self, place: Path, seed: int, documents: int = 10, *, lists: bool = False) -> None:
        """With ``lists``, its runs move the vectors into lists, as those of a very large index do."""
        self.place = place
        self._lists = lists
        self.corpus = Corpus(place / "docs", seed, documents)
        self.home = place / "home"
        self.index = self.home / "default"
        self.temporary = place / "tmp"
        self.temporary.mkdir()
        self._fresh: dict = {}

    def run(self, *options: str, decide=None, kill_after: float | None = None, home: Path | None = None) -> Ended:
        """``ragcli index docs --json``; ``decide`` is asked about every change of the index."""
        home = home or self.home
        ours, theirs = socket.socketpair()
        channel = "-" if decide is None else str(theirs.fileno())
        command = [sys.executable, LAUNCHER, channel, "index", self.corpus.folder, "--json", *options]
        environment = os.environ | {"PYTHONPATH": str(Path(ragcli.__file__).parents[1])}
        environment |= {"RAGCLI_TEST_LISTS": "1"} if self._lists else {}
        environment |= {"RAGCLI_HOME": str(home), "TMPDIR": str(self.temporary), "RAGCLI_OFFLINE": "1"}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, ours:
            process = subprocess.Popen(
                command, stdout=out, stderr=err, pass_fds=[theirs.fileno()], env=environment, start_new_session=True
            )
            theirs.close()
            try:
                if decide is not None:
                    syscalls.supervise(ours, process.pid, home, decide)
                elif kill_after is not None:
                    time.sleep(kill_after)
                    process.kill()
                code = process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                err.seek(0)
                raise AssertionError(f"the run hangs: {err.read().decode()}") from None
            finally:
                process.kill()
            out.seek(0), err.seek(0)
            said = out.read()
            return Ended(code, json.loads(said) if said else {}, err.read().decode())

    def fresh(self, *options: str) -> states.State:
        """What an index holds that is made at once of the folder as it is."""
        state = (options, self.corpus.changes)
        if state in self._fresh:
            return self._fresh[state]
        home = self.place / "fresh"
        shutil.rmtree(home, ignore_errors=True)
        ended = self.run(*options, home=home)
        assert ended.code == 0, ended.message
        self._fresh = {state: states.read(home / "default")}
        return self._fresh[state]

    def operations(self, *options: str) -> int:
        """How many changes of the index a run makes; the index is as before."""
        aside = self.place / "aside"
        shutil.rmtree(aside, ignore_errors=True)
        if self.home.exists():
            shutil.copytree(self.home, aside)
        count = Counter()
        ended = self.run(*options, decide=lambda operation: count.update([0]) or 0)
        assert ended.code == 0, ended.message
        self.restore(aside)
        return count[0]

    def keep(self, name: str) -> Path:
        """A copy of the index as it is."""
        place = self.place / name
        shutil.rmtree(place, ignore_errors=True)
        if self.home.exists():
            shutil.copytree(self.home, place)
        return place

    def restore(self, kept: Path) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        if kept.exists():
            shutil.copytree(kept, self.home)


def kill_before(number: int):
    """Kill the run before its change with that number, from 1."""
    return fail_from(number, syscalls.KILL)


def fail_from(number: int, verdict: int, last: int | None = None, names: frozenset[str] | None = None):
    """Give the changes ``number`` to ``last`` (None: all that follow) of these names this verdict."""
    count = 0

    def decide(operation) -> int:
        nonlocal count
        count += 1
        hit = number <= count and (last is None or count <= last) and (names is None or operation.name in names)
        return verdict if hit else 0

    return decide


def check(bench: Bench, before: states.State | None, fresh: states.State, options, figures: Figures) -> None:
    """After a fault: the index opens as it was or became; the next run makes it what a fresh one is."""
    note = figures.different.append
    found = states.read(bench.index) if bench.index.exists() else None
    if not states.is_between(found, before, fresh):
        note("a document is neither as before nor as after")
    if found is None:
        figures.found["nothing yet"] += 1
    else:
        if faults := verify(bench.index).faults:
            note(f"verify: {faults}")
        is_new, is_old = found.passages == fresh.passages, before and found.passages == before.passages
        figures.found["old" if is_old else "new" if is_new else "between two commits"] += 1
        figures.litter += len([name for name in states.strays(bench.index) if not name.startswith("rebuild/")])
    finished = states.keys(bench.index) if bench.index.exists() else set()
    ended = bench.run(*options)
    if ended.code != 0:
        note(f"the next run ended with {ended.code}: {ended.message}")
        return
    new = {key for passages in fresh.passages.values() for _, key in passages} - finished
    figures.embedded += ended.record["chunks"]["embedded"]
    figures.again += ended.record["chunks"]["embedded"] - len(new)
    stray = [*states.strays(bench.index), *bench.temporary.iterdir()]
    figures.stray += len(stray)
    if stray:
        note(f"stray: {stray}")
    if faults := verify(bench.index).faults:
        note(f"verify after the next run: {faults}")
    for difference in states.differences(states.read(bench.index), fresh):
        note(difference)


def is_killed(ended: Ended) -> bool:
    return ended.code == -signal.SIGKILL
