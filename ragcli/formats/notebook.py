"""Jupyter notebooks: Markdown cells, code cells and their outputs, in order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragcli.errors import LoadError
from ragcli.formats.blocks import HeadingPath, LoadOptions, TextBuilder
from ragcli.formats.decode import normalise
from ragcli.formats.markup.markdown import markdown_blocks, plain
from ragcli.types import Document, Reason

_LONG_OUTPUT = 2000  # characters
_OBJECT = re.compile(r"<[\w.]+ (?:object|at 0x)[^<>]*>|<[\w.]+(?: [\w.]+)* at 0x[0-9a-f]+>")
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
            _add_output(builder, output, headings.path)
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


def _outputs(cell: dict[str, Any]) -> Iterator[dict[str, str]]:
    """What each output of a cell is, by its media type."""
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        if output.get("output_type") == "error":
            yield {"text/plain": f"{output.get('ename')}: {output.get('evalue')}"}
        elif isinstance(data, dict):
            yield {str(kind): _joined(text) for kind, text in data.items()}
        else:
            # notebooks before 2014 have the names of the types on their own
            kinds = {"html": "text/html", "text": "text/plain"}
            yield {kind: _joined(output.get(name)) for name, kind in kinds.items() if output.get(name)}


def _add_output(builder: TextBuilder, output: dict[str, str], headings: tuple[str, ...]) -> None:
    """Append one form of an output: Markdown, plain text, or HTML where the text only names an object."""
    said = _ANSI.sub("", output.get("text/plain", ""))
    if output.get("text/markdown"):
        source = normalise(output["text/markdown"])
        for block in markdown_blocks(source)[0]:
            text = source[block.start : block.end]
            text = plain(text, longest=_LONG_OUTPUT) if block.kind == "paragraph" else text
            builder.add(text, block.kind, headings=headings, columns=block.columns)
    elif output.get("text/html") and (not said.strip() or _OBJECT.fullmatch(said.strip())):
        from ragcli.formats.html.loader import html_blocks  # its parser takes 30 ms to load

        inside = TextBuilder()
        html_blocks(inside, normalise(output["text/html"]), whole=True)
        if not inside.is_empty:
            found = inside.build(Path(), "")
            for number, block in enumerate(found.blocks):
                separator = "\n" if number and block.kind == "row" else "\n\n"
                builder.add(found.text[block.start : block.end], block.kind, headings=headings, separator=separator)
    else:
        builder.add(_shortened(said or output.get("text/latex", "")), "code", headings=headings)


def _shortened(text: str) -> str:
    """The beginning and the end of an output; what lies between is a log or a dump, which nobody wrote."""
    if len(text) < _LONG_OUTPUT:
        return text
    head, tail = text[: _LONG_OUTPUT // 2], text[-_LONG_OUTPUT // 2 :]
    head, tail = head[: head.rfind("\n") + 1] or head, tail[tail.find("\n") + 1 :] or tail
    return f"{head.rstrip()}\n...\n{tail.lstrip()}"


def _joined(source: Any) -> str:  # noqa: ANN401 (JSON can be anything)
    """A multi-line string of a notebook: one string, or a list of lines with their line ends."""
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""
