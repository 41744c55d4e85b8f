"""A language model behind an OpenAI-compatible endpoint: one streamed chat completion per question.

Ollama is asked through its own API, because only that one lets the context window be set.

The key goes into one header of one request, never into messages, notes, logs or files.
"""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from ragcli.answer.prompt import Message
from ragcli.answer.thinking import Think
from ragcli.errors import LlmUnavailable, UsageError
from ragcli.units import human_duration

DEFAULT_URL = "https://api.openai.com/v1"

_CONNECT_SECONDS = 10.0
_LONGEST_WAIT = 20.0  # seconds that a server may ask for before the one retry
_MOST_TEXT = 100_000  # characters of an answer; a longer one is cut off
_MOST_ERROR = 1 << 16  # bytes read of the body of a refusal
_MOST_REASON = 200  # characters shown of it
_KEY = re.compile(r"[!-~]+")
_OLLAMA_PORT = 11434
_INVALID = (400, 422)
_TOO_LARGE = 413
_BUSY = (429, 503)  # 503: the model is still being loaded
_WAIT_AGAIN = 2.0  # seconds before the one retry where the server does not say
_MOST_LINE = 1 << 20  # bytes of one line of a stream
_MOST_STREAM = 1 << 24  # bytes of a stream
_LONGEST_STREAM = 15  # times the timeout: how long a whole answer may take
_PROBE_SECONDS = 2.0  # that a server may take to say whether it is Ollama
_ROOM = 1.3  # tokens of a language model per token of the embedding model
_ANSWER_TOKENS = 2048  # of a context window that are left for the thoughts and the answer
_MOST_MODELS = 1000  # that are listed

Note = Callable[[str], None]

