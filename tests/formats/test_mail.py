import base64
import binascii
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
from ragcli.formats.members import walk
from ragcli.formats.registry import load as load_any
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
    both = message(body="some words in plain text")
    both.add_alternative("<p>some <i>words</i> in text</p>", subtype="html")
    assert blocks(read(both))[-1] == "some words in plain text"
    only = message()
    only.set_content("<html><body><h2>Part</h2><p>marked up words</p></body></html>", subtype="html")
    assert blocks(read(only))[-2:] == ["Part", "marked up words"]


def test_attachments_are_named_and_are_files_of_the_message():
    made = message(body="See below.")
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Übersicht.pdf")
    made.add_attachment("a,b\n1,2\n", subtype="csv", filename="b.csv")
    made.add_attachment(b"c", maintype="application", subtype="pdf", filename="../b.csv")
    document = read(made)
    assert blocks(document)[-1] == "Attachments: Übersicht.pdf, b.csv, ../b.csv"
    sent = 1707123600 * 10**9
    assert document.dated_ns == sent
    found = list(walk(document, LoadOptions()))
    assert [(member.name, member.mtime_ns) for member in found] == [
        ("Übersicht.pdf", sent),
        ("b.csv", sent),
        ("b (2).csv", sent),
    ]
    assert blocks(found[1].read()) == ["a | b", "a: 1 | b: 2"]


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


def test_the_messages_of_a_mailbox_are_files_in_it_with_their_own_dates():
    secret = b"Subject: s\nMIME-Version: 1.0\nContent-Type: application/pkcs7-mime\n\nMIIB\n"
    data = b""
    for raw in (message("One", ">From the start.").as_bytes(), secret, message("Two", "text").as_bytes()):
        data += b"From ann@example.org Mon Feb  5 10:00:00 2024\n" + raw + b"\n\n"
    found = list(walk(read(data, "x.mbox"), LoadOptions()))
    assert [(member.name, member.mtime_ns) for member in found] == [
        ("1.eml", 1707123600 * 10**9),
        ("2.eml", None),
        ("3.eml", 1707123600 * 10**9),
    ]
    assert found[0].read().title == "One"
    assert "\nFrom the start." in found[0].read().text
    assert found[2].read().text.endswith("text")
    with pytest.raises(LoadError, match="an encrypted message"):
        found[1].read()


@pytest.mark.parametrize("date", ["Tue, 31 Feb 2024 10:00:00", "yesterday", "Mon, 05 Feb 9999 10:00:00 +0000", ""])
def test_a_date_that_is_none_is_not_a_date(date):
    assert read(f"Date: {date}\nSubject: x\n\ntext".encode()).dated_ns is None


def test_a_mailbox_without_messages_is_damaged():
    with pytest.raises(LoadError) as caught:
        read(b"Subject: x\n\ntext", "x.mbox")
    assert caught.value.reason is Reason.DAMAGED


@given(st.binary(max_size=400))
def test_whatever_the_bytes_only_load_errors_come_out(data):
    with contextlib.suppress(LoadError):
        assert read(b"Subject: x\nContent-Type: " + data).blocks


def test_html_beside_a_plain_footer_is_read():
    made = message()
    made.make_mixed()
    for text, subtype in (("<p>The weir opens at <b>six</b>.</p>", "html"), ("List footer\n", "plain")):
        part = EmailMessage()
        part.set_content(text, subtype=subtype)
        made.attach(part)
    assert blocks(read(made))[-2:] == ["The weir opens at six.", "List footer"]


def test_text_after_a_picture_in_the_text_is_read():
    made = EmailMessage()
    made["Subject"] = "Survey"
    made.make_mixed()
    texts = ["Here is the pier from the north:", "The crack is 12 mm wide.", "Regards"]
    for text, picture in zip(texts, ("north.png", "south.png", None), strict=True):
        part = EmailMessage()
        part.set_content(text)
        made.attach(part)
        if picture is not None:
            made.add_attachment(b"\x89PNG", maintype="image", subtype="png", disposition="inline", filename=picture)
    assert blocks(read(made))[-4:] == [*texts, "Attachments: north.png, south.png"]


