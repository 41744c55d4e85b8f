"""Jupyter notebooks: Markdown cells, code cells and their short text outputs, in order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragcli.errors import LoadError
from ragcli.formats.blocks import HeadingPath, LoadOptions, TextBuilder
from ragcli.formats.decode import normalise
from ragcli.formats.markdown import markdown_blocks
from ragcli.types import Document, Reason

_LONG_OUTPUT = 2000  # characters; longer ones are logs and dumps, which nobody wrote
_ANSI = re.compile("\x1b\\[[0-9;]*[A-Za-z]")  # tracebacks come coloured


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The cells as text; LoadError: DAMAGED when the file is not a notebook, EMPTY when its cells are blank."""
    del options
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LoadError(Reason.DAMAGED, f"not valid JSON: {error}") from error
    builder = TextBuilder()
    headings = HeadingPath()
    title = ""
    for cell in _cells(notebook):
        source = normalise(_joined(cell.get("source", cell.get("input"))))
        if cell.get("cell_type") == "markdown":
            blocks, cell_title = markdown_blocks(source, headings)
            title = title or cell_title
            for block in blocks:
                builder.add(source[block.start : block.end], block.kind, headings=block.headings)
        else:
            builder.add(source, "code" if cell.get("cell_type") == "code" else "paragraph", headings=headings.path)
        for output in _outputs(cell):
            builder.add(output, "code", headings=headings.path)
    metadata = notebook.get("metadata")
    named = metadata.get("title") if isinstance(metadata, dict) else None
    return builder.build(path, named if isinstance(named, str) and named.strip() else title)


def _cells(notebook: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (JSON can be anything)
    if isinstance(notebook, dict):
        cells = notebook.get("cells")
        if cells is None and isinstance(notebook.get("worksheets"), list):  # notebooks before 2014
            sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
            cells = [cell for sheet in sheets for cell in sheet.get("cells", ())]
        if isinstance(cells, list):
            return [cell for cell in cells if isinstance(cell, dict)]
    raise LoadError(Reason.DAMAGED, "it has no list of cells, so it is not a notebook")


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        text = _joined(output.get("text") or (data.get("text/plain") if isinstance(data, dict) else None))
        if output.get("output_type") == "error":
            text = f"{output.get('ename')}: {output.get('evalue')}"
        text = _ANSI.sub("", text)
        if len(text) < _LONG_OUTPUT:
            yield text


def _joined(source: Any) -> str:  # noqa: ANN401 (JSON can be anything)
    """A multi-line string of a notebook: one string, or a list of lines with their line ends."""
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""
