"""Settings: defaults < ragcli.toml < RAGCLI_* < flags.

Typer resolves the order. This module finds the nearest ragcli.toml and turns it into a map of defaults, checked against
the options that exist. A key at the top of the file holds for every command that has the option, a table for the
command of its name::

    index = "notes"
    [query]
    k = 5
    [eval.make]
    count = 50

``ragcli.trust`` says what a file may set before the user has trusted it; that is checked when a command starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ragcli.errors import UsageError

CONFIG_NAME = "ragcli.toml"
_LARGEST = 1 << 20  # bytes


class Command(Protocol):
    """The part of a Typer command that matters here; it may also have ``commands``, by name."""

    params: list[Any]


@dataclass(frozen=True, slots=True)
class Config:
    """The nearest ragcli.toml, if there is one, and its content as the ``default_map`` of a context."""

    file: Path | None = None
    content: bytes = b""
    defaults: Mapping[str, Any] = field(default_factory=dict)


def find_config(start: Path | None = None) -> Path | None:
    """The nearest ragcli.toml in ``start`` (default: the current folder) or above it."""
    start = start or Path.cwd()
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
    return None


def load_config(
    names: Sequence[str],
    load: Callable[[str], Any],
    *,
    running: str | None = None,
    folder: Path | None = None,
) -> Config:
    """Read the nearest ragcli.toml at or above ``folder`` (default: the current one).

    ``load`` makes a command of ``names``. With ``running``, only the defaults of that command are wanted, and another
    one is made only when the file has something that ``running`` does not know. Raises UsageError, which names the
    file, for invalid TOML and for keys that no option has.
    """
    path = find_config(folder)
    content = _read(path) if path is not None else b""
    if path is None or all(line.lstrip()[:1] in {b"", b"#"} for line in content.splitlines()):
        return Config(path, content)  # only comments: the file marks a place
    import tomllib  # only needed when there is something to read

    try:
        entries = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}", "correct it or move it away") from error
    tables = {key: value for key, value in entries.items() if isinstance(value, dict)}
    for key in tables:
        if key not in names:
            raise UsageError(f"{path}: there is no command {key!r}", f"commands: {', '.join(sorted(names))}")
    shared = {key.replace("-", "_"): value for key, value in entries.items() if key not in tables}
    wanted = {name: load(name) for name in (names if running is None else {running, *tables})}
    if unknown := shared.keys() - _names_below(wanted.values()):
        wanted |= {name: load(name) for name in names if name not in wanted}
        if unknown := unknown - _names_below(wanted.values()):
            raise _no_option(path, min(unknown), _names_below(wanted.values()))
    return Config(
        path, content, {name: _defaults(path, name, tables.get(name, {}), shared, c) for name, c in wanted.items()}
    )


def subcommands(command: Command) -> Mapping[str, Any]:
    """The commands below ``command``, by name."""
    found: Mapping[str, Any] = getattr(command, "commands", {})
    return found


def option_names(command: Command) -> dict[str, str]:
    """What an option is called in the file -> the parameter's name, which ends in _ where Python needs the word."""
    names = [parameter.name for parameter in command.params if parameter.param_type_name == "option"]
    return {name.rstrip("_"): name for name in names}


def _names_below(commands: Iterable[Command]) -> set[str]:
    """What the options of these commands, and of those below them, are called in the file."""
    found: set[str] = set()
    for command in commands:
        found |= option_names(command).keys() | _names_below(subcommands(command).values())
    return found


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UsageError(f"{path} is over {_LARGEST >> 20} MiB", "it should hold settings: move it away")
    return content


def _defaults(
    path: Path, name: str, table: Mapping[str, Any], shared: Mapping[str, Any], command: Command
) -> dict[str, Any]:
    """The defaults of one command: those of its ``table``, then those that are ``shared``."""
    below = subcommands(command)
    known = option_names(command)
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key in below and isinstance(value, dict):
            continue
        option = key.replace("-", "_")
        if option not in known:
            raise _no_option(path, f"{name}.{key}", known)
        found[known[option]] = value
    for option, value in shared.items():
        if option in known:
            found.setdefault(known[option], value)
    for key, sub in below.items():
        found[key] = _defaults(path, f"{name}.{key}", table.get(key, {}), shared, sub)
    return found


def _no_option(path: Path, given: str, known: Iterable[str]) -> UsageError:
    return UsageError(f"{path}: there is no option {given!r}", f"options: {', '.join(sorted(known))}")
