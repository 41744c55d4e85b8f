"""What ``ragcli index`` shows: progress while it runs, a summary at the end, or a preview."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError
from ragcli.index.lock import OnWait
from ragcli.ingest.progress import Progress
from ragcli.ingest.sync import Report, Summary, SyncOptions, sync
from ragcli.render import write_json
from ragcli.render.visible import display_path, visible
from ragcli.types import Skipped
from ragcli.units import human_duration, human_size

if TYPE_CHECKING:
    from ragcli.ingest.chunk import ChunkOptions

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

# More failures than this are counted, not listed: `ragcli list --not-indexed` has them all.
_FAILURES_SHOWN = 10


def parse_size(text: str) -> int:
    """``64M`` -> bytes; raises UsageError."""
    match = re.fullmatch(r"(\d+)\s*([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not match:
        raise UsageError(f"{text!r} is no size", "write it as 500K, 64M or 2G")
    return int(match[1]) * _UNITS[match[2].upper()]


def chunk_options(size: int | None, overlap: int | None) -> ChunkOptions | None:
    """None when neither was given; one alone takes the other's default, as far as it fits."""
    if size is None and overlap is None:
        return None
    from ragcli.ingest.chunk import ChunkOptions  # 8 ms that most runs need not pay

    defaults = ChunkOptions()
    chosen = defaults.size if size is None else size
    return ChunkOptions(chosen, min(defaults.overlap, chosen // 4) if overlap is None else overlap)


def run(env: Env, roots: Sequence[Path], options: SyncOptions, on_wait: OnWait | None = None) -> ExitCode:
    """Index, with a progress line on a terminal, and say what was done."""
    try:
        with _progress(env) as report:
            summary = sync(env.index_folder(), roots, options, report, on_wait)
    except KeyboardInterrupt:
        env.say("stopped: what is finished is in the index, and the next run goes on from there")
        raise
    if env.json:
        write_json(_record(env, summary), sys.stdout)
    else:
        _say_summary(env, summary)
    return ExitCode.SOME_FAILED if summary.failures else ExitCode.OK


def dry_run(env: Env, roots: Sequence[Path], options: SyncOptions) -> ExitCode:
    """One line a file on stdout: what would happen to it, and why."""
    from ragcli.ingest.plan import preview

    base = Path.cwd()
    found = preview(env.index_folder(), roots, options)
    if env.json:
        entries = [{"action": e.action, "path": str(e.path), "reason": e.reason, "files": e.files} for e in found]
        write_json({"schema": 1, "entries": entries}, sys.stdout)
        return ExitCode.OK
    for entry in found:
        more = f" ({entry.files} files)" if entry.files > 1 else ""
        why = f"\t{visible(entry.reason)}{more}" if entry.reason else ""
        sys.stdout.write(f"{entry.action}\t{visible(display_path(entry.path, base))}{why}\n")
    return ExitCode.OK


def plan(env: Env, roots: Sequence[Path], options: SyncOptions) -> ExitCode:
    """How much there is to do, from a sample of the files and the speed of this machine."""
    from ragcli.ingest.plan import estimate

    guess = estimate(env.index_folder(), roots, options)
    if env.json:
        write_json({"schema": 1, **asdict(guess)}, sys.stdout)
        return ExitCode.OK
    sys.stdout.write(
        f"files to index    {guess.files:,} ({human_size(guess.bytes)}), {guess.unchanged:,} unchanged\n"
        f"chunks, about     {guess.chunks:,} (from {guess.sampled} files read)\n"
        f"time, about       {human_duration(guess.seconds)} at {guess.chunks_per_second:.0f} chunks a second"
        f" ({guess.rate_source})\n"
        f"disk, about       {human_size(guess.disk_bytes)}\n"
    )
    return ExitCode.OK


def _record(env: Env, summary: Summary) -> dict[str, object]:
    return {
        "schema": 1,
        "index": str(env.index_folder()),
        "added": summary.added,
        "changed": summary.changed,
        "removed": summary.removed,
        "unchanged": summary.unchanged,
        "chunks": {"embedded": summary.chunks_embedded, "reused": summary.chunks_reused},
        "not_indexed": {str(reason): count for reason, count in sorted(summary.skipped.items())},
        "failures": [{"path": str(f.path), "reason": str(f.reason), "detail": f.detail} for f in summary.failures],
        "warnings": [{"path": str(path), "warning": warning} for path, warning in summary.warnings],
        "approximate": summary.approximate is not None,
        "seconds": round(summary.seconds, 3),
    }


def _say_summary(env: Env, summary: Summary) -> None:
    base = Path.cwd()
    for path, warning in summary.warnings:
        env.say(f"note: {visible(display_path(path, base))}: {visible(warning)}")
    for failure in summary.failures[:_FAILURES_SHOWN]:
        env.say(f"failed: {visible(display_path(failure.path, base))}: {_why(failure)}")
    if len(summary.failures) > _FAILURES_SHOWN:
        env.say(f"failed: {len(summary.failures) - _FAILURES_SHOWN} more; see: ragcli list --not-indexed")
    counts = [
        f"{count:,} {name}"
        for name, count in (
            ("added", summary.added), ("changed", summary.changed), ("removed", summary.removed),
            ("unchanged", summary.unchanged), ("failed", len(summary.failures)),
            ("skipped", sum(summary.skipped.values()) - len(summary.failures)),
        )
        if count
    ]  # fmt: skip
    chunks = f"; {summary.chunks_embedded:,} chunks embedded" if summary.chunks_embedded else ""
    reused = f", {summary.chunks_reused:,} reused" if summary.chunks_reused else ""
    if summary.approximate is not None:
        env.say("the approximate index was made anew; see: ragcli status")
    env.say(f"{', '.join(counts) or 'nothing to index'}{chunks}{reused} in {human_duration(summary.seconds)}")


def _why(failure: Skipped) -> str:
    return f"{failure.reason}: {visible(failure.detail)}" if failure.detail else str(failure.reason)


@contextmanager
def _progress(env: Env) -> Iterator[Report]:
    """A live line on stderr for a terminal; nothing in a pipe, with --quiet or for a dumb terminal."""
    if env.quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("{task.fields[files]}"), BarColumn(bar_width=24), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[doing]}"),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=None, files="looking", rate="", doing="")

        def report(progress: Progress) -> None:
            share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 1.0
            expected = progress.chunks_found / share if share else 0.0
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(
                task,
                total=expected or None,
                completed=progress.chunks_done,
                files=f"{progress.files_done}/{progress.files_total} files",
                rate=f"{progress.chunks_done / elapsed:.0f} chunks/s" if elapsed else "",
                doing=escape(visible(progress.doing)[:40]),  # the column reads markup, and a file may be "[bold]"
            )

        yield report
