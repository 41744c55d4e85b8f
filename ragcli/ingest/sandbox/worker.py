"""The program of a parser process, so that a parser that hangs, crashes or explodes costs one file.

It is started as ``python -m ragcli.ingest.sandbox.worker MEMORY_MIB OUTPUT_MIB``; the first limit is on address space
(0: no limit), the second on a document as it is sent. It reads frames from stdin: the options, then one request per
file. It writes frames to stdout: a greeting, then for each request the state of the file, if it could be read, and the
result. A frame is eight bytes of length, big-endian, and JSON; a document gives the length of its text, which follows
as UTF-8.

No socket is opened here: nothing that a document refers to is fetched.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Block, Document, Reason

Loader = Callable[[Path, bytes, LoadOptions], Document]
Frame = dict[str, Any]

HEADER = struct.Struct(">Q")
_MEBIBYTE = 1 << 20
_DETAIL = 200  # characters kept of a parser's own message


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
    while (request := read_frame(requests)) is not None:
        # The parent kills a late process. Without a parent the kernel does, even when the parser holds the interpreter.
        signal.setitimer(signal.ITIMER_REAL, request["seconds"] + 10)
        replies.writelines(_serve(request, options, load, replies, output * _MEBIBYTE))
        replies.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def write_frame(stream: IO[bytes], frame: Frame) -> None:
    """Send one frame."""
    stream.write(pack_frame(frame))
    stream.flush()


def pack_frame(frame: Frame) -> bytes:
    """The bytes of one frame. Lone surrogates, which stand for bytes of names outside UTF-8, survive."""
    body = json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return HEADER.pack(len(body)) + body


def unpack_frame(body: bytes | bytearray) -> Frame:
    """The frame that follows a header."""
    frame: Frame = json.loads(body.decode("utf-8", "surrogatepass"))
    return frame


def read_frame(stream: IO[bytes]) -> Frame | None:
    """The next frame; None when the stream ends, also within a frame."""
    header = _read(stream, HEADER.size)
    body = _read(stream, HEADER.unpack(header)[0]) if header else None
    return None if body is None else unpack_frame(body)


def _read(stream: IO[bytes], size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = stream.read(min(size - len(data), _MEBIBYTE))  # an unbuffered stream allocates all that is asked of it
        if not part:
            return None
        data += part
    return bytes(data)


def pack_document(document: Document) -> Frame:
    """The document without its path; heading paths and columns are written once, as most blocks share theirs."""
    contexts: dict[tuple[tuple[str, ...], str], int] = {}
    blocks = [
        (b.start, b.end, b.kind, b.page, contexts.setdefault((b.headings, b.columns), len(contexts)))
        for b in document.blocks
    ]
    return {
        "title": document.title,
        "text": document.text,
        "blocks": blocks,
        "contexts": list(contexts),
        "loader": document.loader,
        "warnings": document.warnings,
    }


def unpack_document(path: Path, frame: Frame) -> Document:
    """What ``pack_document`` was given, at ``path``."""
    contexts = [(tuple(names), columns) for names, columns in frame["contexts"]]
    blocks = tuple(Block(start, end, kind, page, *contexts[at]) for start, end, kind, page, at in frame["blocks"])
    return Document(path, frame["title"], frame["text"], blocks, frame["loader"], tuple(frame["warnings"]))


def _serve(request: Frame, options: LoadOptions, load: Loader, replies: IO[bytes], output: int) -> list[bytes]:
    path = Path(request["path"])
    try:
        with open_regular_file(path) as (file, state):
            data = file.read()
        sha256 = hashlib.sha256(data).hexdigest()
        write_frame(replies, {"sha256": sha256, "size": state.st_size, "mtime_ns": state.st_mtime_ns})
        if sha256 == request["known_sha256"]:
            return [pack_frame({"unchanged": True})]
        document = load(path, data, options)
        del data  # the text of a large file is about to be in memory twice
        packed = _pack_reply(document)
        return packed if not output or sum(map(len, packed)) <= output else _failed(Reason.TOO_LARGE, "")
    except LoadError as error:
        return _failed(error.reason, error.detail)
    except MemoryError:
        return _failed(Reason.OUT_OF_MEMORY, "")
    except Exception as error:  # noqa: BLE001 (parsers raise anything on a damaged file, and none may stop the run)
        return _failed(Reason.DAMAGED, f"{type(error).__name__}: {error}"[:_DETAIL])


def _pack_reply(document: Document) -> list[bytes]:
    """The frame of a document, and its text apart: JSON would hold it in memory quoted, encoded and joined as well."""
    text = document.text.encode("utf-8", "surrogatepass")
    return [pack_frame({"document": pack_document(document) | {"text": len(text)}}), text]


def _failed(reason: Reason, detail: str) -> list[bytes]:
    return [pack_frame({"failed": {"reason": reason.value, "detail": detail}})]


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
        raise LoadError(Reason.UNREADABLE, "vanished while it was read") from error
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
