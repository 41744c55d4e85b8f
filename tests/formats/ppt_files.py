"""Write old PowerPoint files ([MS-PPT]) of a few slides."""

from __future__ import annotations

import struct

from ole_files import compound

TITLE, BODY, NOTES, OTHER = 0, 1, 2, 4


def record(kind: int, *content: bytes, instance: int = 0, container: bool = True) -> bytes:
    data = b"".join(content)
    return struct.pack("<2HI", instance << 4 | (15 if container else 0), kind, len(data)) + data


def atom(kind: int, data: bytes, instance: int = 0) -> bytes:
    return record(kind, data, instance=instance, container=False)


def words(text: str) -> bytes:
    try:
        return atom(0x0FA8, text.encode("latin-1"))
    except UnicodeEncodeError:
        return atom(0x0FA0, text.encode("utf-16-le"))


def shape(
    text: str | int, kind: int = OTHER, top: int = 0, left: int = 0, size: int = 9, placeholder: int = 0
) -> bytes:
    """A shape with a text of its own, or with that of this number in the outline of the slide."""
    inside = atom(0x0F9E, struct.pack("<I", text)) if isinstance(text, int) else words(text)
    return record(
        0xF004,
        atom(0xF010, struct.pack("<4h", top, left, left + size, top + size)),
        record(0xF011, atom(0x0BC3, struct.pack("<iBBH", 0, placeholder, 0, 0))) if placeholder else b"",
        record(0xF00D, atom(0x0F9F, struct.pack("<I", kind)), inside),
    )


def cell(text: str, top: int, left: int, right: int, bottom: int) -> bytes:
    return record(0xF004, atom(0xF00F, struct.pack("<4i", left, top, right, bottom)), record(0xF00D, words(text)))


def table(*cells: bytes, top: int = 0) -> bytes:
    own = record(
        0xF004,
        atom(0xF010, struct.pack("<4h", top, 0, 9, top + 9)),
        atom(0xF122, struct.pack("<HI", 0x039F, 1), instance=1),
    )
    return record(0xF003, own, *cells)


def comment(author: str, text: str) -> bytes:
    strings = (atom(0x0FBA, value.encode("utf-16-le"), instance=n) for n, value in enumerate((author, text)))
    return record(0x1388, record(0x138A, atom(0x138B, record(0x2EE0, *strings))))


def slide(*shapes: bytes, more: bytes = b"") -> bytes:
    drawing = record(0x040C, record(0xF002, record(0xF003, *shapes)))
    return record(0x03EE, atom(0x03EF, bytes(24)), drawing, more)


def notes(identity: int, text: str) -> bytes:
    drawing = record(0x040C, record(0xF002, record(0xF003, shape("*", OTHER), shape(text, NOTES))))
    return record(0x03F0, atom(0x03F1, struct.pack("<I", identity) + bytes(4)), drawing)


def show(
    slides: list[bytes],
    speaker: dict[int, str] | None = None,
    outlines: dict[int, list[tuple[int, str]]] | None = None,
    token: int = 0xE391C05F,
) -> dict[str, bytes]:
    """The streams of a file whose slides have the identities 256, 257 and so on."""
    stream = bytearray()
    places = []
    pages = [notes(identity, text) for identity, text in (speaker or {}).items()]
    for content in [*slides, *pages]:
        places.append(len(stream))
        stream += content
    listed = b""
    for number in range(len(slides)):
        listed += atom(0x03F3, struct.pack("<2Ii2I", number + 2, 0, 0, 256 + number, 0))
        for kind, text in (outlines or {}).get(256 + number, []):
            listed += atom(0x0F9F, struct.pack("<I", kind)) + words(text)
    noted = b"".join(
        atom(0x03F3, struct.pack("<2Ii2I", len(slides) + 2 + number, 0, 0, 0, 0)) for number in range(len(pages))
    )
    places.insert(0, len(stream))
    stream += record(0x03E8, record(0x0FF0, listed), record(0x0FF0, noted, instance=2))
    directory = len(stream)
    stream += atom(0x1772, struct.pack("<I", 1 | len(places) << 20) + struct.pack(f"<{len(places)}I", *places))
    edit = len(stream)
    stream += atom(0x0FF5, struct.pack("<2I", 256, 0) + struct.pack("<5I", 0, directory, 1, len(places), 1))
    user = atom(0x0FF6, struct.pack("<3I", 20, token, edit))
    return {"PowerPoint Document": bytes(stream).ljust(4096, b"\0"), "Current User": user}


def presentation(*args, **more) -> bytes:
    return compound(show(*args, **more))
