"""Running headers and footers: lines that come back at the edge of the pages."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from itertools import pairwise

from ragcli.formats.pdf.layout import Line

MIN_PAGES = 3
_MOST = 0.5
_MOST_OF_A_CHAPTER = 0.4  # left and right pages often carry different headers, so a chapter's comes on every other page
_EDGE_LINES = 3  # a header or footer is at most so many lines high
_CLEAR = 1.4  # and at least so many usual line distances away from the text
_LARGE = 1.15  # times the usual font size: a heading, even where it repeats
_NUMBER = re.compile(r"\d{1,6}")
_SAME_HEIGHT = 4.0  # points
_SAYS_NOTHING = 3  # letters
_LONGER = range(-12, 13)  # characters: the number of the page, and the words around it
_WORD = re.compile(r"[^\W\d_]+")
_OF_PAGES = frozenset(("page", "pages", "of", "p", "seite", "von", "pagina", "página", "de", "di", "sur", "pag"))


def drop_running_lines(pages: list[list[Line]]) -> tuple[list[list[Line]], dict[int, list[str]]]:
    """``pages`` without the lines that repeat at their top or bottom, page numbers that count up included.

    Also those of the lines that say something, once, by the first page (from 0) that has them.

    A line that stands clear of the text goes when it is on at least three pages and on half of all pages, or, at one
    height, on nearly every other page of a stretch, as a chapter's title is; so does any such line that begins or ends
    with the page's number where half of all pages have it. Fewer than three pages are returned as they are.
    """
    if len(pages) < MIN_PAGES:
        return pages, {}
    seen: defaultdict[_Key, dict[int, float]] = defaultdict(dict)
    edges = [_edge_lines(lines) for lines in pages]
    for page, edge in enumerate(edges):
        for position, line in edge:
            for words in _forms(line.text, page):
                seen[position, words].setdefault(page, line.baseline)
    running = {key: statistics.median(at.values()) for key, at in seen.items() if _is_running(key, at, len(pages))}
    dropped = [
        {line for position, line in edge if _repeats(position, line, page, running)} for page, edge in enumerate(edges)
    ]
    kept = [_without(lines, gone) for lines, gone in zip(pages, dropped, strict=True)]
    # Only lines of about the length of a running line, with its longest word, can say the same as it.
    running_texts = {line.text for gone in dropped for line in gone}
    lengths = {len(text) + by for text in running_texts for by in _LONGER}
    longest = {max(parts, key=len) for text in running_texts if (parts := _words(text).split())}
    said: dict[int, list[str]] = {}
    seen_texts: set[str] = set()
    for page, (lines, gone) in enumerate(zip(pages, dropped, strict=True)):
        for line in lines:
            if len(line.text) not in lengths:
                continue
            folded = line.text.casefold()
            if not any(word in folded for word in longest):
                continue
            words = _words(line.text)
            if line in gone and words not in seen_texts and len(words) > _SAYS_NOTHING:
                said.setdefault(page, []).append(line.text)
            seen_texts.add(words)
    # The same few lines on every page are the document, not its header.
    return (kept, said) if any(kept) else (pages, {})


def _without(lines: list[Line], gone: set[Line]) -> list[Line]:
    heights = {line.baseline for line in gone}  # quicker to look up than whole lines
    return [line for line in lines if line.baseline not in heights or line not in gone] if gone else lines


def _words(text: str) -> str:
    """The words of a running line but those around the number of the page, in no order: left pages have another."""
    return " ".join(sorted(word for word in _WORD.findall(text.casefold()) if word not in _OF_PAGES))


_Key = tuple[str, str]  # "top" or "bottom", and what repeats there


def _edge_lines(lines: list[Line]) -> list[tuple[str, Line]]:
    """The lines at the top and the bottom that a gap sets apart from the text, each with where it stands."""
    order = sorted(lines, key=lambda line: -line.baseline)
    gaps = [above.baseline - below.baseline for above, below in pairwise(order)]
    large = _LARGE * statistics.median(line.size for line in order) if order else 0.0
    printed = [gap for gap in gaps if gap > 0]  # two pieces of one line have none between them
    clear = _CLEAR * (statistics.median(printed) if len(printed) > _EDGE_LINES else 1.2 * large)
    top = _depth(gaps[:_EDGE_LINES], clear)
    bottom = _depth(gaps[: -_EDGE_LINES - 1 : -1], clear)
    edge = [("top", line) for line in order[:top]] + [("bottom", line) for line in order[len(order) - bottom :]]
    return [(position, line) for position, line in edge if line.size <= large]


def _depth(gaps: list[float], clear: float) -> int:
    """How many lines there are before the last clear gap of ``gaps``, which go from the edge inwards."""
    return max((number for number, gap in enumerate(gaps, start=1) if gap > clear), default=0)


def _forms(text: str, page: int) -> set[str]:
    """What may repeat of a line: its text; its text with a number taken relative to the page; that number alone."""
    text = " ".join(text.casefold().split())
    forms = {text}
    numbers = list(_NUMBER.finditer(text))
    for match in (numbers[:1] + numbers[-1:]) if numbers else []:
        offset = f"#{int(match[0]) - page}"
        # Left and right pages put the number on different sides of the same words.
        words = f"{text[: match.start()]} {text[match.end() :]}".split()
        forms.add(" ".join(["page", *sorted(words), offset]))
        if not text[: match.start()].strip() or not text[match.end() :].strip():
            forms.add(offset)
    return forms


def _is_running(key: _Key, places: dict[int, float], pages: int) -> bool:
    if len(places) < MIN_PAGES:
        return False
    if len(places) >= _MOST * pages:
        return True
    stretch = max(places) - min(places) + 1
    heights = places.values()
    one_height = max(heights) - min(heights) <= _SAME_HEIGHT
    return one_height and len(places) >= _MOST_OF_A_CHAPTER * stretch and not key[1].startswith("#")


def _repeats(position: str, line: Line, page: int, running: dict[_Key, float]) -> bool:
    for words in _forms(line.text, page):
        height = running.get((position, words))
        # The number alone says little, so it counts only where page numbers stand.
        if height is not None and (not words.startswith("#") or abs(line.baseline - height) <= _SAME_HEIGHT):
            return True
    return False
