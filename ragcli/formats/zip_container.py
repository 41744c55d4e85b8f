"""Zip containers, which are one document (docx, pptx, xlsx, odt, epub): open them without trusting their sizes."""

from __future__ import annotations

import io
import zipfile
import zlib

from ragcli.errors import LoadError
from ragcli.types import Reason

MAX_MEMBERS = 10_000
MAX_UNPACKED = 512 << 20
MAX_RATIO = 200
SMALL_MEMBER = 1 << 20  # XML of repeated rows packs 1000:1 and is harmless while it is small

# What zipfile raises on a file that is cut, altered or packed in a way that it does not know.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)

_OLE_MAGIC = bytes.fromhex("D0CF11E0A1B11AE1")
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")


def open_container(data: bytes, suffix: str) -> zipfile.ZipFile:
    """Return the archive of ``data`` once its members are within bounds; ``suffix`` names the format in messages.

    Raises LoadError: EMPTY for no bytes, ENCRYPTED for an Office file with a password, DAMAGED for an old binary Office
    file, for anything else that is not a zip, and for a member count, unpacked size or packing ratio beyond the bounds.
    The sizes are those that the directory declares: zipfile never unpacks more of a member than is declared for it.
    """
    if not data:
        raise LoadError(Reason.EMPTY)
    if data.startswith(_OLE_MAGIC[:4]):
        if _ENCRYPTED_STREAM in data:
            raise LoadError(Reason.ENCRYPTED, "an Office file with a password")
        raise LoadError(Reason.DAMAGED, f"an old binary Office file with a {suffix} name")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except ZIP_ERRORS as error:
        raise LoadError(Reason.DAMAGED, f"not a {suffix} file: {error}") from error
    _check_bounds(archive.infolist())
    return archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the bytes of a member; LoadError (DAMAGED, ENCRYPTED) when it is missing, corrupt or has a password."""
    try:
        member = archive.getinfo(name)
    except KeyError as error:
        raise LoadError(Reason.DAMAGED, f"{name} is missing from the archive") from error
    if member.flag_bits & 0x1:
        raise LoadError(Reason.ENCRYPTED, f"{name} has a zip password")
    try:
        return archive.read(member)
    except ZIP_ERRORS as error:
        raise LoadError(Reason.DAMAGED, f"{name}: {error}") from error


def _check_bounds(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise LoadError(Reason.DAMAGED, f"zip bomb: {len(members):,} members")
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED:
        raise LoadError(Reason.DAMAGED, f"zip bomb: unpacks to {unpacked >> 20:,} MiB")
    for member in members:
        if member.file_size > SMALL_MEMBER and member.file_size > MAX_RATIO * member.compress_size:
            ratio = member.file_size // max(1, member.compress_size)
            raise LoadError(Reason.DAMAGED, f"zip bomb: {member.filename!r} unpacks {ratio:,}-fold")
