"""The HTTP server: its routes, where it listens, and when it ends."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import secrets
import signal
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from ragcli._version import __version__
from ragcli.errors import IndexNotFound, LoadError, RagcliError, UsageError
from ragcli.index.locate import Home, index_names, require_index
from ragcli.render.record import results_record
from ragcli.render.visible import json_text
from ragcli.serve import client, mcp, page, wire
from ragcli.serve.engine import Desk, Engine, TooManyQuestions
from ragcli.serve.guard import Guard, Keys, Refused, error_record, is_loopback, over_socket
from ragcli.serve.map import Maps, is_list_of_ids
from ragcli.serve.questions import (
    ASK,
    SEARCH,
    SHOW,
    Field,
    ask,
    index_base,
    json_schema,
    read_fields,
    rerank,
    search_options,
    searcher,
    show,
)
from ragcli.serve.summary import index_summary
from ragcli.serve.tools import MAX_TOKENS, Toolbox

Found = TypeVar("Found")

_CONNECTIONS = 256
_HEAD_SECONDS = 10.0  # until the head of a request is here
_LEAVE_SECONDS = 10.0  # for the answers that are being computed when the server ends
_DRAWING = 2  # pages at a time; each is drawn in a process of its own
_MOST_INDEXES = 64  # that a question names: each is searched
_LONGEST_SOCKET = 100  # bytes: the kernel's limit is 104 or 108


class Listen(NamedTuple):
    """Where a server listens, and how long it stays without a question."""

    path: Path  # of the Unix socket
    port: int | None = None
    host: str = "127.0.0.1"
    token: str = ""
    hosts: tuple[str, ...] = ()  # other names of this machine
    idle_seconds: float = 0.0  # 0: for ever


class Application:
    """The routes over an engine."""

    def __init__(self, engine: Engine, home: Home, default_index: str, keys: Keys | None = None) -> None:
        """Indexes are named as they are with ``--index``; those below ``home`` can be asked over HTTP.

        With ``keys`` there is a page, which they open.
        """
        self._engine = engine
        self._home = home
        self._default_index = default_index
        tools = Toolbox(lambda: engine, home, default_index, max_tokens=MAX_TOKENS, may_sync=False)
        self._protocol = mcp.Protocol(tools)
        self._started = time.time()
        self.keys = keys
        self._maps = Maps()
        self._drawing = asyncio.Semaphore(_DRAWING)
        self.address = ""  # of the page
        self.about: dict[str, Any] = {}  # where the server listens
        self.stop: Callable[[], None] = lambda: None

    def routes(self) -> list[Route]:
        """Every route."""
        return [
            Route("/healthz", self._healthz),
            Route("/v1/indexes", self._indexes),
            Route("/v1/openapi.json", self._openapi),
            Route("/v1/query", self._query, methods=["POST"]),
            Route("/v1/ask", self._ask, methods=["POST"]),
            Route("/v1/show", self._show, methods=["POST"]),
            Route("/mcp", self._mcp, methods=["POST"]),
            Route("/cli/{question}", self._cli, methods=["POST"]),
            *(self._page_routes() if self.keys else ()),
        ]

    def _page_routes(self) -> list[Route]:
        return [
            *(Route(path, self._file) for path in page.FILES),
            Route(page.SESSION, self._session, methods=["POST"]),
            Route("/v1/page", self._picture),
            Route("/v1/map", self._map, methods=["POST"]),
            Route("/v1/not-indexed", self._not_indexed),
        ]

    def app(self) -> Starlette:
        """Return the ASGI application, without the guard."""
        handlers: Mapping[Any, Any] = {
            RagcliError: self._failed, Refused: self._failed, 404: self._no_route, 405: self._no_route,
            Exception: self._bug,
        }  # fmt: skip
        return Starlette(routes=self.routes(), exception_handlers=handlers)

    # -- routes for programs ------------------------------------------------------------------------------------------

    async def _healthz(self, request: Request) -> Response:
        record: dict[str, Any] = {"ok": True}
        if over_socket(request.scope):
            record |= {
                "version": __version__, "pid": os.getpid(), "seconds": round(time.time() - self._started, 1),
                **self.about, **self._engine.load._asdict(),
            }  # fmt: skip
        return _json(record)

    async def _indexes(self, request: Request) -> Response:
        names = index_names(self._home)
        if os.sep in self._default_index:  # a folder elsewhere
            names.append(self._default_index)
        indexes: list[dict[str, Any]] = []
        for name in names:
            try:
                indexes.append(await self._compute(request, _summary_of(self._home, name)))
            except TooManyQuestions:
                raise
            except RagcliError as error:  # the others can be asked
                indexes.append({"name": name, **error_record(error)})
        return _json({"schema": 1, "default": self._default_index, "indexes": indexes})

    async def _query(self, request: Request) -> Response:
        folders, given = self._asked(request)
        text = _text(given, "query")
        fields = read_fields(given, SEARCH)
        return _raw(await self._compute(request, lambda desk: _document(_found(desk, folders, text, fields))))

    async def _ask(self, request: Request) -> Response:
        from ragcli.render.answer import answer_record

        folders, given = self._asked(request)
        question = _text(given, "question")
        fields = read_fields(given, ASK)

        def answered(desk: Desk) -> tuple[dict[str, Any], dict[str, Any]]:
            answer, results = ask(desk.indexes(list(folders.values())), question, fields, offline=True)
            return results_record(results), answer_record(answer)

        if "text/event-stream" not in request.headers.get("accept", ""):
            return _raw(_document((await self._compute(request, answered))[1]))
        future = self._engine.submit(answered)

        async def events() -> AsyncIterator[str]:
            try:
                while not await _is_done(future, client.BEAT_SECONDS):
                    yield ": working\n\n"
                passages, answer = future.result()
            except RagcliError as error:
                yield _event("error", error_record(error))
                return
            finally:
                future.cancel()
            yield _event("passages", passages)
            yield _event("answer", answer)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _show(self, request: Request) -> Response:
        given = _body(request)
        folder = self._folder(given.pop("index", None))
        reference = _text(given, "ref")
        context = read_fields(given, SHOW)["context"]

        def shown(desk: Desk) -> bytes:
            index = desk.index(folder)
            return _document(show(index, reference, context, index_base(index)).record())

        return _raw(await self._compute(request, shown))

    async def _openapi(self, _request: Request) -> Response:
        return _json(openapi())

    async def _mcp(self, request: Request) -> Response:
        """Answer one message of the Model Context Protocol; there are no sessions and no streams."""
        number = None
        try:
            try:
                message = json.loads(request.scope["ragcli.body"])
            except (ValueError, RecursionError) as error:
                raise mcp.Fault(mcp.PARSE_ERROR, "the body is not JSON") from error
            if isinstance(message, dict):
                number = message.get("id")
                mcp.check_headers(message, request.headers)
            answer = await asyncio.to_thread(self._protocol.handle, message)
        except mcp.Fault as fault:
            answer = mcp.error(number, fault)
        return Response(status_code=202) if answer is None else _json(answer, mcp.status_of(answer))

    # -- routes for the page ------------------------------------------------------------------------------------------

    def page_url(self) -> str:
        """An address that opens the page once. Raises Refused when there is no page."""
        if self.keys is None:
            raise Refused(404, "the server that runs has no page", "end it first: ragcli serve --stop")
        return f"{self.address}/#token={self.keys.token()}"

    async def _file(self, request: Request) -> Response:
        content, kind = page.file_content(request.url.path)
        return Response(content, headers={**page.HEADERS, "content-type": kind})

    async def _session(self, request: Request) -> Response:
        assert self.keys is not None
        token = _body(request).get("token")
        if not isinstance(token, str):
            raise UsageError(f"invalid token: {token!r}", "open the link that `ragcli serve --open` printed")
        return _json({"session": self.keys.session(token)})

    async def _picture(self, request: Request) -> Response:
        """Draw a page of a PDF, with a passage marked."""
        given = dict(request.query_params)
        folder, reference = self._folder(given.pop("index", None)), given.pop("ref", "")
        fields = page.read_numbers(given)

        def asked(desk: Desk) -> page.Asked:
            index = desk.index(folder)
            return page.asked_picture(index, reference, index_base(index), fields)

        wanted = await self._compute(request, asked)
        try:
            async with self._drawing:
                picture = await asyncio.to_thread(wanted.draw)
        except LoadError as error:
            raise Refused(409, f"cannot draw {wanted.file}: {error.detail or error.reason}") from error
        marked = [box for boxes in picture.boxes for box in boxes]
        about = {"pages": picture.pages, "page": wanted.drawing.page, "size": picture.size, "top": None}
        if marked:
            best = next(boxes for boxes in reversed(picture.boxes) if boxes)
            about["top"] = min(box[1] for box in best)
        return Response(picture.png, headers={"content-type": "image/png", "ragcli-page": json.dumps(about)})

    async def _map(self, request: Request) -> Response:
        given = _body(request)
        folder, chunks = self._folder(given.get("index")), given.get("chunks")
        if chunks is not None and not is_list_of_ids(chunks):
            raise UsageError("invalid chunks", "write a list of at most 1,000 chunk ids")
        return _raw(await self._compute(request, lambda desk: self._mapped(desk, folder, chunks)))

    def _mapped(self, desk: Desk, folder: Path, chunks: list[int] | None) -> bytes:
        return _line(self._maps.record(desk.index(folder), folder, chunks))

    async def _not_indexed(self, request: Request) -> Response:
        folder = self._folder(request.query_params.get("index"))
        return _raw(await self._compute(request, lambda desk: _line(page.not_indexed(desk.index(folder)))))

    # -- routes for the command line ----------------------------------------------------------------------------------

    async def _cli(self, request: Request) -> Response:
        """Answer a question of the command line, in the form of ``wire``.

        The head of the answer goes out at once, and a blank each second: the client tells a server that works from one
        that is stuck. So the status is always 200, and an error is in the body.
        """
        if not over_socket(request.scope):
            raise Refused(404, "there is no such route")
        question = request.path_params["question"]
        body = _body(request)
        if question == "stop":
            self.stop()
            return _json({"answer": os.getpid()})
        if question == "open":
            return _json({"answer": self.page_url()})
        job = self._cli_job(question, body)
        future = self._engine.submit(job)

        async def parts() -> AsyncIterator[bytes]:
            yield b" "
            try:
                while not await _is_done(future, client.BEAT_SECONDS):
                    yield b" "
                yield future.result()
            except RagcliError as error:
                yield json.dumps({"error": str(error)}).encode()
            finally:
                future.cancel()  # the client is gone, and the question still waits

        return StreamingResponse(parts(), media_type="application/json")

    def _cli_job(self, question: str, body: Mapping[str, Any]) -> Callable[[Desk], bytes]:
        if body.get("client") != client.identity():
            raise Refused(409, "the client has another version or other settings")
        fields, given, identities = body.get("fields"), body.get("indexes"), body.get("identities")
        if not (isinstance(fields, dict) and isinstance(given, list) and isinstance(identities, list)):
            raise Refused(400, "there are no fields or no indexes")
        folders = [Path(str(folder)) for folder in given]
        if not folders and question != "rerank":
            raise Refused(400, "there are no indexes")
        for number, folder in enumerate(folders):
            try:
                is_same = [client.index_identity(folder)] == identities[number : number + 1]
            except OSError as error:
                raise Refused(409, f"{folder}: {error.strerror}") from error
            if not is_same:
                raise Refused(409, f"the client sees another index in {folder}")
        return lambda desk: json.dumps({"answer": wire.pack(_for_cli(question, desk, folders, fields))}).encode()

    # -- what routes share --------------------------------------------------------------------------------------------

    def _asked(self, request: Request) -> tuple[dict[str, Path], dict[str, Any]]:
        """Return the folders of the indexes that the body names, by their names, and the other fields."""
        given = _body(request)
        named = given.pop("index", None)
        names = named if isinstance(named, list) else [named]
        if not 1 <= len(names) <= _MOST_INDEXES:
            raise UsageError(f"invalid index: a list of {len(names)}", f"name 1 to {_MOST_INDEXES} indexes")
        return {str(name or self._default_index): self._folder(name) for name in names}, given

    def _folder(self, name: Any) -> Path:  # noqa: ANN401 (JSON)
        """Return the folder of an index. Raises UsageError for what is not a name: a path could lead anywhere."""
        is_name = isinstance(name, str) and os.sep not in name and name not in {".", ".."}
        if name and name != self._default_index and not is_name:
            raise UsageError(f"invalid index {name!r}", "give the name of an index: GET /v1/indexes")
        return require_index(self._home, name or self._default_index)

    async def _compute(self, request: Request, job: Callable[[Desk], Found]) -> Found:
        future = self._engine.submit(job)
        try:
            while not await _is_done(future, client.BEAT_SECONDS):
                if await request.is_disconnected():
                    raise Refused(499, "the client is gone")
            return future.result()
        finally:
            future.cancel()

    async def _failed(self, _request: Request, error: RagcliError | Refused) -> Response:
        if isinstance(error, Refused):
            status = error.status
        elif isinstance(error, UsageError):
            status = 400
        elif isinstance(error, IndexNotFound):
            status = 404
        else:
            status = 503 if isinstance(error, TooManyQuestions) else 500
        return _json(error_record(error), status, {"retry-after": "1"} if status == 503 else None)

    async def _no_route(self, request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        fact = f"{request.method} {request.url.path} is not a route"
        return _json({"error": fact, "hint": "see: GET /v1/openapi.json"}, status, getattr(error, "headers", None))

    async def _bug(self, _request: Request, error: Exception) -> Response:
        return _json({"error": f"this is a bug in ragcli: {type(error).__name__}: {error}", "hint": ""}, 500)


def _found(desk: Desk, folders: Mapping[str, Path], text: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``ragcli query --json`` prints."""
    indexes = desk.indexes(list(folders.values()))
    engine = searcher(indexes, search_options(fields, base=index_base(*indexes), offline=True), list(folders))
    return results_record(engine.search(text))


