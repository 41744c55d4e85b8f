"""``ragcli show``: the text behind a hit."""

import sys
from typing import Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env
from ragcli.errors import ExitCode


@command()
def show(
    env: Env,
    *,
    reference: Annotated[str, typer.Argument(metavar="REF", help="A chunk id, path:line or path#page=N.")],
    context: Annotated[
        int,
        typer.Option(
            "--context", "-C", metavar="N", min=0, show_default=False, help="Lines to show before and after."
        ),
    ] = 0,
) -> ExitCode:  # fmt: skip
    """Show the whole passage behind a hit, as it was indexed.

    Examples:
      ragcli show notes/ops.md:42          the passage at that line
      ragcli show report.pdf#page=3 -C 5   the first passage of page 3, with 5 lines around it
      ragcli show 1207                     a chunk by its id

    """
    from pathlib import Path

    from ragcli.index.reader import open_index
    from ragcli.render import write_json
    from ragcli.render.record import chunk_record
    from ragcli.render.visible import display_path, fresh_mark, visible, visible_lines
    from ragcli.retrieve.freshness import Freshness
    from ragcli.retrieve.reference import find_reference, text_around

    with open_index(env.existing_index(), None) as index:
        place = find_reference(index, reference)
        text, first_line = text_around(index, place, context)
        fresh = Freshness(index.catalog).of(place.chunk.path)
    if env.json:
        record = {
            "schema": 1,
            **chunk_record(place.chunk),
            "fresh": fresh,
            "context": {"text": text, "line": first_line},
        }
        write_json(record, sys.stdout)
        return ExitCode.OK
    chunk = place.chunk
    where = f"lines {chunk.lines[0]}-{chunk.lines[1]}"
    if chunk.pages:
        where = f"page {chunk.pages[0]}" if chunk.pages[0] == chunk.pages[1] else "pages {}-{}".format(*chunk.pages)
    headings = " > ".join(chunk.headings)
    mark = f" {fresh_mark(fresh)}" if fresh_mark(fresh) else ""
    env.say(visible(f"{display_path(chunk.path, Path.cwd())}{mark}, {where}" + (f", {headings}" if headings else "")))
    sys.stdout.write(visible_lines(text) + "\n")
    return ExitCode.OK
