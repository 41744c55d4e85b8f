"""Stand between a process and the kernel: every system call that changes a file is announced before it happens, and
may be let through, refused with an error, or never come to be because the process is killed.

Linux's seccomp user notification does it, so that it reaches SQLite, FAISS and tantivy as it reaches Python, in all
threads, and the program under test has no seam. :func:`install` runs in the process itself, :func:`supervise` in the
one that started it.
"""

import ctypes
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

# x86_64: number -> (name, where the path is). A path is an argument ("path at 0"), relative to a folder ("folder at 0,
# path at 1"), or that of an open file ("file at 0").
_CALLS = {
    1: ("write", "file", 0), 18: ("pwrite", "file", 0), 20: ("writev", "file", 0), 296: ("pwritev", "file", 0),
    328: ("pwritev2", "file", 0), 40: ("sendfile", "file", 0), 326: ("copy_file_range", "file", 2),
    74: ("fsync", "file", 0), 75: ("fdatasync", "file", 0), 277: ("sync_file_range", "file", 0),
    77: ("ftruncate", "file", 0), 285: ("fallocate", "file", 0), 76: ("truncate", "path", 0),
    2: ("open", "path", 0), 85: ("creat", "path", 0), 257: ("open", "at", 0), 437: ("open", "at", 0),
    82: ("rename", "path", 1), 264: ("rename", "at", 2), 316: ("rename", "at", 2),
    86: ("link", "path", 1), 265: ("link", "at", 2), 88: ("symlink", "path", 1), 266: ("symlink", "at", 1),
    87: ("unlink", "path", 0), 263: ("unlink", "at", 0), 84: ("rmdir", "path", 0),
    83: ("mkdir", "path", 0), 258: ("mkdir", "at", 0),
}  # fmt: skip
_OPEN, _OPENAT = 2, 257
_OPENS_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_SECCOMP, _SET_FILTER, _NEW_LISTENER, _NO_NEW_PRIVILEGES = 317, 1, 8, 38
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_RECEIVE, _SEND, _GO_ON = 0xC0502100, 0xC0182101, 1
_LOAD, _EQUALS, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_AT_CWD = -100

KILL = -1  # a verdict, besides 0 (let it happen) and an errno


def why_not() -> str:
    """Why this machine cannot do it; "" when it can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "needs seccomp user notification on Linux, x86_64"
    release = tuple(int("".join(filter(str.isdigit, part)) or 0) for part in platform.release().split(".")[:2])
    return "" if release >= (5, 5) else "needs Linux 5.5"


@dataclass(frozen=True, slots=True)
class Operation:
    """A system call that is about to change ``path``."""

    name: str
    path: Path


def install(to_supervisor: int) -> None:
    """Have this process and its children supervised by whoever is at the other end of a socket."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = _program()
    filters = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    argument = Program(len(program), ctypes.addressof(filters))
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    listener = libc.syscall(_SECCOMP, _SET_FILTER, _NEW_LISTENER, ctypes.byref(argument))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    with socket.socket(fileno=to_supervisor) as channel:
        socket.send_fds(channel, [b"listener"], [listener])
    os.close(listener)


def _program():
    """The filter: it announces the calls that change a file, and opening one unless only to read it."""
    lines = [(_LOAD, 0, 0, 0)]
    for number in _CALLS:
        if number in {_OPEN, _OPENAT}:
            flags_at = 16 + 8 * (1 if number == _OPEN else 2)
            lines += [
                (_EQUALS, 0, 4, number), (_LOAD, 0, 0, flags_at), (_ANY_BIT, 0, 1, _OPENS_TO_WRITE),
                (_RETURN, 0, 0, _NOTIFY), (_RETURN, 0, 0, _ALLOW),
            ]  # fmt: skip
        else:
            lines += [(_EQUALS, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]
    return [*lines, (_RETURN, 0, 0, _ALLOW)]


def supervise(channel: socket.socket, process: int, folder: Path, decide) -> None:
    """Ask ``decide(Operation)`` about every change below ``folder`` until ``process`` and its children are gone.

    Its verdict is 0, an errno, or KILL for the whole process; everything elsewhere is let through.
    """
    _, listeners, _, _ = socket.recv_fds(channel, 16, 1)
    if not listeners:
        return  # it ended before it began
    listener = listeners[0]
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    is_killed = False
    try:
        while True:
            [(_, event)] = waiting.poll() or [(0, 0)]
            if event & (select.POLLHUP | select.POLLERR) and not event & select.POLLIN:
                return
            notice = bytearray(80)
            try:
                fcntl.ioctl(listener, _RECEIVE, notice)
                mark, task, _, number, _, _, *arguments = struct.unpack("<QIIiIQ6Q", notice)
                operation = None if is_killed else _operation(task, number, arguments)
                verdict = decide(operation) if operation and operation.path.is_relative_to(folder) else 0
                if verdict == KILL:
                    is_killed = True
                    os.kill(process, signal.SIGKILL)
                    continue
                answer = struct.pack("<QqiI", mark, 0, -verdict, 0 if verdict else _GO_ON)
                fcntl.ioctl(listener, _SEND, answer)
            except FileNotFoundError:
                continue  # the task died meanwhile
    finally:
        os.close(listener)


def _operation(task, number, arguments) -> Operation | None:
    name, kind, at = _CALLS[number]
    try:
        if kind == "file":
            return Operation(name, Path(f"/proc/{task}/fd/{arguments[at]}").readlink())
        if kind == "path":
            return Operation(name, _path(task, _AT_CWD, arguments[at]))
        descriptor = ctypes.c_int(arguments[at] & 0xFFFFFFFF).value
        if name == "symlink":  # (target, folder, path)
            return Operation(name, _path(task, ctypes.c_int(arguments[1] & 0xFFFFFFFF).value, arguments[2]))
        return Operation(name, _path(task, descriptor, arguments[at + 1]))
    except (FileNotFoundError, ProcessLookupError):
        return None


def _path(task, descriptor, address) -> Path:
    link = f"/proc/{task}/cwd" if descriptor == _AT_CWD else f"/proc/{task}/fd/{descriptor}"
    with Path(f"/proc/{task}/mem").open("rb", buffering=0) as memory:
        raw = b""
        while b"\0" not in raw and len(raw) < 4096:
            # up to the end of a page: what follows may not be mapped
            count = 4096 - (address + len(raw)) % 4096
            memory.seek(address + len(raw))
            raw += memory.read(count)
    return Path(link).readlink() / os.fsdecode(raw.split(b"\0")[0])
