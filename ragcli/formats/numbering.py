"""Numbers of list items and headings as people write them."""

from __future__ import annotations

_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x")),
    *((9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


def numeral(number: int, form: str, *, doubled: bool = False) -> str:
    """``number`` in one of the forms "a", "A", "i" and "I"; any other form is digits.

    After z come aa, ab, ac, as in HTML and OpenDocument; ``doubled``: aa, bb, cc, as in Word.
    """
    if form in ("a", "A") and 0 < number <= (26 * 30 if doubled else 26**6):
        text = ""
        if doubled:
            text = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        else:
            while number:
                number, rest = divmod(number - 1, 26)
                text = chr(ord("a") + rest) + text
    elif form in ("i", "I") and 0 < number < 4000:
        text = ""
        for value, letters in _ROMAN:
            text += letters * (number // value)
            number %= value
    else:
        return str(number)
    return text.upper() if form.isupper() else text
