"""Make text from documents and file names safe to show: it cannot move a cursor, reorder or hide characters.

JSON keeps every character; there the unsafe ones are written as escapes.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragcli.types import Fresh

# C0 and C1 controls, line and paragraph separators, bidi controls, tags, variation selectors beyond the emoji's, and
# characters drawn with no width or as a blank. The two joiners are ordinary letters of some scripts and of emoji: they
# count only beside ASCII, where their only effect is to hide.
_UNSEEN = (
    "\x7f-\x9f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff"
)
_PLAIN = f"[^\x00-\x7f{_UNSEEN}]"
_HIDDEN = re.compile(f"[\x00-\x1f{_UNSEEN}]|(?<!{_PLAIN})[\u200c\u200d]|[\u200c\u200d](?!{_PLAIN})")
_BLANKS = re.compile(r"\s+")
_QUOTED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def visible(text: str) -> str:
    r"""Return ``text`` with every control, bidi control and invisible character, line breaks too, as a visible sign.

    Controls become control pictures (``␛``), the others their escapes (``\u202e``).
    """
    return _HIDDEN.sub(lambda found: _sign(found.group()), text)


def visible_lines(text: str) -> str:
    """Return ``visible`` text that keeps its line breaks, and its tabs as blanks."""
    return "\n".join(visible(line.expandtabs(4)) for line in text.split("\n"))


def one_line(text: str) -> str:
    """Return ``visible`` text in which each run of white space, line breaks too, is one blank."""
    return visible(_BLANKS.sub(" ", text).strip())


def visible_name(name: str, *, keep_bytes: bool = False) -> str:
    """Return a file name in one line; where its characters need it, it is quoted and escaped as in C, as by git and ls.

    With ``keep_bytes``, bytes that are not UTF-8 stay the surrogates that Python reads them as, for a stream that
    writes them back as bytes.
    """
    shown = _HIDDEN.sub(lambda found: _escape(found.group(), keep_bytes=keep_bytes), name)
    if shown == name and not name.startswith('"'):
        return name
    # Backslashes and quotes of the name itself are escaped too, or the quoted form could mean two names.
    safe = name.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _HIDDEN.sub(lambda found: _escape(found.group(), keep_bytes=keep_bytes), safe) + '"'


def display_path(path: Path, base: Path) -> str:
    """Return ``path`` relative to ``base`` when it lies below it, else as it is; never in a form that is an option."""
    shown = str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
    return f"./{shown}" if shown.startswith("-") else shown


_FRESH: dict[Fresh | None, str] = {"changed": "(changed since)", "gone": "(gone)"}


def fresh_mark(fresh: Fresh | None) -> str:
    """Return the words behind the path of a file that changed, or is gone, since it was indexed; "" for any other."""
    return _FRESH.get(fresh, "")


def file_of(path: Path) -> Path:
    """Return the file on the disk behind ``path``, which may name a member of an archive or an attachment."""
    return next((above for above in (path, *path.parents) if above.is_file()), path)


def shell_command(arguments: Sequence[str]) -> str:
    """Return the command as a line for bash, zsh and ksh, with every control or invisible character as an escape."""
    return " ".join(_shell_word(word) for word in arguments)


def _shell_word(word: str) -> str:
    if not _HIDDEN.search(word):
        return shlex.quote(word)
    # $'...' has the escapes of C; a byte that is not ASCII becomes one of them
    escapes = {byte: f"\\x{byte:02x}" for byte in (*range(0x20), *range(0x7F, 0x100))} | {0x27: "\\'", 0x5C: "\\\\"}
    return "$'" + "".join(escapes.get(byte, chr(byte)) for byte in os.fsencode(word)) + "'"


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return ``value`` as JSON; a character that a terminal could act on, or UTF-8 cannot hold, is an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return re.sub(f"[{_UNSEEN}]", lambda found: _json_escape(found.group()), text)


def _json_escape(character: str) -> str:
    # json.dumps leaves DEL as it is
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _sign(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else _escape(character, keep_bytes=False)


def _escape(character: str, *, keep_bytes: bool) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # one byte of a name that is not UTF-8
        return character if keep_bytes else f"\\x{code - 0xDC00:02x}"
    if character in _QUOTED:
        return _QUOTED[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
