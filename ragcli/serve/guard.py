"""What every HTTP request must pass before it reaches a route: the rules against other web pages and other users.

A web page that the user visits can send requests to this machine. Its browser names the page in Origin, and after DNS
rebinding still names the page's own host in Host. So both are checked, on every route and for every method.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ragcli.errors import RagcliError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES = 1 << 20  # of a request
SOCKET_BODY_BYTES = 64 << 20  # over the Unix socket: `ragcli rerank` sends its whole input
BODY_SECONDS = 10.0  # until the body is here

_ALWAYS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Refused(Exception):
    """The request is answered with this status and nothing else."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint


class Keys:
    """What opens the page: tokens that work once, and the sessions that they are exchanged for.

    A token stands in an address, which others may see: in a list of processes, over a shoulder, in a history. A session
    is known to the browser alone, and ends with the server. Only digests are kept, so looking one up tells nothing.
    """

    def __init__(self) -> None:
        self._tokens: set[bytes] = set()
        self._sessions: set[bytes] = set()

    def token(self) -> str:
        """Make a token."""
        made = secrets.token_urlsafe(32)
        self._tokens.add(_digest(made))
        return made

    def session(self, token: str) -> str:
        """Exchange a token for a session. Raises Refused for one that was used, or never was."""
        try:
            self._tokens.remove(_digest(token))
        except KeyError:
            raise Refused(403, "this link was used already", "make a new one: ragcli serve --open") from None
        made = secrets.token_urlsafe(32)
        self._sessions.add(_digest(made))
        return made

    def is_session(self, given: str) -> bool:
        """Whether a session was given out under this name."""
        return _digest(given) in self._sessions


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Guard:
    """An ASGI application around another one."""

    def __init__(
        self,
        app: App,
        *,
        token: str = "",
        hosts: Collection[str] = (),
        keys: Keys | None = None,
        free: Collection[str] = ("/healthz",),
    ) -> None:
        """``hosts`` are names beside those of the loopback interface.

        Whoever comes over TCP needs the ``token``, or a session of ``keys``, where there are any; only the paths
        ``free`` are for everyone.
        """
        self._app = app
        self._token = token.encode()
        self._keys = keys
        self._free = frozenset(free)
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that breaks a rule; pass others on with their whole body in ``scope["ragcli.body"]``."""
        if scope["type"] != "http":
            return  # the start and the end of the server
        try:
            self._check(scope)
            async with asyncio.timeout(BODY_SECONDS):
                scope["ragcli.body"] = await _body(scope, receive)
        except Refused as refused:
            await _refuse(refused, send)
            return
        except TimeoutError:
            await _refuse(Refused(408, "the body of the request did not arrive"), send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_ALWAYS]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> None:
        host, port = self._host(_header(scope, b"host"))
        origin = _header(scope, b"origin")
        if origin is not None and not self._is_own(origin, port):
            raise Refused(403, "this server answers no other web pages")
        if _header(scope, b"sec-fetch-site") in ("cross-site", "same-site"):
            raise Refused(403, "this server answers no other web pages")
        if not host:
            raise Refused(403, "this server answers under the names of this machine only", "use 127.0.0.1 or localhost")
        if scope["method"] == "POST":
            kind = (_header(scope, b"content-type") or "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise Refused(415, "the body must be JSON", "send Content-Type: application/json")
        if (self._token or self._keys) and not over_socket(scope) and scope["path"] not in self._free:
            scheme, _, given = (_header(scope, b"authorization") or "").partition(" ")
            if scheme.lower() != "bearer" or not self._is_known(given.strip()):
                raise Refused(401, "the token is missing or wrong", "send Authorization: Bearer TOKEN")

    def _is_known(self, given: str) -> bool:
        is_token = bool(self._token) and hmac.compare_digest(given.encode(), self._token)
        return is_token or (self._keys is not None and self._keys.is_session(given))

    def _host(self, header: str | None) -> tuple[str, str]:
        """Return the name and the port in Host; the name is "" when it is foreign."""
        name, port = _host_and_port(header or "")
        return (name if self._is_here(name) else ""), port

    def _is_here(self, name: str) -> bool:
        return is_loopback(name) or name in self._hosts

    def _is_own(self, origin: str, port: str) -> bool:
        """Whether a page of this very server sends the request. ``null`` is the origin of pages that hide theirs."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or parts.path or parts.query or parts.username is not None:
            return False
        name, own_port = _host_and_port(parts.netloc)
        return self._is_here(name) and own_port == port


def over_socket(scope: Scope) -> bool:
    """Whether the request came over the Unix socket, which only the user can open."""
    return scope.get("client") is None


def is_loopback(name: str) -> bool:
    """Whether ``name`` is localhost, or an address of the loopback interface."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def error_record(error: RagcliError | Refused) -> dict[str, str]:
    """What a client is told about an error."""
    return {"error": error.message, "hint": error.hint}


def _host_and_port(text: str) -> tuple[str, str]:
    """Split ``name:port`` or ``[address]:port``; the name is "" when it is neither."""
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
    else:
        name, colon, port = text.partition(":")
        rest = colon + port
    if rest and not (rest[0] == ":" and rest[1:].isascii() and rest[1:].isdigit()):
        return "", ""
    return name.lower(), rest[1:]


def _header(scope: Scope, name: bytes) -> str | None:
    """Return a header that may stand once."""
    found = [value for key, value in scope["headers"] if key == name]
    if len(found) > 1:
        raise Refused(400, f"the header {name.decode()} stands twice")
    return found[0].decode("latin-1") if found else None


async def _body(scope: Scope, receive: Receive) -> bytes:
    most = SOCKET_BODY_BYTES if over_socket(scope) else BODY_BYTES
    refused = Refused(413, f"the body is over {most >> 20} MiB")
    announced = _header(scope, b"content-length")
    if announced is not None and int(announced) > most:  # h11 has checked that it is a number
        raise refused
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the client is gone")
        body += message.get("body", b"")
        if len(body) > most:
            raise refused
        if not message.get("more_body"):
            return bytes(body)


async def _refuse(refused: Refused, send: Send) -> None:
    body = json.dumps(error_record(refused)).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *_ALWAYS]
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    headers.append((b"connection", b"close"))  # what is left of the body is not read
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
