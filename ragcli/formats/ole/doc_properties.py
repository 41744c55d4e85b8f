"""What the tables of a Word 97 file say of its paragraphs: style, heading level, list, table; and which text is hidden.

The names are those of [MS-DOC]: an FKP is a page of 512 bytes that holds the properties of the runs of text in it.
"""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ragcli.formats.numbering import numeral
from ragcli.formats.spans import Edge

_PAGE = 512
_MAX_STYLES = 4095
_MAX_DEPTH = 20  # of styles based on styles, which may go round in a circle
_TITLE = 62  # number of the built-in style Title; 1 to 9 are the headings
_NO_STYLE = 0xFFF
_HEADING = re.compile(r"heading ?([1-9])\Z", re.IGNORECASE)

# Changes of one property each (sprm)
_STYLE, _LEVEL, _LIST, _LIST_LEVEL = 0x4600, 0x2640, 0x460B, 0x260A
_IN_TABLE, _ROW_END, _DEPTH, _INNER_CELL, _INNER_ROW = 0x2416, 0x2417, 0x6649, 0x244B, 0x244C
_TABLE, _HUGE, _TABS = 0xD608, 0x6646, 0xC615
_HIDDEN, _DELETED, _HEIGHT = 0x083C, 0x0800, 0x2A48
_RAISED, _LOWERED = b"\x01", b"\x02"
_SIZES = {0: 1, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2, 7: 3}  # of operands, by the highest three bits

Places = tuple[int, int]  # where something stands in a stream, and its length


@dataclass(frozen=True, slots=True)
class Properties:
    """Of a paragraph. ``level`` is 1 to 9 for headings, 0 for the title, None for everything else."""

    level: int | None = None
    list_number: int = 0  # of the list, from 1; 0 is no list
    list_level: int = 0  # from 0
    in_table: bool = False
    is_row_end: bool = False
    depth: int = 1  # of tables in tables
    edges: tuple[Edge, ...] = ()  # of the cells, at the end of a row


