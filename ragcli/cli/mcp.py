"""``ragcli mcp``: tools for language models."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, read_time
from ragcli.errors import ExitCode

if TYPE_CHECKING:
    from ragcli.serve.engine import Engine

Client = Literal["claude", "codex", "cursor", "vscode", "zed"]


@command(json=False)
def mcp(
    env: Env,
    *,
    allow_index: Annotated[
        bool,
        typer.Option("--allow-index", help="Add a tool that brings an index up to date.", rich_help_panel="Tools"),
    ] = False,
    max_tokens: Annotated[
        int,
        typer.Option(metavar="N", min=200, max=100_000, help="Most tokens of an answer.", rich_help_panel="Tools"),
    ] = 4_000,
    idle: Annotated[
        str,
        typer.Option(
            metavar="TIME", rich_help_panel="Tools",
            help="End after this time without a question; 0: never. Models are closed after 10 minutes.",
        ),
    ] = "8h",
    install: Annotated[
        Client | None,
        typer.Option(
            metavar="CLIENT", rich_help_panel="Set up",
            help="Add this server to the settings of claude, codex, cursor, vscode or zed.",
        ),
    ] = None,
    remove: Annotated[
        Client | None,
        typer.Option(metavar="CLIENT", help="Take it out of these settings.", rich_help_panel="Set up"),
    ] = None,
    print_: Annotated[
        bool,
        typer.Option("--print", help="Print what --install would write, and where.", rich_help_panel="Set up"),
    ] = False,
    skill: Annotated[
        bool,
        typer.Option("--skill", help="Print a text that tells a model when to use it.", rich_help_panel="Set up"),
    ] = False,
) -> ExitCode:  # fmt: skip
    """Give language models tools to search, over MCP.

    The tools are search, show, ask and status; none of them writes. Clients start this command themselves.

    Examples:
      ragcli mcp --install claude -i notes     in ./.mcp.json, which Claude Code reads
      ragcli mcp --install codex --print       what would be written, and where

    """
    if install or remove:
        from ragcli.serve import install as setting_up

        client = install or remove
        assert client is not None
        arguments = setting_up.arguments(env.home.path, env.index, allow_index=allow_index)
        if print_:
            place, text = setting_up.preview(client, arguments)
            sys.stdout.write(text)
            env.say(f"this belongs in {place}")
        elif install:
            env.say(f"wrote {setting_up.install(client, arguments)}; undo: ragcli mcp --remove {client}")
        else:
            env.say(f"removed from {setting_up.remove(client)}")
        return ExitCode.OK
    if skill:
        from ragcli.serve.install import skill_text

        sys.stdout.write(skill_text())
        return ExitCode.OK
    return _serve(env, read_time(idle), max_tokens, may_sync=allow_index)


def _serve(env: Env, idle_seconds: float, max_tokens: int, *, may_sync: bool) -> ExitCode:
    from ragcli.serve.mcp import Protocol, serve_stdio, take_stdout

    out = take_stdout()  # before anything that could print is imported
    from functools import cache

    from ragcli.serve.tools import Toolbox

    @cache
    def engine() -> "Engine":
        from ragcli.serve.engine import Engine

        return Engine()

    tools = Toolbox(engine, env.home, env.index, max_tokens=max_tokens, may_sync=may_sync)
    serve_stdio(Protocol(tools), out, idle_seconds)
    return ExitCode.OK
