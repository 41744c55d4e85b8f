"""Mail: single messages (eml) with their attachments as members, and mailboxes (mbox), whose members are messages."""

from __future__ import annotations

import binascii
import email
import email.errors
import email.header
import email.policy
import email.utils
import mimetypes
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from email.message import Message
from itertools import islice
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.formats.decode import declared_encoding, decode, decode_labelled, is_utf8, normalise
from ragcli.formats.html.loader import decode_html, html_blocks, read_page
from ragcli.formats.ics import add_events
from ragcli.formats.rtf import rtf_blocks
from ragcli.types import Document, Member, Reason

MAX_MESSAGES = 100_000  # of a mailbox
_SINGLE = frozenset((".eml", ".emlx", ".mht", ".mhtml"))
_SIGNATURES = frozenset(
    ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature", "text/css")
)
_OPEN_XML, _OPEN_DOCUMENT = "application/vnd.openxmlformats-officedocument", "application/vnd.oasis.opendocument"
_DOCUMENTS = {  # not in every system's table of media types
    f"{_OPEN_XML}.wordprocessingml.document": ".docx", f"{_OPEN_XML}.spreadsheetml.sheet": ".xlsx",
    f"{_OPEN_XML}.presentationml.presentation": ".pptx", f"{_OPEN_DOCUMENT}.text": ".odt",
    f"{_OPEN_DOCUMENT}.spreadsheet": ".ods", f"{_OPEN_DOCUMENT}.presentation": ".odp", "application/rtf": ".rtf",
    "application/msword": ".doc", "application/vnd.ms-excel": ".xls", "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.ms-outlook": ".msg", "application/epub+zip": ".epub", "text/calendar": ".ics",
}  # fmt: skip
_SAME = 0.8  # share of the words of one alternative that the other has too
_WORD = re.compile(r"\w{2,}")
_URL = re.compile(r"<?https?://\S+")
_LATEST = 4_102_444_800  # the year 2100: later dates are noise, like those before 1970
_MAX_PARTS = 1000  # of a message
_MAX_DEPTH = 10  # of messages in messages
_SHOWN = ("From", "To", "Cc", "Date")
_KNOWN = (*_SHOWN, "Subject", "Message-ID", "Received", "MIME-Version", "Content-Type", "Sender", "Return-Path")

