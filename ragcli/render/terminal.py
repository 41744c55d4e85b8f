"""The colour and the width that the terminal wants."""

from __future__ import annotations

import os
from typing import TextIO

DEFAULT_WIDTH = 80
_LEAST_WIDTH = 20


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
