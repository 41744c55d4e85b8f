import contextlib
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import LoadError
from ragcli.formats import mail
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Document, Reason


def message(subject: str = "Grüße from Bern", body: str = "First.\n\nSecond,\non two lines.\n") -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Ann Müller <ann@example.org>"
    made["To"] = "bob@example.org"
    made["Date"] = "Mon, 05 Feb 2024 10:00:00 +0100"
    made["Subject"] = subject
    made.set_content(body)
    return made


def read(source, name: str = "x.eml") -> Document:
    data = source if isinstance(source, bytes) else source.as_bytes(policy=email.policy.SMTP)
    return mail.load(Path(name), data, LoadOptions())


def blocks(document: Document) -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks]


def test_a_message_is_its_subject_its_header_and_its_paragraphs():
    document = read(message())
    assert document.title == "Grüße from Bern"
    assert blocks(document) == [
        "Grüße from Bern",
        "From: Ann Müller <ann@example.org>\nTo: bob@example.org\nDate: Mon, 05 Feb 2024 10:00:00 +0100",
        "First.",
        "Second,\non two lines.",
    ]
    assert {block.headings for block in document.blocks} == {("Grüße from Bern",)}


def test_plain_text_is_preferred_and_html_read_where_there_is_nothing_else():
    both = message(body="plain words")
    both.add_alternative("<p>marked up words</p>", subtype="html")
    assert "marked up" not in read(both).text
    only = message()
    only.set_content("<html><body><h2>Part</h2><p>marked up words</p></body></html>", subtype="html")
    assert blocks(read(only))[-2:] == ["Part", "marked up words"]


def test_attachments_are_named_and_those_that_are_text_are_read():
    made = message(body="See below.")
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Übersicht.pdf")
    made.add_attachment("a,b\n1,2\n", subtype="csv", filename="b.csv")
    assert blocks(read(made))[-2:] == ["Attachments: Übersicht.pdf, b.csv", "b.csv:\na,b\n1,2"]


def test_a_message_in_a_message_is_read_below_it():
    inner = message("The inner one", "inside")
    outer = message("The outer one", "outside")
    outer.add_attachment(inner)
    document = read(outer)
    assert document.blocks[-1].headings == ("The outer one", "The inner one")
    assert blocks(document)[-1] == "inside"


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("iso-8859-1", "Grüße".encode("latin-1"), "Grüße"),
        ("windows-1251", "Привет, мир".encode("cp1251"), "Привет, мир"),
        ("utf-8", b"caf\xe9 au lait", "café au lait"),  # the declared set is wrong
        ("no-such-set", "naïve words".encode(), "naïve words"),
    ],
)
def test_character_sets(charset, raw, text):
    data = b"Subject: x\nContent-Type: text/plain; charset=" + charset.encode() + b"\nMIME-Version: 1.0\n\n" + raw
    assert blocks(read(data))[-1] == text


def test_headers_that_are_not_ascii_are_read():
    assert read("Subject: Grüße\n\ntext".encode()).title == "Grüße"
    assert read("Subject: Grüße\n\ntext".encode("cp1252")).title == "Grüße"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_file_that_an_editor_saved_in_another_encoding_is_read(encoding):
    assert read("Subject: Hello\nFrom: a@b.org\n\ntext".encode(encoding)).title == "Hello"


def test_broken_transfer_encodings_are_read_as_far_as_they_go():
    head = b"Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
    assert "half" in read(head + b"quoted-printable\n\nhalf =ZZ broken =E").text
    assert "hello" in read(head + b"base64\n\naGVsbG8!gd29ybGQ").text


@pytest.mark.parametrize(
    ("kind", "is_encrypted"),
    [
        ("application/pkcs7-mime; smime-type=enveloped-data", True),
        ("application/x-pkcs7-mime", True),
        ("application/pkcs7-mime; smime-type=signed-data", False),
        ('multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b', True),
    ],
)
def test_encrypted_messages_are_refused(kind, is_encrypted):
    data = f"From: a@b.org\nSubject: secret\nMIME-Version: 1.0\nContent-Type: {kind}\n\n--b\n\nMIIB\n--b--\n".encode()
    if is_encrypted:
        with pytest.raises(LoadError) as caught:
            read(data)
        assert caught.value.reason is Reason.ENCRYPTED
    else:
        assert read(data).title == "secret"


@pytest.mark.parametrize(("data", "reason"), [(b" \n", Reason.EMPTY), (b"no header here\n\ntext", Reason.DAMAGED)])
def test_what_is_no_mail_is_refused(data, reason):
    with pytest.raises(LoadError) as caught:
        read(data)
    assert caught.value.reason is reason


def test_parts_in_parts_without_end_are_damage():
    data = b"Subject: x\n"
    for number in range(3000):
        data += b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number)
    with pytest.raises(LoadError) as caught:
        read(data)
    assert caught.value.reason is Reason.DAMAGED


def test_a_mailbox_has_a_message_a_page():
    secret = b"Subject: s\nMIME-Version: 1.0\nContent-Type: application/pkcs7-mime\n\nMIIB\n"
    data = b""
    for raw in (message("One", ">From the start.").as_bytes(), secret, message("Two", "text").as_bytes()):
        data += b"From ann@example.org Mon Feb  5 10:00:00 2024\n" + raw + b"\n\n"
    document = read(data, "x.mbox")
    assert [(block.page, block.headings) for block in document.blocks if block.kind == "heading"] == [
        (1, ("One",)),
        (2, ("s",)),
        (3, ("Two",)),
    ]
    assert "\nFrom the start." in document.text
    assert document.warnings == ("message 2: encrypted: an encrypted message",)


def test_a_mailbox_without_messages_is_damaged():
    with pytest.raises(LoadError) as caught:
        read(b"Subject: x\n\ntext", "x.mbox")
    assert caught.value.reason is Reason.DAMAGED


@given(st.binary(max_size=400))
def test_whatever_the_bytes_only_load_errors_come_out(data):
    with contextlib.suppress(LoadError):
        assert read(b"Subject: x\nContent-Type: " + data).blocks