def test_a_plain_text_that_only_points_to_the_html_loses():
    made = message(body="Please view this message in a reader of HTML.")
    made.add_alternative("<p>Account 77 is closed on 3 May.</p>", subtype="html", cte="base64")
    assert blocks(read(made))[-1] == "Account 77 is closed on 3 May."


def test_an_invitation_is_its_subject_time_place_and_text():
    made = message(body="You are invited.")
    calendar = (
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Dredging\\, part 2\r\nDTSTART;TZID=Europe/Oslo:20260405T091500\r\n"
        "DTEND;TZID=Europe/Oslo:20260405T110000\r\nLOCATION:Lock house\r\nDESCRIPTION:Bring the long\r\n"
        "  rope.\\nAnd boots.\r\n"
        "BEGIN:VALARM\r\nDESCRIPTION:Reminder\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    made.add_alternative(calendar, subtype="calendar")
    assert blocks(read(made))[-3:] == [
        "Dredging, part 2",
        "When: 2026-04-05 09:15 Europe/Oslo to 2026-04-05 11:00 Europe/Oslo\nWhere: Lock house",
        "Bring the long rope.\nAnd boots.",
    ]
    found = load_any(Path("a.ics"), calendar.encode(), LoadOptions())
    assert found.blocks[0].kind == "heading"
    assert "Reminder" not in found.text


def test_attachments_are_read_by_the_loaders_of_their_formats():
    made = message("Lease", "Attached.")
    made.add_attachment(
        b"<h1>Terms</h1><p>Rent is due <b>monthly</b>.", maintype="text", subtype="html", filename="t.html"
    )
    made.add_attachment(b"\x89PNG\r\n", maintype="image", subtype="psd", filename="plan.psd")
    page, plan = walk(read(made), LoadOptions())
    assert blocks(page.read()) == ["Terms", "Rent is due monthly."]
    with pytest.raises(LoadError, match=r"no loader for \.psd"):
        plan.read()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("flowed", "The gate opens \nat six.\n> one \n> two\n-- \nAnn"),
        ("flowed; delsp=yes", "The ga \nte opens at six."),
    ],
)
def test_flowed_lines_are_put_together(kind, text):
    data = f"Subject: x\nContent-Type: text/plain; format={kind}\n\n{text}\n".encode()
    assert "The gate opens at six." in read(data).text
    if "delsp" not in kind:
        assert "> one two\n-- \nAnn" in read(data).text


@pytest.mark.parametrize("name", ["Inbox", "1700000.M1.host:2,S", "77.emlx", "saved.mht"])
def test_mail_is_known_by_its_content(name):
    raw = message("Schlüssel", "Für Büro 12.").as_bytes()
    data = {"Inbox": b"From - Mon Feb  5 10:00:00 2024\n" + raw, "77.emlx": b"%d\n" % len(raw) + raw + b"<plist/>"}
    document = load_any(Path(name), data.get(name, raw), LoadOptions())
    assert document.loader == "mail"
    said = document.text or next(walk(document, LoadOptions())).read().text  # a mailbox is its messages
    assert "Für Büro 12." in said
    assert "plist" not in said
    assert load_any(Path("notes"), b"Subject: not a mail\n\nText", LoadOptions()).loader == "text"


def test_a_page_saved_as_mhtml_is_its_text():
    page = "<html><head><meta charset=utf-8></head><body><p>Höhe =\n 3 m</p></body></html>".encode()
    data = (
        b"From: <Saved by Blink>\nSubject: Tides\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n\n"
        b"--x\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(page) + b"--x\n"
        b"Content-Type: text/css\n\nbody { color: red }\n--x--\n"
    )
    document = load_any(Path("a.mhtml"), data, LoadOptions())
    assert "Höhe = 3 m" in document.text
    assert "color" not in document.text


def raw_message(head: bytes, body: bytes) -> bytes:
    return b"From: a@x.org\r\nTo: b@x.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n" + head + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("head", "body", "said"),
    [
        (b"Content-Type: text/plain; charset=iso-8859-1", b"Prix \x96 12 \x80", "Prix – 12 €"),
        (b"Content-Type: text/enriched", b"<bold>A</bold> walrus <<b>", "A walrus <b>"),
        (b"Content-Type: text/html", b"<p>Words</p><footer>Greetings</footer>", "Greetings"),
        (b"Content-Type: text/x-markdown", b"A *walrus*", "A *walrus*"),
    ],
)
def test_bodies_of_other_kinds(head, body, said):
    assert blocks(read(raw_message(head, body)))[-1] == said


