"""Outlook messages ([MS-OXMSG]): who, when, the body (plain, HTML or RTF), messages inside, attachments as members."""

from __future__ import annotations

import datetime as dt
import email.utils
import mimetypes
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.formats.decode import decode, normalise
from ragcli.formats.html.loader import html_blocks, read_page
from ragcli.formats.mail import says_other, words_said
from ragcli.formats.ole.container import Container
from ragcli.formats.rtf import html_in_rtf, rtf_blocks
from ragcli.types import Document, Member, Reason

_MAX_DEPTH = 10  # of messages in messages
_MAX_ATTACHMENTS = 1000
_MAX_RECIPIENTS = 500
_PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*\n\s*")
_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature")
_ENCRYPTED_TYPES = ("multipart/encrypted", "application/pgp-encrypted", "application/x-microsoft-rpmsg-message")
_ENCRYPTED_CLASSES = ("ipm.note.smime", "ipm.note.secure")  # .multipartsigned behind it: only signed

# Property numbers ([MS-OXPROPS])
_CLASS, _SUBJECT, _BODY, _HTML, _RTF = 0x001A, 0x0037, 0x1000, 0x1013, 0x1009
_SENDER, _SENDER_SMTP, _SENDER_ADDRESS = 0x0C1A, 0x5D01, 0x0C1F
_FOR, _FOR_SMTP, _FOR_ADDRESS = 0x0042, 0x5D02, 0x0065
_TO, _CC, _SENT, _RECEIVED = 0x0E04, 0x0E03, 0x0039, 0x0E06
_NAME, _SMTP, _ADDRESS, _RECIPIENT_TYPE = 0x3001, 0x39FE, 0x3003, 0x0C15
_LONG_FILE_NAME, _FILE_NAME, _MIME_TYPE, _CONTENT = 0x3707, 0x3704, 0x370E, 0x3701
_CODE_PAGE, _BODY_CODE_PAGE = 0x3FFD, 0x3FDE

# What a compressed body is based on ([MS-OXRTFCP] 2.1.2.1)
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_WINDOW = 4096

