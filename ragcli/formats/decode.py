"""Bytes to text, for every format whose file is text."""

from __future__ import annotations

import codecs
import re

from ragcli.formats.blocks import clean

_BOMS = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What is written under a label in truth: that which it names and more (https://encoding.spec.whatwg.org/#names-and-labels).
_LABELS = {
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "latin1", "latin-1", "us-ascii", "ascii"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "gb_2312-80"), "gb18030"),
    **dict.fromkeys(("ks_c_5601-1987", "ks_c_5601", "euc-kr", "korean"), "cp949"),
    **dict.fromkeys(("shift_jis", "shift-jis", "x-sjis", "sjis"), "cp932"),
    **dict.fromkeys(("iso-8859-9", "iso8859-9"), "cp1254"),
    **dict.fromkeys(("iso-8859-11", "tis-620"), "cp874"),
    "big5": "big5hkscs", "unicode-1-1-utf-7": "utf-7", "x-mac-cyrillic": "mac_cyrillic", "macintosh": "mac_roman",
}  # fmt: skip
_WIDE_SAMPLE = 1024  # bytes
_SAMPLE = 256 * 1024  # bytes shown to the guesser: its cost grows with them, its answer hardly
_HIRAGANA = re.compile("[\u3041-\u3096]")
_JAPANESE, _CLOSE = 0.15, 0.1  # share of hiragana; mess that charset-normalizer sees in the code page, of 1
# What letters become under the wrong code page: signs that touch no letter in real text.
_SYMBOL_IN_WORD = re.compile("[^\\W\\d_][¢-©¬®-³¶¸¹¼-¾]|[¢-©¬®-³¶¸¹¼-¾][^\\W\\d_]")


def declared_encoding(data: bytes) -> tuple[str, int] | None:
    """The encoding that the first bytes give away, and how many of them are a byte order mark.

    That is the mark, or the zero in every other byte by which unmarked UTF-16 shows in Western text.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return name, len(bom)
    head = data[:_WIDE_SAMPLE]
    zeros = head[0::2].count(0), head[1::2].count(0)
    if max(zeros) * 4 > len(head) and min(zeros) == 0:
        return ("utf-16-be" if zeros[0] else "utf-16-le"), 0
    return None


def decode_labelled(data: bytes, label: str) -> str:
    """The text of bytes whose file names their encoding.

    Raises LookupError for an unknown name and UnicodeError for a wrong one.
    """
    label = label.strip().lower()
    if (wider := _LABELS.get(label)) is not None:
        try:
            return data.decode(wider)
        except UnicodeError:  # of the five bytes that cp1252 leaves out
            pass
    return data.decode(label)


def decode(data: bytes) -> tuple[str, tuple[str, ...]]:
    r"""The text of a file and what the reader should know about how it was decoded.

    A byte order mark decides and is dropped; then UTF-8 is tried; then a guess, which a warning names. Line ends become
    ``\n``, so that line numbers stay the file's; what cannot be decoded or stored becomes U+FFFD.
    """
    marked = declared_encoding(data)
    if marked:
        encoding, skip = marked
        return normalise(data[skip:].decode(encoding, "replace")), ()
    text, warnings = _decode_unmarked(data)
    return normalise(text), warnings


def normalise(text: str) -> str:
    r"""``text`` with ``\n`` line ends and nothing that UTF-8 or C strings cannot hold."""
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


def is_utf8(data: bytes) -> bool:
    """True for UTF-8, also with a few broken bytes."""
    return _as_utf8(data) is not None


def _as_utf8(data: bytes) -> tuple[str, int] | None:
    """The text and how many sequences in it are broken; None when so many are that it is in another encoding."""
    try:
        return data.decode("utf-8"), 0
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    return (text, bad) if _non_ascii(text) > 10 * bad else None  # a guess would garble all the good ones


def _decode_unmarked(data: bytes) -> tuple[str, tuple[str, ...]]:
    if found := _as_utf8(data):
        text, bad = found
        return text, (f"{bad} invalid UTF-8 sequences were replaced",) if bad else ()
    encoding = _guess(data)
    return data.decode(encoding, "replace"), (f"read as {encoding} (guessed)",)


def _non_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes  # 70 ms, and nearly every file is UTF-8

    sample = data[:_SAMPLE]
    if len(data) > _SAMPLE:  # a cut character would rule out the right encoding
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    matches = list(from_bytes(sample))  # the likeliest first
    likely = [match for match in matches if not _SYMBOL_IN_WORD.search(str(match))] or matches
    if not likely:
        return "cp1252"
    best = likely[0].chaos
    japanese = [match for match in likely if match.chaos <= best + _CLOSE and _hiragana(str(match)) > _JAPANESE]
    if japanese:
        return max(japanese, key=lambda match: _hiragana(str(match))).encoding
    equals = {name for match in likely if match.chaos <= likely[0].chaos for name in match.could_be_from_charset}
    # On short Western text many code pages score the same, and the one that files are really in comes late.
    if "cp1252" in equals:
        return "cp1252"
    is_cyrillic = likely[0].encoding == "mac_cyrillic" and "cp1251" in equals  # which differ in few letters
    return "cp1251" if is_cyrillic else likely[0].encoding


def _hiragana(text: str) -> float:
    """Their share of a text. Chinese and Korean have none, and so has Japanese under a wrong code page."""
    letters = sum(map(str.isalpha, text))
    return len(_HIRAGANA.findall(text)) / letters if letters else 0
