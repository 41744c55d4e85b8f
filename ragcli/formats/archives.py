"""Archives, whose members are files of their own: zip, tar, and what gzip, bzip2 and xz packed."""

from __future__ import annotations

import bz2
import io
import lzma
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.members import MAX_BYTES, MAX_TOTAL
from ragcli.formats.zip_container import MAX_RATIO, SMALL_MEMBER, ZIP_ERRORS
from ragcli.types import Document, Member, Reason

MAX_FILES = 10_000
_MOST_ENTRIES = 200_000  # in the directory of a zip, which is read whole
_XZ_MEMORY = 256 << 20
_PART = 1 << 16
_LINK = "link in an archive"

_GZIP, _BZIP2, _XZ, _ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK"
_TAR_NAMES = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_TAR_ERRORS = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError)

# of the end of the directory of a zip ([APPNOTE] 4.3.14 and 4.3.16)
_END, _END_64 = b"PK\5\6", b"PK\6\6"


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Open an archive: a document without text, whose members are unpacked one by one as they are asked for.

    Raises LoadError: EMPTY without files in it, DAMAGED. So do the members, where it cannot be read on.
    """
    unpack = _unpacker(data)
    if unpack is not None:
        found = _unpacked(path, data, unpack)
    elif data.startswith(_ZIP) or zipfile.is_zipfile(io.BytesIO(data)):
        found = _zip_members(_open_zip(data), options.password)
    elif _is_tar(data[:512]) or path.suffix.lower() == ".tar":
        found = _tar_members(io.BytesIO(data))
    else:
        raise LoadError(Reason.DAMAGED, f"not a {path.suffix.lower()} file")
    first = next(found, None)
    if first is None:
        raise LoadError(Reason.EMPTY, "an archive without files")
    return Document(path, "", "", (), "", members=chain([first], found))


def _open_zip(data: bytes) -> zipfile.ZipFile:
    entries = _declared_entries(data)
    if entries > _MOST_ENTRIES:
        raise LoadError(Reason.DAMAGED, f"{entries:,} files in it, of which at most {MAX_FILES:,} are read")
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except ZIP_ERRORS as error:
        raise LoadError(Reason.DAMAGED, f"not a zip file, or cut off: {error}") from error


def _declared_entries(data: bytes) -> int:
    """How many files the directory of a zip says that it has; a directory of a million takes a gigabyte to read."""
    end, end_64 = data.rfind(_END), data.rfind(_END_64)
    count, count_64 = data[end + 10 : end + 12], data[end_64 + 32 : end_64 + 40]
    return max(
        int.from_bytes(count, "little") if end >= 0 else 0, int.from_bytes(count_64, "little") if end_64 >= 0 else 0
    )  # fmt: skip


def _zip_members(archive: zipfile.ZipFile, password: str | None) -> Iterator[Member]:
    files = [info for info in archive.infolist() if not info.is_dir()]
    for info in files[:MAX_FILES]:
        yield Member(_zip_name(info), _zip_content(archive, info, password), _zip_time(info))
    if len(files) > MAX_FILES:
        raise LoadError(Reason.DAMAGED, f"only the first {MAX_FILES:,} of {len(files):,} files were read")


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name, which many programs write in UTF-8 without saying so."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _zip_time(info: zipfile.ZipInfo) -> int | None:
    try:
        return int(time.mktime((*info.date_time, 0, 0, -1))) * 10**9
    except (ValueError, OverflowError):
        return None


def _zip_content(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, password: str | None
) -> bytes | tuple[Reason, str, int]:
    if stat.S_ISLNK(info.external_attr >> 16):
        return Reason.SYMLINK, _LINK, 1
    if info.file_size > MAX_BYTES:
        return Reason.TOO_LARGE, f"larger than {MAX_BYTES >> 20} MiB", 1
    if info.file_size > SMALL_MEMBER and info.file_size > MAX_RATIO * info.compress_size:
        return Reason.DAMAGED, f"zip bomb: it unpacks {info.file_size // max(1, info.compress_size):,}-fold", 1
    is_encrypted = info.flag_bits & 0x1
    if is_encrypted and password is None:
        return Reason.ENCRYPTED, "a zip password", 1
    try:
        return archive.read(info, None if password is None else password.encode())
    except ZIP_ERRORS as error:
        if is_encrypted:
            return Reason.ENCRYPTED, "the password does not open it", 1
        return Reason.DAMAGED, str(error)[:200], 1


def _unpacker(data: bytes) -> Callable[[], Any] | None:
    if data.startswith(_GZIP):
        return lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)
    if data.startswith(_BZIP2):
        return bz2.BZ2Decompressor
    if data.startswith(_XZ):
        return lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    return None


def _unpacked(path: Path, data: bytes, unpack: Callable[[], Any]) -> Iterator[Member]:
    """The members of a packed tar, or the one file that was packed."""
    stream = io.BufferedReader(_Unpacked(data, unpack), _PART)
    try:
        head = stream.peek(512)
    except _TAR_ERRORS as error:
        raise LoadError(Reason.DAMAGED, f"it cannot be unpacked: {error}"[:200]) from error
    if _is_tar(head) or path.name.lower().endswith(_TAR_NAMES):
        return _tar_members(stream)
    return _single(path, stream)


def _single(path: Path, stream: io.BufferedIOBase) -> Iterator[Member]:
    name = path.stem if path.suffix.lower() in (".gz", ".bz2", ".xz") else path.name
    try:
        content = stream.read(MAX_BYTES + 1)
    except _TAR_ERRORS as error:
        raise LoadError(Reason.DAMAGED, f"it cannot be unpacked: {error}"[:200]) from error
    if len(content) > MAX_BYTES:
        yield Member(name, (Reason.TOO_LARGE, f"larger than {MAX_BYTES >> 20} MiB", 1))
    elif content:
        yield Member(name, content)


def _tar_members(stream: io.BufferedIOBase) -> Iterator[Member]:
    read = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_PART) as archive:
            for info in islice((info for info in archive if not info.isdir()), MAX_FILES + 1):
                if read == MAX_FILES:
                    raise LoadError(Reason.DAMAGED, f"only the first {MAX_FILES:,} files were read")
                yield Member(info.name, _tar_content(archive, info), int(info.mtime) * 10**9)
                read += 1
                archive.members.clear()  # type: ignore[attr-defined]  # of a stream nothing is read twice
    except _TAR_ERRORS as error:
        where = f"after {read:,} files" if read else "at its beginning"
        raise LoadError(Reason.DAMAGED, f"it cannot be read on {where}: {error}"[:200]) from error


def _tar_content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes | tuple[Reason, str, int]:
    if info.issym() or info.islnk():
        return Reason.SYMLINK, _LINK, 1
    if not info.isreg():
        return Reason.NOT_A_FILE, "device or FIFO in an archive", 1
    if info.size > MAX_BYTES:
        return Reason.TOO_LARGE, f"larger than {MAX_BYTES >> 20} MiB", 1
    file = archive.extractfile(info)
    assert file is not None  # a regular file
    content = file.read()
    if len(content) < info.size:
        raise EOFError("it is cut off")
    return content


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of packed ``data``, as a stream that ends with an error before it gets too large."""

    def __init__(self, data: bytes, unpack: Callable[[], Any]) -> None:
        self._packed = memoryview(data)
        self._unpack = unpack
        self._engine = unpack()
        self._at = 0
        self._waiting = b""  # packed bytes that the engine has not taken
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (any writable buffer)
        part = b""
        while not part:
            if self._engine.eof and not self._next_stream():
                return 0
            if not self._waiting and getattr(self._engine, "needs_input", True):
                self._waiting = bytes(self._packed[self._at : self._at + _PART])
                self._at += len(self._waiting)
                if not self._waiting:
                    raise EOFError("it is cut off")
            part = self._engine.decompress(self._waiting, len(buffer))
            # zlib hands back what it did not need, the others keep it
            self._waiting = getattr(self._engine, "unconsumed_tail", b"")
        self._given += len(part)
        if self._given > MAX_TOTAL or (self._given > SMALL_MEMBER and self._given > MAX_RATIO * len(self._packed)):
            ratio = self._given // max(1, len(self._packed))
            raise ValueError(f"a bomb: it unpacks {ratio:,}-fold" if ratio > MAX_RATIO else "more than 1 GiB unpacked")
        buffer[: len(part)] = part
        return len(part)

    def _next_stream(self) -> bool:
        """Go on with the stream behind this one: gzip files may be joined; zeros behind the last one are padding."""
        rest = bytes(self._engine.unused_data) + bytes(self._packed[self._at : self._at + 8])
        rest = rest.lstrip(b"\0")
        if not rest or _unpacker(rest) is None:
            return False
        self._waiting = bytes(self._engine.unused_data).lstrip(b"\0")
        self._engine = self._unpack()
        return True
