"""Numbers as people read them."""

from __future__ import annotations

_SIZES = ("KiB", "MiB", "GiB", "TiB")


def human_number(value: float) -> str:
    """A score with about three digits, never in scientific notation: ``0.031``, ``0.93``, ``12.4``, ``341``."""
    size = abs(value)
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 or value == 0 else f"{value:.3f}"


def human_size(size: int) -> str:
    """A number of bytes: ``812 B``, ``1.4 KiB``, ``23 MiB``."""
    if size < 1000:
        return f"{size} B"
    value, step = size / 1024, 0
    while value >= 999.5 and step < len(_SIZES) - 1:
        value, step = value / 1024, step + 1
    return f"{value:.1f} {_SIZES[step]}" if value < 9.95 else f"{value:.0f} {_SIZES[step]}"


def human_duration(seconds: float) -> str:
    """A time span: ``0 ms``, ``340 ms``, ``2.1 s``, ``48 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 60 * 60:
        return _two(whole, 60, "min", "s")
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return _two(minutes, 60, "h", "min")
    return _two(round(seconds / 3600), 24, "d", "h")


def _two(value: int, large: int, large_unit: str, small_unit: str) -> str:
    rest = value % large
    return f"{value // large} {large_unit}" + (f" {rest} {small_unit}" if rest else "")


def counted(count: int, noun: str) -> str:
    """A number with its noun: ``1 document``, ``0 documents``, ``1,234 documents``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
