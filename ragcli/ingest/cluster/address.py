"""What can be said about an engine before anything is started: is it installed, does something answer."""

from __future__ import annotations

import importlib.util
import re
import socket

from ragcli.errors import EngineUnavailable, UsageError
from ragcli.offline import is_this_machine

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]/]+)\]|(?P<host>[^:/@\s]+)):(?P<port>\d{1,5})")
_SECONDS = 5.0


def require_ray() -> None:
    """Raise EngineUnavailable where ray is not installed; nothing is imported."""
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("pyarrow") is None:
        raise EngineUnavailable("ray is not installed", "pip install 'ragcli[cluster]'")


def require_cluster(address: str, *, offline: bool) -> None:
    """Make sure, within seconds, that something listens at ``address``.

    Raises UsageError for what is no address or may not be reached, EngineUnavailable where nothing answers.
    """
    host, port = _parse(address)
    if offline and not is_this_machine(host):
        raise UsageError(f"ragcli is offline, and {address} is another machine", "leave out --offline to allow it")
    # ray.init waits long for an address where nothing is
    try:
        socket.create_connection((host, port), _SECONDS).close()
    except OSError as error:
        why = error.strerror or str(error) or "no answer"
        raise EngineUnavailable(
            f"no Ray cluster answers at {address} ({why})",
            "is it up? see: ray status; start one with: ray start --head",
        ) from error


def _parse(address: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        raise UsageError(
            f"{address!r} is no address of a Ray cluster", "give the one that `ray start --head` printed, HOST:PORT"
        )
    return found["six"] or found["host"], int(found["port"])
