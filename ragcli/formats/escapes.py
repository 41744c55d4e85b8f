"""Characters that a text format writes as escapes, put back into their lines: what is searched is what they mean."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

_JSON = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([\"\\/bfnrt]))"
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
_PROPERTY = re.compile(r"\\u([0-9a-fA-F]{4})")
_ACCENT = re.compile(r"\{?\\([\"'`^~=.]|[cvuHkrbd](?![a-zA-Z]))[ \t]*(?:\{\\?([a-zA-Z])\}|\\?([a-zA-Z]))\}?")
_LETTER = re.compile(r"\{?\\(ss|ae|AE|oe|OE|aa|AA|o|O|l|L|i|j)(?![a-zA-Z])(?:\{\}|[ \t](?=\w))?\}?")
_MARKS = dict(zip("\"'`^~=.", "\u0308\u0301\u0300\u0302\u0303\u0304\u0307", strict=True))
_MARKS |= dict(zip("cvuHkrbd", "\u0327\u030c\u0306\u030b\u0328\u030a\u0331\u0323", strict=True))
_LETTERS = {"ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å", "o": "ø", "O": "Ø"}
_LETTERS |= {"l": "ł", "L": "Ł"}
_LETTERS |= {"i": "i", "j": "j"}

_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".geojson", ".json5")
_XML_SUFFIXES = (".xml", ".xsl", ".xsd", ".rss", ".atom", ".opml", ".svg")
_STRING_SUFFIXES = (".yaml", ".yml", ".toml")
_STRING = re.compile(r"(?<!\\)\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_TEX_SUFFIXES = (".tex", ".bib", ".ltx", ".bbl")
_ALONE = re.compile(r"\{([^\W\d_a-zA-Z])\}")  # G{ö}del


def unescaped(text: str, suffix: str) -> str:
    """``text`` of a file with that suffix with its escapes decoded; every line stays where it is."""
    if suffix in _JSON_SUFFIXES:
        return _decoded(text, _JSON, _json_character, "\\")
    if suffix in _XML_SUFFIXES:
        return _decoded(text, _ENTITY, lambda match: html.unescape(match[0]), "&")
    if suffix == ".properties":
        return _decoded(text, _PROPERTY, lambda match: chr(int(match[1], 16)), "\\u")
    if suffix in _STRING_SUFFIXES:
        return _decoded(text, _STRING, _string_character, "\\")
    if suffix in _TEX_SUFFIXES:
        text = _decoded(_decoded(text, _ACCENT, _accented, "\\"), _LETTER, lambda match: _LETTERS[match[1]], "\\")
        return _ALONE.sub(r"\1", text)
    return text


def _decoded(text: str, pattern: re.Pattern[str], character: Callable[[re.Match[str]], str], sign: str) -> str:
    if sign not in text:
        return text

    def replaced(match: re.Match[str]) -> str:
        found = character(match)
        if any("\ud800" <= one <= "\udfff" or one == "\x00" for one in found):
            return match[0]
        # A line end within a value must not begin a line of the file.
        return " " if found.isspace() or not found.isprintable() else found

    return pattern.sub(replaced, text)


def _json_character(match: re.Match[str]) -> str:
    if match[1]:
        return (chr(int(match[1], 16)) + chr(int(match[2], 16))).encode("utf-16", "surrogatepass").decode("utf-16")
    if match[3]:
        return chr(int(match[3], 16))
    return {"b": " ", "f": " ", "n": " ", "r": " ", "t": " "}.get(match[4], match[4])


def _string_character(match: re.Match[str]) -> str:
    code = int(match[1] or match[2] or match[3], 16)
    return chr(code) if code < 0x110000 else match[0]


def _accented(match: re.Match[str]) -> str:
    letter = match[2] or match[3]
    made = unicodedata.normalize("NFC", letter + _MARKS[match[1]])
    return made if len(made) == 1 else match[0]
