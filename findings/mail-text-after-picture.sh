#!/usr/bin/env bash
# The email package of the installed Python, xberg==1.3.9; beside them mail-parser==4.8.0, imap-tools==1.16.0, 2026-11
#
# Expected: get_body gives the body of a message, which is the text that its reader sees, without the attachments.
# Happens: a message with pictures or files in its text is a sequence of text, picture, text, which is how Apple Mail
#   writes it. get_body gives the first text part alone: the greeting, and what stands above the first picture. So does
#   xberg. The rest is not among the attachments either: iter_attachments gives it as a part without a name, which
#   code that saves attachments skips.
#   In a message with HTML, the plain text is whole and the HTML is in pieces. get_body prefers HTML, and so the piece
#   to the whole.
# Why it matters: reports with pictures are written like that, and what stands below the picture is what was found.
#   Most other programs keep the text in one part, so tests pass.
# What ragcli does: all text parts that are no attachments are the body, in their order. A test holds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile xberg==1.3.9 mail-parser==4.8.0 imap-tools==1.16.0 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import asyncio
import platform
import sys
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib.metadata import version
from pathlib import Path

import mailparser
import xberg
from imap_tools import MailMessage

ABOVE, BELOW = "The pier from the north:", "The crack is 12 mm wide."
changed = []


def part(text, subtype="plain"):
    made = EmailMessage()
    made.set_content(text, subtype=subtype)
    return made


def in_pieces(subtype):
    """The two texts with a picture between them."""
    made = EmailMessage()
    made.make_mixed()
    made.attach(part(ABOVE, subtype))
    made.add_attachment(b"\x89PNG", maintype="image", subtype="png", disposition="inline", filename="north.png")
    made.attach(part(BELOW, subtype))
    return made


def with_head(message):
    for name, value in (("From", "ann@example.org"), ("To", "bob@example.org"), ("Subject", "Survey")):
        message[name] = value
    return message.as_bytes()


plain = with_head(in_pieces("plain"))
both = EmailMessage()
both.make_alternative()
both.attach(part(f"{ABOVE}\n\n{BELOW}"))
both.attach(in_pieces("html"))
both = with_head(both)
Path("plain.eml").write_bytes(plain)


def by_xberg():
    async def read():
        return await xberg.extract(xberg.ExtractInput(kind="uri", uri="plain.eml"))

    return asyncio.run(read()).results[0].content


def check(what, seen, stated, expected=(True, True)):
    seen = ABOVE in seen, BELOW in seen
    print(f"{what}: text above and below the picture\n  expected {expected}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


print("Python", platform.python_version())
print(*(f"{name} {version(name)}" for name in ("xberg", "mail-parser", "imap-tools")))
read = message_from_bytes(plain, policy=policy.default)
check("get_body, a message of plain text", read.get_body().get_content(), (True, False))
check("get_body(('plain',))", read.get_body(("plain",)).get_content(), (True, False))
names = [attachment.get_filename() for attachment in read.iter_attachments()]
print(f"iter_attachments, names\n  expected ['north.png']\n  seen     {names}")
if names != ["north.png", None]:
    changed.append(f"iter_attachments: {names}")
read = message_from_bytes(both, policy=policy.default)
check("get_body, a message with HTML too", read.get_body().get_content(), (True, False))
check("xberg, a message of plain text", by_xberg(), (True, False))
check("mail-parser, a message of plain text", mailparser.parse_from_bytes(plain).body, (True, True))
check("imap-tools, a message of plain text", MailMessage.from_bytes(plain).text, (True, True))
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
