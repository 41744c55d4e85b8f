"""Settings: defaults < ragcli.toml < RAGCLI_* < flags.

Click resolves the order: this module only turns the nearest ragcli.toml into its map of defaults, checked against the
options that exist. Keys at the top of the file hold for every command that has such an option; a table holds for the
command of its name::

    index = "notes"
    [query]
    k = 5

What a file may set before the user has trusted it says ``ragcli.trust``; it is held when a command starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ragcli.errors import UsageError

CONFIG_NAME = "ragcli.toml"

_LARGEST = 1 << 20  # bytes


def find_config(start: Path | None = None) -> Path | None:
    """The nearest ragcli.toml in ``start`` (default: the current folder) or above it."""
    start = start or Path.cwd()
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
    return None


class Command(Protocol):
    """The part of a Click command that matters here."""

    params: list[Any]


@dataclass(frozen=True, slots=True)
class Config:
    """The nearest ragcli.toml, if there is one, and its content as Click's ``default_map``."""

    file: Path | None = None
    content: bytes = b""
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def load_config(
    root: Any,  # noqa: ANN401 (Typer's vendored group type)
    folder: Path | None = None,
    *,
    everything: Callable[[], Any] | None = None,
) -> Config:
    """Read the nearest ragcli.toml at or above ``folder`` (default: the current one).

    ``root`` may lack commands: ``everything`` makes the whole tree, and is called when the file speaks of what ``root``
    does not know. Raises UsageError that names the file for what is no TOML and for keys that no option has.
    """
    path = find_config(folder)
    content = _read(path) if path is not None else b""
    if path is None or all(line.lstrip()[:1] in {b"", b"#"} for line in content.splitlines()):
        return Config(path, content)  # comments alone, as in a file that only marks a place
    import tomllib  # only needed when there is something to read

    try:
        entries = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}", "mend it or move it away") from error
    options = {name: _options(command) for name, command in root.commands.items()}
    if everything is not None and not _knows(options, entries):
        options = {name: _options(command) for name, command in everything().commands.items()}
    return Config(path, content, _as_defaults(path, entries, options))


def _knows(options: Mapping[str, dict[str, str]], content: Mapping[str, Any]) -> bool:
    """Whether these commands are all that is spoken of."""
    names = {name for known in options.values() for name in known}
    return all(
        key in options if isinstance(value, dict) else key.replace("-", "_") in names for key, value in content.items()
    )


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UsageError(f"{path} is over {_LARGEST >> 20} MiB", "it holds settings, or move it away")
    return content


def _as_defaults(path: Path, content: dict[str, Any], options: dict[str, dict[str, str]]) -> dict[str, Any]:
    defaults: dict[str, dict[str, Any]] = {name: {} for name in options}
    for key, value in content.items():
        if isinstance(value, dict):
            if key not in options:
                raise UsageError(f"{path}: there is no command {key!r}", f"commands: {', '.join(sorted(options))}")
            for option, given in value.items():
                defaults[key][_checked(path, f"{key}.{option}", option, options[key])] = given
        else:
            name = _checked(path, key, key, {k: v for known in options.values() for k, v in known.items()})
            for command, known in options.items():
                if name in known.values():
                    defaults[command].setdefault(name, value)
    return defaults


def _checked(path: Path, shown: str, option: str, known: dict[str, str]) -> str:
    name = option.replace("-", "_")
    if name not in known:
        raise UsageError(f"{path}: there is no option {shown!r}", f"options: {', '.join(sorted(known))}")
    return known[name]


def _options(command: Command) -> dict[str, str]:
    """What an option is called in the file -> the parameter's name, which ends in _ where Python needs the word."""
    names = [parameter.name for parameter in command.params if parameter.param_type_name == "option"]
    return {name.rstrip("_"): name for name in names}
