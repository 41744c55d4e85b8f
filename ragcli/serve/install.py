"""Put ``ragcli mcp`` into the settings of the programs that start it, and take it out again.

In JSON the entry has the name ``ragcli``; in TOML it stands between two comments. Nothing else in a file is changed,
and a file that is not plain JSON is left alone: comments in it would be lost.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from ragcli.errors import RagcliError, UsageError

NAME = "ragcli"
_BEGIN, _END = "# ragcli: begin", "# ragcli: end"


class _Client(NamedTuple):
    """Where a client keeps its servers, and below which key."""

    place: str  # "~" is the home folder; else below the current folder
    key: str  # "" for TOML
    with_type: bool = False  # the entry says that it is started over stdin and stdout


_CLIENTS = {
    "claude": _Client(".mcp.json", "mcpServers", with_type=True),
    "codex": _Client("~/.codex/config.toml", ""),
    "cursor": _Client("~/.cursor/mcp.json", "mcpServers"),
    "vscode": _Client(".vscode/mcp.json", "servers", with_type=True),
    "zed": _Client("~/.config/zed/settings.json", "context_servers"),
}


def arguments(home: Path, index: str, *, allow_index: bool) -> list[str]:
    """Return the command that a client runs, with absolute paths: it starts in a folder of its own."""
    return [*program(), "mcp", *place_of(home, index), *(["--allow-index"] if allow_index else [])]


def place_of(home: Path, index: str) -> list[str]:
    """Return the options that name an index from any folder."""
    if os.sep in index:
        return ["--index", str(Path(index).expanduser().absolute())]
    return ["--home", str(home.absolute()), "--index", index]


def program() -> list[str]:
    """Return the words that start ragcli from any folder."""
    started = Path(sys.argv[0])
    if started.name == NAME and started.exists():
        return [str(started.absolute())]
    return [sys.executable, "-m", "ragcli"]


def preview(client: str, command: list[str]) -> tuple[Path, str]:
    """Return the file that :func:`install` would change, and what it would add."""
    about = _CLIENTS[client]
    if not about.key:
        return _place(about), _toml(command)
    return _place(about), json.dumps({about.key: {NAME: _entry(about, command)}}, indent=2) + "\n"


def install(client: str, command: list[str]) -> Path:
    """Write the entry, in place of an earlier one, and return the file."""
    about = _CLIENTS[client]
    place = _place(about)
    if not about.key:
        before = _without_block(_read(place))
        _write(place, f"{before}\n\n{_toml(command)}" if before else _toml(command))
        return place
    content = _load(place, client)
    servers = content.setdefault(about.key, {})
    if not isinstance(servers, dict):
        raise UsageError(f"{about.key!r} in {place} is not an object", f"see: ragcli mcp --install {client} --print")
    servers[NAME] = _entry(about, command)
    _write(place, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return place


def remove(client: str) -> Path:
    """Take the entry out and return the file; UsageError when there is none."""
    about = _CLIENTS[client]
    place = _place(about)
    if not about.key:
        text = _read(place)
        if _BEGIN not in text:
            raise UsageError(f"ragcli is not in {place}")
        left = _without_block(text)
        _write(place, f"{left}\n" if left else "")
        return place
    content = _load(place, client)
    servers = content.get(about.key)
    if not isinstance(servers, dict) or NAME not in servers:
        raise UsageError(f"ragcli is not in {place}")
    del servers[NAME]
    if not servers:
        del content[about.key]
    _write(place, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return place


def skill_text() -> str:
    """Return the text that tells a model when and how to search."""
    return Path(__file__).with_name("SKILL.md").read_text(encoding="utf-8")


def _entry(about: _Client, command: list[str]) -> dict[str, Any]:
    entry = {"command": command[0], "args": command[1:]}
    return {"type": "stdio", **entry} if about.with_type else entry


def _toml(command: list[str]) -> str:
    # a string of JSON is a basic string of TOML
    lines = [
        _BEGIN,
        f"[mcp_servers.{NAME}]",
        f"command = {json.dumps(command[0])}",
        f"args = {json.dumps(command[1:])}",
    ]
    return "\n".join([*lines, _END, ""])


def _without_block(text: str) -> str:
    before, found, rest = text.partition(_BEGIN)
    if not found:
        return text.rstrip("\n")
    _, found, after = rest.partition(_END)
    if not found:
        raise UsageError(f"a line {_END!r} is missing behind {_BEGIN!r}", "correct the file by hand")
    return "\n\n".join(part.strip("\n") for part in (before, after) if part.strip("\n"))


def _place(about: _Client) -> Path:
    return Path(about.place).expanduser().absolute()


def _read(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise UsageError(f"{place} is not UTF-8", "correct it by hand") from error


def _load(place: Path, client: str) -> dict[str, Any]:
    text = _read(place)
    try:
        content = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{place} is not plain JSON: {error}",
            f"add the entry by hand; print it with: ragcli mcp --install {client} --print",
        ) from error
    if not isinstance(content, dict):
        raise UsageError(f"{place} is not a JSON object", "correct it by hand")
    return content


def _write(place: Path, text: str) -> None:
    """Replace a file at once; a link to it stays a link."""
    target = Path(os.path.realpath(place))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        with tempfile.NamedTemporaryFile("w", dir=target.parent, encoding="utf-8", delete=False) as file:
            file.write(text)
        Path(file.name).chmod(mode)
        Path(file.name).replace(target)
    except OSError as error:
        raise RagcliError(f"cannot write {place}: {error.strerror}", "check its permissions") from error
