"""``ragcli index``: make the index match the disk."""

import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ragcli.cli.command import command
from ragcli.cli.env import ChunkOverlap, ChunkSize, Env, Ocr, OcrLanguages, Office, Password, Wait, check_seconds
from ragcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ragcli.ingest.changes import Doubt
    from ragcli.ingest.chunk import ChunkOptions
    from ragcli.ingest.progress import Progress
    from ragcli.ingest.sync import Summary, SyncOptions
    from ragcli.render.progress import ProgressBar
    from ragcli.types import Skipped

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

# More failures than this are counted, not listed: `ragcli list --not-indexed` has them all.
_FAILURES_SHOWN = 10


@command()
def index(
    env: Env,
    *,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH", help="Files or folders; without one, all folders that are already indexed.", readable=False
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Index only files that match.", rich_help_panel="Which files"),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Leave out files that match.", rich_help_panel="Which files"),
    ] = None,
    ignore: Annotated[
        bool,
        typer.Option(
            "--ignore/--no-ignore", help="Honour .gitignore and .ragignore files.", rich_help_panel="Which files"
        ),
    ] = True,
    hidden: Annotated[
        bool,
        typer.Option("--hidden", help="Include files whose name begins with a dot.", rich_help_panel="Which files"),
    ] = False,
    archives: Annotated[
        bool,
        typer.Option(
            "--archives/--no-archives", help="Read what is in .zip, .tar, .gz and the like.",
            rich_help_panel="Which files",
        ),
    ] = True,
    max_file_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Leave out larger files.", rich_help_panel="Which files")
    ] = "64M",
    include_secrets: Annotated[
        bool,
        typer.Option(
            "--include-secrets", help="Include files that hold keys or credentials.", rich_help_panel="Which files"
        ),
    ] = False,
    relocate: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="OLD NEW", help="Move the documents of a folder that is at NEW now.", rich_help_panel="Which files"
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", rich_help_panel="Which files",
            help="Allow / and the home folder; remove all documents whose files are missing.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="List what would be indexed, and why the rest would not.", rich_help_panel="Look first"
        ),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Estimate chunks, minutes and disk; index nothing.", rich_help_panel="Look first"
        ),
    ] = False,
    password: Password = None,
    ocr: Ocr = False,
    ocr_lang: OcrLanguages = "eng",
    office: Office = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0.1,
            help="Maximum time to read one file (default 60; 300 with --office and 1800 with OCR).",
            rich_help_panel="Reading",
        ),
    ] = None,
    memory: Annotated[
        int,
        typer.Option(
            metavar="MIB", min=0, help="Maximum memory to read one file; 0 sets no limit.", rich_help_panel="Reading"
        ),
    ] = 2048,
    max_text: Annotated[
        int, typer.Option(metavar="MIB", min=1, help="Maximum text extracted per file.", rich_help_panel="Reading")
    ] = 256,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER", help="Embedding model; a different one rebuilds the index.",
            rich_help_panel="Passages and vectors",
        ),
    ] = None,
    chunk_size: ChunkSize = None,
    chunk_overlap: ChunkOverlap = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URI", help="Where vectors are kept: files, or milvus://HOST:PORT/COLLECTION.",
            rich_help_panel="Passages and vectors",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Read and embed everything again.", rich_help_panel="Passages and vectors"),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            metavar="N", show_default=False, rich_help_panel="Running",
            help="Processes that read files, or workers of the engine; by default one per core.",
        ),
    ] = 0,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            metavar="local|ray", rich_help_panel="Running",
            help="Read and embed in processes here, or on a Ray cluster that shares the folders.",
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="The Ray cluster; omit to start Ray locally.", rich_help_panel="Running"
        ),
    ] = None,
    wait: Wait = False,
) -> ExitCode:  # fmt: skip
    """Make the index match the disk.

    Examples:
      ragcli index ~/notes                     index a folder, or bring it up to date
      ragcli index                             bring every indexed folder up to date
      ragcli index docs --include '*.pdf'      only the PDF files
      ragcli index docs --dry-run              what would be indexed, and why the rest would not
      ragcli index --relocate notes archive    notes is called archive now: its documents move along
      ragcli index docs --engine ray --address 10.0.0.5:6379    on a cluster (docs/ray.md)

    `ragcli list --not-indexed` shows which files were skipped and why. Exit code 3: done, but some files failed, or
    documents stay although their files are missing: a disk may not be mounted.

    """
    from ragcli.formats.blocks import LoadOptions
    from ragcli.ingest.discover import Rules
    from ragcli.ingest.roots import refuse_broad_root
    from ragcli.ingest.sandbox.limits import Limits, seconds_for
    from ragcli.ingest.sync import SyncOptions

    if address is not None and engine != "ray":
        raise UsageError("--address is for a Ray cluster", "add --engine ray")
    load = LoadOptions(password=password, ocr=ocr, ocr_languages=ocr_lang, office=office)
    if timeout is None:
        timeout = seconds_for(load)
    check_seconds(timeout)
    roots = list(paths or [])
    if relocate is not None:
        if not os.path.lexists(relocate[1]):
            raise UsageError(f"{relocate[1]} does not exist", "name the folder where the files are now")
        roots = roots or [relocate[1]]
    for root in roots:
        if not os.path.lexists(root):
            raise UsageError(f"{root} does not exist", "check the path")
        if not yes:
            refuse_broad_root(root.absolute())
    given = Rules(
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        hidden=hidden,
        ignore_files=ignore,
        max_file_size=parse_size(max_file_size),
        include_secrets=include_secrets,
        archives=archives,
    )
    options = SyncOptions(
        model=model,
        chunks=chunk_options(chunk_size, chunk_overlap),
        rules=None if given == Rules() else given,
        load=load,
        limits=Limits(seconds=timeout, memory_mib=memory, output_mib=max_text),
        workers=workers,
        store=store,
        force=force,
        remove_missing=yes,
        offline=env.offline,
        engine=engine,
        address=address,
    )
    if dry_run:
        return _dry_run(env, roots, options)
    if plan:
        return _plan(env, roots, options)
    return _sync(env, roots, options, relocate, wait=wait)


