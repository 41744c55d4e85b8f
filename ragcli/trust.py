"""Which ragcli.toml files the user has looked at: by path and content, in a file of the user's own.

A ragcli.toml may lie in a folder that came from anywhere. Until it is trusted it can choose how results are found and
shown, and where below its own folder the index lies; it cannot name models, addresses or other places, write files,
start programs or lift a limit. Changing the file takes the trust away. The list also has the servers that the user
named as places for vectors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ragcli.errors import RagcliError, UsageError

# What any file may set, whatever the value: how to search, how to show, which files below a folder are left out. An
# option that is not named here needs trust.
_OPTIONS = """
    after before budget candidates chat chunk_overlap chunk_size chunks compare context context_tokens count debug
    deep dry_run exact exclude explain failed field force format_ hidden ignore include json jsonl k limit
    max_file_size min_prob mode not_indexed null offline password path paths plan quiet rerank seed stage stream
    strict text type_ unique verbose wait whole
"""
_HARMLESS = frozenset(_OPTIONS.split())
_PLACES = frozenset(("index", "home"))  # may be set to what lies below the file's own folder


def needs_trust(file: Path, option: str, value: object) -> bool:
    """Whether ``file`` may only set the parameter ``option`` to ``value`` when it is trusted."""
    if option in _HARMLESS:
        return False
    if option not in _PLACES:
        return True
    place = str(value)
    if option == "index" and os.sep not in place and place not in {".", ".."}:
        return False  # a name below the home
    return leads_out(file, Path(place).expanduser())


def leads_out(file: Path, place: Path) -> bool:
    """Whether ``place``, its links followed, lies outside the folder of ``file``."""
    return not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(file.parent))


def is_trusted(file: Path, content: bytes) -> bool:
    """Whether the user has trusted ``file`` as it is now."""
    return _read().get(_key(file)) == _digest(content)


def trust(file: Path, content: bytes) -> None:
    """Remember that ``content`` of ``file`` may set anything."""
    _write({**_read(), _key(file): _digest(content)})


def distrust(file: Path) -> bool:
    """Forget ``file``; False when it was not trusted."""
    return _forget(_key(file))


def trust_store(endpoint: str) -> None:
    """Remember that the user named ``endpoint`` as a place for vectors."""
    known = _read()
    if endpoint not in known:
        _write({**known, endpoint: "store"})


def distrust_store(endpoint: str) -> bool:
    """Forget ``endpoint``; False when it was not trusted."""
    return _forget(endpoint)


def require_store(endpoint: str, uri: str) -> None:
    """Raise UsageError unless the user named ``endpoint``, where ``uri`` lies, on this machine.

    An index may come from anyone: that it names a server does not mean that questions may be sent there.
    """
    if endpoint not in _read():
        raise UsageError(
            f"the index keeps its vectors at {endpoint}, which nobody has named on this machine",
            f"if questions may be sent there, run: ragcli config trust {uri}",
        )


def _forget(key: str) -> bool:
    known = _read()
    if known.pop(key, None) is None:
        return False
    _write(known)
    return True


def _store() -> Path:
    from platformdirs import user_config_path  # 20 ms that a file without such settings need not pay

    return user_config_path("ragcli") / "trusted.json"


def _key(file: Path) -> str:
    return os.path.realpath(file)


def _digest(content: bytes) -> str:
    import hashlib  # 10 ms, as above

    return hashlib.sha256(content).hexdigest()


def _read() -> dict[str, str]:
    store = _store()
    try:
        known = json.loads(store.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise RagcliError(
            f"cannot read {store}, which names the trusted files: {error}", "mend or delete it"
        ) from error
    if not isinstance(known, dict):
        raise RagcliError(f"{store} is no list of trusted files", "delete it")
    return {str(path): str(digest) for path, digest in known.items()}


def _write(known: Mapping[str, str]) -> None:
    import tempfile

    store = _store()
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=store.parent, encoding="utf-8", delete=False) as file:
            json.dump(dict(sorted(known.items())), file, indent=1)
        Path(file.name).replace(store)
    except OSError as error:
        raise RagcliError(f"cannot write {store}: {error.strerror}", "check its permissions") from error