def test_names_in_the_header_are_in_the_encoding_of_the_body():
    raw = b"From: J\xf6rg <j@x>\r\nTo: b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nx"
    assert "From: Jörg <j@x>" in read(raw).text


def test_a_report_says_of_whom_it_speaks():
    report = (
        b"--q\r\nContent-Type: text/plain\r\n\r\nUndelivered.\r\n--q\r\nContent-Type: message/delivery-status\r\n\r\n"
    )
    report += b"Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; zander@x.org\r\nStatus: 5.1.1\r\n--q--\r\n"
    document = read(raw_message(b"Content-Type: multipart/report; boundary=q", report))
    assert blocks(document)[-1] == "Final-Recipient: rfc822; zander@x.org\nStatus: 5.1.1"


def test_uuencoded_files_are_attachments():
    packed = b"begin 644 note.txt\n" + binascii.b2a_uu(b"The otter sleeps in bay 7.") + b"`\nend\n"
    document = read(raw_message(b"Content-Type: text/plain", b"Here it is.\n\n" + packed))
    assert blocks(document)[-2:] == ["Here it is.", "Attachments: note.txt"]
    assert [(member.name, member.content) for member in document.members] == [
        ("note.txt", b"The otter sleeps in bay 7.")
    ]


def test_attachments_without_a_name_are_read_by_their_type():
    made = message()
    made.add_attachment(b"{\\rtf1 Tariff\\par}", maintype="application", subtype="msword")
    made.add_attachment(b"%PDF-1.4\n", maintype="application", subtype="octet-stream", filename="Rechnung")
    document = read(made)
    assert [member.name for member in document.members] == ["unnamed.doc", "Rechnung"]
    opened = list(walk(document, LoadOptions()))
    assert opened[0].read().text == "Tariff"
    with pytest.raises(LoadError, match="damaged"):
        opened[1].read()


def test_mail_in_other_kinds_of_boxes():
    raw = message().as_bytes(policy=email.policy.SMTP)
    marks = b"\x01\x01\x01\x01\n"
    box = read(marks + raw + marks + marks + raw + marks, "inbox.mmdf")
    assert [member.name for member in box.members] == ["1.eml", "2.eml"]
    gone, kept = (b"From - x\r\nX-Mozilla-Status: %s\r\n" % status + raw + b"\r\n" for status in (b"0009", b"0001"))
    thunderbird = read(gone + kept, "Inbox")
    assert [member.name for member in thunderbird.members] == ["2.eml"]
    assert read(b"\r\n\r\n" + raw).title == "Grüße from Bern"


def test_an_encoded_message_under_a_name_for_text_is_mail():
    made = message(body="Der Schlüssel liegt bei der Pforte.")
    made.replace_header("Content-Transfer-Encoding", "base64")
    made.set_payload(base64.encodebytes("Der Schlüssel liegt bei der Pforte.".encode()).decode())
    made["Message-ID"] = "<1@x>"
    assert "Der Schlüssel liegt" in load_any(Path("saved.txt"), made.as_bytes(), LoadOptions()).text


def test_a_body_in_utf8_is_read_as_such_whatever_its_label():
    raw = raw_message(b"Content-Type: text/plain; charset=iso-8859-1", "Schlüssel – hier".encode())
    assert blocks(read(raw))[-1] == "Schlüssel – hier"


def test_a_page_with_a_table_is_read_in_place_of_its_plain_text():
    message = EmailMessage()
    message["Subject"] = "Loads"
    message.set_content("Hook\n\nLoad\n\nNorth\n\n12 t\n\nSouth\n\n9 t\n")
    rows = "<tr><td>North</td><td>12 t</td></tr><tr><td>South</td><td>9 t</td></tr>"
    message.add_alternative(f"<table><tr><th>Hook</th><th>Load</th></tr>{rows}</table>", subtype="html")
    assert read(message.as_bytes()).text.endswith("Hook | Load\nHook: North | Load: 12 t\nHook: South | Load: 9 t")
