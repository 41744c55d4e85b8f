"""``ragcli show``: the text behind a hit."""

from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, Server
from ragcli.errors import ExitCode

if TYPE_CHECKING:
    from ragcli.serve.questions import Shown


@command(pager=True)
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
    server: Server = "auto",
) -> ExitCode:  # fmt: skip
    """Show the whole passage behind a hit, as it was indexed.

    Examples:
      ragcli show notes/ops.md:42          the passage at that line
      ragcli show report.pdf#page=3 -C 5   the first passage of page 3, with 5 lines around it
      ragcli show backup.zip/ops.md:42     the same in an archive; a mail names its attachments so too
      ragcli show 1207                     a chunk by its id

    """
    from pathlib import Path

    from ragcli.render import write_json
    from ragcli.render.visible import display_path, fresh_mark, visible, visible_lines

    shown = _shown(env, reference, context, server)
    if env.json:
        with env.output() as out:
            write_json(shown.record(), out)
        return ExitCode.OK
    chunk = shown.chunk
    where = f"lines {chunk.lines[0]}-{chunk.lines[1]}"
    if chunk.pages:
        where = f"page {chunk.pages[0]}" if chunk.pages[0] == chunk.pages[1] else "pages {}-{}".format(*chunk.pages)
    headings = " > ".join(chunk.headings)
    mark = f" {fresh_mark(shown.fresh)}" if fresh_mark(shown.fresh) else ""
    env.say(visible(f"{display_path(chunk.path, Path.cwd())}{mark}, {where}" + (f", {headings}" if headings else "")))
    with env.output() as out:
        out.write(visible_lines(shown.text) + "\n")
    return ExitCode.OK


def _shown(env: Env, reference: str, context: int, choice: str) -> "Shown":
    from pathlib import Path

    from ragcli.serve.client import Choice
    from ragcli.serve.questions import Shown, show

    asked = {"ref": reference, "context": context, "base": str(Path.cwd()), "offline": env.offline}
    found = Choice(choice).ask("show", asked, env.index_folder())
    if found is not None:
        return Shown(*found)
    from ragcli.index.reader import open_index

    with open_index(env.existing_index(), None) as index:
        return show(index, reference, context)
