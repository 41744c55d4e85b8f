"""``ragcli config``: the options that differ from their defaults, and where each value comes from."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperOption

from ragcli import trust
from ragcli.cli.command import Group, command
from ragcli.cli.env import COMMON, Env
from ragcli.config import Config, load_config, subcommands
from ragcli.errors import ExitCode, UsageError

_DEFAULT = "default"


class _Setting(NamedTuple):
    """The value of one option of one command. ``origin`` is default, ragcli.toml or the name of a variable."""

    command: str  # as typed: "eval make"
    option: str
    value: object
    origin: str
    variable: str
    needs_trust: bool  # the value is from a file that must be trusted to set it, and is not
    common: bool

    @property
    def key(self) -> str:
        """The name in ragcli.toml, with its table."""
        return f"{self.command.replace(' ', '.')}.{self.option}"


Uri = Annotated[
    str | None,
    typer.Argument(metavar="URI", help="A server that holds vectors, instead of the nearest ragcli.toml."),
]


@command(index=False, home=False, trusts=True)
def config(
    env: Env,
    *,
    call: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Print the value of one option: query.k, eval.make.count, home."),
    ] = None,
    all_: Annotated[
        bool,
        typer.Option("--all", envvar="RAGCLI_CONFIG_ALL", help="List the options that have their defaults too."),
    ] = False,
) -> ExitCode:
    """Show the settings that differ from the defaults.

    Each value comes with its origin. Flags override variables, variables override ragcli.toml, and ragcli.toml
    overrides defaults. --json lists all options with the name of their variable.

    Examples:
      ragcli config                what ragcli.toml and RAGCLI_* variables set
      ragcli config query.k        one value
      ragcli config trust          trust the nearest ragcli.toml as it is now
      ragcli config trust milvus://HOST:PORT/COLLECTION    allow an index from elsewhere to keep its vectors there
      ragcli config distrust       stop trusting this file

    A ragcli.toml that came with a folder may choose how to search and what to show. Before it may name models,
    addresses, places outside its folder or files to write, or lift limits, it must be trusted. Trust ends when the
    file changes.

    """
    found = _load(call)
    settings = list(_settings(_root(call), found))
    if name is not None:
        return _print_one(env, settings, name)
    return _print_many(env, found, settings, everything=all_)


@command(under=config, index=False, home=False, json=False, trusts=True)
def trust_(env: Env, *, call: typer.Context, uri: Uri = None) -> ExitCode:
    """Trust the nearest ragcli.toml as it is now, or a server that holds vectors."""
    if uri is not None:
        from ragcli.index.milvus.trust import trust_server

        endpoint = _endpoint(uri)
        trust_server(endpoint)
        env.say(f"trusted with vectors and questions: {endpoint}")
        return ExitCode.OK
    file, content = _file(call)
    trust.trust(file, content)
    env.say(f"trusted until it changes: {file}")
    return ExitCode.OK


@command(under=config, index=False, home=False, json=False, trusts=True)
def distrust(env: Env, *, call: typer.Context, uri: Uri = None) -> ExitCode:
    """Stop trusting the nearest ragcli.toml, or a server. Exit code 1: it was not trusted."""
    if uri is not None:
        from ragcli.index.milvus.trust import distrust_server

        name = _endpoint(uri)
        known = distrust_server(name)
    else:
        file, _ = _file(call)
        name = str(file)
        known = trust.distrust(file)
    env.say(f"{'no longer' if known else 'was not'} trusted: {name}")
    return ExitCode.OK if known else ExitCode.NOT_FOUND


def _endpoint(uri: str) -> str:
    from ragcli.index.milvus.address import parse_address

    return parse_address(uri).endpoint


def _file(call: typer.Context) -> tuple[Path, bytes]:
    found = _load(call)
    if found.file is None:
        raise UsageError("there is no ragcli.toml in this folder or above it", "make one here, or change the folder")
    return found.file, found.content


def _root(call: typer.Context) -> Group:
    root = call.find_root().command
    assert isinstance(root, Group)
    return root


def _load(call: typer.Context) -> Config:
    root = _root(call)
    return load_config(root.list_commands(call), lambda name: root.get_command(call, name))


def _settings(root: Group, found: Config) -> Iterator[_Setting]:
    """The settings of every command, in the order of their names."""
    for name, made in sorted(root.commands.items()):
        yield from _settings_below(found, made, (name,), found.defaults.get(name, {}))


def _settings_below(
    found: Config,
    command: Any,  # noqa: ANN401 (its type is private)
    path: tuple[str, ...],
    defaults: dict[str, object],
) -> Iterator[_Setting]:
    trusted = found.file is None or trust.is_trusted(found.file, found.content)
    for option in command.params if not isinstance(command, Group) else ():
        if not isinstance(option, TyperOption):
            continue
        name = option.name or ""
        variables = _variables_of(path, option)
        value, origin, held = option.default, _DEFAULT, False
        if name in defaults:
            value = defaults[name]
            held = not trusted and found.file is not None and trust.needs_trust(found.file, name, value)
            origin = "ragcli.toml, not trusted" if held else "ragcli.toml"
        for variable in reversed(variables):
            if os.environ.get(variable):
                value, origin, held = os.environ[variable], variable, False
        common = option.rich_help_panel == COMMON
        yield _Setting(" ".join(path), name.rstrip("_"), value, origin, variables[0], held, common)
    for name, sub in subcommands(command).items():
        below = defaults.get(name, {})
        yield from _settings_below(found, sub, (*path, name), below if isinstance(below, dict) else {})


def _variables_of(path: tuple[str, ...], option: TyperOption) -> list[str]:
    """The environment variables that set an option, the strongest first."""
    if option.envvar:
        return [option.envvar] if isinstance(option.envvar, str) else list(option.envvar)
    return [f"RAGCLI_{'_'.join(path)}_{option.name}".upper()]


def _print_one(env: Env, settings: Sequence[_Setting], name: str) -> ExitCode:
    from difflib import get_close_matches

    from ragcli.render import write_json
    from ragcli.render.visible import visible

    given = name.replace("-", "_")
    found = [one for one in settings if given in {one.key, one.option if one.common else ""}]
    if not found:
        near = get_close_matches(given, [one.key for one in settings], n=1, cutoff=0.75)
        hint = f"did you mean {near[0]}?" if near else "name one as COMMAND.OPTION: ragcli config query.k"
        raise UsageError(f"there is no option {name!r}", hint)
    if len({_toml(one.value) for one in found}) > 1:
        raise UsageError(f"{name} differs between commands", f"name one: ragcli config {found[0].key}")
    if env.json:
        write_json({"schema": 1, "option": name, "value": found[0].value, "from": found[0].origin}, sys.stdout)
    else:
        sys.stdout.write(f"{visible(_toml(found[0].value))}\n")
    return ExitCode.OK


def _print_many(env: Env, found: Config, settings: Sequence[_Setting], *, everything: bool) -> ExitCode:
    from ragcli.render import write_json
    from ragcli.render.table import write_table
    from ragcli.render.terminal import color_wanted

    trusted = found.file is not None and trust.is_trusted(found.file, found.content)
    if env.json:
        entries = [
            {"command": one.command, "option": one.option, "value": one.value, "from": one.origin,
             "variable": one.variable}
            for one in settings
        ]  # fmt: skip
        write_json(
            {"schema": 1, "file": str(found.file) if found.file else None, "trusted": trusted, "options": entries},
            sys.stdout,
        )
        return ExitCode.OK
    env.say(f"file: {found.file or 'no ragcli.toml in this folder or above it'}" + (" (trusted)" if trusted else ""))
    if any(one.needs_trust for one in settings):
        env.say("some settings need trust, and commands that use them refuse to start: ragcli config trust")
    shown = ((key, one) for key, one in _folded(settings) if everything or one.origin != _DEFAULT)
    rows = [(key, _toml(one.value), one.origin) for key, one in shown]
    if not rows:
        env.say("every option has its default; ragcli config --all lists them")
        return ExitCode.OK
    write_table(rows, ("option", "value", "from"), sys.stdout, color=color_wanted(sys.stdout))
    return ExitCode.OK


def _folded(settings: Sequence[_Setting]) -> Iterator[tuple[str, _Setting]]:
    """The settings with their keys; a common option that is the same for every command comes once, under its name."""
    same: dict[str, set[tuple[str, str]]] = {}
    for one in settings:
        if one.common:
            same.setdefault(one.option, set()).add((_toml(one.value), one.origin))
    seen: set[str] = set()
    for one in settings:
        if not one.common or len(same[one.option]) > 1:
            yield one.key, one
        elif one.option not in seen:
            seen.add(one.option)
            yield one.option, one


def _toml(value: object) -> str:
    """A value as it stands in ragcli.toml, a text without its quotes; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return json.dumps(list(value), ensure_ascii=False)
    return str(value)