def _for_cli(question: str, desk: Desk, folders: Sequence[Path], fields: Mapping[str, Any]) -> object:
    offline = bool(fields["offline"])
    if question == "rerank":
        return rerank(fields["text"], fields["texts"], offline=offline, probability=fields["probability"])
    indexes = desk.indexes(folders)
    if question == "query":
        options = search_options(fields["search"], base=Path(fields["base"]), offline=offline)
        return searcher(indexes, options).search(fields["text"])
    if question == "ask":
        answer, results = ask(indexes, fields["text"], fields["ask"], offline=offline)
        # printing an answer needs of its passages only what was said about the search
        return answer, results.notes, results.searched
    if question == "show":
        return show(indexes[0], fields["ref"], fields["context"], Path(fields["base"]))
    raise UsageError(f"there is no question {question!r}")


def _summary_of(home: Home, name: str) -> Callable[[Desk], dict[str, Any]]:
    return lambda desk: index_summary(desk, name, require_index(home, name))


def _body(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.scope["ragcli.body"])
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body is not JSON: {error}", "send a JSON object") from error
    if not isinstance(found, dict):
        raise UsageError("the body is not a JSON object", 'send {"query": "..."}')
    return found


def _text(given: dict[str, Any], name: str) -> str:
    """Take the text that is asked for out of the fields. Raises UsageError where there is none."""
    if name not in given:
        raise UsageError(f"the field {name!r} is missing", f'for example: {{"{name}": "how are logs rotated?"}}')
    text = given.pop(name)
    if not isinstance(text, str):
        raise UsageError(f"invalid {name}: {text!r}", "write a string")
    return text


