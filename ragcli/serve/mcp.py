"""The Model Context Protocol: one message in, one message out; and its loop over stdin and stdout.

It is spoken by hand, because a client waits for the first answer and gives up after some seconds. The official SDK
(mcp 2.3.0) takes 0.65 s of processor time and 65 MB before it can answer, its types alone 0.22 s and 34 MB; this takes
0.1 s and 20 MB with all of ragcli's command line. The SDK's clients are the test of it: tests/serve/test_mcp.py.

Two ways to begin are spoken. Since the revision 2026-07-28, each request names its revision and there is no session.
Before, ``initialize`` agrees on one.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from typing import IO, Any

from ragcli._version import __version__
from ragcli.serve.tools import Toolbox

MODERN = ("2026-07-28",)
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022

_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_SERVER_KEY = "io.modelcontextprotocol/serverInfo"
_SERVER = {"name": "ragcli", "title": "ragcli: search in your own documents", "version": __version__}
_LIST_MS = 3_600_000  # for which a client may use a list of tools again; it never changes in a process
_LONGEST_LINE = 16 << 20  # bytes
_LEAVE_SECONDS = 60.0  # for the answers that are being computed when the input ends
_LOOK_SECONDS = 2.0  # between two looks at the parent and the clock

_BASE64 = re.compile(r"=\?base64\?(.*)\?=")

Message = dict[str, Any]


class Fault(Exception):
    """A request that is answered with an error of JSON-RPC."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


class Protocol:
    """Answers the messages of one or many clients; it keeps nothing between two messages."""

    def __init__(self, tools: Toolbox) -> None:
        self._tools = tools

    def handle(self, message: Any) -> Message | None:  # noqa: ANN401 (JSON)
        """Return the answer to a message; None for one that wants none."""
        number = message.get("id") if isinstance(message, dict) else None
        try:
            _check(message)
            if "id" not in message:
                return None  # a notification: nothing is kept that one could change
            return {"jsonrpc": "2.0", "id": number, "result": self._result(message["method"], _params(message))}
        except Fault as fault:
            return error(number, fault)
        except Exception as bug:  # noqa: BLE001 (one message must not end the others)
            return error(number, Fault(INTERNAL, f"this is a bug in ragcli: {type(bug).__name__}: {bug}"))

    def _result(self, method: str, params: Message) -> Message:
        meta = params.get("_meta")
        version = meta.get(_VERSION_KEY) if isinstance(meta, dict) else None
        if version is None and method == "server/discover":
            raise Fault(INVALID_PARAMS, f"_meta has no {_VERSION_KEY}")
        if version is not None:
            if not isinstance(version, str):
                raise Fault(INVALID_PARAMS, f"{_VERSION_KEY} is not a string")
            if version not in MODERN:
                told = {"supported": list(MODERN), "requested": version}
                raise Fault(UNSUPPORTED_VERSION, "Unsupported protocol version", told)
        is_modern = version is not None
        if method == "initialize" and not is_modern:
            return self._initialize(params)
        if method == "ping" and not is_modern:
            return {}
        if method == "server/discover":
            about = {
                "supportedVersions": list(MODERN), "capabilities": {"tools": {}},
                "instructions": self._tools.instructions(), "_meta": {_SERVER_KEY: _SERVER},
            }  # fmt: skip
            return _complete(about, lasts_ms=0)
        if method == "tools/list":
            listed: Message = {"tools": self._tools.listed()}
            return _complete(listed, lasts_ms=_LIST_MS) if is_modern else listed
        if method == "tools/call":
            called = self._call(params)
            return {**called, "resultType": "complete"} if is_modern else called
        raise Fault(NO_METHOD, f"Method not found: {method}")

    def _initialize(self, params: Message) -> Message:
        wanted = params.get("protocolVersion")
        return {
            "protocolVersion": wanted if wanted in LEGACY else LEGACY[0],
            "capabilities": {"tools": {}},
            "serverInfo": _SERVER,
            "instructions": self._tools.instructions(),
        }

    def _call(self, params: Message) -> Message:
        name = params.get("name")
        if not isinstance(name, str) or name not in self._tools:
            raise Fault(INVALID_PARAMS, f"Unknown tool: {name}")
        arguments = params.get("arguments")
        answer = self._tools.call(name, {} if arguments is None else arguments)
        return {"content": [{"type": "text", "text": answer.text}], "isError": answer.is_error}


def _complete(result: Message, *, lasts_ms: int) -> Message:
    return {**result, "resultType": "complete", "ttlMs": lasts_ms, "cacheScope": "private"}


