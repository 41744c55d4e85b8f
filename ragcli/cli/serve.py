"""``ragcli serve``: answer from a process that stays."""

import sys
import threading
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, read_time
from ragcli.errors import ExitCode, RagcliError, UsageError

_BROWSER_SECONDS = 5.0  # until a browser has been told


@command()
def serve(
    env: Env,
    *,
    status: Annotated[
        bool, typer.Option("--status", help="Say whether a server runs, and what it does.", rich_help_panel="Control")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="End the server that runs.", rich_help_panel="Control")
    ] = False,
    open_: Annotated[
        bool,
        typer.Option("--open", help="Show a page to search on, in the browser.", rich_help_panel="Where"),
    ] = False,
    socket: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", envvar=["RAGCLI_SOCKET"], help="The Unix socket.", rich_help_panel="Where",
            readable=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, max=65535, rich_help_panel="Where",
            help="Answer programs over HTTP too, on 127.0.0.1; 0 takes a free port.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", rich_help_panel="Where", help="Another address; it needs --token."),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", rich_help_panel="Where", help="A name under which HTTP clients may address this server."
        ),
    ] = None,
    token: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, rich_help_panel="Where",
            help="Ask HTTP clients for the token in this file, which is made when it is missing.",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Keep the index up to date too, as ragcli watch does.", rich_help_panel="How long"
        ),
    ] = False,
    idle: Annotated[
        str,
        typer.Option(
            metavar="TIME", rich_help_panel="How long", help="End after this time without a question; 0: never."
        ),
    ] = "0",
    threads: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=64, rich_help_panel="How much", help="Questions that are answered at a time."
        ),
    ] = 2,
    queue: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=10_000, rich_help_panel="How much",
            help="Questions that may wait; the next are told to come back.",
        ),
    ] = 64,
) -> ExitCode:  # fmt: skip
    """Answer from a process that stays, with models and indexes open.

    `ragcli query`, `ask`, `rerank` and `show` use it when it runs, and print the same. Programs ask it over HTTP.

    Examples:
      ragcli serve &                      for the command line
      ragcli serve --open                 a page to search on
      ragcli serve --port 8765            for programs too: docs/serve.md
      ragcli serve --status
      ragcli serve --stop

    """
    import os

    if socket is not None:  # the commands that ask find it in the environment
        os.environ["RAGCLI_SOCKET"] = str(socket.expanduser().absolute())
    if status + stop + open_ > 1:
        raise UsageError("choose one of --status, --stop and --open")
    if status:
        return _status(env)
    if stop:
        return _stop(env)
    if open_ and _open_running(env):
        return ExitCode.OK
    if open_ and port is None:
        port = 0
    if host != "127.0.0.1" and port is None:
        raise UsageError("--host needs a --port", f"for example: ragcli serve --host {host} --port 8765")
    how = _How(port, host, tuple(allow_host or ()), token, read_time(idle), threads, queue, watch, open_)
    return _serve(env, how)


class _How(NamedTuple):
    """Where programs may ask, how many at a time, and for how long."""

    port: int | None
    host: str
    names: tuple[str, ...]
    token: Path | None
    idle_seconds: float
    threads: int
    waiting: int
    watch: bool
    open: bool


def _serve(env: Env, how: _How) -> ExitCode:
    from ragcli.serve.client import socket_path
    from ragcli.serve.engine import Engine

    try:
        from ragcli.serve.guard import Keys
        from ragcli.serve.http import Application, Listen, needs_token, read_token, serve
    except ImportError as error:
        raise RagcliError(f"ragcli serve needs {error.name}", "pip install starlette uvicorn") from error

    if needs_token(how.host) and how.token is None:
        raise UsageError(
            f"other machines can reach {how.host}", "name a file for a token: --token ~/.config/ragcli/token"
        )
    token = read_token(how.token.expanduser()) if how.token else ""
    if how.watch:
        env.existing_index()
    path = socket_path()
    engine = Engine(how.threads, how.waiting)
    application = Application(engine, env.home, env.index, Keys() if how.open else None)
    ended = threading.Event()

    def ready() -> None:
        http = f" and http://{how.host}:{application.about['port']}" if how.port is not None else ""
        env.say(f"serving at {path}{http}; end it with: ragcli serve --stop")
        if how.open:
            _show_page(env, application.page_url())
        if how.watch:
            threading.Thread(target=_watch, args=(env, ended), daemon=True).start()

    try:
        serve(application, engine, Listen(path, how.port, how.host, token, how.names, how.idle_seconds), ready)
    finally:
        ended.set()
        engine.close()
    return ExitCode.OK


def _open_running(env: Env) -> bool:
    """Show the page of a server that runs; whether one does. Raises RagcliError when it has no page."""
    from ragcli.serve.client import NoAnswer, request

    try:
        found = request("POST", "/cli/open", {})
    except NoAnswer:
        return False
    if "answer" not in found:
        raise RagcliError(str(found.get("error")), str(found.get("hint", "")))
    _show_page(env, found["answer"]).join(_BROWSER_SECONDS)
    return True


def _show_page(env: Env, url: str) -> threading.Thread:
    """Say where the page is. Where there is a display, start a browser: some stay until they are closed."""
    env.say(f"the page: {url}")
    browsing = threading.Thread(target=_browse, args=(url,), daemon=True)
    browsing.start()
    return browsing


def _browse(url: str) -> None:
    import os
    import webbrowser

    # without a display, webbrowser would take a browser for terminals
    if sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
        webbrowser.open(url)


def _watch(env: Env, ended: threading.Event) -> None:
    from ragcli.cli.watch import Teller
    from ragcli.ingest.options import SyncOptions
    from ragcli.serve.watch import Settings, keep_up

    tell = Teller(env, jsonl=False, command=None)
    try:
        keep_up(Settings(env.index_folder(), (), SyncOptions(offline=env.offline)), tell.done, tell.failed, ended)
    except RagcliError as error:
        tell.failed(error)


def _status(env: Env) -> ExitCode:
    from ragcli.render import write_json
    from ragcli.serve.client import NoAnswer, request, socket_path

    try:
        found: dict[str, Any] = request("GET", "/healthz")
    except NoAnswer as error:
        if env.json:
            write_json({"schema": 1, "running": False}, sys.stdout)
        env.say(str(error))
        return ExitCode.NOT_FOUND
    if env.json:
        write_json({"schema": 1, "running": True, **found}, sys.stdout)
        return ExitCode.OK
    from ragcli.units import human_duration

    port = f", and port {found['port']}" if "port" in found else ""
    sys.stdout.write(
        f"process {found['pid']} serves ragcli {found['version']} at {socket_path()}{port}\n"
        f"up {human_duration(found['seconds'])}, {found['answered']:,} answers,"
        f" {found['computing']} being computed, {found['waiting']} waiting\n"
    )
    return ExitCode.OK


def _stop(env: Env) -> ExitCode:
    import time

    from ragcli.serve.client import NoAnswer, request, socket_path

    try:
        found = request("POST", "/cli/stop", {})
    except NoAnswer as error:
        env.say(str(error))
        return ExitCode.NOT_FOUND
    deadline = time.monotonic() + 30
    while socket_path().exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    env.say(f"stopped process {found['answer']}")
    return ExitCode.OK
