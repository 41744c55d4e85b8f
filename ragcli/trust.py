"""Which ragcli.toml files the user trusts, by path and content: a list in a file of the user's own.

A ragcli.toml may lie in a folder that came from anywhere. Until the user trusts it, it can choose how results are found
and shown, and where below its own folder the index is; it cannot name models, addresses or other places, write files,
start programs or lift a limit. A change of the file ends the trust. The list has room for other keys
(``ragcli.index.milvus.trust``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ragcli.errors import RagcliError

# What any file may set, to any value: how to search, how to show, which files below a folder are left out. Every other
# option needs trust.
_OPTIONS = """
    all_ after archives before budget cache candidates chat chunk_overlap chunk_size chunks compare context
    context_tokens count cut debug deep dry_run exact exclude explain failed field force format_ hidden ignore
    include interactive json jsonl k limit max_file_size min_prob mode no_pager not_indexed null offline password path
    paths plan quiet rerank seed server show_thinking stage stream strict text type_ unique verbose wait whole
"""
_HARMLESS = frozenset(_OPTIONS.split())
_PLACES = frozenset(("index", "home"))  # only to a place below the file's own folder


def needs_trust(file: Path, option: str, value: object) -> bool:
    """Whether ``file`` must be trusted to set the parameter ``option`` to ``value``."""
    if option in _HARMLESS:
        return option == "server" and value == "start"  # which starts a process
    if option not in _PLACES:
        return True
    place = str(value)
    if option == "index" and os.sep not in place and place not in {".", ".."}:
        return False  # a name below the home
    return leads_out(file, Path(place).expanduser())


def leads_out(file: Path, place: Path) -> bool:
    """Whether ``place`` lies outside the folder of ``file`` once all links are followed."""
    return not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(file.parent))


def is_trusted(file: Path, content: bytes) -> bool:
    """Whether the user trusts ``file`` with this ``content``."""
    return entries().get(_key(file)) == _digest(content)


def trust(file: Path, content: bytes) -> None:
    """Remember that ``file`` with this ``content`` may set anything."""
    add_entry(_key(file), _digest(content))


def distrust(file: Path) -> bool:
    """Forget ``file``; False when it was not trusted."""
    return remove_entry(_key(file))


def entries() -> dict[str, str]:
    """The whole list: the digest of each trusted file by its path, and other keys. Raises RagcliError."""
    path = _list()
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise RagcliError(
            f"cannot read {path}, which names the trusted files: {error}", "repair or delete it"
        ) from error
    if not isinstance(known, dict):
        raise RagcliError(f"{path} is not a list of trusted files", "delete it")
    return {str(key): str(value) for key, value in known.items()}


def add_entry(key: str, value: str) -> None:
    """Put ``key`` on the list; raises RagcliError when the list cannot be read or written."""
    _write({**entries(), key: value})


def remove_entry(key: str) -> bool:
    """Take ``key`` off the list; False when it was not there. Raises RagcliError as :func:`add_entry` does."""
    known = entries()
    if known.pop(key, None) is None:
        return False
    _write(known)
    return True


def _list() -> Path:
    from platformdirs import user_config_path  # 20 ms that a file without such settings need not pay

    return user_config_path("ragcli") / "trusted.json"


def _key(file: Path) -> str:
    return os.path.realpath(file)


def _digest(content: bytes) -> str:
    import hashlib  # 10 ms that most runs need not pay

    return hashlib.sha256(content).hexdigest()


def _write(known: Mapping[str, str]) -> None:
    import tempfile

    path = _list()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
            json.dump(dict(sorted(known.items())), file, indent=1)
        Path(file.name).replace(path)
    except OSError as error:
        raise RagcliError(f"cannot write {path}: {error.strerror}", "check its permissions") from error
