"""One line a hit, for editors and pipes: plain, paths, vimgrep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ragcli.render.passage import flat
from ragcli.render.visible import display_path, visible_name
from ragcli.types import Hit, Results


def plain_lines(results: Results, base: Path) -> Iterator[str]:
    """``path:line: snippet``, or ``path#page=3: snippet`` where the document has pages."""
    for hit in results.hits:
        snippet = hit.snippet
        place = f":{snippet.line}" if snippet.page is None else f"#page={snippet.page}"
        yield f"{_name(hit.chunk.path, base)}{place}: {flat(hit)}\n"


def vimgrep_lines(results: Results, base: Path) -> Iterator[str]:
    """``path:line:column:snippet`` at the first match; the column counts UTF-8 bytes from 1, as vim does.

    A passage does not know what stands before it on its first line: there the column counts from its own start.
    """
    for hit in results.hits:
        line, column = _first_match(hit)
        yield f"{_name(hit.chunk.path, base)}:{line}:{column}:{flat(hit)}\n"


def path_lines(results: Results, base: Path, *, nul: bool) -> Iterator[str]:
    """The paths in order of their best hit, each once; with ``nul`` exactly as they are and ended by NUL."""
    for path in dict.fromkeys(hit.chunk.path for hit in results.hits):
        yield f"{display_path(path, base)}\0" if nul else f"{_name(path, base)}\n"


def _name(path: Path, base: Path) -> str:
    return visible_name(display_path(path, base), keep_bytes=True)


def _first_match(hit: Hit) -> tuple[int, int]:
    chunk, snippet = hit.chunk, hit.snippet
    at = snippet.start - chunk.start + (snippet.matches[0][0] if snippet.matches else 0)
    before = chunk.text[:at].rpartition("\n")[2]
    return chunk.lines[0] + chunk.text.count("\n", 0, at), len(before.encode("utf-8", "surrogatepass")) + 1
