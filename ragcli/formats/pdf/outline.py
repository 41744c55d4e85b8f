"""Where the entries of a PDF's outline stand in the lines of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ragcli.formats.pdf.layout import Line

_NOT_LETTERS = re.compile(r"[\W_]+")
_NUMBERING = re.compile(
    r"\A(?:(?i:chapter|section|part|appendix|kapitel|anhang|chapitre|annexe) +(?:\d{1,3}|[A-Z]|[IVXLC]{1,6})[.:)]?"
    r"|\d{1,3}(?:\.\d{1,3})*[.:)]?|[A-Z](?:\.\d{1,3})+[.:)]?|(?:[A-Z]|[IVXLC]{1,6})[.:)]) +(?=\S)"
)
_MAX_HEADING_LINES = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One outline entry: ``level`` 1 is the outermost, ``page`` is 1-based, ``top``: it points to the page's top."""

    title: str
    level: int
    page: int
    top: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """An entry that holds from ``lines[start]`` on; its title is ``lines[start:end]``, empty if it is not printed."""

    entry: Entry
    start: int
    end: int


def locate(entries: list[Entry], lines: list[Line]) -> list[Place]:
    """Where the entries of a page (in outline order) stand in its lines: places in reading order, without overlaps.

    A title matches up to three whole lines, whatever their case, punctuation and numbering. An entry that is not
    printed holds from the top of the page if it points there, else from the next printed entry or the next page on.
    """
    if not entries:
        return []
    longest = 2 * max(len(entry.title) for entry in entries) + 40  # the numbering on the page may be longer
    forms = [_forms(entry.title) for entry in entries]
    spans = _spans(lines, longest, frozenset(form for own in forms for form in own))
    taken: set[int] = set()
    printed: list[tuple[int, int] | None] = []
    for own in forms:
        candidates = [span for form in own for span in spans.get(form, [])]
        span = next((span for span in candidates if taken.isdisjoint(range(*span))), None)
        taken.update(range(*span) if span else ())
        printed.append(span)
    places = []
    following = len(lines)
    for entry, span in zip(reversed(entries), reversed(printed), strict=True):
        if span is None:
            start = end = 0 if entry.top else following
        else:
            start, end = span
            following = start
        places.append(Place(entry, start, end))
    places.reverse()
    return sorted(places, key=lambda place: place.start)


def _spans(lines: list[Line], longest: int, wanted: frozenset[str]) -> dict[str, list[tuple[int, int]]]:
    """The runs of one to three lines of at most ``longest`` characters, by the form of their text that is wanted."""
    spans: dict[str, list[tuple[int, int]]] = {}
    bare = [_bare(line.text) if len(line.text) <= longest else "" for line in lines]
    for start in range(len(lines)):
        text = form = ""
        for end in range(start + 1, min(len(lines), start + _MAX_HEADING_LINES) + 1):
            text = f"{text} {lines[end - 1].text}".strip()
            if len(text) > longest:
                break
            form += bare[end - 1]
            if form in wanted:
                spans.setdefault(form, []).append((start, end))
            numbering = _NUMBERING.match(text)
            rest = _bare(text[numbering.end() :]) if numbering else form
            if rest in wanted and rest != form:
                spans.setdefault(rest, []).append((start, end))
    return spans


def _bare(text: str) -> str:
    return _NOT_LETTERS.sub("", text.casefold())


def _forms(title: str) -> list[str]:
    """``title`` as it is compared: bare letters and digits, with its numbering first, then without."""
    bare = [_bare(form) for form in (title, _NUMBERING.sub("", title))]
    return [form for form in dict.fromkeys(bare) if form]
