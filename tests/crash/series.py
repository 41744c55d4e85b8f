"""Series of trials: a fault before each change that a run makes to an index, and kills at random moments."""

import errno
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable

import states
import syscalls
from trial import Bench, Ended, Figures, check, fail_from, is_killed, kill_before

# What a full disk refuses, and a disk that is mounted read-only.
NEEDS_SPACE = frozenset(
    {"write", "pwrite", "writev", "pwritev", "pwritev2", "fallocate", "mkdir", "open", "creat", "link"}
)
CHANGES = NEEDS_SPACE | {"rename", "unlink", "rmdir", "ftruncate", "truncate", "symlink", "fsync", "fdatasync"}

FAULTS = {
    # a disk that is full from some point on; one that fails once; one that becomes read-only
    "ENOSPC": lambda at: fail_from(at, errno.ENOSPC, names=NEEDS_SPACE),
    "EIO": lambda at: fail_from(at, errno.EIO, last=at),
    "EROFS": lambda at: fail_from(at, errno.EROFS, names=CHANGES),
}


def progress(line: str) -> None:
    """Where it is, for whoever watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line}\033[K")


def at_changes(
    bench: Bench, options: tuple[str, ...], numbers: Iterable[int], figures: Figures, fault: str = ""
) -> None:
    """Meet a fault ("": SIGKILL) before the changes with these numbers, each time with the index as it is now."""
    before = states.read(bench.index) if bench.index.exists() else None
    kept = bench.keep("base")
    fresh = bench.fresh(*options)
    for number in numbers:
        progress(f"{fault or 'SIGKILL'} before change {number}")
        bench.restore(kept)
        decide = FAULTS[fault](number) if fault else kill_before(number)
        ended = bench.run(*options, decide=decide)
        if fault:
            _note_end(ended, fault, figures)
        elif not is_killed(ended):  # tantivy's threads do not always do the same: this run made fewer changes
            figures.faults["run over before the kill"] += 1
            continue
        figures.faults[fault or "SIGKILL before a change"] += 1
        check(bench, before, fresh, options, figures)
    bench.restore(kept)


def at_random(bench: Bench, kills: int, seconds: float, figures: Figures, seed: int) -> None:
    """Kill run after run at a random moment while the folder goes on changing."""
    rng = random.Random(seed)
    done = 0
    while done < kills:
        bench.corpus.change()
        progress(f"{done} of {kills} killed at random")
        before = states.read(bench.index)
        fresh = bench.fresh()
        ended = bench.run(kill_after=rng.uniform(0.2, 1.0) * seconds)
        if is_killed(ended):
            done += 1
            figures.faults["SIGKILL at a random moment"] += 1
        check(bench, before, fresh, (), figures)


def on_a_small_disk(bench: Bench, sizes: Iterable[int], figures: Figures) -> None:
    """Index on a real file system with room for so many KiB, then give it more."""
    fresh = bench.fresh()
    for size in sizes:
        shutil.rmtree(bench.home, ignore_errors=True)
        bench.home.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", bench.home], check=True)
        try:
            ended = bench.run()
            _note_end(ended, "small disk", figures)
            figures.faults["small disk"] += 1
            subprocess.run(["mount", "-o", "remount,size=64m", bench.home], check=True)
            check(bench, None, fresh, (), figures)
        finally:
            subprocess.run(["umount", "-l", bench.home], check=True)


def _note_end(ended: Ended, fault: str, figures: Figures) -> None:
    """A run that meets an error ends with one line that names it, or manages without."""
    figures.ended[f"{fault}: exit {ended.code}"] += 1
    is_fine = ended.code == 0
    is_refusal = ended.code == 2 and ended.message.count("\n") == 1 and "Traceback" not in ended.message
    if not (is_fine or is_refusal):
        figures.different.append(f"{fault}: exit {ended.code}: {ended.message[-800:]}")


def spread(operations: int, count: int) -> list[int]:
    """``count`` of the numbers from 1 to ``operations``, evenly; all where there are fewer."""
    if count >= operations:
        return list(range(1, operations + 1))
    return sorted({1 + round(i * (operations - 1) / max(1, count - 1)) for i in range(count)})


why_not = syscalls.why_not
