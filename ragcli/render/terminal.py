"""The colour, the width and the pager that the terminal wants."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

DEFAULT_WIDTH = 80
_LEAST_WIDTH = 20

# Colours and links: what rich and ragcli write between the characters of a line.
_ESCAPES = re.compile(r"\x1b(\[[0-9;]*m|\]8;[^\x1b]*\x1b\\)")
_LESS = ("less", "-FRX")  # quit if it fits, show colours, leave the text on the screen


def color_wanted(stream: TextIO) -> bool:
    """Return whether to write colour to ``stream``: NO_COLOR means no, FORCE_COLOR yes, else only to a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR", "")
    if forced:
        return forced.lower() not in ("0", "false")
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Return the columns to write in: COLUMNS, else those of stdout's or stderr's terminal, else 80; at least 20."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns) > 0:
        return max(_LEAST_WIDTH, int(columns))
    for descriptor in (1, 2):
        try:
            found = os.get_terminal_size(descriptor).columns
        except OSError:
            continue  # closed, or not a terminal
        if found > 0:
            return max(_LEAST_WIDTH, found)
    return DEFAULT_WIDTH


def screen_width() -> int | None:
    """Return the columns of the terminal that stdout is; None for a pipe, whose lines are never wrapped."""
    return terminal_width() if sys.stdout.isatty() else None


class _Page(io.StringIO):
    """Text for a terminal, kept until its length is known."""

    def isatty(self) -> bool:
        """Say that links may be written."""
        return True


@contextmanager
def paged(out: TextIO, *, wanted: bool = True) -> Iterator[TextIO]:
    """Yield ``out``, or, for a terminal, a stream whose text a pager shows when it is longer than the screen.

    The pager is RAGCLI_PAGER, else PAGER, else ``less -FRX``; "" and ``cat`` mean none, as when it does not start.
    """
    if not wanted or not out.isatty() or os.environ.get("TERM", "dumb") == "dumb" or not (command := _pager()):
        yield out
        return
    page = _Page()
    try:
        yield page
    finally:  # also what was written before an error
        text = page.getvalue()
        if not _is_longer_than_screen(text, out) or not _run(command, text, out):
            out.write(text)
            out.flush()


def _pager() -> list[str]:
    import shlex
    import shutil

    chosen = os.environ.get("RAGCLI_PAGER", os.environ.get("PAGER"))
    try:
        command = list(_LESS) if chosen is None else shlex.split(chosen)
    except ValueError:  # an open quotation mark
        return []
    return [] if not command or command == ["cat"] or not shutil.which(command[0]) else command


def _is_longer_than_screen(text: str, out: TextIO) -> bool:
    try:
        size = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return False
    if size.lines <= 0 or size.columns <= 0:  # a terminal that does not know
        return False
    rows = 0
    for line in text.splitlines():
        shown = _ESCAPES.sub("", line)
        if shown.isascii():
            width = len(shown)
        else:
            from ragcli.render.table import cells

            width = cells(shown)
        rows += max(1, -(-width // size.columns))
        if rows >= size.lines:  # the prompt of the shell needs a line too
            return True
    return False


def _run(command: list[str], text: str, out: TextIO) -> bool:
    """Show ``text`` in a pager; False when it cannot start."""
    import signal
    import subprocess

    out.flush()
    try:
        pager = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, env={"LESS": "FRX", "LESSCHARSET": "utf-8", **os.environ},
            text=True, encoding=out.encoding, errors=out.errors,
        )  # fmt: skip
    except OSError:
        return False
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
    try:
        with suppress(BrokenPipeError), pager:  # who has seen enough leaves before the end
            assert pager.stdin is not None
            pager.stdin.write(text)
    finally:
        signal.signal(signal.SIGINT, before)
    return True