def changes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (code, operand) pairs in a grpprl; a damaged rest is left out."""
    at = 0
    while at + 2 <= len(data):
        (code,) = struct.unpack_from("<H", data, at)
        at += 2
        size = _SIZES.get(code >> 13)
        if code == _TABLE:
            size = 1 + int.from_bytes(data[at : at + 2], "little")
        elif size is None:
            size = 1 + (data[at] if at < len(data) else 0)
        yield code, data[at : at + size]
        at += size


def runs(word: bytes, table: bytes, place: Places, width: int) -> Iterator[tuple[int, int, bytes]]:
    """(first byte, end, properties) of the runs that the FKPs in ``place`` (a PlcBte) list, in their order.

    ``width`` is that of an entry of the page: 13 for paragraphs, 1 for characters.
    """
    count = max(0, place[1] - 4) // 8
    start = place[0] + 4 * (count + 1)
    seen: set[int] = set()  # a page that is listed again and again would take memory without end
    for number in range(count):
        at = start + 4 * number
        page = int.from_bytes(table[at : at + 4], "little") & 0x3FFFFF
        if page in seen:
            continue
        seen.add(page)
        yield from _runs_of(word[page * _PAGE : (page + 1) * _PAGE], width)


def _runs_of(page: bytes, width: int) -> Iterator[tuple[int, int, bytes]]:
    if len(page) < _PAGE:
        return
    count = page[-1]
    if 4 * (count + 1) + width * count > _PAGE:
        return
    bounds = struct.unpack_from(f"<{count + 1}I", page)
    for number in range(count):
        at = 2 * page[4 * (count + 1) + width * number]
        data = b""
        if at:
            length = page[at]
            if width == 1:
                data = page[at + 1 : at + 1 + length]
            elif length:
                data = page[at + 1 : at + 2 * length]
            elif at + 1 < _PAGE:
                data = page[at + 2 : at + 2 + 2 * page[at + 1]]
        yield bounds[number], bounds[number + 1], data


class Characters(NamedTuple):
    """The bytes whose text is not shown, and those whose text is raised (1) or lowered (-1), in order."""

    hidden: list[tuple[int, int]]
    scripts: list[tuple[int, int, int]]


def read_characters(word: bytes, table: bytes, place: Places) -> Characters:
    """What the runs of characters are."""
    found = Characters([], [])
    for start, end, data in runs(word, table, place, 1):
        last = {code: operand[:1] for code, operand in changes(data) if code in (_HIDDEN, _DELETED, _HEIGHT)}
        height = last.pop(_HEIGHT, b"")
        if any(operand in (b"\x01", b"\x81") for operand in last.values()):
            found.hidden.append((start, end))
        elif height in (_RAISED, _LOWERED):
            found.scripts.append((start, end, 1 if height == _RAISED else -1))
    return Characters(sorted(found.hidden), sorted(found.scripts))


class Paragraphs:
    """The properties of paragraphs by the byte at which their mark stands."""

    def __init__(self, word: bytes, table: bytes, data: bytes, place: Places, styles: list[Properties]) -> None:
        found = sorted(runs(word, table, place, 13), key=lambda run: run[0])
        self._starts = [start for start, _, _ in found]
        self._runs = found
        self._data = data
        self._styles = styles

    def at(self, byte: int) -> Properties:
        number = bisect.bisect_right(self._starts, byte) - 1
        if number < 0 or byte >= self._runs[number][1]:
            return Properties()
        data = self._runs[number][2]
        return self._read(data[2:], self._style(int.from_bytes(data[:2], "little")), may_be_huge=True)

    def _style(self, number: int) -> Properties:
        return self._styles[number] if number < len(self._styles) else Properties()

    def _read(self, data: bytes, found: Properties, *, may_be_huge: bool) -> Properties:
        for code, operand in changes(data):
            value = int.from_bytes(operand[:4], "little")
            if code == _HUGE and may_be_huge:  # the properties stand in a stream of their own
                length = int.from_bytes(self._data[value : value + 2], "little")
                found = self._read(self._data[value + 2 : value + 2 + length], found, may_be_huge=False)
            elif code == _STYLE:
                found = replace(self._style(value), in_table=found.in_table)
            elif code == _TABLE:
                found = replace(found, edges=_edges(operand))
            else:
                found = apply(found, code, value)
        return found


def apply(found: Properties, code: int, value: int) -> Properties:
    """``found`` after one change."""
    match code:
        case 0x2640:  # _LEVEL
            return replace(found, level=value + 1 if value < 9 else None)
        case 0x460B:  # _LIST
            return replace(found, list_number=value if value < 0x7FF else 0)
        case 0x260A:  # _LIST_LEVEL
            return replace(found, list_level=min(value, 8))
        case 0x2416:  # _IN_TABLE
            return replace(found, in_table=bool(value))
        case 0x2417:  # _ROW_END
            return replace(found, is_row_end=bool(value))
        case 0x6649:  # _DEPTH
            return replace(found, depth=value)
    return found


def _edges(operand: bytes) -> tuple[Edge, ...]:
    """The cells of a row, as the sprm of the table defines them."""
    count = operand[2] if len(operand) > 2 else 0
    if len(operand) < 3 + 2 * (count + 1):
        return ()
    rights = struct.unpack_from(f"<{count + 1}h", operand, 3)[1:]
    start = 3 + 2 * (count + 1)
    edges = []
    for number, right in enumerate(rights):
        flags = int.from_bytes(operand[start + 20 * number : start + 20 * number + 2], "little")
        is_merged_up = bool(flags & 0x20) and not flags & 0x40
        edges.append(Edge(right, bool(flags & 2) and not flags & 1, is_merged_up))
    return tuple(edges)


def read_styles(table: bytes, place: Places) -> list[Properties]:
    """What the style sheet (STSH) says of the paragraphs in each style."""
    data = table[place[0] : place[0] + place[1]]
    if len(data) < 6:
        return []
    head, count, base = struct.unpack_from("<3H", data)
    at = 2 + head
    own: list[tuple[int, Properties, bytes]] = []  # style that it is based on, built-in properties, changes
    for _ in range(min(count, _MAX_STYLES)):
        size = int.from_bytes(data[at : at + 2], "little")
        own.append(_read_style(data[at + 2 : at + 2 + size], base))
        at += 2 + size
    return [_resolve(own, number) for number in range(len(own))]


def _read_style(data: bytes, base: int) -> tuple[int, Properties, bytes]:
    if len(data) < base + 2 or base < 10:
        return _NO_STYLE, Properties(), b""
    number, based, updates = struct.unpack_from("<3H", data)
    is_paragraph = based & 0xF == 1
    length = int.from_bytes(data[base : base + 2], "little")
    name = data[base + 2 : base + 2 + 2 * length].decode("utf-16-le", "replace")
    at = base + 4 + 2 * length
    grpprl = b""
    if is_paragraph and updates & 0xF:
        size = int.from_bytes(data[at : at + 2], "little")
        grpprl = data[at + 4 : at + 2 + size]  # behind the number of the style
    number &= 0xFFF
    level = None
    if heading := _HEADING.match(name):
        level = int(heading[1])
    elif 1 <= number <= 9:
        level = number
    elif number == _TITLE or name.casefold() == "title":
        level = 0
    return based >> 4, Properties(level), grpprl


def _resolve(own: list[tuple[int, Properties, bytes]], number: int) -> Properties:
    line: list[tuple[int, Properties, bytes]] = []
    while number < len(own) and len(line) < _MAX_DEPTH:
        line.append(own[number])
        number = own[number][0]
    found = Properties()
    for _, built_in, grpprl in reversed(line):
        for code, operand in changes(grpprl):
            found = apply(found, code, int.from_bytes(operand[:4], "little"))
        if built_in.level is not None:
            found = replace(found, level=built_in.level)
    return found


@dataclass(frozen=True, slots=True)
class _Level:
    start: int = 1
    kind: int = 23  # of the number; 23 is a bullet
    template: str = ""  # with the numbers of levels as the signs 0 to 8


_KINDS = {0: "1", 1: "I", 2: "i", 3: "A", 4: "a", 5: "1", 22: "1"}
_BULLET, _NOTHING = 23, 255


@dataclass(slots=True)
class Lists:
    """The lists of a file, and how far each has counted."""

    levels: dict[int, list[_Level]] = field(default_factory=dict)  # by the identity of the list
    used: list[int] = field(default_factory=list)  # identity of the list with each number, from 1
    starts: dict[tuple[int, int], int] = field(default_factory=dict)  # where a use starts again, by number and level
    counters: dict[int, list[int | None]] = field(default_factory=dict)

    def label(self, number: int, level: int) -> str:
        """Count one item and return what stands before its text: "2.1 ", "- ", or "" for nothing."""
        identity = self.used[number - 1] if 0 < number <= len(self.used) else None
        levels = self.levels.get(identity, []) if identity is not None else []
        if identity is None or level >= len(levels) or levels[level].kind == _BULLET:
            return "- "
        counters = self.counters.setdefault(identity, [None] * 9)
        before = counters[level]
        first = self.starts.pop((number, level), None)  # only the first item of a use starts over
        if first is None:
            first = levels[level].start if before is None else before + 1
        counters[level] = first
        counters[level + 1 :] = [None] * (8 - level)
        if levels[level].kind == _NOTHING:
            return ""
        parts = []
        for sign in levels[level].template:
            other = ord(sign)
            if other >= 9:
                parts.append(sign)
            elif other < len(levels):
                count = counters[other]
                start = levels[other].start
                parts.append(
                    numeral(start if count is None else count, _KINDS.get(levels[other].kind, "1"), doubled=True)
                )
        return "".join(parts).strip() + " "


def read_lists(table: bytes, lists: Places, overrides: Places) -> Lists:
    """The lists (PlfLst) and their uses (PlfLfo); damaged ones are left out, their items have bullets."""
    found = Lists()
    try:
        (count,) = struct.unpack_from("<H", table, lists[0])
        at = lists[0] + 2 + 28 * count
        for number in range(count if lists[1] else 0):
            (identity,) = struct.unpack_from("<i", table, lists[0] + 2 + 28 * number)
            is_simple = table[lists[0] + 2 + 28 * number + 26] & 1
            levels = []
            for _ in range(1 if is_simple else 9):
                level, at = _read_level(table, at)
                levels.append(level)
            found.levels[identity] = levels
        (count,) = struct.unpack_from("<I", table, overrides[0])
        count = min(count, 0x7FE) if overrides[1] else 0
        at = overrides[0] + 4 + 16 * count
        for number in range(count):
            found.used.append(struct.unpack_from("<i", table, overrides[0] + 4 + 16 * number)[0])
        for number in range(count):
            at += 4
            for _ in range(table[overrides[0] + 4 + 16 * number + 12]):
                start, flags = struct.unpack_from("<iI", table, at)
                at += 8
                if flags & 0x20:  # a level of its own
                    own, at = _read_level(table, at)
                    start = own.start
                if flags & 0x10:
                    found.starts[number + 1, flags & 0xF] = min(max(start, 0), 1_000_000)
    except (struct.error, IndexError):
        pass
    return found


def _read_level(table: bytes, at: int) -> tuple[_Level, int]:
    start, kind = struct.unpack_from("<iB", table, at)
    characters, paragraphs = table[at + 24], table[at + 25]
    at += 28 + characters + paragraphs
    (length,) = struct.unpack_from("<H", table, at)
    template = table[at + 2 : at + 2 + 2 * length].decode("utf-16-le", "replace")
    return _Level(min(max(start, 0), 1_000_000), kind, template), at + 2 + 2 * length
