"""CSV as in RFC 4180, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

from ragcli.render.passage import flat
from ragcli.render.visible import display_path, one_line, visible_name
from ragcli.types import Hit, Results

COLUMNS = (
    "rank", "path", "page", "line", "score", "probability", "title", "headings", "snippet", "copies",
    "chunk", "start", "end", "sha256", "fresh", "alike",
)  # fmt: skip
_LISTS = ("dense", "keyword", "fused", "rerank")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Cell = str | int | float | None


def write_csv(results: Results, out: TextIO, base: Path, *, explain: bool) -> None:
    """Write a header and one row per hit; ``explain`` adds a rank and a score column for each list."""
    writer = csv.writer(out)
    explained = [f"{name}_{what}" for name in _LISTS for what in ("rank", "score")] if explain else []
    writer.writerow([*COLUMNS, *explained])
    for rank, hit in enumerate(results.hits, 1):
        cells = [*_cells(hit, rank, base), *(_part_cells(hit) if explain else [])]
        writer.writerow([_safe(cell) for cell in cells])


def _cells(hit: Hit, rank: int, base: Path) -> list[Cell]:
    chunk, snippet = hit.chunk, hit.snippet
    return [
        rank,
        visible_name(display_path(chunk.path, base), keep_bytes=True),
        snippet.page,
        snippet.line,
        hit.score,
        hit.probability,
        one_line(chunk.title),
        " > ".join(one_line(heading) for heading in chunk.headings),
        flat(hit),
        len(hit.copies),
        chunk.id,
        snippet.start,
        snippet.end,
        chunk.sha256,
        hit.fresh,
        len(hit.alike),
    ]


def _part_cells(hit: Hit) -> list[Cell]:
    parts = {part.name: part for part in hit.parts}
    return [
        cell for name in _LISTS for cell in ((parts[name].rank, parts[name].score) if name in parts else (None, None))
    ]


def _safe(cell: Cell) -> Cell:
    """Put an apostrophe before text that a spreadsheet would run as a formula; numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