def _check(message: object) -> None:
    """Raise Fault unless the message is a request or a notification. Batches ended with the revision 2025-06-18."""
    if isinstance(message, dict) and message.get("jsonrpc") == "2.0" and isinstance(message.get("method"), str):
        number = message.get("id", 0)
        if isinstance(number, str | int) and not isinstance(number, bool):
            return
    raise Fault(INVALID_REQUEST, "the message is not a JSON-RPC 2.0 request")


def _params(message: Message) -> Message:
    params = message.get("params")
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise Fault(INVALID_PARAMS, "params is not an object")
    return params


def error(number: object, fault: Fault) -> Message:
    """Return an error of JSON-RPC."""
    told: Message = {"code": fault.code, "message": fault.message}
    if fault.data is not None:
        told["data"] = fault.data
    return {"jsonrpc": "2.0", "id": number, "error": told}


# -- HTTP -------------------------------------------------------------------------------------------------------------


def check_headers(message: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Raise Fault when the headers of a modern request do not say what its body says.

    Proxies route by these headers, and a server that read another method than they did would be a way around them.
    """
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(_VERSION_KEY) if isinstance(meta, dict) else None
    header = headers.get("mcp-protocol-version")
    if version is None and header not in MODERN:
        return  # an older revision, which has no such headers
    if header != version:
        raise Fault(HEADER_MISMATCH, "MCP-Protocol-Version does not match the request")
    if _decoded(headers.get("mcp-method")) != message.get("method"):
        raise Fault(HEADER_MISMATCH, "Mcp-Method does not match the request")
    if message.get("method") == "tools/call" and _decoded(headers.get("mcp-name")) != params.get("name"):  # type: ignore[union-attr]
        raise Fault(HEADER_MISMATCH, "Mcp-Name does not match the request")


def status_of(answer: Message) -> int:
    """Return the status of HTTP for an answer."""
    code = answer.get("error", {}).get("code")
    if code == NO_METHOD:
        return 404
    return 400 if code in (PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS, HEADER_MISMATCH, UNSUPPORTED_VERSION) else 200


def _decoded(header: str | None) -> str | None:
    """Return a header as it was before it was made fit for HTTP: ``=?base64?...?=``."""
    found = _BASE64.fullmatch(header or "")
    if found is None:
        return header
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


# -- stdin and stdout -------------------------------------------------------------------------------------------------


def take_stdout() -> IO[bytes]:
    """Return stdout for the protocol alone: what anything else prints, native libraries too, goes to stderr."""
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(own, "wb", buffering=0)


def serve_stdio(protocol: Protocol, out: IO[bytes], idle_seconds: float) -> None:
    """Answer lines of JSON from stdin until it ends, the parent is gone, or nobody asked for ``idle_seconds``.

    Calls of tools are answered as they are done, each in its thread; everything else at once.
    """
    loop = _Loop(protocol, out)
    threading.Thread(target=loop.leave_when_alone, args=(idle_seconds,), daemon=True).start()
    loop.read()


class _Loop:
    """The state of one client over stdin and stdout."""

    def __init__(self, protocol: Protocol, out: IO[bytes]) -> None:
        self._protocol = protocol
        self._out = out
        self._writing = threading.Lock()
        self._calls: set[threading.Thread] = set()
        self._last = time.monotonic()

    def read(self) -> None:
        """Answer every line of stdin, then wait for the calls that are being answered."""
        while line := sys.stdin.buffer.readline(_LONGEST_LINE):
            self._last = time.monotonic()
            if line.strip():
                self._take(line)
        deadline = time.monotonic() + _LEAVE_SECONDS
        for call in list(self._calls):
            call.join(max(0.0, deadline - time.monotonic()))

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            self._write(error(None, Fault(PARSE_ERROR, "the line is not JSON")))
            return
        if isinstance(message, dict) and message.get("method") == "tools/call":
            call = threading.Thread(target=self._answer, args=(message,), daemon=True)
            self._calls.add(call)
            call.start()
        else:
            self._answer(message)

    def _answer(self, message: object) -> None:
        answer = self._protocol.handle(message)
        if answer is not None:
            self._write(answer)
        self._last = time.monotonic()
        self._calls.discard(threading.current_thread())

    def _write(self, answer: Message) -> None:
        line = memoryview(json.dumps(answer).encode() + b"\n")
        with self._writing:
            try:
                while line:
                    line = line[self._out.write(line) or 0 :]
            except OSError:  # the client is gone; the end of the input follows
                return

    def leave_when_alone(self, idle_seconds: float) -> None:
        """End the process when its parent is gone, or nobody asked for a while: not every client closes its pipes."""
        parent = os.getppid()
        while os.getppid() == parent and (
            not idle_seconds or self._calls or time.monotonic() - self._last < idle_seconds
        ):
            time.sleep(_LOOK_SECONDS)
        os._exit(0)
