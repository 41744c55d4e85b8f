"""``ragcli config``: every option, its value and where the value comes from."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from ragcli import trust
from ragcli.cli.env import Env, command
from ragcli.config import Config
from ragcli.errors import ExitCode, UsageError


class Action(StrEnum):
    """What to do about the nearest ragcli.toml."""

    SHOW = "show"
    TRUST = "trust"
    DISTRUST = "distrust"


def register(app: typer.Typer) -> None:
    @command(app, "config", untrusted=True)
    def config(
        env: Env,
        action: Annotated[Action, typer.Argument(help="What to do about the nearest ragcli.toml.")] = Action.SHOW,
        server: Annotated[
            str | None, typer.Argument(metavar="URI", help="What to trust instead: a server that holds vectors.")
        ] = None,
    ) -> ExitCode:
        """Show every option and where it comes from.

        That is its default, the nearest ragcli.toml or a RAGCLI_* variable.

        Flags win over variables, variables over ragcli.toml, ragcli.toml over defaults.

        \b
        A ragcli.toml that came with a folder may choose how to search and what to show. It may name models, addresses,
        places outside its folder and files to write, and lift limits, once it is trusted, and until it changes:
          ragcli config trust         trust the nearest ragcli.toml as it is now
          ragcli config distrust      no longer
          ragcli config trust milvus://HOST:PORT/COLLECTION    an index made elsewhere may keep its vectors there
        """
        from ragcli.config import load_config

        if server is not None:
            return _trust_server(env, action, server)
        root: Any = typer.main.get_command(app)  # all commands: ragcli.cli.app registers them for this one
        found = load_config(root)
        if action is Action.SHOW:
            return _show(env, root, found)
        if found.file is None:
            raise UsageError("there is no ragcli.toml here or above", "it is looked for from this folder upward")
        if action is Action.TRUST:
            trust.trust(found.file, found.content)
            env.say(f"trusted until it changes: {found.file}")
            return ExitCode.OK
        known = trust.distrust(found.file)
        env.say(f"{'no longer' if known else 'was not'} trusted: {found.file}")
        return ExitCode.OK if known else ExitCode.NOT_FOUND


def _trust_server(env: Env, action: Action, server: str) -> ExitCode:
    from ragcli.index.milvus.address import parse_address
    from ragcli.index.milvus.trust import distrust_server, trust_server

    endpoint = parse_address(server).endpoint
    if action is Action.SHOW:
        raise UsageError("an address is there to be trusted", f"ragcli config trust {server}")
    if action is Action.TRUST:
        trust_server(endpoint)
        env.say(f"trusted with vectors and questions: {endpoint}")
        return ExitCode.OK
    known = distrust_server(endpoint)
    env.say(f"{'no longer' if known else 'was not'} trusted: {endpoint}")
    return ExitCode.OK if known else ExitCode.NOT_FOUND


def _show(env: Env, root: Any, found: Config) -> ExitCode:  # noqa: ANN401 (Typer's vendored group type)
    from ragcli.render import write_json
    from ragcli.render.table import write_table
    from ragcli.render.terminal import color_wanted

    file = found.file
    trusted = file is not None and trust.is_trusted(file, found.content)
    held = {
        (name, option)
        for name, entries in found.defaults.items()
        for option, value in entries.items()
        if file is not None and not trusted and trust.needs_trust(file, option, value)
    }
    values = option_values(root, found.defaults, held)
    if env.json:
        entries = [
            {"command": c, "option": option, "value": value, "from": origin, "variable": variable}
            for c, option, value, origin, variable in values
        ]
        write_json(
            {"schema": 1, "file": str(file) if file else None, "trusted": trusted, "options": entries}, sys.stdout
        )
        return ExitCode.OK
    env.say(f"file: {file or 'no ragcli.toml here or above'}" + (" (trusted)" if trusted else ""))
    if held:
        env.say("its settings that need trust stop the commands they are for; if they are yours: ragcli config trust")
    rows = [(f"{c}.{option}", "" if value is None else str(value), origin) for c, option, value, origin, _ in values]
    write_table(rows, ("option", "value", "from"), sys.stdout, color=color_wanted(sys.stdout))
    return ExitCode.OK


def option_values(
    root: Any,  # noqa: ANN401 (Typer's vendored group type)
    defaults: Mapping[str, Mapping[str, Any]],
    held: Collection[tuple[str, str]],
) -> list[tuple[str, str, Any, str, str]]:
    """(command, option, value, origin, variable) for each option of each command that takes options itself.

    ``held`` are the commands and parameters whose value of the file needs trust.
    """
    found = []
    for name, sub in sorted(root.commands.items()):
        for parameter in sub.params:
            if parameter.param_type_name != "option" or parameter.name in {"help"}:
                continue
            variables = variables_of(name, parameter)
            value, origin = parameter.default, "default"
            if parameter.name in defaults.get(name, {}):
                value = defaults[name][parameter.name]
                origin = "ragcli.toml, not trusted" if (name, parameter.name) in held else "ragcli.toml"
            for variable in reversed(variables):
                if os.environ.get(variable):
                    value, origin = os.environ[variable], variable
            found.append((name, parameter.name.rstrip("_"), value, origin, variables[0]))
    return found


def variables_of(command_name: str, parameter: Any) -> list[str]:  # noqa: ANN401 (Typer's vendored option type)
    """The environment variables that set an option, the strongest first."""
    named = parameter.envvar
    if named:
        return [named] if isinstance(named, str) else list(named)
    return [f"RAGCLI_{command_name}_{parameter.name}".upper()]
