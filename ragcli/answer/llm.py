"""A language model behind an OpenAI-compatible endpoint: one streamed chat completion per question.

The key goes into one header of one request, never into messages, notes, logs or files.
"""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from ragcli.answer.prompt import Message
from ragcli.errors import LlmUnavailable, UsageError
from ragcli.units import human_duration

DEFAULT_URL = "https://api.openai.com/v1"

_CONNECT_SECONDS = 10.0
_LONGEST_WAIT = 20.0  # seconds that a server may ask for before the one retry
_MOST_TEXT = 100_000  # characters of an answer; a longer one is cut off
_MOST_ERROR = 1 << 16  # bytes read of the body of a refusal
_MOST_REASON = 200  # characters shown of it
_KEY = re.compile(r"[!-~]+")
_BUSY = (429, 503)  # 503: the model is still being loaded
_THINK, _END_THINK = "<think>", "</think>"

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a model and how it is asked."""

    url: str  # of the API, such as http://localhost:11434/v1
    model: str
    timeout: float  # seconds that the server may be silent
    key: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The host name and port that the passages go to."""
        return httpx2.URL(self.url).netloc.decode("ascii")


def open_endpoint(url: str, model: str, *, key: str = "", timeout: float, offline: bool = False) -> Endpoint:
    """Check an endpoint; nothing is sent yet.

    Raises UsageError for an invalid http address, for one with a password or query, and for an invalid key, and
    LlmUnavailable when ``offline`` is set and the address is not this machine's own.
    """
    try:
        parsed = httpx2.URL(url.strip().rstrip("/"))
    except httpx2.InvalidURL:
        parsed = httpx2.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise UsageError("the base URL is not an http address", f"give one such as {DEFAULT_URL}")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise UsageError("the base URL holds more than an address", "set OPENAI_API_KEY for the key")
    if offline and not _is_loopback(parsed):
        raise LlmUnavailable(
            f"{parsed.host} is not this machine, and ragcli is offline",
            "name a server on localhost with --base-url, or a model with --local",
        )
    key = key.strip()
    if key and not _KEY.fullmatch(key):
        raise UsageError("OPENAI_API_KEY holds characters that keys do not have", "set it again")
    return Endpoint(str(parsed), model, timeout, key)


def stream_chat(endpoint: Endpoint, messages: Sequence[Message], note: Note) -> Iterator[str]:
    """Yield the pieces of the model's answer as they arrive.

    The answer ends with ``[DONE]``, with a finish reason or with the stream. ``note`` gets what the user should know,
    such as an answer that was cut. Raises LlmUnavailable for every failure on the way, also after some pieces.
    """
    options: dict[str, object] = {"temperature": 0}
    waited = False
    with _client(endpoint) as client:
        while True:
            try:
                with _request(client, endpoint, messages, options) as response:
                    if response.status_code == httpx2.codes.OK:
                        yield from _pieces(response, endpoint, note)
                        return
                    reason = _reason(response, endpoint)
                    wait = _wait(response)
            except (httpx2.HTTPError, OSError) as error:
                raise _unreachable(endpoint, error) from error
            if response.status_code in _BUSY and wait is not None and wait <= _LONGEST_WAIT and not waited:
                waited = True
                note(f"{endpoint.host} is busy: asked again after {human_duration(wait)}")
                time.sleep(wait)
            elif response.status_code == httpx2.codes.BAD_REQUEST and "temperature" in reason and options:
                options = {}
                note(f"{endpoint.model} takes no temperature: asked with its own, so answers may vary")
            else:
                raise _refused(endpoint, response.status_code, reason, wait)