def parse_size(text: str) -> int:
    """``64M`` -> bytes; UsageError."""
    match = re.fullmatch(r"(\d+)\s*([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not match:
        raise UsageError(f"invalid size {text!r}", "write it as 500K, 64M or 2G")
    return int(match[1]) * _UNITS[match[2].upper()]


def chunk_options(size: int | None, overlap: int | None) -> "ChunkOptions | None":
    """None when neither was given; one alone takes the default of the other, as far as it fits."""
    if size is None and overlap is None:
        return None
    from ragcli.ingest.chunk import ChunkOptions  # 8 ms that most runs need not pay

    defaults = ChunkOptions()
    chosen = defaults.size if size is None else size
    return ChunkOptions(chosen, min(defaults.overlap, chosen // 4) if overlap is None else overlap)


def _sync(
    env: Env, roots: Sequence[Path], options: "SyncOptions", relocated: tuple[Path, Path] | None, *, wait: bool
) -> ExitCode:
    """Index, with a progress line on a terminal, and say what was done."""
    from ragcli.ingest.sync import sync
    from ragcli.render import write_json
    from ragcli.render.progress import progress_bar

    try:
        with progress_bar(quiet=env.quiet) as bar:
            summary = sync(
                env.index_folder(),
                roots,
                options,
                partial(show_progress, bar),
                env.on_wait(wait),
                partial(_confirm, bar),
                relocated,
            )
    except KeyboardInterrupt:
        env.say("stopped: what is finished is in the index, and the next run goes on from there")
        raise
    if env.json:
        write_json(record_of(env, summary), sys.stdout)
    else:
        say_summary(env, summary)
    return ExitCode.SOME_FAILED if summary.failures else ExitCode.OK


def _confirm(bar: "ProgressBar", doubt: "Doubt") -> bool:
    """Ask on a terminal whether a large loss is meant; elsewhere it is not, without --yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    from ragcli.render.visible import display_path, visible

    # not typer.confirm, which raises the same for Ctrl-C, which ends a run, and for the end of the input, which is a no
    question = f"{visible(display_path(doubt.root, Path.cwd()))}: {doubt}; remove them? [y/N] "
    with bar.paused():
        while True:
            sys.stderr.write(question)
            sys.stderr.flush()
            answer = sys.stdin.readline().strip().lower()
            if answer in ("y", "yes"):
                return True
            if answer in ("", "n", "no"):  # also at the end of the input
                return False


def _dry_run(env: Env, roots: Sequence[Path], options: "SyncOptions") -> ExitCode:
    """Print one line per file: what would happen to it, and why."""
    from ragcli.ingest.plan import preview
    from ragcli.render import write_json
    from ragcli.render.visible import display_path, visible

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


def _plan(env: Env, roots: Sequence[Path], options: "SyncOptions") -> ExitCode:
    """Print how much there is to do, from a sample of the files and the speed of this machine."""
    from dataclasses import asdict

    from ragcli.ingest.plan import estimate
    from ragcli.render import write_json
    from ragcli.units import counted, human_duration, human_size

    guess = estimate(env.index_folder(), roots, options)
    if env.json:
        write_json({"schema": 1, **asdict(guess)}, sys.stdout)
        return ExitCode.OK
    sys.stdout.write(
        f"files to index    {guess.files:,} ({human_size(guess.bytes)}), {guess.unchanged:,} unchanged\n"
        f"chunks, about     {guess.chunks:,} (from {counted(guess.sampled, 'file')} read)\n"
        f"time, about       {human_duration(guess.seconds)} at {guess.chunks_per_second:.0f} chunks per second"
        f" ({guess.rate_source})\n"
        f"disk, about       {human_size(guess.disk_bytes)}\n"
    )
    if options.load.ocr:
        sys.stdout.write(f"pages to OCR      {guess.ocr_pages:,}\n")
    return ExitCode.OK


def record_of(env: Env, summary: "Summary") -> dict[str, object]:
    """Return the record of a run, as ``--json`` prints it."""
    return {
        "schema": 1,
        "index": str(env.index_folder()),
        "added": summary.added,
        "changed": summary.changed,
        "removed": summary.removed,
        "unchanged": summary.unchanged,
        "chunks": {"embedded": summary.chunks_embedded, "reused": summary.chunks_reused},
        "not_indexed": {str(reason): count for reason, count in sorted(summary.skipped.items())},
        "moved": [{"old": str(m.old), "new": str(m.new), "documents": m.documents} for m in summary.moved],
        "failures": [{"path": str(f.path), "reason": str(f.reason), "detail": f.detail} for f in summary.failures],
        "warnings": [{"path": str(path), "warning": warning} for path, warning in summary.warnings],
        "improved": summary.improved,
        "approximate": summary.approximate is not None,
        "seconds": round(summary.seconds, 3),
    }


def say_summary(env: Env, summary: "Summary") -> None:
    """Say what a run did."""
    from ragcli.render.visible import display_path
    from ragcli.types import Reason
    from ragcli.units import counted, human_duration

    base = Path.cwd()
    for move in summary.moved:
        places = f"{display_path(move.old, base)} is at {display_path(move.new, base)} now"
        env.say(f"moved: {places}, with {counted(move.documents, 'document')}")
    if summary.improved:
        many = sum(summary.improved.values())
        loaders = ", ".join(f"{name} ({count:,})" for name, count in sorted(summary.improved.items()))
        env.say(f"read again, because their loaders improved: {counted(many, 'document')}: {loaders}")
    for path, warning in summary.warnings:
        env.say(f"note: {display_path(path, base)}: {warning}")
    kept = [one for one in summary.failures if one.reason is Reason.ABSENT]
    failures = [one for one in summary.failures if one.reason is not Reason.ABSENT]
    for one in kept:
        env.say(f"kept: {display_path(one.path, base)}: {one.detail}")
    for failure in failures[:_FAILURES_SHOWN]:
        env.say(f"failed: {display_path(failure.path, base)}: {_why(failure)}")
    if len(failures) > _FAILURES_SHOWN:
        env.say(f"failed: {len(failures) - _FAILURES_SHOWN} more; see: ragcli list --not-indexed")
    if summary.imported:
        are = "is" if summary.imported == 1 else "are"
        env.say(
            f"note: {counted(summary.imported, 'document')} {are} in no folder of this index, and not looked at; name"
            " their folder: ragcli index PATH"
        )
    if summary.secrets:
        env.say(
            f"note: {counted(summary.secrets, 'file')} with keys or credentials left out; see: ragcli list"
            " --not-indexed; take them with --include-secrets"
        )
    counts = [
        f"{count:,} {name}"
        for name, count in (
            ("added", summary.added), ("changed", summary.changed), ("removed", summary.removed),
            ("unchanged", summary.unchanged), ("failed", len(failures)),
            ("skipped", sum(summary.skipped.values()) - sum(failure.files for failure in failures)),
        )
        if count
    ]  # fmt: skip
    chunks = f"; {counted(summary.chunks_embedded, 'chunk')} embedded" if summary.chunks_embedded else ""
    reused = f", {summary.chunks_reused:,} reused" if summary.chunks_reused else ""
    if summary.approximate is not None:
        env.say("rebuilt the approximate index; see: ragcli status")
    nothing = "nothing changed" if kept else "nothing to index"
    env.say(f"{', '.join(counts) or nothing}{chunks}{reused} in {human_duration(summary.seconds)}")


def _why(failure: "Skipped") -> str:
    return f"{failure.reason}: {failure.detail}" if failure.detail else str(failure.reason)


def show_progress(bar: "ProgressBar", progress: "Progress") -> None:
    """Show chunks done out of those expected, were the rest of the files as rich in chunks as those read so far."""
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 1.0
    expected = progress.chunks_found / share if share else 0.0
    bar.show(
        "index", progress.chunks_done, expected or None,
        label=f"{progress.files_done}/{progress.files_total} files", unit="chunks", detail=progress.doing,
        left=progress.seconds_left,
    )  # fmt: skip
