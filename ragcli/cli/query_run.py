"""Run ``ragcli query``: read the questions, open what is searched, print the hits."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError
from ragcli.index.reader import Index, open_index
from ragcli.render import results_record, write_json_line, write_results
from ragcli.render.terminal import color_wanted, terminal_width
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.types import Mode, Results

_STDIN_NAME = "(stdin)"


class Look(NamedTuple):
    """How hits are printed."""

    format: str
    null: bool
    explain: bool
    context: int


def choose_format(env: Env, given: str | None, known: Sequence[str], *, jsonl: bool, paths: bool, null: bool) -> str:
    """Return the one format that the flags name; UsageError when they name several, or an unknown one."""
    named = {
        name
        for name, wanted in ((given, given), ("json", env.json), ("jsonl", jsonl), ("paths", paths))
        if wanted and name
    }
    if len(named) > 1:
        raise UsageError(f"choose one format, not {' and '.join(sorted(named))}")
    chosen = named.pop() if named else ("paths" if null else "text" if sys.stdout.isatty() else "plain")
    if chosen not in known:
        raise UsageError(f"unknown format {chosen!r}", f"formats: {', '.join(known)}")
    if null and chosen != "paths":
        raise UsageError("-0 works with paths only", "add -l")
    return chosen


def choose_mode(given: str) -> Mode:
    """Return the mode of that name; UsageError for an unknown one."""
    for mode in ("hybrid", "dense", "keyword"):
        if given == mode:
            return mode
    raise UsageError(f"unknown mode {given!r}", "modes: hybrid, dense, keyword")


def parse_time(text: str) -> float:
    """Return the seconds of ``300ms``, ``1.5s`` or ``2`` (seconds); UsageError for another form."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|)", text.strip())
    if not found:
        raise UsageError(f"invalid time {text!r}", "write it as 300ms or 1.5s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def run(
    env: Env, text: str, files: Sequence[Path], options: SearchOptions, look: Look, *, on_the_fly: bool
) -> ExitCode:
    """Answer one question, or each line of stdin."""
    if files and not on_the_fly:
        raise UsageError(f"unexpected argument {str(files[0])!r}", "put the question in quotes, or files after --in")
    if text == "-" and Path("-") in files:
        raise UsageError("stdin cannot hold both the questions and the text", "give one of them as a file")
    with _opened(env, files, options) as index:
        searcher = Searcher(index, options)
        if text == "-":
            return _answer_lines(env, searcher, files, look)
        results = _search(searcher, text, files)
    for note in results.notes:
        env.say(f"note: {note}")
    if look.explain:
        for detail in results.details:
            env.say(detail)
    write_results(
        results, look.format, sys.stdout, base=Path.cwd(), nul=look.null, explain=look.explain, context=look.context,
        color=color_wanted(sys.stdout), width=terminal_width(),
    )  # fmt: skip
    if not results.hits and results.searched and look.format == "text":
        env.say("nothing found")
    return ExitCode.OK if results.hits else ExitCode.NOT_FOUND


def _answer_lines(env: Env, searcher: Searcher, files: Sequence[Path], look: Look) -> ExitCode:
    """Write one JSON line for each non-blank line of stdin, as soon as it is known; the models are loaded once."""
    if look.format not in {"plain", "text", "json", "jsonl"}:
        raise UsageError(f"questions from stdin are answered in JSON lines, not as {look.format}", "use --jsonl")
    found = told = False
    for line in sys.stdin:
        if line.strip():
            results = _search(searcher, line.strip(), files)
            if not results.searched and not told:
                told = True
                env.say(f"note: {results.notes[-1]}")
            found = found or bool(results.hits)
            write_json_line(results_record(results), sys.stdout)
            sys.stdout.flush()
    return ExitCode.OK if found else ExitCode.NOT_FOUND


@contextmanager
def _opened(env: Env, files: Sequence[Path], options: SearchOptions) -> Iterator[Index]:
    """Open the named index, or one made of ``files`` in a temporary folder for this query alone."""
    if not files:
        with open_index(env.existing_index(), options.mode) as index:
            yield index
        return
    import tempfile  # 2 ms that a question to an index need not pay

    from ragcli.ingest.sync import SyncOptions, sync

    with tempfile.TemporaryDirectory(prefix="ragcli-") as folder:
        roots = [_stdin_file(Path(folder)) if str(path) == "-" else path for path in files]
        summary = sync(Path(folder) / "index", roots, SyncOptions(offline=env.offline))
        for failure in summary.failures:
            env.say(f"failed: {failure.path}: {failure.reason}")
        with open_index(Path(folder) / "index", options.mode) as index:
            yield index


def _stdin_file(folder: Path) -> Path:
    import shutil

    path = folder / f"{_STDIN_NAME}.txt"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


def _search(searcher: Searcher, text: str, files: Sequence[Path]) -> Results:
    """Search, and make what the results say about an index fit the ``files`` that it was made of."""
    results = searcher.search(text)
    if files and not results.searched:
        fact = "none of the files" if searcher.documents is None else "none of the files that pass the filters"
        note = f"{fact} after --in holds text to search; see what is read of one: ragcli parse FILE"
        results = replace(results, notes=(*results.notes[:-1], note))
    if Path("-") not in files:
        return results
    hits = tuple(
        replace(hit, chunk=replace(hit.chunk, path=Path(_STDIN_NAME)))  # text from stdin has no path of its own
        if hit.chunk.path.name == f"{_STDIN_NAME}.txt"
        else hit
        for hit in results.hits
    )
    return replace(results, hits=hits)
