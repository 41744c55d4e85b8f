"""Numbers of list items and headings as people write them."""

from __future__ import annotations

_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x")),
    *((9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


def written(number: int, numbering: str) -> str:
    """``number`` in one of the formats "1", "a", "A", "i" and "I"."""
    if numbering in ("a", "A") and number > 0:
        text = ""
        while number:
            number, rest = divmod(number - 1, 26)
            text = chr(ord("a") + rest) + text
    elif numbering in ("i", "I") and 0 < number < 4000:
        text = ""
        for value, letters in _ROMAN:
            text += letters * (number // value)
            number %= value
    else:
        return str(number)
    return text.upper() if numbering.isupper() else text