# How servers say that a prompt is too long, and the size of the window in what they say.
_OVERFLOW = re.compile(
    r"context (?:size|length|window)|exceed_context|context_length_exceeded|maximum context|n_ctx|too many tokens"
    r"|(?:prompt|input|request) (?:is )?too (?:long|large)|max_new_tokens|must have less than \d+ tokens"
    r"|reduce the length|max_seq_len|max_model_len|maximum number of (?:input )?tokens|token limit"
    r"|tokens? (?:count )?exceed",
    re.IGNORECASE,
)
_WINDOW = re.compile(
    r"(?:n_ctx\W{1,4}|context (?:length|size|window)(?: is| of)?(?! by)\D{0,20}|max_(?:seq|model)_len\D{0,6}"
    r"|tokens allowed\W{1,3})(\d{2,8})",
    re.IGNORECASE,
)
_NO_SYSTEM = re.compile(
    r"system role|role\W{1,3}system|system message|only user and assistant|roles must alternate", re.IGNORECASE
)
_NO_ENDPOINT = re.compile(
    r"unexpected endpoint|no such endpoint|unknown (?:endpoint|url|path|route)|invalid url", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a model and how it is asked."""

    url: str  # of the API, such as http://localhost:11434/v1
    model: str
    timeout: float  # seconds that the server may go without a piece of the answer
    window: int = 0  # tokens of context that are asked for, where the server is Ollama; 0: its own
    key: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The host name and port that the passages go to."""
        return httpx2.URL(self.url).netloc.decode("ascii")


class ContextOverflow(LlmUnavailable):
    """The prompt does not fit into the model's context window, of ``window`` tokens (0: not known)."""

    window = 0


def open_endpoint(
    url: str, model: str, *, key: str = "", timeout: float, offline: bool = False, context_tokens: int = 0
) -> Endpoint:
    """Check an endpoint; nothing is sent yet. ``context_tokens`` is the size of the longest prompt.

    Raises UsageError for an invalid http address, for one with a password or query, and for an invalid key, and
    LlmUnavailable when ``offline`` is set and the address is not this machine's own.
    """
    try:
        parsed = httpx2.URL(url.strip().rstrip("/").removesuffix("/chat/completions"))
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
    window = -(-round(_ROOM * context_tokens + _ANSWER_TOKENS) // 1024) * 1024 if context_tokens else 0
    return Endpoint(str(parsed), model, timeout, window, key)


def stream_chat(
    endpoint: Endpoint, messages: Sequence[Message], note: Note, think: Think = lambda _text: None
) -> Iterator[str]:
    """Yield the pieces of the model's reply as they arrive.

    The reply ends with ``[DONE]``, with a finish reason or with the stream. ``note`` gets what the user should know,
    such as a reply that was cut, and ``think`` the thoughts that the server tells apart. What the server refuses for a
    reason that can be helped is asked once more: without a temperature, without a system role, at the base URL with
    ``/v1``, or after the wait that it asks for. Raises ContextOverflow when the prompt is too long, and LlmUnavailable
    for every other failure on the way, also after some pieces.
    """
    request = _Request(endpoint, messages)
    with _client(endpoint) as client:
        if _is_ollama(client, endpoint):
            request = request.for_ollama()
        while True:
            try:
                with client.stream("POST", request.url, json=request.body, headers=_headers(endpoint)) as response:
                    if response.status_code == httpx2.codes.OK:
                        yield from _pieces(response, endpoint, note, think)
                        return
                    reason = _reason(response, endpoint)
                    wait = _wait(response)
            except _NoEndpoint as error:
                if (other := request.with_version()) is None:
                    raise _garbled(endpoint, str(error)) from error
                request = other
                continue
            except (httpx2.HTTPError, OSError) as error:
                raise _unreachable(endpoint, error) from error
            other = request.after(response.status_code, reason, wait, note)
            if other is None:
                raise _refused(endpoint, response.status_code, reason, wait)
            request = other


def list_models(endpoint: Endpoint) -> list[str]:
    """Return the names of the models that the server has, sorted. Raises LlmUnavailable."""
    with _client(endpoint) as client:
        for url in dict.fromkeys((endpoint.url, _versioned(endpoint.url))):
            try:
                with client.stream("GET", f"{url}/models", headers=_headers(endpoint)) as response:
                    body = _body(response, _MOST_STREAM)
                    status, reason = response.status_code, "" if "<" in body else _short(body, endpoint)
            except (httpx2.HTTPError, OSError) as error:
                raise _unreachable(endpoint, error) from error
            with suppress(ValueError, RecursionError, AttributeError, TypeError):
                found = [str(one["id"]) for one in json.loads(body).get("data") or () if "id" in one]
                if status == httpx2.codes.OK and (found or url.endswith("/v1")):
                    return sorted(found)[:_MOST_MODELS]
    if status == httpx2.codes.OK:
        raise _garbled(endpoint, "it has no list of models")
    raise _refused(endpoint, status, reason, None)


class _NoEndpoint(Exception):
    """The server has nothing at this address."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What is sent, and which of the ways to send it otherwise have been tried."""

    endpoint: Endpoint
    messages: Sequence[Message]
    base: str = ""  # the base URL when it is not the endpoint's
    native: bool = False  # Ollama's own API
    temperature: bool = True
    system: bool = True  # the rules are a message of their own
    waited: bool = False

    @property
    def url(self) -> str:
        if self.native:
            return f"{_root(self.endpoint.url)}/api/chat"
        return f"{self.base or self.endpoint.url}/chat/completions"

    @property
    def body(self) -> dict[str, object]:
        messages = [asdict(message) for message in self.messages]
        if not self.system and len(messages) > 1 and messages[0]["role"] == "system":
            rules, first = messages[:2]
            messages[:2] = [{"role": "user", "content": f"{rules['content']}\n\n{first['content']}"}]
        body: dict[str, object] = {"model": self.endpoint.model, "messages": messages, "stream": True}
        settings: dict[str, object] = {"temperature": 0} if self.temperature else {}
        if self.native:
            return body | {"options": settings | ({"num_ctx": self.endpoint.window} if self.endpoint.window else {})}
        return body | settings

    def for_ollama(self) -> _Request:
        return replace(self, native=True)

    def with_version(self) -> _Request | None:
        """Return the same request to the base URL with /v1; None when that was the address."""
        base = _versioned(self.endpoint.url)
        return None if self.native or base in {self.base, self.endpoint.url} else replace(self, base=base)

    def after(self, status: int, reason: str, wait: float | None, note: Note) -> _Request | None:
        """Return what to ask once more after a refusal, or None. Raises ContextOverflow."""
        endpoint = self.endpoint
        if status in _BUSY and not self.waited:
            seconds = _WAIT_AGAIN if wait is None else wait
            if seconds > _LONGEST_WAIT:
                return None
            note(f"{endpoint.host} is busy: asked again after {human_duration(seconds)}")
            time.sleep(seconds)
            return replace(self, waited=True)
        if status in {httpx2.codes.NOT_FOUND, httpx2.codes.METHOD_NOT_ALLOWED} and "model" not in reason.lower():
            return self.with_version()
        if self.temperature and status in _INVALID and "temperature" in reason:
            note(f"{endpoint.model} takes no temperature: asked with its own, so answers may vary")
            return replace(self, temperature=False)
        if self.system and _NO_SYSTEM.search(reason):
            note(f"{endpoint.model} has no system role: asked with the rules in the question")
            return replace(self, system=False)
        if _OVERFLOW.search(reason) or status == _TOO_LARGE:
            raise _overflow(endpoint, reason)
        return None


def _overflow(endpoint: Endpoint, reason: str) -> ContextOverflow:
    found = _WINDOW.search(reason)
    window = f" of {found[1]} tokens" if found else ""
    error = ContextOverflow(
        f"the prompt does not fit into the context window{window} of {endpoint.model} at {endpoint.host}",
        "send less: --context-tokens N, or start the server with a larger window",
    )
    error.window = int(found[1]) if found else 0
    return error


def _root(url: str) -> str:
    return re.sub(r"/v\d+$", "", url)


def _versioned(url: str) -> str:
    return url if re.search(r"/v\d+\w*$", url) else f"{url}/v1"


def _is_ollama(client: httpx2.Client, endpoint: Endpoint) -> bool:
    """Whether the server is Ollama: it says its version. Only a server on this machine or on Ollama's port is asked."""
    url = httpx2.URL(endpoint.url)
    if not endpoint.window or not (_is_loopback(url) or url.port == _OLLAMA_PORT):
        return False
    try:
        with client.stream("GET", f"{_root(endpoint.url)}/api/version", timeout=_PROBE_SECONDS) as response:
            known = response.status_code == httpx2.codes.OK and json.loads(_body(response, _MOST_ERROR))
            return isinstance(known, dict) and set(known) == {"version"}
    except (httpx2.HTTPError, OSError, ValueError, RecursionError):
        return False


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


def _headers(endpoint: Endpoint) -> dict[str, str]:
    return {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}


def _pieces(response: httpx2.Response, endpoint: Endpoint, note: Note, think: Think) -> Iterator[str]:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":  # a server that does not stream
        events = iter([_body(response, 4 * _MOST_TEXT, _LONGEST_STREAM * endpoint.timeout)])
    elif kind in {"text/event-stream", "application/x-ndjson"}:
        events = _events(response, endpoint, plain=kind != "text/event-stream")
    elif kind == "text/html":  # the page of a server whose API lies elsewhere
        raise _NoEndpoint("it answered with a page of HTML")
    else:
        raise _garbled(endpoint, f"it answered {kind or 'without a type'}")
    length = thought = 0
    for data in events:
        if data.strip() == "[DONE]":
            return
        text, muse, finish = _read(data, endpoint)
        length, thought = length + len(text), thought + len(muse)
        if muse:
            think(muse)
        if text:
            yield text
        if finish:
            if finish != "stop":
                note(_CUT.get(finish, f"{endpoint.model} stopped before the end ({finish})"))
            return
        if length + thought > _MOST_TEXT:
            note(f"{endpoint.model} did not stop: its answer was cut off")
            return
    if not length + thought:
        raise LlmUnavailable(f"{endpoint.host} closed the stream without an answer", "ask again")
    note("the stream ended without saying that the answer is complete")


def _events(response: httpx2.Response, endpoint: Endpoint, *, plain: bool) -> Iterator[str]:
    """Yield the data of each event; of a ``plain`` stream, each line.

    Comments that only keep the line open do not count as signs of an answer: the time without an event is bounded, and
    so are the time, the lines and the bytes of the whole.
    """
    begun = last = time.monotonic()
    held = b""
    total = 0
    for chunk in response.iter_bytes():
        now = time.monotonic()
        total += len(chunk)
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").strip("\r")
            if text.startswith("error:"):  # of llama.cpp, beside the events
                raise _broken_off(text.removeprefix("error:").strip(), endpoint)
            data = text if plain else text.removeprefix("data:").lstrip() if text.startswith("data:") else ""
            if data:
                last = now
                yield data
        if len(held) > _MOST_LINE or total > _MOST_STREAM:
            raise _garbled(endpoint, "its answer is not an event stream")
        if now - last > endpoint.timeout:
            raise _silent(endpoint)
        if now - begun > _LONGEST_STREAM * endpoint.timeout:
            raise LlmUnavailable(
                f"{endpoint.host} did not end its answer within {human_duration(_LONGEST_STREAM * endpoint.timeout)}",
                "give it longer: --timeout SECONDS",
            )
    if data := held.decode("utf-8", "replace").removeprefix("data:").strip():
        yield data


_CUT = {
    "length": "the model reached its length limit: the answer is cut",
    "content_filter": "the server's content filter cut the answer",
}


def _read(data: str, endpoint: Endpoint) -> tuple[str, str, str]:
    """Return the text and the thoughts of one event, and why the answer ends with it ("" while it goes on)."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _garbled(endpoint, "it sent invalid JSON") from error
    if not isinstance(event, dict):
        raise _garbled(endpoint, "it sent JSON that is not an object")
    if event.get("error"):
        raise _broken_off(data, endpoint)
    choices = event.get("choices")
    if not choices and isinstance(event.get("message"), dict):  # Ollama's own form
        finish = event.get("done_reason") or "stop"
        choices = [{"message": event["message"], "finish_reason": finish if event.get("done") else ""}]
    if not choices:  # a count of tokens, a sign of life
        return "", "", ""
    try:
        choice = choices[0]
        message = choice.get("delta") or choice.get("message") or {}
        text, muse = _parts(message.get("content") or "")
        muse += next((message[name] for name in _THOUGHTS if isinstance(message.get(name), str)), "")
        google = (message.get("extra_content") or {}).get("google") or {}
        if google.get("thought") is True:  # of Gemini: all of this event
            text, muse = "", muse + text
        finish = choice.get("finish_reason") or ""
    except (AttributeError, KeyError, TypeError) as error:
        raise _garbled(endpoint, "its events have another form") from error
    if not isinstance(text, str) or not isinstance(finish, str):
        raise _garbled(endpoint, "its events have another form")
    return text, muse, finish


_THOUGHTS = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "thought",
)  # fields that servers have for what a model thinks


def _parts(content: object, depth: int = 0) -> tuple[str, str]:
    """Return the text and the thoughts of a message, which may be a list of parts. Raises TypeError for other forms."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list) or depth > 2:
        raise TypeError
    text = muse = ""
    for part in content:
        if not isinstance(part, dict):
            raise TypeError
        kind = str(part.get("type", "text"))
        inner = next((part[name] for name in ("text", "content", *_THOUGHTS, "summary") if part.get(name)), "")
        found, thought = _parts(inner, depth + 1)
        if any(sign in kind for sign in ("think", "thought", "reason")) or part.get("thought") is True:
            muse += found + thought
        elif kind in {"text", "output_text"}:
            text, muse = text + found, muse + thought
    return text, muse


def _broken_off(data: str, endpoint: Endpoint) -> Exception:
    """Return the error for what a server says instead of an answer."""
    try:
        said = _said(json.loads(data), endpoint)
    except (ValueError, RecursionError):
        said = _short(data, endpoint)
    if _NO_ENDPOINT.search(said):
        return _NoEndpoint(f"it answered: {said}")
    if _OVERFLOW.search(data):
        return _overflow(endpoint, _short(data, endpoint))
    return LlmUnavailable(f"{endpoint.host} broke off: {said}", "ask again")


def _silent(endpoint: Endpoint) -> LlmUnavailable:
    return LlmUnavailable(
        f"{endpoint.host} sent nothing for {human_duration(endpoint.timeout)}", "give it longer: --timeout SECONDS"
    )


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
    if isinstance(error, httpx2.ConnectTimeout):
        return LlmUnavailable(f"{host} did not answer within {_CONNECT_SECONDS:.0f} s", "correct --base-url")
    if isinstance(error, httpx2.TimeoutException):
        return _silent(endpoint)
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
    except (ValueError, RecursionError):
        return "" if "<" in body else _short(body, endpoint)  # a page of HTML gives no reason


def _said(record: object, endpoint: Endpoint) -> str:
    """Return the message, in the forms that servers have for it; a number behind n_ctx is kept with it."""
    found: object = record
    window = record.get("error") if isinstance(record, dict) else None
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    said = found if isinstance(found, str) else json.dumps(found)
    if isinstance(window, dict) and isinstance(window.get("n_ctx"), int):
        said += f" (n_ctx {window['n_ctx']})"
    return _short(said, endpoint)


def _short(text: str, endpoint: Endpoint) -> str:
    text = " ".join(text.split())
    if endpoint.key:
        text = text.replace(endpoint.key, "***")
    return text if len(text) <= _MOST_REASON else f"{text[:_MOST_REASON]}…"


def _body(response: httpx2.Response, most: int, seconds: float = _CONNECT_SECONDS) -> str:
    """Return what arrives of the body within ``seconds``, at most ``most`` bytes."""
    read = b""
    begun = time.monotonic()
    for chunk in response.iter_bytes():
        read += chunk
        if len(read) > most or time.monotonic() - begun > seconds:
            break
    return read[:most].decode("utf-8", "replace")


def _is_loopback(url: httpx2.URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False
