"""The exceptions of ragcli; each class carries the exit code that the command ends with.

- RagcliError (2)              anything the user can act on: a fact and, where there is one, the next step
  - UsageError                 the request is invalid
  - IndexNotFound              there is no index of that name
  - IndexBusy                  another process is writing to the index
  - IndexDamaged               a file of the index is missing or does not match its checksum
  - IndexFormat                the index has an unknown format version
  - StoreUnavailable           the server that holds the vectors cannot be reached, or refuses
  - StoreMismatch              the store at the address belongs to another index
  - ModelUnavailable           the files of the model are missing and cannot be fetched
  - ModelMismatch              the index was built with other weights
  - CalibrationMissing         no probability was fitted for these models
  - EngineUnavailable          the cluster cannot be used, or was lost
  - LlmUnavailable             the language model gave no answer
  - LoadError                  one file could not be read (the run goes on; carries a Reason)
"""

from __future__ import annotations

import errno
import re
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragcli.types import Reason  # 15 ms that help, completion and a question to the server need not pay first


class ExitCode(IntEnum):
    """What the shell sees."""

    OK = 0
    NOT_FOUND = 1
    ERROR = 2
    SOME_FAILED = 3
    NOT_GROUNDED = 4
    BUG = 70
    INTERRUPTED = 130


class RagcliError(Exception):
    """Shown as ``ragcli: <message>`` with the hint on the same line; never with a traceback."""

    exit_code = ExitCode.ERROR

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(RagcliError):
    """The request is invalid."""


class IndexNotFound(RagcliError):
    """There is no index of that name."""


class IndexBusy(RagcliError):
    """Another process is writing to the index."""


class IndexDamaged(RagcliError):
    """A file of the index is missing, unreadable or does not match its checksum."""


class IndexFormat(RagcliError):
    """The index has a format version that this version of ragcli does not know."""


class StoreUnavailable(RagcliError):
    """The server that holds the vectors cannot be reached, or refuses."""


class StoreMismatch(RagcliError):
    """The store at the address belongs to another index or model."""


class ModelUnavailable(RagcliError):
    """The files of the model are not on this machine and cannot be fetched."""


class ModelMismatch(RagcliError):
    """The index was built with other weights than those on this machine."""


class CalibrationMissing(RagcliError):
    """A probability was asked for, but none was fitted for these models."""


class EngineUnavailable(RagcliError):
    """The cluster cannot be used, or was lost."""


class LlmUnavailable(RagcliError):
    """The language model gave no answer, or an invalid one."""


class LoadError(RagcliError):
    """One file could not be turned into a document; the reason is listed, the run goes on."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


_FAULTS = {
    errno.EACCES: ("permission denied", "ask its owner for access"),
    errno.EPERM: ("permission denied", "ask its owner for access"),
    errno.ENOMEM: ("not enough memory", "free some memory, or raise the limit: ulimit -v"),
    errno.EMFILE: ("too many open files", "raise the limit: ulimit -n"),
    errno.ENFILE: ("too many open files", "close some programs"),
}
_CODE = re.compile(r"\bcode: (\d+)")  # as Rust writes the number of an error


def environment_fault(error: BaseException) -> tuple[str, str] | None:
    """The fact and the next step when this machine refuses to read a file; None when the file itself may be wrong.

    Libraries hand on an error of the system as text.
    """
    text = str(error)
    if isinstance(error, MemoryError) or "bad_alloc" in text or "Cannot allocate memory" in text:
        return _FAULTS[errno.ENOMEM]
    if "PermissionDenied" in text or "Permission denied" in text:
        return _FAULTS[errno.EACCES]
    code = _CODE.search(text)
    number = int(code[1]) if code else getattr(error, "errno", None)
    return _FAULTS.get(number) if number is not None else None


def refuse_environment(path: object, error: BaseException) -> None:
    """Raise RagcliError when this machine refuses to read ``path``: nothing is damaged then."""
    fault = environment_fault(error)
    if fault is not None:
        raise RagcliError(f"cannot read {path}: {fault[0]}", fault[1]) from error
