"""``--offline`` as a promise: from here on, this process reaches no other machine."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

from ragcli.errors import RagcliError

# What Python announces before it looks up a name or sends something, with the place of the address among its arguments.
_LOOK_UPS = frozenset(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"))
_SENDS = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"))

_forbidden = False


def forbid_network() -> None:
    """Refuse every socket to another machine in this process, for good; this machine's own servers can be asked."""
    global _forbidden  # a hook cannot be taken out again, and one is enough
    if not _forbidden:
        _forbidden = True
        sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _LOOK_UPS:
        host = arguments[0]
    elif event in _SENDS:
        address = arguments[1]
        if not isinstance(address, tuple):  # a socket in the file system, or a connected one
            return
        host = address[0]
    else:
        return
    if not is_this_machine(host):
        raise RagcliError(f"ragcli is offline, and something would reach {host}", "leave out --offline to allow it")


def is_this_machine(host: object) -> bool:
    """Whether ``host``, a name or an address, is a loopback one."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "localhost")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False
