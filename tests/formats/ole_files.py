"""Write OLE compound files ([MS-CFB], version 3), so that tests need no binary files of others."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Union

Tree = Mapping[str, Union[bytes, "Tree"]]
_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


class _Chains:
    """Sectors of one size and how they follow each other."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.data = bytearray()
        self.next: list[int] = []

    def add(self, content: bytes) -> int:
        """Append ``content`` and return its first sector."""
        if not content:
            return _END
        first = len(self.next)
        count = -(-len(content) // self.size)
        self.next += [*range(first + 1, first + count), _END]
        self.data += content.ljust(count * self.size, b"\0")
        return first


def compound(tree: Tree) -> bytes:
    """The file with these streams (bytes) and folders (mappings)."""
    entries: list[list[object]] = [["Root Entry", 5, _NONE, _NONE, _NONE, _END, 0]]  # name, type, l, r, child, at, size
    big, small = _Chains(_SECTOR), _Chains(_MINI)

    def write(parent: int, folder: Tree) -> None:
        before = parent, 4
        for name, content in sorted(folder.items(), key=lambda item: (len(item[0]), item[0].upper())):
            number = len(entries)
            entries.append([name, 1, _NONE, _NONE, _NONE, _END, 0])
            entries[before[0]][before[1]] = number  # a tree without left branches is in order, too
            before = number, 3
            if isinstance(content, Mapping):
                entries[number][1] = 1
                write(number, content)
            else:
                chains = small if len(content) < _CUTOFF else big
                entries[number][1] = 2
                entries[number][5], entries[number][6] = chains.add(content), len(content)

    write(0, tree)
    entries[0][5], entries[0][6] = big.add(bytes(small.data)), len(small.data)
    mini_fat = big.add(b"".join(struct.pack("<I", sector) for sector in small.next).ljust(_SECTOR, b"\xff"))
    directory = big.add(b"".join(map(_entry, entries)))
    sectors = len(big.next)
    fats = next(count for count in range(1, 110) if count * _SECTOR // 4 >= sectors + count)
    table = [*big.next, *[_FAT] * fats]
    table += [_FREE] * (fats * _SECTOR // 4 - len(table))
    header = struct.pack(
        "<8s16s6H7I3I", bytes.fromhex("D0CF11E0A1B11AE1"), b"", 0x3E, 3, 0xFFFE, 9, 6, 0, 0, 0, fats, directory, 0,
        _CUTOFF, mini_fat, -(-len(small.next) * 4 // _SECTOR) or 1, _END, 0,
    )  # fmt: skip
    header += b"".join(struct.pack("<I", sectors + number if number < fats else _FREE) for number in range(109))
    return header + bytes(big.data) + struct.pack(f"<{len(table)}I", *table)


def _entry(entry: list[object]) -> bytes:
    name, kind, left, right, child, first, size = entry
    encoded = str(name).encode("utf-16-le")
    return struct.pack(
        "<64sHBB3I16sI16sIQ", encoded, len(encoded) + 2, kind, 1, left, right, child, b"", 0, b"", first, size
    )
