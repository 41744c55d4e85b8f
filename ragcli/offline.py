"""``--offline``: this process reaches no other machine."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

from ragcli.errors import RagcliError

# The audit events that Python raises before it looks up a name, and before it opens a connection or sends.
_LOOK_UPS = frozenset(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"))
_SENDS = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"))

_forbidden = False


def forbid_network() -> None:
    """Refuse every socket to another machine, for the rest of the process; servers on this machine can be asked."""
    global _forbidden  # an audit hook cannot be removed, and one is enough
    if not _forbidden:
        _forbidden = True
        sys.addaudithook(_refuse)


def require_reachable(host: str) -> None:
    """Raise RagcliError when the network is forbidden and ``host`` is another machine.

    For libraries whose native code opens sockets: Python raises no audit event for those.
    """
    if _forbidden and not is_this_machine(host):
        raise RagcliError(f"blocked a connection to {host}: --offline is on", "leave out --offline to allow it")


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _LOOK_UPS:
        host = arguments[0]
    elif event in _SENDS:
        address = arguments[1]
        if not isinstance(address, tuple):  # a socket in the file system, or one that is connected already
            return
        host = address[0]
    else:
        return
    if not is_this_machine(host):
        raise RagcliError(f"blocked a connection to {host}: --offline is on", "leave out --offline to allow it")


def is_this_machine(host: object) -> bool:
    """Whether ``host``, an address or a name, is certainly this machine."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "localhost")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False
