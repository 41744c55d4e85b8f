"""Mail: single messages (eml) and mailboxes (mbox), with the body, the names of attachments and those that are text."""

from __future__ import annotations

import email
import email.errors
import email.header
import email.policy
import re
from collections.abc import Iterator
from email.message import Message
from itertools import islice
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.formats.decode import declared_encoding, decode, normalise
from ragcli.formats.html.loader import html_blocks
from ragcli.types import Document, Reason

MAX_MESSAGES = 100_000  # of a mailbox
_MAX_PARTS = 1000  # of a message
_MAX_DEPTH = 10  # of messages in messages
_SHOWN = ("From", "To", "Cc", "Date")
_KNOWN = (*_SHOWN, "Subject", "Message-ID", "Received", "MIME-Version", "Content-Type", "Sender", "Return-Path")

# The line that begins a message in a mailbox; in the text of a message the format writes it as ">From".
_FROM_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*\r?\n")
_ESCAPED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*\n\s*")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read a message or a mailbox; in a mailbox a block's page is the message's number and its subject the heading.

    Raises LoadError: EMPTY, ENCRYPTED (a single message, S/MIME or PGP) or DAMAGED (no mail header in it).
    """
    del options
    if not data.strip():
        raise LoadError(Reason.EMPTY)
    data = _as_bytes_of_mail(data)
    builder = TextBuilder()
    if path.suffix.lower() == ".mbox":
        return builder.build(path, "", _add_mailbox(builder, data))
    message = _parse(data)
    if not any(name in message for name in _KNOWN):
        raise LoadError(Reason.DAMAGED, "not a mail: it has no mail header")
    _add_message(builder, message, None, 0)
    return builder.build(path, _header(message, "Subject"))


def _as_bytes_of_mail(data: bytes) -> bytes:
    """Mail is ASCII with other bytes in it; a file that an editor saved as UTF-16 is turned back into that."""
    encoding, skip = declared_encoding(data) or ("", 0)
    return data[skip:].decode(encoding, "replace").encode() if encoding else data


def _add_mailbox(builder: TextBuilder, data: bytes) -> tuple[str, ...]:
    warnings = []
    starts = [match.end() for match in islice(_FROM_LINE.finditer(data), MAX_MESSAGES + 1)]
    if not starts:
        raise LoadError(Reason.DAMAGED, 'not a mailbox: no line begins a message with "From "')
    if len(starts) > MAX_MESSAGES:
        starts.pop()
        warnings.append(f"only the first {MAX_MESSAGES:,} messages were read")
    for number, start in enumerate(starts, start=1):
        following = _FROM_LINE.search(data, start)
        raw = _ESCAPED_FROM.sub(rb"\1", data[start : following.start() if following else len(data)])
        try:
            _add_message(builder, _parse(raw), number, 0)
        except LoadError as error:
            warnings.append(f"message {number}: {error}")
    return tuple(warnings)


def _parse(data: bytes) -> Message:
    try:
        return email.message_from_bytes(data, policy=email.policy.compat32)
    except RecursionError as error:
        raise LoadError(Reason.DAMAGED, "parts in parts without end") from error


def _add_message(builder: TextBuilder, message: Message, page: int | None, depth: int) -> None:
    subject = _header(message, "Subject")
    builder.heading(subject, depth + 1, page=page)
    # A message without a subject must not pass for a part of the one before.
    headings = None if subject or depth else ()
    shown = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
    builder.add("\n".join(shown), page=page, headings=headings)
    plain, marked_up, attached, inner = _sort_parts(message)
    plain_texts = [text for part in plain if (text := _text(part)).strip()]
    for text in plain_texts:
        for paragraph in _PARAGRAPH_BREAK.split(text):
            builder.add(paragraph, page=page, headings=headings)
    if not plain_texts:
        for part in marked_up:
            html_blocks(builder, _text(part), page)
    names = [_file_name(part) for part in attached]
    builder.add(f"Attachments: {', '.join(names)}" if names else "", page=page, headings=headings)
    for name, part in zip(names, attached, strict=True):
        if part.get_content_type() in ("text/plain", "text/csv", "text/markdown"):
            builder.add(f"{name}:\n{_text(part)}", page=page, headings=headings)
    for part in inner:
        if depth < _MAX_DEPTH:
            _add_message(builder, part, page, depth + 1)


def _sort_parts(message: Message) -> tuple[list[Message], list[Message], list[Message], list[Message]]:
    """The plain texts, the HTML texts, the attachments and the messages in a message.

    Raises LoadError(ENCRYPTED) when there is an encrypted part.
    """
    plain: list[Message] = []
    marked_up: list[Message] = []
    attached: list[Message] = []
    inner: list[Message] = []
    for part in islice(_leaves(message, 0), _MAX_PARTS):
        kind = part.get_content_type()
        if _is_encrypted(part, kind):
            raise LoadError(Reason.ENCRYPTED, "an encrypted message")
        if kind == "message/rfc822" and part.is_multipart():
            inner += [inside for inside in part.get_payload() if isinstance(inside, Message)]
        elif part.get_content_disposition() == "attachment" or part.get_filename():
            attached.append(part)
        elif kind == "text/plain":
            plain.append(part)
        elif kind == "text/html":
            marked_up.append(part)
    return plain, marked_up, attached, inner


def _leaves(part: Message, depth: int) -> Iterator[Message]:
    """The parts that are not made of parts, and messages inside the message, which are not opened."""
    payload = part.get_payload()
    is_opened = isinstance(payload, list) and part.get_content_type() != "message/rfc822"
    if not is_opened or part.get_content_type() == "multipart/encrypted":
        yield part
    elif depth < 10 * _MAX_DEPTH:
        for inside in payload:
            if isinstance(inside, Message):
                yield from _leaves(inside, depth + 1)


def _is_encrypted(part: Message, kind: str) -> bool:
    if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        return part.get_param("smime-type", "enveloped-data") not in ("signed-data", "certs-only")
    return kind == "multipart/encrypted"


def _text(part: Message) -> str:
    """A text part as text: its declared character set if it fits, else what the bytes say."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    try:
        return normalise(data.decode(charset))
    except (LookupError, ValueError):  # an unknown or a wrong name
        return decode(data)[0]


def _header(message: Message, name: str) -> str:
    """A header on one line with its encoded words decoded, "" when there is none."""
    # The raw form: the parsed one has lost the bytes of headers that are not ASCII as they should be.
    value = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
    return _decode_words(decode(str(value).encode("utf-8", "surrogateescape"))[0])


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
    return _decode_words(name) if name else f"unnamed {part.get_content_type()}"
