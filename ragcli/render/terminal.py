"""What the terminal can and wants to show."""

from __future__ import annotations

import os
from typing import TextIO

DEFAULT_WIDTH = 80
_LEAST_WIDTH = 20


def color_wanted(stream: TextIO) -> bool:
    """Whether to write colour to ``stream``: NO_COLOR says no, FORCE_COLOR yes, else it takes an able terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR", "")
    if forced:
        return forced.lower() not in ("0", "false")
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Columns to write in: COLUMNS, else those of the terminal behind stdout or stderr, else 80; at least 20."""
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
