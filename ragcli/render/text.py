"""Results for people, laid out with rich."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from ragcli.render.passage import CUT, Line, passage
from ragcli.render.visible import display_path, file_of, fresh_mark, one_line, visible_name
from ragcli.types import Hit, Part, Results
from ragcli.units import human_number

MEASURE = 100  # wider lines are hard to read, however wide the window
_LEAST = 20  # columns left for the passage in a very narrow window

_STYLES = {"snippet": Style(), "match": Style(bold=True, color="yellow"), "context": Style(dim=True)}
_QUIET = Style(dim=True)
_PLACE = Style(color="cyan")
_STALE = Style(color="red")


def write_text(
    results: Results,
    out: TextIO,
    base: Path,
    *,
    explain: bool,
    context: int,
    color: bool,
    width: int | None,
    first: int = 1,
) -> None:
    """Write a block per hit: rank, place and score, headings, the snippet with its matches, the rank in each list.

    With a ``width`` the passage is wrapped to it (at most MEASURE columns); paths are never wrapped or cut.
    ``first`` is the rank of the first hit.
    """
    # The caller decides everything that rich would read from the environment.
    console = Console(
        file=out,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        legacy_windows=False,
        width=10_000,
        markup=False,
        highlight=False,
        emoji=False,
    )
    links = color and out.isatty()
    measure = None if width is None else min(width, MEASURE)
    margin = len(str(first + len(results.hits) - 1)) + 3
    columns = _part_widths(results.hits) if explain else {}
    for rank, hit in enumerate(results.hits, first):
        if rank > first:
            console.print()
        for text in _header(hit, rank, base, margin=margin, width=width, links=links):
            _print(console, text)
        room = None if measure is None else max(_LEAST, measure - margin)
        body = [
            *_headings(hit, room),
            *(part for line in passage(hit, context) for part in _wrapped(console, line, room)),
        ]
        for text in body:
            _print(console, Text(" " * margin) + text)
        if explain:
            for text in _explained(hit.parts, columns, room):
                _print(console, Text(" " * margin) + text)


def _print(console: Console, text: Text) -> None:
    text.rstrip()
    # soft_wrap: the lines already have their length, and a long path must stay in one piece
    console.print(text, soft_wrap=True)


def _header(hit: Hit, rank: int, base: Path, *, margin: int, width: int | None, links: bool) -> list[Text]:
    """Return rank, path, place and score in one line, or in two where the window is too narrow for a long path."""
    path, snippet = hit.chunk.path, hit.snippet
    link = file_of(path).as_uri() if links and path.is_absolute() else None
    name = Text().append(f"{rank:>{margin - 2}}  ", _QUIET)
    name.append(visible_name(display_path(path, base)), Style(bold=True, link=link))
    place = Text().append(f":{snippet.line}" if snippet.page is None else f"  p. {snippet.page}", _PLACE)
    if fresh_mark(hit.fresh):
        place.append(f"  {fresh_mark(hit.fresh)}", _STALE)
    if hit.copies:
        place.append(f"  +{len(hit.copies)} {'copy' if len(hit.copies) == 1 else 'copies'}", _QUIET)
    if hit.alike:
        place.append(f"  +{len(hit.alike)} alike", _QUIET)
    score = human_number(hit.score) if hit.probability is None else f"{hit.probability:.0%}"
    lines = [name + place]
    if width is not None and lines[0].cell_len + 2 + len(score) > width:
        lines = [name, Text(" " * margin) + place[len(place.plain) - len(place.plain.lstrip()) :]]
    gap = 2 if width is None else max(2, min(width, MEASURE) - lines[-1].cell_len - len(score))
    lines[-1].append(" " * gap + score, _QUIET)
    return lines


def _headings(hit: Hit, room: int | None) -> list[Text]:
    """Return the heading path in one line; where it is too long, its outer headings are left out first."""
    path = [one_line(heading) for heading in hit.chunk.headings]
    if not path:
        return []
    shown = " › ".join(path)
    while room is not None and cell_len(shown) > room and len(path) > 1:
        path = path[1:]
        shown = " › ".join([CUT, *path])
    text = Text(shown, _QUIET)
    if room is not None:
        text.truncate(room, overflow="ellipsis")
    return [text]


def _wrapped(console: Console, line: Line, room: int | None) -> list[Text]:
    text = Text()
    for piece, style in line.pieces:
        text.append(piece, _STYLES[style])
    indent = " " * line.indent
    if room is None or line.indent + cell_len(text.plain) <= room:
        return [Text(indent) + text]
    return [Text(indent) + part for part in text.wrap(console, max(1, room - line.indent))]


def _part_widths(hits: Sequence[Hit]) -> dict[str, tuple[int, int]]:
    """Return for each list the widths of its ranks and scores over all hits, so that the lines align."""
    widths: dict[str, tuple[int, int]] = {}
    for part in (part for hit in hits for part in hit.parts):
        rank, score = widths.get(part.name, (0, 0))
        widths[part.name] = (max(rank, len(_rank(part))), max(score, len(_score(part))))
    return widths


def _explained(parts: Sequence[Part], widths: dict[str, tuple[int, int]], room: int | None) -> list[Text]:
    """Return the ranks and scores of a hit in one line, or in as many as ``room`` makes of it."""
    columns = [
        f"{part.name} {_rank(part):<{widths[part.name][0]}} {_score(part):>{widths[part.name][1]}}" for part in parts
    ]
    lines: list[str] = []
    for column in columns:
        joined = f"{lines[-1]} · {column}" if lines else column
        if lines and (room is None or len(joined) <= room):
            lines[-1] = joined
        else:
            lines.append(column)
    return [Text(line, _QUIET) for line in lines]


def _rank(part: Part) -> str:
    return "–" if part.rank is None else f"#{part.rank}"


def _score(part: Part) -> str:
    return "" if part.score is None else human_number(part.score)
