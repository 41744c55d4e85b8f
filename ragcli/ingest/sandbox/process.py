"""One parser process: it is sent files, its replies have limits, and it is killed when it is late.

A hostile file may take the process over and make it send anything, but neither forever nor without end.
"""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ragcli.errors import RagcliError
from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.sandbox.frames import (
    HEADER,
    Frame,
    LargeDocument,
    read_frame,
    unpack_document,
    unpack_frame,
    write_frame,
)
from ragcli.ingest.sandbox.limits import Limits
from ragcli.types import Document, Reason, Skipped

_START_SECONDS = 60.0  # an interpreter starts in 0.1 s; a machine that swaps may take long
_SLOWEST = 1 << 20  # bytes a second in which the parts of a large document are packed and sent
_DYING_SECONDS = 5.0  # between the end of the replies and the end of the process
_SENDING_SECONDS = 30.0  # from the first byte of a reply to the last: the parser is done, and memory may be short
_ROOM = 1 << 16  # bytes of a reply beside a document


@dataclass(frozen=True, slots=True)
class Request:
    """A file to load, and the digest of the content that is indexed already, if any.

    With ``part``, a document of more characters comes as a LargeDocument, in parts of at most so many.
    """

    path: Path
    known_sha256: str | None
    part: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of a request. Digest, size and time are those of the file as read; "", 0, 0 when it was not read."""

    path: Path
    sha256: str
    size: int
    mtime_ns: int
    outcome: Document | Skipped | None  # None: the content has the known digest


class ParserProcess:
    """One parser process, started when this is made; :meth:`end` must be called."""

    def __init__(self, limits: Limits, module: str) -> None:
        self._limits = limits
        # -P: a json.py in the current folder must not be imported. Nobody needs the warnings of parsers.
        command = [sys.executable, "-P", "-W", "ignore", "-m", module, str(limits.memory_mib), str(limits.output_mib)]
        self._command = " ".join(command)
        self._process = subprocess.Popen(
            command,
            bufsize=0,  # poll() does not see frames in a buffer
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            process_group=0,  # its child processes are killed with it, and Ctrl-C does not reach it
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self._replies: IO[bytes] = self._process.stdout
        self._poll = select.poll()
        self._poll.register(self._replies, select.POLLIN)

    def greet(self, options: LoadOptions) -> None:
        """Wait until the process is up, outside the time of any file, and send it the options."""
        ready = read_frame(self._replies) if self._is_heard(time.monotonic() + _START_SECONDS) else None
        if ready is None:
            hint = f"run {self._command!r} to see why"
            raise RagcliError(f"a parser process did not start ({_cause(self.end())})", hint)
        self._send({"options": asdict(options)})

    def load(self, request: Request) -> tuple[Loaded, bool]:
        """The result of the request, and whether the process can take another."""
        seconds = self._limits.seconds
        deadline = time.monotonic() + seconds
        known: Frame = {"sha256": "", "size": 0, "mtime_ns": 0}
        outcome: Document | Skipped | None
        is_reusable = False
        self._send(
            {
                "path": str(request.path), "known_sha256": request.known_sha256, "seconds": seconds,
                "part": request.part,
            }
        )  # fmt: skip
        try:
            reply = self._reply(deadline)
            if reply is not None and "sha256" in reply:
                known = reply
                reply = self._reply(deadline)
            if reply is not None and "document" in reply:
                reply = self._with_text(reply["document"])
            if reply is not None and request.part and "parts" in reply:
                outcome = self._large(request.path, reply["parts"])
            else:
                outcome = _unpack(request.path, reply, self._limits) if reply else self._crashed(request.path)
            # a process that ran out of memory may not have given it back
            is_reusable = bool(reply) and getattr(outcome, "reason", None) is not Reason.OUT_OF_MEMORY
        except TimeoutError:
            outcome = Skipped(request.path, Reason.TIMED_OUT, self._limits.stated(Reason.TIMED_OUT))
        except (ValueError, LookupError, TypeError) as error:
            outcome = Skipped(request.path, Reason.DAMAGED, f"invalid reply of the parser ({type(error).__name__})")
        return Loaded(request.path, known["sha256"], known["size"], known["mtime_ns"], outcome), is_reusable

    def kill(self) -> None:
        """Kill the process and its child processes."""
        with suppress(ProcessLookupError, PermissionError):  # it has ended already
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill the process, wait for it and return its exit code, or the number of a signal below zero."""
        self.kill()
        code = self._process.wait()
        self._requests.close()
        self._replies.close()
        return code

    def _send(self, frame: Frame) -> None:
        with suppress(BrokenPipeError):  # the end of the replies reports it
            write_frame(self._requests, frame)

    def _is_heard(self, deadline: float) -> bool:
        """True when a reply, or the end of the replies, arrives before ``deadline``."""
        left = max(0.0, deadline - time.monotonic())
        return bool(self._poll.poll(math.ceil(left * 1000)))

    def _reply(self, deadline: float) -> Frame | None:
        """The next reply; None when the process has ended.

        Raises TimeoutError when the reply does not begin before ``deadline`` or does not end, ValueError when it is
        larger than a document may be.
        """
        if not self._is_heard(deadline):
            raise TimeoutError
        deadline = time.monotonic() + _SENDING_SECONDS
        header = self._read(HEADER.size, deadline)
        if header is None:
            return None
        body = self._read(HEADER.unpack(header)[0], deadline)
        return None if body is None else unpack_frame(body)

    def _with_text(self, document: Frame) -> Frame | None:
        """The reply, with the text that follows it in place of its size; None when the process has ended."""
        text = self._read(document["text"], time.monotonic() + _SENDING_SECONDS)
        return None if text is None else {"document": document | {"text": text.decode("utf-8", "surrogatepass")}}

    def _large(self, path: Path, about: Frame) -> Document | Skipped | None:
        """The document whose parts follow; the reason why it failed, where one comes in the place of a part."""
        packed: deque[tuple[bytearray, bytearray]] = deque()
        size = total = 0
        started = time.monotonic()
        while True:
            deadline = started + _SENDING_SECONDS + total / _SLOWEST
            reply = self._reply(deadline)
            if reply is None:
                return self._crashed(path)
            if "failed" in reply:
                return _unpack(path, reply, self._limits)
            if "end" in reply:
                warnings = tuple(map(str, about["warnings"]))
                return LargeDocument(path, str(about["title"]), "", (), str(about["loader"]), warnings, packed, size)
            structure, text = self._read(reply["structure"], deadline), self._read(reply["text"], deadline)
            if structure is None or text is None:
                return self._crashed(path)
            packed.append((structure, text))
            size += len(text)
            total += len(text) + len(structure)
            self._check_size(total)

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= (self._limits.output_mib << 20) + _ROOM:
            raise ValueError("a reply is larger than a document may be")

    def _read(self, size: int, deadline: float) -> bytearray | None:
        self._check_size(size)
        data = bytearray()
        while len(data) < size:
            if not self._is_heard(deadline):
                raise TimeoutError
            part = os.read(self._replies.fileno(), min(size - len(data), 1 << 20))
            if not part:
                return None
            data += part
        return data

    def _crashed(self, path: Path) -> Skipped:
        try:
            code = self._process.wait(_DYING_SECONDS)
        except subprocess.TimeoutExpired:
            return Skipped(path, Reason.DAMAGED, "the parser closed its output")
        if code == -signal.SIGKILL:  # from the kernel, out of memory: nobody else sends it
            return Skipped(path, Reason.OUT_OF_MEMORY, f"the parser was killed ({_cause(code)})")
        return Skipped(path, Reason.DAMAGED, f"the parser crashed ({_cause(code)})")


def _unpack(path: Path, reply: Frame, limits: Limits) -> Document | Skipped | None:
    if "document" in reply:
        return unpack_document(path, reply["document"])
    if "failed" in reply:
        reason = Reason(reply["failed"]["reason"])
        detail = reply["failed"]["detail"]
        return Skipped(path, reason, detail or limits.stated(reason))
    return None


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def environment() -> dict[str, str]:
    """The environment in which a child process imports this very package."""
    root = Path(__file__).parents[3]  # of the package, also where it is not installed
    if root.name in ("site-packages", "dist-packages"):  # on the path of every interpreter, behind the standard library
        return dict(os.environ)
    inherited = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (inherited, str(root))))}
