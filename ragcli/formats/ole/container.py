"""Open an OLE compound file without trusting what it says about its own sizes."""

from __future__ import annotations

import io
import struct
from typing import cast

import olefile

from ragcli.errors import LoadError
from ragcli.types import Reason

MAGIC = bytes.fromhex("D0CF11E0A1B11AE1")
_HEADER = 512
# What olefile raises on a file whose tables or folders are damaged; folders in folders without end among them.
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error, OverflowError, RecursionError)


class Container:
    """The streams of a compound file by their path of names."""

    def __init__(self, data: bytes, kind: str) -> None:
        """Open ``data``; ``kind`` names the format in messages, such as "an Outlook message".

        Raises LoadError: EMPTY for no bytes, ENCRYPTED for an Office file with a password, DAMAGED for anything else
        that is no compound file, and for tables that are larger than the file.
        """
        if not data:
            raise LoadError(Reason.EMPTY)
        self._size = len(data)
        self._left = 10 * len(data)  # bytes that may still be read: streams may share their sectors
        self._kind = kind
        if not data.startswith(MAGIC) or len(data) < _HEADER:
            raise LoadError(Reason.DAMAGED, f"not {kind}")
        self._check_header(data)
        try:
            self._ole = olefile.OleFileIO(io.BytesIO(data))
            self._names = self._list()
        except _DAMAGE as error:
            raise LoadError(Reason.DAMAGED, f"not {kind} that can be read: {error}") from error
        self._streams: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        self._folders: dict[tuple[str, ...], set[str]] = {}
        for name in self._names:
            self._streams.setdefault(name[:-1], []).append(name)
            for depth in range(len(name) - 1):
                self._folders.setdefault(name[:depth], set()).add(name[depth])
        if ("encryptedpackage",) in self._names:
            raise LoadError(Reason.ENCRYPTED, "an Office file with a password")

    def _check_header(self, data: bytes) -> None:
        (shift,) = struct.unpack_from("<H", data, 30)
        fats, _, _, _, _, minis, _, chained = struct.unpack_from("<8I", data, 44)
        if shift not in (9, 12) or max(fats, minis, chained) > (len(data) >> shift) + 1:
            raise LoadError(Reason.DAMAGED, f"not {self._kind} that can be read: its tables are larger than the file")

    def _list(self) -> dict[tuple[str, ...], tuple[list[str], int]]:
        """The streams by their path in lower case, each with its path as it is and its size."""
        found = {}
        waiting = [([kid.name], kid) for kid in self._ole.root.kids]
        seen = {self._ole.root.sid}  # a damaged folder may hold itself
        while waiting:
            name, entry = waiting.pop()
            if entry.sid in seen:
                continue
            seen.add(entry.sid)
            if entry.entry_type == olefile.STGTY_STREAM:
                found[tuple(part.lower() for part in name)] = name, entry.size
            waiting += [([*name, kid.name], kid) for kid in entry.kids]
        return found

    def names_in(self, *folder: str) -> list[tuple[str, ...]]:
        """The paths of the streams in a folder, in lower case."""
        return self._streams.get(folder, [])

    def folders_in(self, *folder: str) -> list[str]:
        """The names of the folders in a folder that hold streams, in lower case and in order."""
        return sorted(self._folders.get(folder, ()))

    def read(self, *name: str) -> bytes | None:
        """The bytes of a stream, None when there is none of that name; LoadError(DAMAGED) when it cannot be read."""
        found = self._names.get(tuple(part.lower() for part in name))
        if found is None:
            return None
        path, size = found
        # A chain of sectors that leads in a circle is as long as the size that is declared for the stream.
        if max(size, self._ole.root.size) > self._size:
            raise LoadError(Reason.DAMAGED, f"{'/'.join(path)} is larger than the file")
        try:
            data = cast("bytes", self._ole.openstream(path).read())
        except _DAMAGE as error:
            raise LoadError(Reason.DAMAGED, f"{'/'.join(path)}: {error}") from error
        self._left -= len(data)
        if self._left < 0:
            raise LoadError(Reason.DAMAGED, "its streams are many times larger than the file")
        return data

    def title(self) -> str:
        """The title in the properties of the document, "" when there is none."""
        try:
            return property_title(self.read("\x05SummaryInformation") or b"")
        except LoadError:  # the document itself may be sound
            return ""


_TITLE, _CODE_PAGE = 2, 1
_STRING, _WIDE_STRING = 30, 31


def property_title(data: bytes) -> str:
    """The title in a stream of properties ([MS-OLEPS]), "" when there is none or it cannot be read."""
    try:
        (start,) = struct.unpack_from("<I", data, 44)
        (count,) = struct.unpack_from("<I", data, start + 4)
        offsets = dict(struct.unpack_from("<2I", data, start + 8 + 8 * number) for number in range(min(count, 100)))
        page = "cp1252"
        if _CODE_PAGE in offsets:
            kind, value = struct.unpack_from("<Ih", data, start + offsets[_CODE_PAGE])
            page = {-535: "utf-8", 1200: "utf-16-le", 10000: "mac_roman"}.get(value, f"cp{value % 0x10000}")
        if _TITLE not in offsets:
            return ""
        at = start + offsets[_TITLE]
        kind, length = struct.unpack_from("<2I", data, at)
        if kind not in (_STRING, _WIDE_STRING):
            return ""
        length = length * 2 if kind == _WIDE_STRING else length
        text = data[at + 8 : at + 8 + length].decode("utf-16-le" if kind == _WIDE_STRING else page, "replace")
    except (struct.error, LookupError):
        return ""
    return " ".join(text.partition("\0")[0].split())
