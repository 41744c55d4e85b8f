"""The formats with one line per hit, for editors and pipes: plain, paths, vimgrep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ragcli.render.passage import flat, part_names
from ragcli.render.visible import display_path, fresh_mark, visible_name
from ragcli.types import Hit, Part, Results
from ragcli.units import human_number


def plain_lines(results: Results, base: Path, *, explain: bool = False) -> Iterator[str]:
    """Yield ``path:line: snippet``, or ``path#page=3: snippet`` where the document has pages.

    A file that changed or is gone since it was indexed is marked before its snippet, so that every program still reads
    the place.

    With ``explain``, a field per list follows each snippet, with a tab before it: ``NAME #RANK SCORE``, or ``NAME -``
    for a hit that the list does not hold. Every line has the same fields, and a snippet holds no tab.
    """
    names = part_names(results) if explain else []
    for hit in results.hits:
        parts = {part.name: part for part in hit.parts}
        fields = "".join(f"\t{name} {_explained(parts.get(name))}" for name in names)
        mark = f"{fresh_mark(hit.fresh)} " if fresh_mark(hit.fresh) else ""
        yield f"{place(hit, base)}: {mark}{flat(hit)}{fields}\n"


def place(hit: Hit, base: Path) -> str:
    """Return ``path:line`` or ``path#page=3``, which ``ragcli show`` and ``ragcli open`` read."""
    snippet = hit.snippet
    where = f":{snippet.line}" if snippet.page is None else f"#page={snippet.page}"
    return f"{_name(hit.chunk.path, base)}{where}"


def _explained(part: Part | None) -> str:
    if part is None or part.rank is None or part.score is None:
        return "-"
    return f"#{part.rank} {human_number(part.score)}"


def vimgrep_lines(results: Results, base: Path) -> Iterator[str]:
    """Yield ``path:line:column:snippet`` at the first match; the column counts UTF-8 bytes from 1, as vim does."""
    for hit in results.hits:
        yield f"{_name(hit.chunk.path, base)}:{hit.snippet.line}:{hit.snippet.column}:{flat(hit)}\n"


def path_lines(results: Results, base: Path, *, nul: bool) -> Iterator[str]:
    """Yield each path once, in the order of its best hit; with ``nul`` exactly as it is and ended by NUL."""
    for path in dict.fromkeys(hit.chunk.path for hit in results.hits):
        yield f"{display_path(path, base)}\0" if nul else f"{_name(path, base)}\n"


def _name(path: Path, base: Path) -> str:
    return visible_name(display_path(path, base), keep_bytes=True)
