"""Lay out the snippet of a hit: its lines, the matches in them, the context around it, and how the lists rank it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from ragcli.render.visible import one_line, visible
from ragcli.text.markup import markup, visible_parts
from ragcli.text.sentences import units
from ragcli.types import Hit, PartName, Results, Span

CUT = "…"

_BLANKS = re.compile(r"\s+")
_MOST_INDENT = 16  # columns; deeper code keeps its shape well enough

Style = Literal["snippet", "match", "context"]


class Line(NamedTuple):
    """One line to show: its indent, and pieces of visible text without line breaks."""

    indent: int
    pieces: tuple[tuple[str, Style], ...]


def flat(hit: Hit) -> str:
    """Return the snippet in one line, with an ellipsis where it is cut inside a sentence."""
    before, after = cuts(hit)
    parts = visible_parts(_markup(hit), *_place(hit)) or [_place(hit)]
    return before + one_line("".join(hit.chunk.text[start:end] for start, end in parts)) + after


def cuts(hit: Hit) -> tuple[str, str]:
    """Return an ellipsis, or nothing, for the front and the end of the snippet."""
    front, back = hit.snippet.cut
    return (f"{CUT} " if front else "", f" {CUT}" if back else "")


def passage(hit: Hit, context: int = 0) -> list[Line]:
    """Return the snippet with up to ``context`` lines of the chunk before and after it.

    A paragraph is one line here, for the caller to wrap. List items, rows and lines of code stay apart and keep their
    indent.
    """
    text = hit.chunk.text
    start, end = _place(hit)
    first, last = _with_context(text, start, end, context)
    hidden = _markup(hit)
    spans = [(max(s, first), min(e, last)) for s, e in units(text) if max(s, first) < min(e, last)]
    spans = [span for span in spans if any(text[s:e].strip() for s, e in visible_parts(hidden, *span))] or spans
    indents = [_indent(text, s) for s, _ in spans]
    lines = [_pieces(text, span, hit, hidden) for span in spans]
    if lines and not context:
        front, back = cuts(hit)
        lines[0] = [(front, "context"), *lines[0]] if front else lines[0]
        lines[-1] = [*lines[-1], (back, "context")] if back else lines[-1]
    return [
        Line(min(indent - min(indents), _MOST_INDENT), tuple(pieces))
        for indent, pieces in zip(indents, lines, strict=True)
    ]


def _markup(hit: Hit) -> list[Span]:
    """Return the markup of the passage that is not shown: what holds a match is."""
    start, _ = _place(hit)
    matches = [(start + s, start + e) for s, e in hit.snippet.matches]
    spans = markup(hit.chunk.text, hit.chunk.path)
    return [(s, e) for s, e in spans if not any(s < last and first < e for first, last in matches)]


def _place(hit: Hit) -> Span:
    return hit.snippet.start - hit.chunk.start, hit.snippet.end - hit.chunk.start


def _with_context(text: str, start: int, end: int, context: int) -> Span:
    """Return the span widened to whole lines, with ``context`` more lines on both sides."""
    if context <= 0:
        return start, end
    first, last = start, end
    for _ in range(context + 1):
        first = text.rfind("\n", 0, first)
        if first < 0:
            break
    for _ in range(context + 1):
        last = text.find("\n", last + 1) if last >= 0 else -1
    return first + 1, last if last >= 0 else len(text)


def _indent(text: str, at: int) -> int:
    """Return the columns of white space between the start of the line and ``at``; 0 when other text stands there."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return len(before.expandtabs(4)) if before.isspace() else 0


def _pieces(text: str, span: Span, hit: Hit, hidden: Sequence[Span]) -> list[tuple[str, Style]]:
    """Cut ``span`` where the snippet and its matches begin and end; each piece is visible and has its style.

    Pieces that are ``hidden`` are left out.
    """
    start, end = _place(hit)
    matches = [(start + s, start + e) for s, e in hit.snippet.matches]
    parts = visible_parts(hidden, *span) or [span]
    inner = {at for pair in [(start, end), *matches, *parts] for at in pair if span[0] < at < span[1]}
    pieces: list[tuple[str, Style]] = []
    for s, e in pairwise(sorted({*span, *inner})):
        if not any(first <= s < last for first, last in parts):
            continue
        style: Style = "snippet" if start <= s < end else "context"
        if any(first <= s < last for first, last in matches):
            style = "match"
        pieces.append((visible(_BLANKS.sub(" ", text[s:e])), style))
    return pieces


def part_names(results: Results) -> list[PartName]:
    """Return the names of the lists that hold one of the hits, in their order."""
    return list(dict.fromkeys(part.name for hit in results.hits for part in hit.parts))
