"""What reading one file may take, and what is said of a file that took more."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ragcli.types import Reason

_STATED = re.compile(r"([\d.]+) (?:s|MiB|MiB of text)")


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may take."""

    seconds: float = 60.0
    memory_mib: int = 2048  # of address space, on Linux; 0 is no limit
    output_mib: int = 256  # of text and its structure, as it comes back from the parser

    def stated(self, reason: Reason) -> str:
        """The limit that a file failed for, as it stands behind the reason; "" for a reason that is no limit."""
        match reason:
            case Reason.TIMED_OUT:
                return f"{self.seconds:g} s"
            case Reason.OUT_OF_MEMORY:
                return f"{self.memory_mib} MiB"
            case Reason.TOO_LARGE:
                return f"{self.output_mib} MiB of text"
        return ""

    def give_more(self, reason: Reason, detail: str) -> bool:
        """Whether a file that failed for a limit, with that ``detail``, has more room under these."""
        before, now = _STATED.fullmatch(detail), _STATED.fullmatch(self.stated(reason))
        if before is None or now is None:
            return False
        return (reason is Reason.OUT_OF_MEMORY and not self.memory_mib) or float(now[1]) > float(before[1])
