"""``make crash``: every promise of docs/reliability.md about crashes, damage and processes, tried at length.

    python tests/crash/long.py [KILLS]

Prints the figures, and ends with 1 when one of them is not as promised.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import damage
import processes
from series import FAULTS, at_changes, at_random, on_a_small_disk, spread, why_not
from trial import Bench, Figures

_OTHER_SIZE = ("--chunk-size", "40", "--chunk-overlap", "0")


def say(line: str = "") -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def show(figures: Figures, started: float) -> bool:
    """Print what was counted; True when nothing is wrong."""
    for name, counts in (("", figures.faults), ("left: ", figures.found), ("ended: ", figures.ended)):
        for what, count in sorted(counts.items()):
            say(f"  {count:5}  {name}{what}")
    say(f"  {figures.litter:5}  files that belonged to nothing, before the next run")
    say(f"  {figures.stray:5}  files that belong to nothing, after the next run")
    say(f"  {figures.embedded:5}  passages embedded by the next runs")
    say(f"  {figures.again:5}  of them had been finished")
    say(f"  {len(figures.different):5}  differences from a fresh index")
    for line in figures.different[:20]:
        say(f"         {line}")
    say(f"  in {time.monotonic() - started:.0f} s")
    say()
    return not (figures.stray or figures.again or figures.different)


def kills(place: Path, count: int) -> bool:
    """SIGKILL: before changes of first and ordinary runs, of a rebuild and of runs with lists; at random."""
    started, figures = time.monotonic(), Figures()
    bench = Bench(place / "kills", seed=1)

    def before_changes(name: str, kills: int, *options: str) -> None:
        if not why_not():
            changes = bench.operations(*options)
            say(f"killing {name}, which makes {changes} changes")
            at_changes(bench, options, spread(changes, kills), figures)

    before_changes("a first run", count // 4)
    bench.run()
    bench.corpus.change()
    before_changes("an update", count // 3)
    before_changes("a rebuild", count // 6, *_OTHER_SIZE)
    ordinary, bench = bench, Bench(place / "lists", seed=4, lists=True)
    before_changes("a first run that ends with lists", count // 12)
    bench.run()
    bench.corpus.change()
    before_changes("an update of lists", count // 12)
    bench = ordinary
    quickest = time.monotonic()
    bench.run()
    at_random(bench, count - figures.faults["SIGKILL before a change"], time.monotonic() - quickest, figures, seed=1)
    say(f"kills ({why_not() or 'every system call that changes the index is a place to be killed'})")
    return show(figures, started)


def errors(place: Path, count: int) -> bool:
    """Errors of the disk, injected and real."""
    started, figures = time.monotonic(), Figures()
    bench = Bench(place / "errors", seed=2)
    if not why_not():
        for fault in FAULTS:
            at_changes(bench, (), spread(bench.operations(), count // 6), figures, fault)
    bench.run()
    bench.corpus.change()
    if not why_not():
        for fault in FAULTS:
            at_changes(bench, (), spread(bench.operations(), count // 6), figures, fault)
    if os.geteuid() == 0:
        on_a_small_disk(bench, range(40, 400, 40), figures)
    say("errors of the disk")
    return show(figures, started)


def damages(place: Path, seeds: int) -> bool:
    """Bits, ends and whole files."""
    started = time.monotonic()
    say(f"damage: {seeds} flipped bits, {seeds} lengths and a deletion for each kind of file")
    for kind, outcomes in damage.campaign(place / "damage", seeds).items():
        say(f"  {kind:14} " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    say(f"  in {time.monotonic() - started:.0f} s")
    say()
    return True  # it ends with an error where one is not found


def sharing(place: Path, seconds: float) -> bool:
    """Eight readers, alone and beside a writer."""
    say(f"processes: 8 readers, {seconds:.0f} s")
    alone = processes.together(place / "alone", seconds / 4, 8, is_writing=False)
    shared = processes.together(place / "shared", seconds, 8)
    say(f"  {shared.runs:6}  runs of the writer")
    say(f"  {shared.looks:6}  states that readers opened and checked whole")
    say(f"  {len(shared.failures):6}  failures")
    for name, one in (("alone", alone), ("beside the writer", shared)):
        say(
            f"  opening took a reader {name} {1000 * one.median:.0f} ms at the median, {1000 * one.slowest:.0f} at most"
        )
    for line in (*alone.failures, *shared.failures):
        say(f"         {line}")
    return not alone.failures and not shared.failures


def main(count: int) -> int:
    """Run all of it."""
    shared = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(prefix="ragcli-crash-", dir=shared if shared.is_dir() else None))
    for name in ("kills", "lists", "errors", "damage"):
        (place / name).mkdir()
    try:
        results = [
            kills(place, count), errors(place, count // 5), damages(place, max(2, count // 15)),
            sharing(place, count / 5),
        ]  # fmt: skip
    finally:
        shutil.rmtree(place)
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