async def _is_done(future: Future[Any], seconds: float) -> bool:
    """Wait so long for ``future``; whether it is done."""
    if not future.done():
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def tell(_future: Future[Any]) -> None:
            with suppress(RuntimeError):  # the server has ended, and nobody waits any more
                loop.call_soon_threadsafe(done.set)

        future.add_done_callback(tell)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await done.wait()
    return future.done()


def _document(record: dict[str, Any]) -> bytes:
    """Return the bytes that ``--json`` prints."""
    return (json_text(record, indent=2) + "\n").encode()


def _line(record: dict[str, Any]) -> bytes:
    return (json_text(record) + "\n").encode()


def _json(record: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_document(record), status, headers, "application/json")


def _raw(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _event(name: str, record: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json_text(record)}\n\n"


def openapi() -> dict[str, Any]:
    """Describe the routes in the form of OpenAPI 3.1."""
    one = {"type": "string", "description": "The name of the index; see GET /v1/indexes."}
    names = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": _MOST_INDEXES}
    several = {"description": "The name of the index, or of several; see GET /v1/indexes."} | {
        "anyOf": [{"type": "string"}, names]
    }

    def post(
        about: str, text: str, fields: Mapping[str, Field], answer: str, index: Mapping[str, Any] = several
    ) -> dict[str, Any]:
        properties: dict[str, Any] = {text: {"type": "string"}, "index": index}
        properties |= {name: json_schema(field) for name, field in fields.items()}
        body = {"type": "object", "required": [text], "properties": properties, "additionalProperties": False}
        return {
            "post": {
                "summary": about,
                "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                "responses": {"200": {"description": answer}, "default": {"description": "An error and a hint."}},
            }
        }

    def get(about: str) -> dict[str, Any]:
        return {"get": {"summary": about, "responses": {"200": {"description": about}}}}

    return {
        "openapi": "3.1.0",
        "info": {"title": "ragcli", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": {
            "/healthz": get("Whether the server answers."),
            "/v1/indexes": get("The indexes that can be asked."),
            "/v1/query": post("Search for passages.", "query", SEARCH, "What `ragcli query --json` prints."),
            "/v1/ask": post(
                "Answer with quotes.", "question", ASK,
                "What `ragcli ask --json` prints; with Accept: text/event-stream, the events passages and answer.",
            ),
            "/v1/show": post("Show a passage.", "ref", SHOW, "What `ragcli show --json` prints.", one),
        },
    }  # fmt: skip


# -- running ----------------------------------------------------------------------------------------------------------


def serve(application: Application, engine: Engine, listen: Listen, ready: Callable[[], None]) -> None:
    """Answer until a signal, ``ragcli serve --stop``, or the end of ``listen.idle_seconds`` without a question.

    ``ready`` is called once the server listens. Raises UsageError when another server runs, or the port is taken.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(_unix_socket(listen.path))]
        if listen.port is not None:
            sockets.append(stack.enter_context(_tcp_socket(listen.host, listen.port)))
            application.about["port"] = port = sockets[1].getsockname()[1]
            application.address = f"http://{_name_of(listen.host)}:{port}"
        application.about |= {"socket": str(listen.path), "idle_seconds": listen.idle_seconds}
        hosts = {*listen.hosts, listen.host} - {"0.0.0.0", "::"}  # noqa: S104 (names that nobody is reached by)
        guard = Guard(
            application.app(), token=listen.token, hosts=hosts, keys=application.keys,
            free={"/healthz", *page.FREE} if application.keys else {"/healthz"},
        )  # fmt: skip
        server = _Server(
            uvicorn.Config(
                guard, http=_PatientProtocol, ws="none", lifespan="off", log_config=None, log_level="critical",
                access_log=False, limit_concurrency=_CONNECTIONS, server_header=False, date_header=False,
                proxy_headers=False, timeout_graceful_shutdown=int(_LEAVE_SECONDS),
            )
        )  # fmt: skip
        application.stop = server.leave
        asyncio.run(_run(server, engine, sockets, listen.idle_seconds, ready))


async def _run(
    server: _Server, engine: Engine, sockets: list[socket.socket], idle_seconds: float, ready: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and a shell that started this in the background
            loop.add_signal_handler(number, server.leave)
    serving = asyncio.create_task(server.serve(sockets))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if not serving.done():
        ready()
    while not serving.done():
        await asyncio.wait([serving], timeout=min(idle_seconds or 60.0, 60.0) / 4)
        if idle_seconds and time.monotonic() - engine.last_used > idle_seconds:
            server.leave()
    await serving


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self) -> None:
        """Accept nothing more, send what is being computed, and end."""
        self.should_exit = True


class _PatientProtocol(H11Protocol):
    """A connection that is closed when the head of a request does not arrive in time."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        self._wait_for_head()
        super().on_response_complete()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._late = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


@contextmanager
def _unix_socket(path: Path) -> Iterator[socket.socket]:
    """Listen at ``path``, for this user alone. The lock tells a socket that a killed server left from one in use."""
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise UsageError(f"the path of the socket is too long: {path}", "choose a shorter one with --socket")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"a server already runs at {path}", "see: ragcli serve --status") from None
        if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
            raise UsageError(f"{path} is not a socket", "choose another path with --socket")
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(mask)
        try:
            with listening:
                yield listening
        finally:
            with suppress(OSError):
                path.unlink()


@contextmanager
def _tcp_socket(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            is_elsewhere = isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL
            hint = "name an address of this machine" if is_elsewhere else "choose another --port"
            raise UsageError(f"cannot listen on {host}:{port}: {reason}", hint) from error
        yield listening


def _name_of(host: str) -> str:
    """How a browser on this machine names the address that a server listens on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (every address, so this one too)
    return f"[{host}]" if ":" in host else host


def read_token(file: Path) -> str:
    """Return the token in ``file``; make one first where there is no such file.

    Raises UsageError when others can read the file, or it holds no token of at least 16 characters.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as made:
            made.write(f"{secrets.token_urlsafe(32)}\n")
    except FileExistsError:
        pass
    mode = file.stat().st_mode
    if mode & 0o077:
        raise UsageError(f"others can read {file}", f"run: chmod 600 {file}")
    token = file.read_text(encoding="ascii", errors="replace").strip()
    if len(token) < 16 or not token.isprintable() or " " in token:
        raise UsageError(f"{file} holds no token of at least 16 letters", "delete it, and ragcli makes one")
    return token


def needs_token(host: str) -> bool:
    """Whether other machines can reach ``host``."""
    return not is_loopback(host)
