"""Numbers as a spreadsheet shows them: zero padding, percent, currency, thousands, elapsed time, text of the format."""

from __future__ import annotations

import datetime as dt
import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

_TOKEN = re.compile(
    r"\"([^\"]*)\"?|\\(.)|\[\$([^\]-]*)[^\]]*\]|\[[^\]]*\]|_.|\*.|(General)|([Ee][+-])|([0#?])|(/)|([.,%])|(.)",
    re.DOTALL,
)
_SECTION = re.compile(r"((?:\"[^\"]*\"?|\\.|\[[^\]]*\]|[^;])*);?", re.DOTALL)
_MAX_DIGITS = 30
_PLAIN = frozenset(("General", "general", "@", ""))


class _Section(NamedTuple):
    """One of the forms in a format: literals, and a placeholder of "0", "#" or "?" for each digit."""

    whole: tuple[tuple[str, str], ...]  # ("digit", placeholder), ("text", literal) or ("general", "")
    decimals: tuple[tuple[str, str], ...]  # behind it
    percent: int
    thousands: bool
    scale: int  # how often it is divided by 1,000
    exponent: int  # digits of the exponent; 0: none
    denominator: str  # placeholders or digits of a fraction; "": none
    general: bool


def shown_number(value: float, code: str) -> str:
    """``value`` in the number format ``code``; as a plain number where the format says nothing of it."""
    section, absolute = (None, False) if code in _PLAIN else _choose(value, code)
    if section is None:
        return plain_number(value)
    has_digits = any(kind == "digit" for kind, _ in (*section.whole, *section.decimals))
    if section.general or not has_digits:
        plain = plain_number(abs(value) if absolute else value)
        return "".join(plain if kind == "general" else text for kind, text in section.whole).strip()
    try:
        number = Decimal(repr(float(value)) if isinstance(value, float) else value).scaleb(2 * section.percent)
    except (InvalidOperation, ValueError):
        return plain_number(value)
    number = abs(number).scaleb(-3 * section.scale)
    sign = "-" if value < 0 and not absolute else ""
    if section.denominator:
        return sign + _fraction(section, number)
    if section.exponent:
        return sign + _scientific(section, number)
    return " ".join(f"{sign}{_fixed(section, number)}".split())


def shown_time(value: dt.timedelta, code: str) -> str:
    """An elapsed time: hours (or minutes, or seconds) beyond a day are counted on."""
    seconds = round(value.total_seconds())
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    lower = code.lower()
    if "[m" in lower:
        return f"{sign}{seconds // 60}:{seconds % 60:02d}" if "s" in lower else f"{sign}{seconds // 60}"
    if "[s" in lower:
        return f"{sign}{seconds}"
    hours, rest = divmod(seconds, 3600)
    text = f"{hours:02d}" if "[hh" in lower else str(hours)
    if ":m" in lower:
        text += f":{rest // 60:02d}"
    return sign + text + (f":{rest % 60:02d}" if ":s" in lower else "")


def shown_date(value: dt.datetime | dt.date | dt.time, code: str) -> str:
    """A date in ISO form, as far as the format shows it: a year alone, a month, a day, a time."""
    if isinstance(value, dt.time):
        return value.isoformat("seconds")
    bare = re.sub(r"\"[^\"]*\"|\\.|\[[^\]]*\]|(?i:am/pm|a/p)", "", code).lower()
    if isinstance(value, dt.datetime) and value.time() != dt.time():
        return value.isoformat(" ", "seconds")
    date = value.date() if isinstance(value, dt.datetime) else value
    if "y" in bare and not re.search("[dge]", bare):
        return f"{date:%Y-%m}" if "m" in bare else f"{date:%Y}"
    return date.isoformat()