# The line that begins a message in a mailbox; in the text of a message the format writes it as ">From".
_FROM_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*\r?\n")
_ESCAPED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_MMDF = b"\x01\x01\x01\x01\n"  # stands before and after each message of another kind of mailbox
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_UUENCODED = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,200})\n((?:[ -`]{1,90}\n)+)end[ \t]*$", re.MULTILINE)
_ENRICHED = re.compile(r"<<|</?[A-Za-z][^<>\n]{0,60}>")
_PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*\n\s*")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a message, or open a mailbox: a document without text, whose members are the messages.

    A page saved as MHTML is a message too. Raises LoadError: EMPTY, ENCRYPTED (a single message, S/MIME or PGP) or
    DAMAGED (no mail header in it).
    """
    del options
    if not data.strip():
        raise LoadError(Reason.EMPTY)
    data = _as_bytes_of_mail(data)
    suffix = path.suffix.lower()
    if suffix == ".mbox" or (suffix not in _SINGLE and data.startswith(b"From ")):
        if _FROM_LINE.search(data) is None:
            raise LoadError(Reason.DAMAGED, 'not a mailbox: no line begins a message with "From "')
        return Document(path, "", "", (), "", members=_messages(data))
    if data.startswith(_MMDF):
        return Document(path, "", "", (), "", members=_numbered(part for part in data.split(_MMDF) if part.strip()))
    message = _parse(_emlx(data))
    if not any(name in message for name in _KNOWN):
        raise LoadError(Reason.DAMAGED, "not a mail: it has no mail header")
    reader = _Reader(_sent(message))
    reader.add_message(message, 0)
    document = reader.builder.build(path, _header(message, "Subject"))
    return replace(document, dated_ns=reader.sent, members=tuple(reader.members))


def _messages(data: bytes) -> Iterator[Member]:
    """The messages of a mailbox under their numbers, with the times at which they were sent."""
    return _numbered(_ESCAPED_FROM.sub(rb"\1", raw) for raw in _cut(data))


def _cut(data: bytes) -> Iterator[bytes]:
    found = _FROM_LINE.search(data)
    while found is not None:
        start = found.end()
        found = _FROM_LINE.search(data, start)
        yield data[start : found.start() if found else len(data)]


def _numbered(messages: Iterable[bytes]) -> Iterator[Member]:
    for number, raw in enumerate(messages, start=1):
        if number > MAX_MESSAGES:
            raise LoadError(Reason.DAMAGED, f"only the first {MAX_MESSAGES:,} messages were read")
        header = email.message_from_bytes(_HEADER_END.split(raw, maxsplit=1)[0], policy=email.policy.compat32)
        if not _is_deleted(header):
            yield Member(f"{number}.eml", raw, _sent(header))


def _is_deleted(header: Message) -> bool:
    """True for a message that Thunderbird only marked as deleted: it stays in the file until somebody compacts it."""
    status = str(header.get("X-Mozilla-Status", ""))
    return re.fullmatch("[0-9A-Fa-f]{4}", status) is not None and bool(int(status, 16) & 0x0008)


def _sent(message: Message) -> int | None:
    """When a message was sent, in nanoseconds since 1970; None when it does not say."""
    try:
        sent = email.utils.parsedate_to_datetime(str(message.get("Date", "")))
        seconds = int(sent.timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return seconds * 10**9 if 0 < seconds < _LATEST else None


def _emlx(data: bytes) -> bytes:
    """Apple writes the length of the message before it and a property list behind it."""
    match = re.match(rb"\s*(\d{1,12})[ \t]*\r?\n(?=[!-9;-~]+:)", data)
    return data[match.end() : match.end() + int(match[1])] if match else data.lstrip()


def _as_bytes_of_mail(data: bytes) -> bytes:
    """Mail is ASCII with other bytes in it; a file that an editor saved as UTF-16 is turned back into that."""
    encoding, skip = declared_encoding(data) or ("", 0)
    return data[skip:].decode(encoding, "replace").encode() if encoding else data


def _parse(data: bytes) -> Message:
    try:
        return email.message_from_bytes(data, policy=email.policy.compat32)
    except RecursionError as error:
        raise LoadError(Reason.DAMAGED, "parts in parts without end") from error


class _Reader:
    """Writes a message into a text and collects what is attached to it."""

    def __init__(self, sent: int | None) -> None:
        self.builder = TextBuilder()
        self.members: list[Member] = []
        self.sent = sent

    def add_message(self, message: Message, depth: int) -> None:
        """A message with its body, the names of its attachments, and the messages in it."""
        builder = self.builder
        builder.heading(_header(message, "Subject"), depth + 1)
        parts = list(islice(_contents(message, 0), _MAX_PARTS))
        builder.add("\n".join(f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))))
        # A page that was saved has chrome, a message has none.
        whole = any(name in message for name in ("To", "Cc", "Received", "Message-ID"))
        for part in parts:
            self._add_body(part, whole=whole)
        attached = [(_file_name(part), part) for part in parts if _is_attached(part)]
        names = ", ".join(name for name, _ in attached)
        builder.add(f"Attachments: {names}" if names else "")
        for name, part in attached:
            self._add_attached(name, part)
        for part in parts:
            if part.get_content_type() == "message/rfc822" and depth < _MAX_DEPTH:
                for inside in part.get_payload() if part.is_multipart() else ():
                    if isinstance(inside, Message):
                        self.add_message(inside, depth + 1)

    def _add_body(self, part: Message, *, whole: bool) -> None:
        kind = part.get_content_type()
        if _is_attached(part) or kind in _SIGNATURES:
            return
        match kind:  # what is in a message/rfc822 comes last
            case "text/html":
                html_blocks(self.builder, _text(part), whole=whole)
            case "text/calendar":
                add_events(self.builder, _text(part), level=1, headings=self.builder.headings)
            case "message/delivery-status" | "message/disposition-notification":
                for fields in part.get_payload():
                    if isinstance(fields, Message):
                        self.builder.add("\n".join(f"{name}: {_header(fields, name)}" for name in fields))
            case "text/enriched" | "text/richtext":
                self._add_plain(_ENRICHED.sub(lambda sign: "<" if sign[0] == "<<" else "", _text(part)))
            case "text/rtf":
                with suppress(LoadError):
                    rtf_blocks(self.builder, _text(part).encode("cp1252", "replace"))
            case _ if kind.startswith("text/"):
                self._add_plain(_plain_text(part))

    def _add_plain(self, text: str) -> None:
        for paragraph in _PARAGRAPH_BREAK.split(self._without_uuencoded(text)):
            self.builder.add(paragraph)

    def _without_uuencoded(self, text: str) -> str:
        """``text`` with the names of the files that old programs wrote into it, which become members."""

        def taken(found: re.Match[str]) -> str:
            try:
                data = b"".join(binascii.a2b_uu(line) for line in found[2].encode().splitlines())
            except (binascii.Error, ValueError):
                return found[0]
            self.members.append(Member(found[1].strip(), data, self.sent))
            return f"Attachments: {found[1].strip()}\n"

        return _UUENCODED.sub(taken, text) if "\nend" in text else text

    def _add_attached(self, name: str, part: Message) -> None:
        data = part.get_payload(decode=True)
        if not isinstance(data, bytes) or not data.strip() or part.get_content_type() in _SIGNATURES:
            return
        kind = part.get_content_type()
        if "." not in name:
            name += _suffix(kind)
        charset = part.get_content_charset()
        if kind.startswith("text/") and charset:
            data = _text(part).encode("utf-8", "replace")
        self.members.append(Member(name, data, self.sent))


def _contents(part: Message, depth: int) -> Iterator[Message]:
    """The parts that are read, in order: of alternatives the richest, and what is attached to the others.

    Raises LoadError(ENCRYPTED) when there is an encrypted part.
    """
    kind = part.get_content_type()
    if _is_encrypted(part, kind):
        raise LoadError(Reason.ENCRYPTED, "an encrypted message")
    payload = part.get_payload()
    if not isinstance(payload, list) or kind.startswith("message/"):
        yield part
        return
    if depth >= 10 * _MAX_DEPTH:
        return
    children = [
        list(islice(_contents(inside, depth + 1), _MAX_PARTS)) for inside in payload if isinstance(inside, Message)
    ]
    chosen = _richest(children) if kind == "multipart/alternative" else None
    for number, parts in enumerate(children):
        for one in parts:
            if chosen is None or number == chosen or _is_attached(one) or one.get_content_type() == "text/calendar":
                yield one


def _richest(alternatives: list[list[Message]]) -> int:
    """Which alternative is read: the first (the plain text), unless another one says much more or has a table."""
    said = [[_said(part) for part in parts] for parts in alternatives]
    words = [set().union(*(found for found, _ in parts)) for parts in said]
    chosen = 0
    for number, own in enumerate(words):
        is_richer = _is_marked_up(alternatives[number]) or len(own) > len(words[chosen])
        has_table = any(has_rows for _, has_rows in said[number])
        if own and (not words[chosen] or has_table or (says_other(own, words[chosen]) and is_richer)):
            chosen = number
    return chosen


def _is_marked_up(parts: list[Message]) -> bool:
    return any(part.get_content_type() == "text/html" for part in parts if not _is_attached(part))


def _said(part: Message) -> tuple[set[str], bool]:
    """The words of a part, and whether it has a table, which a plain text cannot show."""
    kind = part.get_content_type()
    if _is_attached(part) or kind not in ("text/plain", "text/html"):
        return set(), False
    text = _text(part)
    has_rows = False
    if kind == "text/html":
        text, has_rows = read_page(text)
    return words_said(text), has_rows


def words_said(text: str) -> set[str]:
    """The words of one form of a message, by which it is compared with another: addresses stand in one of them only."""
    return set(_WORD.findall(_URL.sub("", text.casefold())))


def says_other(words: set[str], known: set[str]) -> bool:
    """True when many of the words of one form are not known from another."""
    return len(words & known) < _SAME * len(words)


def _is_attached(part: Message) -> bool:
    kind = part.get_content_type()
    if kind == "message/rfc822" or kind.startswith("multipart/"):
        return False
    if part.get_content_disposition() == "attachment":
        return True
    return bool(part.get_filename()) and kind != "text/calendar"


def _plain_text(part: Message) -> str:
    """A plain text, its lines put together where the sender's program broke them (RFC 3676)."""
    text = _text(part)
    if str(part.get_param("format", "")).lower() != "flowed":
        return text
    deletes_space = str(part.get_param("delsp", "")).lower() == "yes"
    lines: list[str] = []
    open_depth = -1  # of quotation, of the line that goes on
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ")  # which is put before what would look like a mark
        mark = f"{'>' * depth} " if depth else ""
        if depth == open_depth:
            # Some put the blank between two words there instead.
            has_blank = deletes_space and line[depth:] != content and not content.startswith((" ", ">", "From "))
            lines[-1] += f" {content}" if has_blank else content
        else:
            lines.append(mark + content)
        goes_on = content.endswith(" ") and content != "-- "
        open_depth = depth if goes_on else -1
        if goes_on and deletes_space:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _is_encrypted(part: Message, kind: str) -> bool:
    if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        return part.get_param("smime-type", "enveloped-data") not in ("signed-data", "certs-only")
    return kind == "multipart/encrypted"


def _text(part: Message) -> str:
    """A text part as text: its declared character set if it fits, else what the bytes say."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    charset = part.get_content_charset()
    if charset is None and part.get_content_type() == "text/html":
        return decode_html(data)[0]
    charset = charset or "utf-8"
    if not data.isascii() and is_utf8(data):  # whatever the program that sent it says
        return decode(data)[0]
    try:
        return normalise(decode_labelled(data, charset))
    except (LookupError, ValueError):  # an unknown or a wrong name
        return decode(data)[0]


def _header(message: Message, name: str) -> str:
    """A header on one line with its encoded words decoded, "" when there is none."""
    # The raw form: the parsed one has lost the bytes of headers that are not ASCII as they should be.
    value = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
    raw = str(value).encode("utf-8", "surrogateescape")
    if (charset := message.get_content_charset()) and not raw.isascii():
        for label in ("utf-8", charset):  # as the body is
            with suppress(LookupError, ValueError):
                return _decode_words(decode_labelled(raw, label))
    return _decode_words(decode(raw)[0])


def _decode_words(raw: str) -> str:
    try:
        text = "".join(_decode_word(word, charset) for word, charset in email.header.decode_header(raw))
    except (email.errors.HeaderParseError, ValueError):
        text = raw
    return " ".join(normalise(text).split())


def _decode_word(word: bytes | str, charset: str | None) -> str:
    if isinstance(word, str):
        return word
    try:
        return word.decode(charset or "utf-8", "replace")
    except LookupError:
        return word.decode("utf-8", "replace")


def _file_name(part: Message) -> str:
    name = part.get_filename()
    kind = part.get_content_type()
    return _decode_words(name) if name else f"unnamed{_suffix(kind)}" if _suffix(kind) else f"unnamed {kind}"


def _suffix(kind: str) -> str:
    """The suffix of files of a media type; "" where the type says nothing, so that the content is asked."""
    if kind in ("application/octet-stream", "text/plain"):
        return ""
    return _DOCUMENTS.get(kind) or mimetypes.guess_extension(kind) or ""
