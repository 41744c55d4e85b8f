"""The limits on reading one file, and how they are stated for a file that failed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ragcli.formats.blocks import LoadOptions
from ragcli.types import Reason

_STATED = re.compile(r"([\d.]+) (?:s|MiB|MiB of text)")


# Pages are read with tesseract at a few seconds each, and a document may have hundreds.
OCR_SECONDS = 1800.0
OFFICE_SECONDS = 300.0  # with LibreOffice, which takes up to 20 s to start


def seconds_for(options: LoadOptions) -> float:
    """How long one file may take by default, when it is read in this way."""
    return OCR_SECONDS if options.ocr else OFFICE_SECONDS if options.office else Limits().seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on reading one file."""

    seconds: float = 60.0
    memory_mib: int = 2048  # address space, on Linux; 0: no limit
    output_mib: int = 256  # text and structure, as the parser sends them

    def stated(self, reason: Reason) -> str:
        """The limit behind ``reason``, as it is shown after it; "" for any other reason."""
        match reason:
            case Reason.TIMED_OUT:
                return f"{self.seconds:g} s"
            case Reason.OUT_OF_MEMORY:
                return f"{self.memory_mib} MiB"
            case Reason.TOO_LARGE:
                return f"{self.output_mib} MiB of text"
        return ""

    def are_wider_than(self, reason: Reason, detail: str) -> bool:
        """Whether a file that failed with ``reason`` and ``detail`` has more room under these limits."""
        before, now = _STATED.fullmatch(detail), _STATED.fullmatch(self.stated(reason))
        if before is None or now is None:
            return False
        return (reason is Reason.OUT_OF_MEMORY and not self.memory_mib) or float(now[1]) > float(before[1])
