"""One exception tree; each class carries the exit code that the command ends with.

- RagcliError (2)              anything the user can act on: a sentence and, where there is one, a next step
  - UsageError                 the request makes no sense
  - IndexNotFound              no index of that name
  - IndexBusy                  another process is writing
  - IndexDamaged               a file of the index is missing or does not match its checksum
  - IndexFormat                the index was written by another format version
  - StoreUnavailable           the server that holds the vectors does not answer as it should
  - StoreMismatch              what is there is not the store of this index
  - ModelUnavailable           the model's files cannot be had
  - ModelMismatch              the index was built with other weights
  - CalibrationMissing         no probability is known for these models
  - EngineUnavailable          the cluster that was to do the work cannot, or is lost
  - LlmUnavailable             the language model gave no answer
  - LoadError                  one file could not be read (the run goes on; carries a Reason)
"""

from __future__ import annotations

from enum import IntEnum

from ragcli.types import Reason


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
    """The request makes no sense as given."""


class IndexNotFound(RagcliError):
    """There is no index of that name."""


class IndexBusy(RagcliError):
    """Another process is writing to the index."""


class IndexDamaged(RagcliError):
    """A file of the index is missing, unreadable or does not match its checksum."""


class IndexFormat(RagcliError):
    """The index was written by a format version that this package does not know."""


class StoreUnavailable(RagcliError):
    """The server that holds the vectors cannot be reached, or refuses."""


class StoreMismatch(RagcliError):
    """What stands where the vectors should be belongs to another index or model."""


class ModelUnavailable(RagcliError):
    """The model's files are not on this machine and cannot be fetched."""


class ModelMismatch(RagcliError):
    """The index was built with other weights than the ones at hand."""


class CalibrationMissing(RagcliError):
    """A probability was asked for, and none was fitted for these models."""


class EngineUnavailable(RagcliError):
    """The cluster that was to do the work cannot be used, or was lost."""


class LlmUnavailable(RagcliError):
    """The language model that was asked gave no answer, or none that can be used."""


class LoadError(RagcliError):
    """One file could not be turned into a document; the reason is listed, the run goes on."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
