"""The sha256 of weights files, remembered between runs: 90 MB take 60 to 120 ms to hash, a query takes 250 ms."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_STAMPS = "model-digests.json"
_IS_LINUX = sys.platform == "linux"


def cache_folder() -> Path:
    """``RAGCLI_CACHE``, else the platform's cache folder for ragcli."""
    if chosen := os.environ.get("RAGCLI_CACHE"):
        return Path(chosen).expanduser()
    if _IS_LINUX:  # the same as below, without the 2 ms of the import
        caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (caches if caches.is_absolute() else Path("~/.cache").expanduser()) / "ragcli"
    import platformdirs

    return platformdirs.user_cache_path("ragcli")


def weights_sha256(paths: Sequence[Path]) -> str:
    """Hex digest of the files' bytes one after the other.

    A digest is remembered for exactly these files: they are hashed again when a real path, size, mtime, ctime or inode
    changes. An unusable cache folder costs only time. OSError when a weights file is unreadable.
    """
    key = "\n".join(os.path.realpath(path) for path in paths)
    before = [identity(path) for path in paths]
    store = cache_folder() / _STAMPS
    stamps = _read(store)
    stamp = stamps.get(key)
    if isinstance(stamp, dict) and stamp.get("files") == before and isinstance(stamp.get("sha256"), str):
        return str(stamp["sha256"])
    digest = _hash(paths)
    if [
        identity(path) for path in paths
    ] == before:  # else a file changed meanwhile, and the digest belongs to neither state
        kept = {old: value for old, value in stamps.items() if Path(old.partition("\n")[0]).exists()}
        _write(store, kept | {key: {"files": before, "sha256": digest}})
    return digest


def identity(path: Path) -> list[int]:
    """The size, mtime, ctime and inode of a file: equal numbers mean the same content."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _hash(paths: Sequence[Path]) -> str:
    import hashlib  # 3 ms, and nearly always the digest is remembered

    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _read(store: Path) -> dict[str, Any]:
    try:
        stamps = json.loads(store.read_bytes())
    except (OSError, ValueError):  # absent or damaged: it only saves time
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _write(store: Path, stamps: dict[str, Any]) -> None:
    temporary = store.with_name(f".{store.name}.{os.getpid()}")
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(stamps), encoding="utf-8")
        temporary.replace(store)
    except OSError:  # a read-only home must not stop a query
        return
