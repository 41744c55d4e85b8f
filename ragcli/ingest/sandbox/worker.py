"""The program of a parser process, so that a parser that hangs, crashes or explodes costs one file.

It is started as ``python -m ragcli.ingest.sandbox.worker MEMORY_MIB OUTPUT_MIB``; the first limit is on address space
(0: no limit), the second on a document as it is sent. It reads frames from stdin: the options, then one request per
file. It writes frames to stdout (``frames`` has their form): a greeting, then for each request the state of the file,
if it could be read, for each member its name, size, time and digest followed by its result, and last the result of the
file itself. A document gives the length of its text, which follows as UTF-8. Where the request allows it, a large one
gives the number of its parts, which follow, each with its structure and its text.

No socket is opened here: nothing that a document refers to is fetched.
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.discover import bar_member
from ragcli.ingest.sandbox.frames import Frame, pack_document, pack_frame, pack_parts, read_frame, write_frame
from ragcli.models.digest import cache_folder
from ragcli.types import Document, Reason

Loader = Callable[[Path, bytes, LoadOptions], Document]
_MEBIBYTE = 1 << 20
_DETAIL = 200  # characters kept of a parser's own message
_TRIES = 3  # to read a file that changes while it is read, such as a log


def main(load: Loader = loaders.load) -> None:
    """Serve requests until stdin closes."""
    memory, output = (int(argument) for argument in (*sys.argv[1:], "0", "0")[:2])
    _limit_memory(memory)
    sys.addaudithook(_refuse_sockets)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    # Parsers and their child processes print: the frames move to descriptors that nothing else uses.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    write_frame(replies, {"ready": True})
    first = read_frame(requests)
    if first is None:
        return
    options = LoadOptions(**first["options"])
    if options.ocr or options.office:
        options = replace(options, cache=str(cache_folder()))
    while (request := read_frame(requests)) is not None:
        _Service(request, options, load, replies, output * _MEBIBYTE).serve()


class _Service:
    """The replies to one request."""

    def __init__(self, request: Frame, options: LoadOptions, load: Loader, replies: IO[bytes], output: int) -> None:
        self._request = request
        self._options = options
        self._load = load
        self._replies = replies
        self._output = output

    def serve(self) -> None:
        """Read the file, then what is in it, and send the result of each; or send one member, or a picture."""
        self._restart_clock()
        path = Path(self._request["path"])
        if "extract" in self._request or "draw" in self._request:
            _, reply = self._read(lambda: self._draw(path) if "draw" in self._request else self._extract(path))
            self._send(reply)
            return
        document, reply = self._read(lambda: self._load_file(path))
        if document is not None and document.members:
            found = document
            _, failed = self._read(lambda: self._send_members(found))
            reply = failed or reply
        self._send(reply or self._packed(document))
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _load_file(self, path: Path) -> Document | None:
        data, state = _read_settled(path)
        sha256 = hashlib.sha256(data).hexdigest()
        self._send([pack_frame({"sha256": sha256, "size": state.st_size, "mtime_ns": state.st_mtime_ns})])
        return None if sha256 == self._request["known_sha256"] else self._load(path, data, self._options)

    def _extract(self, path: Path) -> None:
        content = self._content(path, self._request["extract"])
        self._send([pack_frame({"content": len(content)}), content])

    def _draw(self, path: Path) -> None:
        from ragcli.formats.pdf.page import draw_page

        asked = self._request["draw"]
        data = self._content(path, asked["member"])
        if hashlib.sha256(data).hexdigest() != asked["sha256"]:
            raise LoadError(Reason.UNREADABLE, "it changed since it was indexed")
        drawn = draw_page(data, asked["page"], asked["passages"], asked["width"], self._options.password)
        about = {"size": drawn.size, "boxes": drawn.boxes, "pages": drawn.pages}
        self._send([pack_frame({"content": len(drawn.png), "drawn": about}), drawn.png])

    def _content(self, path: Path, wanted: str) -> bytes:
        """The bytes of a file, or of the member ``wanted`` in it."""
        from ragcli.formats.members import walk

        with open_regular_file(path) as (file, _):
            data = file.read()
        if not wanted:
            return data
        document = self._load(path, data, self._options)
        for member in walk(document, self._options, bar_member):
            if member.name == wanted and isinstance(member.content, bytes):
                return member.content
            if wanted.startswith(f"{member.name}/"):
                member.read()
        raise LoadError(Reason.UNREADABLE, "it is not in the file any more")

    def _send_members(self, document: Document) -> None:
        """Send every member that is not sent already; of those whose digest is known only that."""
        from ragcli.formats.members import walk

        known, skip, failed = self._request["known"], self._request["skip"], self._request["failed"]
        for number, member in enumerate(walk(document, self._options, bar_member)):
            if number < skip:
                if number not in failed and member.sha256 != known.get(member.name) and member.may_hold_members:
                    with suppress(Exception):  # it was reported when it was sent
                        member.read()
                continue
            state = {"name": member.name, "size": member.size, "mtime_ns": member.mtime_ns, "sha256": member.sha256}
            self._send([pack_frame({"member": state})])
            if member.sha256 and member.sha256 == known.get(member.name):
                self._send([pack_frame({"unchanged": True})])
            elif isinstance(member.content, bytes):
                inner, reply = self._read(member.read)
                self._send(reply or self._packed(inner))
            else:
                self._send([_failed(*member.content)])

    def _read(self, read: Callable[[], Document | None]) -> tuple[Document | None, list[bytes]]:
        """What ``read`` returns, or the frame that says why it failed."""
        try:
            return read(), []
        except LoadError as error:
            return None, [_failed(error.reason, error.detail)]
        except MemoryError:
            return None, [_failed(Reason.OUT_OF_MEMORY)]
        except Exception as error:  # noqa: BLE001 (parsers raise anything on a damaged file, and none may stop the run)
            return None, [_failed(Reason.DAMAGED, f"{type(error).__name__}: {error}"[:_DETAIL])]

    def _packed(self, document: Document | None) -> Iterator[bytes]:
        """The frames of a document, of a large one part by part; None is one that did not change."""
        if document is None:
            yield pack_frame({"unchanged": True})
            return
        try:
            part = self._request.get("part")
            if part and len(document.text) > part:
                yield from _pack_large(document, part, self._output)
                return
            packed = _pack_reply(document)
            is_small = not self._output or sum(map(len, packed)) <= self._output
            yield from packed if is_small else [_failed(Reason.TOO_LARGE)]
        except MemoryError:
            yield _failed(Reason.OUT_OF_MEMORY)

    def _send(self, frames: Iterable[bytes]) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)  # who reads this may be busy
        self._replies.writelines(frames)
        self._replies.flush()
        self._restart_clock()

    def _restart_clock(self) -> None:
        # The parent kills a late process. Without a parent the kernel does, even when the parser holds the interpreter.
        signal.setitimer(signal.ITIMER_REAL, self._request["seconds"] + 10)


def _read_settled(path: Path) -> tuple[bytes, os.stat_result]:
    """The content of a file and its state before it was read, again when it changed meanwhile, but not without end."""
    for _ in range(_TRIES):
        with open_regular_file(path) as (file, before):
            data = file.read()
            after = os.fstat(file.fileno())
        if _stamp(before) == _stamp(after):
            break
    return data, before


def _stamp(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _pack_reply(document: Document) -> list[bytes]:
    """The frame of a document, and its text apart: JSON would hold it in memory quoted, encoded and joined as well."""
    text = document.text.encode("utf-8", "surrogatepass")
    return [pack_frame({"document": pack_document(document) | {"text": len(text)}}), text]


def _pack_large(document: Document, size: int, output: int) -> Iterator[bytes]:
    """The frames of a document in parts, one part at a time; a failure may stand in the place of a part."""
    yield pack_frame(
        {
            "parts": {
                "title": document.title,
                "loader": document.loader,
                "warnings": document.warnings,
                "dated_ns": document.dated_ns,
            }
        }
    )
    sent = 0
    for structure, text in pack_parts(document, size):
        sent += len(structure) + len(text)
        if output and sent > output:
            yield _failed(Reason.TOO_LARGE)
            return
        yield pack_frame({"structure": len(structure), "text": len(text)})
        yield structure
        yield text
    yield pack_frame({"end": True})


def _failed(reason: Reason, detail: str = "", files: int = 1) -> bytes:
    return pack_frame({"failed": {"reason": reason.value, "detail": detail, "files": files}})


@contextmanager
def open_regular_file(path: Path) -> Iterator[tuple[IO[bytes], os.stat_result]]:
    """A regular file, open for reading, and its state; LoadError for anything else and for what cannot be read.

    It never waits for the writer of a FIFO.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise LoadError(Reason.NOT_A_FILE)
            yield file, state
    except FileNotFoundError as error:
        raise LoadError(Reason.ABSENT, "vanished while it was read") from error
    except IsADirectoryError as error:  # os.fdopen refuses folders before they can be looked at
        raise LoadError(Reason.NOT_A_FILE) from error
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise LoadError(Reason.NOT_A_FILE) from error
        raise LoadError(Reason.UNREADABLE, (error.strerror or str(error)).lower()) from error


def _refuse_sockets(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith("socket."):
        raise PermissionError("a parser opens no sockets")


def _limit_memory(mebibytes: int) -> None:
    if sys.platform == "linux" and mebibytes:  # elsewhere the limit is not enforced, or cannot be set
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = mebibytes * _MEBIBYTE
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


if __name__ == "__main__":
    main()