def without_thinking(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the pieces of an answer without a first ``<think>...</think>`` and without white space before the answer.

    Some models think aloud between these tags before they answer.
    """
    held = ""
    state = "before"
    for piece in pieces:
        if state == "after":
            yield piece
            continue
        held += piece
        if state == "before":
            start = held.lstrip()
            if start.startswith(_THINK):
                state = "inside"
            elif not _THINK.startswith(start):  # can no longer become the tag
                state, held = "after", ""
                yield start
        if state == "inside" and _END_THINK in held:
            state, held = "behind", held.partition(_END_THINK)[2]
        if state == "behind" and held.strip():
            state, held, start = "after", "", held.lstrip()
            yield start
    if state == "before" and held.strip():
        yield held.lstrip()


def _client(endpoint: Endpoint) -> httpx2.Client:
    timeout = httpx2.Timeout(endpoint.timeout, connect=min(_CONNECT_SECONDS, endpoint.timeout))
    # A proxy's localhost would be another machine, and --offline allows this one only.
    direct: dict[str, httpx2.BaseTransport | None] = {"http://": None, "https://": None}
    try:
        return httpx2.Client(timeout=timeout, mounts=direct if _is_loopback(httpx2.URL(endpoint.url)) else None)
    except (OSError, ValueError, ImportError, httpx2.InvalidURL) as error:
        # The value may be a proxy's address with its password, so it is not repeated.
        raise LlmUnavailable(
            f"the settings of the network cannot be used ({type(error).__name__})",
            "correct HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE",
        ) from error


def _request(client: httpx2.Client, endpoint: Endpoint, messages: Sequence[Message], options: dict[str, object]) -> Any:  # noqa: ANN401 (httpx2's own context manager)
    body = {"model": endpoint.model, "messages": [asdict(message) for message in messages], "stream": True, **options}
    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    return client.stream("POST", f"{endpoint.url}/chat/completions", json=body, headers=headers)


def _pieces(response: httpx2.Response, endpoint: Endpoint, note: Note) -> Iterator[str]:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":  # a server that does not stream
        events = iter([_body(response, 4 * _MOST_TEXT)])
    elif kind == "text/event-stream":
        events = (line for event in httpx2.EventSource(response) for line in event.data.splitlines())
    else:
        raise _garbled(endpoint, f"it answered {kind or 'without a type'}")
    length = 0
    for data in events:
        if data.strip() == "[DONE]":
            return
        text, finish = _read(data, endpoint)
        length += len(text)
        if text:
            yield text
        if finish:
            if finish != "stop":
                note(_CUT.get(finish, f"{endpoint.model} stopped before the end ({finish})"))
            return
        if length > _MOST_TEXT:
            note(f"{endpoint.model} did not stop: its answer was cut off")
            return
    if not length:
        raise LlmUnavailable(f"{endpoint.host} closed the stream without an answer", "ask again")
    note("the stream ended without saying that the answer is complete")


_CUT = {
    "length": "the model reached its length limit: the answer is cut",
    "content_filter": "the server's content filter cut the answer",
}


def _read(data: str, endpoint: Endpoint) -> tuple[str, str]:
    """Return the text of one event and why the answer ends with it ("" while it goes on)."""
    try:
        event = json.loads(data)
    except ValueError as error:
        raise _garbled(endpoint, "it sent invalid JSON") from error
    if not isinstance(event, dict):
        raise _garbled(endpoint, "it sent JSON that is not an object")
    if event.get("error"):
        raise LlmUnavailable(f"{endpoint.host} broke off: {_said(event, endpoint)}", "ask again")
    choices = event.get("choices")
    if not choices:  # a count of tokens, a sign of life
        return "", ""
    try:
        choice = choices[0]
        message = choice.get("delta") or choice.get("message") or {}
        text, finish = message.get("content") or "", choice.get("finish_reason") or ""
    except (AttributeError, KeyError, TypeError) as error:
        raise _garbled(endpoint, "its events have another form") from error
    if not isinstance(text, str) or not isinstance(finish, str):
        raise _garbled(endpoint, "its events have another form")
    return text, finish


def _garbled(endpoint: Endpoint, how: str) -> LlmUnavailable:
    return LlmUnavailable(
        f"{endpoint.host} does not speak the chat completions protocol: {how}",
        "give the base URL of its API; most end in /v1",
    )


def _unreachable(endpoint: Endpoint, error: Exception) -> LlmUnavailable:
    """Return the error for a connection that failed, by its root cause."""
    host = endpoint.host
    root: BaseException = error
    while root.__cause__ or root.__context__:
        root = root.__cause__ or root.__context__ or root
    if isinstance(error, httpx2.SSEError):
        return _garbled(endpoint, "its answer is not an event stream")
    if isinstance(error, httpx2.ConnectTimeout):
        return LlmUnavailable(f"{host} did not answer within {_CONNECT_SECONDS:.0f} s", "correct --base-url")
    if isinstance(error, httpx2.TimeoutException):
        return LlmUnavailable(
            f"{host} sent nothing for {human_duration(endpoint.timeout)}", "give it longer: --timeout SECONDS"
        )
    if isinstance(root, ssl.SSLError):
        return LlmUnavailable(
            f"TLS with {host} failed: {_short(str(root), endpoint)}",
            "name your network's certificates in SSL_CERT_FILE",
        )
    if isinstance(error, httpx2.ProxyError):
        return LlmUnavailable(f"the proxy on the way to {host} refused", "correct HTTPS_PROXY, or set NO_PROXY")
    if isinstance(error, httpx2.ConnectError):
        why = _short(getattr(root, "strerror", None) or str(root), endpoint)
        return LlmUnavailable(f"nothing answers at {host} ({why})", "start the server, or correct --base-url")
    return LlmUnavailable(f"{host} broke off in the middle of its answer", "ask again")


def _refused(endpoint: Endpoint, status: int, reason: str, wait: float | None) -> LlmUnavailable:
    host, said = endpoint.host, f": {reason}" if reason else ""
    match status:
        case 401 | 403:
            fact = "refused the key" if endpoint.key else "wants a key"
            return LlmUnavailable(f"{host} {fact} ({status}){said}", "set OPENAI_API_KEY")
        case 404:
            return LlmUnavailable(
                f"{host} does not know the model {endpoint.model}, or is not such an API (404){said}",
                f"check --llm and --base-url ({endpoint.url})",
            )
        case 429 | 503:
            when = f"in {human_duration(wait)}" if wait is not None else "later"
            return LlmUnavailable(f"{host} is busy or your limit is reached ({status}){said}", f"try again {when}")
        case _ if 300 <= status < 400:
            return LlmUnavailable(f"{host} has moved ({status})", "correct --base-url: a key is not sent elsewhere")
        case _:
            return LlmUnavailable(f"{host} answered {status}{said}", "see what its log says")


def _wait(response: httpx2.Response) -> float | None:
    """Return the seconds that Retry-After asks for, as a number or as a date; None when there are none."""
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d+)?", value):
        return float(value)
    with suppress(ValueError):
        date = parsedate_to_datetime(value)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (date - datetime.now(UTC)).total_seconds())
    return None


def _reason(response: httpx2.Response, endpoint: Endpoint) -> str:
    """Return the server's reason for its refusal, in a few words."""
    body = _body(response, _MOST_ERROR)
    try:
        return _said(json.loads(body), endpoint)
    except ValueError:
        return "" if "<" in body else _short(body, endpoint)  # a page of HTML gives no reason


def _said(record: object, endpoint: Endpoint) -> str:
    """Return the message, in the forms that servers have for it."""
    found: object = record
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return _short(found if isinstance(found, str) else json.dumps(found), endpoint)


def _short(text: str, endpoint: Endpoint) -> str:
    text = " ".join(text.split())
    if endpoint.key:
        text = text.replace(endpoint.key, "***")
    return text if len(text) <= _MOST_REASON else f"{text[:_MOST_REASON]}…"


def _body(response: httpx2.Response, most: int) -> str:
    read = b""
    for chunk in response.iter_bytes():
        read += chunk
        if len(read) > most:
            break
    return read[:most].decode("utf-8", "replace")


def _is_loopback(url: httpx2.URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False
