"""``ragcli config``: every option, its value and where the value comes from."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "config")
    def config(env: Env) -> ExitCode:
        """Show every option and where it comes from.

        That is its default, the nearest ragcli.toml or a RAGCLI_* variable.

        Flags win over variables, variables over ragcli.toml, ragcli.toml over defaults.
        """
        from ragcli.config import load_defaults
        from ragcli.index.locate import find_config
        from ragcli.render import write_json
        from ragcli.render.table import write_table
        from ragcli.render.terminal import color_wanted

        root: Any = typer.main.get_command(app)  # all commands: ragcli.cli.app registers them for this one
        values = option_values(root, load_defaults(root))
        file = find_config(Path.cwd())
        if env.json:
            entries = [
                {"command": c, "option": option, "value": value, "from": origin, "variable": variable}
                for c, option, value, origin, variable in values
            ]
            write_json({"schema": 1, "file": str(file) if file else None, "options": entries}, sys.stdout)
        else:
            env.say(f"file: {file or 'no ragcli.toml here or above'}")
            rows = [
                (f"{c}.{option}", "" if value is None else str(value), origin) for c, option, value, origin, _ in values
            ]
            write_table(rows, ("option", "value", "from"), sys.stdout, color=color_wanted(sys.stdout))
        return ExitCode.OK


def option_values(root: Any, defaults: dict[str, Any]) -> list[tuple[str, str, Any, str, str]]:  # noqa: ANN401 (Typer's vendored group type)
    """(command, option, value, origin, variable) for each option of each command that takes options itself."""
    found = []
    for name, sub in sorted(root.commands.items()):
        for parameter in sub.params:
            if parameter.param_type_name != "option" or parameter.name in {"help"}:
                continue
            variables = variables_of(name, parameter)
            value, origin = parameter.default, "default"
            if parameter.name in defaults.get(name, {}):
                value, origin = defaults[name][parameter.name], "ragcli.toml"
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
