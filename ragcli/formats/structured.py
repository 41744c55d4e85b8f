"""Data and configuration files, read as the text they are: JSON, JSON lines, YAML, TOML, INI, XML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.decode import decode, decode_labelled, is_utf8, normalise
from ragcli.formats.escapes import unescaped
from ragcli.formats.lines import Blocks, Line, document, indentation, split_lines
from ragcli.types import Document

_RECORDS = frozenset((".jsonl", ".ndjson"))
_SECTIONED = frozenset((".toml", ".ini", ".cfg", ".conf", ".properties"))
_NESTED = frozenset((".xml", ".xsl", ".xsd", ".rss", ".atom", ".opml", ".svg"))
_KNOWN = _RECORDS | _SECTIONED | _NESTED | {".json", ".geojson", ".json5", ".yaml", ".yml"}
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{1,200}encoding\s*=\s*["']([\w.:-]+)""")
_SECTION = re.compile(r"[ \t]*\[\[?([^\[\]]+)\]\]?[ \t]*(?:[#;].*)?")
_CLOSERS = (")", "]", "}", "</")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The decoded file without its escapes, one block per entry at its top level; damaged syntax is still text."""
    del options
    text, warnings = _decode(data)
    suffix = path.suffix.lower()
    if suffix not in _KNOWN:  # so the content has told what it is
        suffix = ".xml" if text.lstrip().startswith("<") else ".json"
    text = unescaped(text, suffix)
    lines = split_lines(text)
    blocks = Blocks()
    if suffix in _RECORDS:
        for line in lines:
            blocks.add([line], "row")
    elif suffix in _SECTIONED:
        _add_sections(blocks, lines)
    else:
        _add_entries(blocks, lines, _top_indentation(lines, nested=suffix in _NESTED))
    return document(path, text, blocks.found, warnings=warnings)


def _decode(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file, in the encoding that XML declares where it does and the bytes are not UTF-8."""
    declared = _DECLARED.match(data)
    if declared and not is_utf8(data):
        with suppress(LookupError, UnicodeError):
            return normalise(decode_labelled(data, declared[1].decode())), ()
    return decode(data)


def _add_sections(blocks: Blocks, lines: Sequence[Line]) -> None:
    begin = 0
    for number, line in enumerate(lines):
        if match := _SECTION.fullmatch(line.content):
            blocks.add(lines[begin:number], "code")
            blocks.headings.push(match[1].strip(), 1)
            begin = number
    blocks.add(lines[begin:], "code")


def _add_entries(blocks: Blocks, lines: Sequence[Line], top: int) -> None:
    """Cut before every line at the indentation ``top`` or less that opens something."""
    begin = 0
    for number, line in enumerate(lines):
        content = line.content.lstrip()
        is_entry = bool(content) and indentation(line.content) <= top and not content.startswith(_CLOSERS)
        # A bracket alone says nothing, and stays with its first entry.
        if is_entry and any(character.isalnum() for before in lines[begin:number] for character in before.content):
            blocks.add(lines[begin:number], "code")
            begin = number
    blocks.add(lines[begin:], "code")


def _top_indentation(lines: Sequence[Line], *, nested: bool) -> int:
    """The columns at which the entries begin: those of the second level where one element or bracket holds them all."""
    filled = [line for line in lines if line.content.strip() not in ("", "---", "...")]
    levels = sorted({indentation(line.content) for line in filled})
    first = filled[0].content.lstrip() if filled else ""
    is_wrapped = nested or first.startswith(("{", "["))
    return levels[1] if is_wrapped and len(levels) > 1 else levels[0] if levels else 0