_EPOCH = 11_644_473_600  # seconds from 1601 to 1970
_LATEST = 4_102_444_800  # the year 2100: later dates are noise, like those before 1970


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a message; messages in it stand behind it under their own subjects.

    Raises LoadError: EMPTY, ENCRYPTED (S/MIME, PGP or rights management) or DAMAGED.
    """
    del options
    container = Container(data, "an Outlook message")
    message = _Item(container, (), 32)
    if not message.is_message:
        raise LoadError(Reason.DAMAGED, "there is no Outlook message in it")
    builder = TextBuilder()
    sent = _ticks_ns(message.ticks(_SENT) or message.ticks(_RECEIVED))
    members = tuple(_add_message(builder, message, 0, sent))
    return replace(builder.build(path, message.text(_SUBJECT)), dated_ns=sent, members=members)


class _Item:
    """The properties of a message, a recipient or an attachment."""

    def __init__(self, container: Container, prefix: tuple[str, ...], header: int) -> None:
        self._container = container
        self._prefix = prefix
        self._own = {name[-1]: name for name in container.names_in(*prefix)}
        self._folders = container.folders_in(*prefix)
        self._values: dict[int, bytes] = {}  # of those that are no longer than 8 bytes
        fixed = self._read("__properties_version1.0") or b""
        for at in range(header, len(fixed) - 15, 16):
            kind, number = struct.unpack_from("<2H", fixed, at)
            if kind not in (0x1E, 0x1F, 0x102):
                self._values[number] = fixed[at + 8 : at + 16]

    @property
    def is_message(self) -> bool:
        return "__properties_version1.0" in self._own

    def inner(self, number: int) -> _Item | None:
        """The message in an attachment."""
        folder = f"__substg1.0_{number:04x}000d"
        return _Item(self._container, (*self._prefix, folder), 24) if folder in self._folders else None

    def children(self, kind: str, most: int) -> list[_Item]:
        """The recipients or the attachments."""
        found = [folder for folder in self._folders if folder.startswith(f"__{kind}_version1.0_")]
        return [_Item(self._container, (*self._prefix, folder), 8) for folder in found[:most]]

    def binary(self, number: int) -> bytes:
        return self._read(f"__substg1.0_{number:04x}0102") or b""

    def raw_text(self, number: int) -> str:
        wide = self._read(f"__substg1.0_{number:04x}001f")
        if wide is not None:
            return normalise(wide.decode("utf-16-le", "replace")).rstrip("\ufffd")
        narrow = self._read(f"__substg1.0_{number:04x}001e") or b""
        return _decode(narrow.rstrip(b"\0"), self.number(_CODE_PAGE))

    def text(self, number: int) -> str:
        """A text on one line."""
        return " ".join(self.raw_text(number).split())

    def number(self, number: int) -> int:
        return int.from_bytes(self._values.get(number, b"")[:4], "little")

    def time(self, number: int) -> str:
        """A time as it stands in the header of a mail, "" when there is none."""
        sent = _ticks_ns(self.ticks(number))
        return "" if sent is None else email.utils.format_datetime(dt.datetime.fromtimestamp(sent // 10**9, dt.UTC))

    def ticks(self, number: int) -> int:
        """A time in tenths of microseconds since 1601, 0 when there is none."""
        return int.from_bytes(self._values.get(number, b""), "little")

    def html(self) -> str:
        data = self.binary(_HTML)
        return _decode(data, self.number(_BODY_CODE_PAGE)) if data else self.raw_text(_HTML)

    def _read(self, name: str) -> bytes | None:
        return self._container.read(*self._own[name]) if name in self._own else None


def _ticks_ns(ticks: int) -> int | None:
    """The time as nanoseconds since 1970; None for none and for noise."""
    seconds = ticks // 10**7 - _EPOCH
    return seconds * 10**9 if 0 < seconds < _LATEST else None


def _decode(data: bytes, page: int) -> str:
    """``data`` in a Windows code page; what is declared wrongly is guessed."""
    name = {65001: "utf-8", 20127: "cp1252", 28591: "cp1252", 1200: "utf-16-le"}.get(page, f"cp{page}")
    try:
        return normalise(data.decode(name))
    except (LookupError, ValueError):
        return decode(data)[0]


def _add_message(builder: TextBuilder, message: _Item, depth: int, sent: int | None) -> Iterator[Member]:
    """Write a message and those in it; yields the files that are attached to them."""
    attached = message.children("attach", _MAX_ATTACHMENTS)
    _refuse_encrypted(message, attached)
    builder.heading(message.text(_SUBJECT), depth + 1)
    builder.add("\n".join(f"{name}: {value}" for name, value in _headers(message) if value))
    _add_body(builder, message)
    names, files, inner = [], [], []
    for attachment in attached:
        name = attachment.text(_LONG_FILE_NAME) or attachment.text(_FILE_NAME) or attachment.text(_NAME) or "unnamed"
        nested = attachment.inner(_CONTENT)
        if nested is not None and nested.is_message:
            inner.append(nested)
            continue
        names.append(name)
        content, kind = attachment.binary(_CONTENT), attachment.text(_MIME_TYPE).lower()
        if "." not in name:
            name += mimetypes.guess_extension(kind) or ""
        if content.strip() and kind not in _SIGNATURES:
            files.append(Member(name, content, sent))
    builder.add(f"Attachments: {', '.join(names)}" if names else "")
    yield from files
    for nested in inner:
        if depth < _MAX_DEPTH:
            yield from _add_message(builder, nested, depth + 1, sent)


def _refuse_encrypted(message: _Item, attached: list[_Item]) -> None:
    kind = message.text(_CLASS).lower()
    is_sealed = kind.startswith(_ENCRYPTED_CLASSES) and not kind.endswith("multipartsigned")
    if is_sealed or any(item.text(_MIME_TYPE).lower() in _ENCRYPTED_TYPES for item in attached):
        raise LoadError(Reason.ENCRYPTED, "an encrypted message")


def _headers(message: _Item) -> list[tuple[str, str]]:
    sender = _person(message, _SENDER, _SENDER_SMTP, _SENDER_ADDRESS) or _person(message, _FOR, _FOR_SMTP, _FOR_ADDRESS)
    people: dict[int, list[str]] = {}
    for recipient in message.children("recip", _MAX_RECIPIENTS):
        people.setdefault(recipient.number(_RECIPIENT_TYPE), []).append(_person(recipient, _NAME, _SMTP, _ADDRESS))
    to, cc = (", ".join(filter(None, people.get(kind, ()))) for kind in (1, 2))
    return [
        ("From", sender),
        ("To", to or message.text(_TO)),
        ("Cc", cc or message.text(_CC)),
        ("Date", message.time(_SENT) or message.time(_RECEIVED)),
    ]


def _person(item: _Item, name: int, *addresses: int) -> str:
    """A name with its address, or what of them is known."""
    shown = item.text(name)
    address = next((text for number in addresses if "@" in (text := item.text(number))), "")
    if not address or address.casefold() == shown.casefold():
        return shown
    return f"{shown} <{address}>" if shown else address


def _add_body(builder: TextBuilder, message: _Item) -> None:
    """The plain text, unless the page says more; else the page, else the RTF."""
    plain, markup, rtf = message.raw_text(_BODY), message.html(), b""
    if not markup.strip() and (packed := message.binary(_RTF)):
        try:
            rtf = unpack_rtf(packed)
            markup = html_in_rtf(rtf) or ""
        except LoadError:
            if not plain.strip():
                raise
    if plain.strip() and not _is_richer(markup, plain):
        for paragraph in _PARAGRAPH_BREAK.split(plain):
            builder.add(paragraph)
    elif markup.strip():
        html_blocks(builder, markup)
    elif rtf:
        rtf_blocks(builder, rtf)


def _is_richer(markup: str, plain: str) -> bool:
    """True for a page with a table, or with many words that the plain text does not have."""
    if not markup.strip():
        return False
    text, has_table = read_page(markup)
    return has_table or says_other(words_said(text), words_said(plain))


def unpack_rtf(data: bytes) -> bytes:
    """The RTF in a compressed body ([MS-OXRTFCP]); LoadError(DAMAGED) when it is no such thing.

    Every two bytes give at most 17, so that the result is bounded by the file. One that is cut off gives what is there.
    """
    if len(data) < 16:
        raise LoadError(Reason.DAMAGED, "the RTF body is cut off")
    _, size, kind, _ = struct.unpack_from("<4I", data)
    if kind == 0x414C454D:  # "MELA": not compressed
        return data[16 : 16 + size]
    if kind != 0x75465A4C:  # "LZFu"
        raise LoadError(Reason.DAMAGED, "the RTF body is packed in an unknown way")
    window = bytearray(_DICTIONARY.ljust(_WINDOW, b"\0"))
    write = len(_DICTIONARY)
    out = bytearray()
    at = 16
    while at < len(data):
        flags = data[at]
        at += 1
        for bit in range(8):
            if not flags >> bit & 1:
                run = data[at : at + 1]
                at += 1
            else:
                pair = int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
                at += 2
                offset, length = pair >> 4, (pair & 0xF) + 2
                if offset == write or at > len(data):
                    return bytes(out[:size])
                run = b""
                for step in range(length):  # a run may overlap what it writes
                    code = window[(offset + step) % _WINDOW]
                    window[(write + step) % _WINDOW] = code
                    run += bytes((code,))
            for code in run:
                window[write] = code
                write = (write + 1) % _WINDOW
            out += run
    return bytes(out[:size])