def plain_number(value: float) -> str:
    """A number without binary noise."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _choose(value: float, code: str) -> tuple[_Section | None, bool]:
    """The section of ``code`` for ``value``, and whether it has its own way to show that it is negative."""
    sections = _sections(code)
    if not sections:
        return None, False
    if value < 0 and len(sections) > 1:
        return sections[1], True
    if value == 0 and len(sections) > 2:
        return sections[2], True
    return sections[0], False


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[_Section | None, ...]:
    if code.strip().lower() in ("", "general", "@"):
        return ()
    return tuple(_parse(part) for part in _SECTION.findall(code)[:3] if part or code.count(";"))[:3]


def _parse(code: str) -> _Section | None:  # noqa: C901 (a case per kind of token)
    whole: list[tuple[str, str]] = []
    decimals: list[tuple[str, str]] = []
    into, percent, thousands, exponent, denominator, general = whole, 0, False, 0, "", False
    commas = 0  # since the last digit
    in_exponent = in_denominator = False
    for match in _TOKEN.finditer(code):
        literal = match[1] or match[2] or match[3]
        if match[4]:
            general = True
            whole.append(("general", ""))
        elif match[5]:
            in_exponent = True
        elif match[6]:
            if in_exponent:
                exponent += 1
            elif in_denominator:
                denominator += match[6]
            else:
                thousands, commas = thousands or commas > 0, 0
                into.append(("digit", match[6]))
        elif match[7]:
            in_denominator = True
        elif match[8]:
            if match[8] == "%":
                percent += 1
                into.append(("text", "%"))
            elif match[8] == ".":
                into = decimals
            else:
                commas += 1
        elif in_denominator and match[9] and match[9].isdigit():
            denominator += match[9]
        elif literal or match[9]:
            into.append(("text", literal or match[9]))
        elif match[0].startswith("_"):
            into.append(("text", " "))
    if "@" in code and not whole and not decimals:
        return None
    return _Section(tuple(whole), tuple(decimals), percent, thousands, commas, exponent, denominator, general)


def _fixed(section: _Section, number: Decimal) -> str:
    places = min(_MAX_DIGITS, sum(1 for kind, _ in section.decimals if kind == "digit"))
    rounded = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) if number < Decimal(10) ** 25 else number
    whole, _, fraction = f"{rounded:f}".partition(".")
    return _whole(section, whole) + _decimals(section.decimals, fraction)


def _whole(section: _Section, digits: str) -> str:
    """The digits before the point, put into the placeholders from the right; the first one takes all that are left."""
    digits = "" if digits == "0" else digits
    parts: list[str] = []
    left = sum(1 for kind, _ in section.whole if kind == "digit")
    written = 0
    for kind, text in reversed(section.whole):
        if kind == "text":
            parts.append(text)
            continue
        left -= 1
        taken = digits if left == 0 else digits[-1:]
        digits = digits[: len(digits) - len(taken)]
        for digit in reversed(taken or ("0" if text == "0" else " " if text == "?" else "")):
            if section.thousands and written and written % 3 == 0 and digit.isdigit():
                parts.append(",")
            parts.append(digit)
            written += 1
    return "".join(reversed(parts))


def _decimals(placeholders: tuple[tuple[str, str], ...], digits: str) -> str:
    count = sum(1 for kind, _ in placeholders if kind == "digit")
    kept = list(digits[:count].ljust(count, "0"))
    forms = [text for kind, text in placeholders if kind == "digit"]
    while kept and kept[-1] == "0" and forms[len(kept) - 1] != "0":
        kept.pop()
    following = iter(kept)
    text = "".join(next(following, "") if kind == "digit" else part for kind, part in placeholders)
    return f".{text}" if kept else text


def _scientific(section: _Section, number: Decimal) -> str:
    places = sum(1 for kind, _ in section.decimals if kind == "digit")
    mantissa, _, power = f"{number:.{min(places, _MAX_DIGITS)}E}".partition("E")
    return f"{mantissa}E{power[0]}{power[1:].lstrip('0').rjust(section.exponent, '0')}"


def _fraction(section: _Section, number: Decimal) -> str:
    texts = "".join(text for kind, text in section.whole if kind == "text").strip()
    has_whole = sum(1 for kind, _ in section.whole if kind == "digit") > 1 or "#" in [text for _, text in section.whole]
    whole = int(number) if has_whole else 0
    rest = Fraction(number) - whole
    if section.denominator.isdigit() and section.denominator.strip("0"):
        below = int(section.denominator[:6])
        above = round(rest * below)
    else:
        near = rest.limit_denominator(10 ** min(len(section.denominator), 6) - 1)
        above, below = near.numerator, near.denominator
    if above == below:
        whole, above = whole + 1, 0
    parts = [str(whole)] if whole or not above else []
    parts += [f"{above}/{below}"] if above else []
    return " ".join([*parts, texts]).strip()
