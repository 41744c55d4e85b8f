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
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

from ragcli.errors import LoadError, RagcliError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.members import MAX_MEMBERS
from ragcli.ingest.sandbox.frames import (
    HEADER,
    Frame,
    LargeDocument,
    date_of,
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
_MOST_FAILED = 20  # members of one file that may end a process

_About = TypeVar("_About")


@dataclass(frozen=True, slots=True)
class Request:
    """A file to load, and the digest of the content that is indexed already, if any.

    With ``part``, a document of more characters comes as a LargeDocument, in parts of at most so many.
    ``known`` has the digests of the members that are indexed already, by their paths below the file. Of a request that
    goes on where another process ended, ``skip`` members are done; the ``failed`` ones among them ended a process.
    """

    path: Path
    known_sha256: str | None
    part: int = 0
    known: Mapping[str, str] = field(default_factory=dict)
    skip: int = 0
    failed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of a request. Digest, size and time are those of the file as read; "", 0, 0 when it was not read.

    Of a member, ``path`` is below ``container``, the file on the disk. A file comes after all its members.
    """

    path: Path
    sha256: str
    size: int
    mtime_ns: int
    outcome: Document | Skipped | None  # None: the content has the known digest
    container: Path | None = None


class Drawing(NamedTuple):
    """What to draw: a page (from 1) of the PDF ``member`` of a file, "" for the file itself, with passages marked.

    A file whose content does not have the digest is not drawn.
    """

    member: str
    sha256: str
    page: int
    passages: tuple[str, ...]
    width: int  # pixels


class Picture(NamedTuple):
    """A page as PNG: its width and height, where each passage is (left, top, right, bottom), the number of pages."""

    png: bytes
    size: tuple[int, int]
    boxes: tuple[tuple[tuple[int, ...], ...], ...]
    pages: int


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
        self.is_reusable = True
        self.rest: Request | None = None

    def greet(self, options: LoadOptions) -> None:
        """Wait until the process is up, outside the time of any file, and send it the options."""
        ready = read_frame(self._replies) if self._is_heard(time.monotonic() + _START_SECONDS) else None
        if ready is None:
            hint = f"run {self._command!r} to see why"
            raise RagcliError(f"a parser process did not start ({_cause(self.end())})", hint)
        self._send({"options": asdict(options)})

    def load(self, request: Request) -> Iterator[Loaded]:
        """The results for the members of a file, then the result of the file.

        Afterwards ``is_reusable`` says whether the process can take another request, and ``rest`` is what another
        process has to go on with, because this one ended in the middle of the members.
        """
        self.rest, self.is_reusable = None, False
        path, done = request.path, request.skip
        known: Frame = {"sha256": "", "size": 0, "mtime_ns": 0}
        member: Loaded | None = None  # that is being read
        outcome: Document | Skipped | None
        self._send(
            {
                "path": str(path), "known_sha256": request.known_sha256, "part": request.part,
                "known": dict(request.known), "skip": request.skip, "failed": list(request.failed),
                "seconds": self._limits.seconds,
            }
        )  # fmt: skip
        try:
            reply = self._reply()
            if reply is not None and "sha256" in reply:
                known = reply
                reply = self._reply()
            while reply is not None and "member" in reply:
                done += 1
                member = _member(path, reply["member"], known, done)
                reply = self._reply()
                if reply is None:
                    break
                is_known = bool(member.sha256) and member.sha256 in request.known.values()
                outcome = self._outcome(member.path, reply, request, is_known=is_known)
                yield replace(member, outcome=outcome)
                del outcome  # of a large file
                member, reply = None, self._reply()
            is_known = request.known_sha256 is not None
            outcome = self._outcome(path, reply, request, is_known=is_known) if reply else self._crashed(path)
            # a process that ran out of memory may not have given it back
            self.is_reusable = bool(reply) and getattr(outcome, "reason", None) is not Reason.OUT_OF_MEMORY
        except TimeoutError:
            outcome = Skipped(path, Reason.TIMED_OUT, self._limits.stated(Reason.TIMED_OUT))
        except (ValueError, LookupError, TypeError) as error:
            outcome = Skipped(path, Reason.DAMAGED, f"invalid reply of the parser ({type(error).__name__})")
        if member is not None and isinstance(outcome, Skipped) and len(request.failed) < _MOST_FAILED:
            yield replace(member, outcome=replace(outcome, path=member.path))
            self.rest = replace(request, skip=done, failed=(*request.failed, done - 1))
        else:
            yield Loaded(path, known["sha256"], known["size"], known["mtime_ns"], outcome)

    def _outcome(self, path: Path, reply: Frame, request: Request, *, is_known: bool) -> Document | Skipped | None:
        if request.part and "parts" in reply:
            return self._large(path, reply["parts"])
        return _unpack(path, reply, self._limits, is_known=is_known)

    def extract(self, container: Path, name: str) -> bytes:
        """The bytes of the member ``name`` (a path below the file ``container``). Raises LoadError."""
        return self._content(container, {"extract": name}, lambda _: None)[0]

    def draw(self, file: Path, drawing: Drawing) -> Picture:
        """A page of the PDF ``file``, or of a member of it. Raises LoadError, also for a file that changed."""
        png, about = self._content(file, {"draw": drawing._asdict()}, lambda reply: _picture(reply["drawn"]))
        return about._replace(png=png)

    def _content(self, container: Path, asked: Frame, read: Callable[[Frame], _About]) -> tuple[bytes, _About]:
        """The bytes that answer a request, and what ``read`` makes of the frame before them. Raises LoadError."""
        self._send({"path": str(container), "seconds": self._limits.seconds} | asked)
        try:
            reply = self._reply()
            if reply is not None and "content" in reply:
                about = read(reply)
                content = self._read(reply["content"], time.monotonic() + _SENDING_SECONDS)
                if content is not None:
                    return bytes(content), about
                reply = None
            failed = _unpack(container, reply, self._limits, is_known=False) if reply else self._crashed(container)
        except TimeoutError:
            failed = Skipped(container, Reason.TIMED_OUT, self._limits.stated(Reason.TIMED_OUT))
        except (ValueError, LookupError, TypeError) as error:
            failed = Skipped(container, Reason.DAMAGED, f"invalid reply of the parser ({type(error).__name__})")
        if not isinstance(failed, Skipped):
            failed = Skipped(container, Reason.DAMAGED, "invalid reply of the parser")
        raise LoadError(failed.reason, failed.detail)

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

    def _reply(self, deadline: float | None = None) -> Frame | None:
        """The next reply, a document with its text; None when the process has ended.

        Raises TimeoutError when the reply does not begin in time or does not end, ValueError when it is larger than a
        document may be.
        """
        if not self._is_heard(time.monotonic() + self._limits.seconds if deadline is None else deadline):
            raise TimeoutError
        deadline = time.monotonic() + _SENDING_SECONDS
        header = self._read(HEADER.size, deadline)
        if header is None:
            return None
        body = self._read(HEADER.unpack(header)[0], deadline)
        if body is None:
            return None
        frame = unpack_frame(body)
        return self._with_text(frame["document"]) if "document" in frame else frame

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
                return _unpack(path, reply, self._limits, is_known=False)
            if "end" in reply:
                warnings = tuple(map(str, about["warnings"]))
                title, loader, dated_ns = str(about["title"]), str(about["loader"]), date_of(about)
                return LargeDocument(path, title, "", (), loader, warnings, dated_ns, packed=packed, size=size)
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


def _unpack(path: Path, reply: Frame, limits: Limits, *, is_known: bool) -> Document | Skipped | None:
    if "document" in reply:
        return unpack_document(path, reply["document"])
    if "failed" in reply:
        reason = Reason(reply["failed"]["reason"])
        detail, files = reply["failed"]["detail"], reply["failed"]["files"]
        if not isinstance(detail, str) or not isinstance(files, int):
            raise TypeError("an invalid reason")
        return Skipped(path, reason, detail or limits.stated(reason), files)
    if not is_known:
        raise ValueError("neither a document nor a reason")
    return None


def _member(container: Path, state: Frame, known: Frame, number: int) -> Loaded:
    """The member that a process begins to read. Raises ValueError for a name that leads out of the file."""
    if number > MAX_MEMBERS:
        raise ValueError("more members than a file may have")
    name, size, mtime_ns, sha256 = state["name"], state["size"], state["mtime_ns"], state["sha256"]
    parts = name.split("/")
    if not name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise ValueError("an invalid name of a member")
    mtime_ns = known["mtime_ns"] if mtime_ns is None else mtime_ns
    if not (isinstance(size, int) and isinstance(mtime_ns, int) and isinstance(sha256, str)):
        raise TypeError("an invalid state of a member")
    if not -(1 << 63) <= mtime_ns < 1 << 63:
        raise ValueError("an invalid time of a member")
    return Loaded(container.joinpath(*parts), sha256, size, mtime_ns, None, container)


def _picture(about: Frame) -> Picture:
    """What a process says about a picture, as numbers. Raises ValueError and TypeError for anything else."""
    width, height = map(int, about["size"])
    boxes = tuple(tuple(tuple(map(int, box)) for box in passage) for passage in about["boxes"])
    return Picture(b"", (width, height), boxes, int(about["pages"]))


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def environment() -> dict[str, str]:
    """The environment in which a child process imports this very package."""
    root = Path(__file__).parents[3]  # of the package, also where it is not installed
    if root.name in ("site-packages", "dist-packages"):  # on the path of every interpreter, behind the standard library
        return dict(os.environ)
    inherited = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (inherited, str(root))))}
