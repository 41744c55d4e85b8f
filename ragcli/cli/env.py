"""What every command shares: the common options, the streams, and the one place where errors become exit codes."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer._click.globals import get_current_context  # Typer ships its own Click

from ragcli.config import Config, find_config
from ragcli.errors import ExitCode, RagcliError, UsageError
from ragcli.index.locate import DEFAULT_NAME, Home, find_home, find_index, index_names, require_index
from ragcli.trust import is_trusted, leads_out, needs_trust


@dataclass(frozen=True, slots=True)
class Env:
    """The common options of one run."""

    home: Home
    index: str
    json: bool
    quiet: bool
    verbose: bool
    offline: bool

    def existing_index(self) -> Path:
        """The folder of the index that the command means; IndexNotFound says which exist."""
        return require_index(self.home, self.index)

    def index_folder(self) -> Path:
        """The folder of the index, whether or not it exists yet."""
        return find_index(self.home, self.index)

    def on_wait(self, wait: bool) -> Callable[[str], None] | None:
        """What to do when another process is writing: say whom we wait for, or None, give up."""
        from ragcli.render.visible import visible

        return (lambda holder: self.say(f"{visible(holder)}; waiting")) if wait else None

    def say(self, message: str) -> None:
        """One line for people, on stderr, unless they asked for quiet; whatever it quotes is made visible."""
        if not self.quiet:
            from ragcli.render.visible import visible

            sys.stderr.write(f"{visible(message)}\n")


def complete_index(incomplete: str) -> list[str]:
    """Names of indexes, for the shell."""
    with suppress(OSError, RagcliError):
        home = os.environ.get("RAGCLI_HOME")
        names = index_names(find_home(Path(home) if home else None, find_config()))
        return [name for name in names if name.startswith(incomplete)]
    return []


IndexOption = Annotated[
    str,
    typer.Option(
        "--index", "-i", envvar="RAGCLI_INDEX", metavar="NAME|PATH", autocompletion=complete_index,
        help="Which index: a name under the home, or a folder.", rich_help_panel="Common",
    ),
]  # fmt: skip
HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", envvar="RAGCLI_HOME", metavar="FOLDER", rich_help_panel="Common",
        help="Where indexes live; else indexes/ beside the nearest ragcli.toml, else the user data folder.",
    ),
]  # fmt: skip
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.", rich_help_panel="Common")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on stderr.", rich_help_panel="Common")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.", rich_help_panel="Common")]
DebugOption = Annotated[
    bool, typer.Option("--debug", envvar="RAGCLI_DEBUG", help="Show tracebacks.", rich_help_panel="Common")
]
OfflineOption = Annotated[
    bool,
    typer.Option(
        "--offline", envvar=["RAGCLI_OFFLINE", "HF_HUB_OFFLINE"], help="Open no socket.", rich_help_panel="Common"
    ),
]

WaitOption = Annotated[
    bool, typer.Option("--wait", help="Wait for another process that is writing, instead of giving up.")
]

_COMMON: Sequence[tuple[str, Any, Any]] = (
    ("index", IndexOption, DEFAULT_NAME),
    ("home", HomeOption, None),
    ("json", JsonOption, False),
    ("quiet", QuietOption, False),
    ("verbose", VerboseOption, False),
    ("debug", DebugOption, False),
    ("offline", OfflineOption, False),
)


def command(
    app: typer.Typer, name: str, *, untrusted: bool = False
) -> Callable[[Callable[..., ExitCode]], Callable[..., int]]:
    """Register ``function(env, ...)`` as a command that also takes the common options and ends with its exit code.

    It does not start with what a ragcli.toml may not set before it is trusted, unless it makes no use of settings
    (``untrusted``).
    """

    def register(function: Callable[..., ExitCode]) -> Callable[..., int]:
        @functools.wraps(function)
        def run(**given: Any) -> int:  # noqa: ANN401 (what Typer parsed)
            common = {key: given.pop(key) for key, _, _ in _COMMON}
            debug = common.pop("debug")

            def action() -> ExitCode:
                if not untrusted:
                    _hold_untrusted(get_current_context())
                return function(_env(**common), **given)

            return run_guarded(action, debug=debug)

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        added = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for key, annotation, default in _COMMON
        ]
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + added
        setattr(run, "__signature__", inspect.Signature(parameters))  # noqa: B010 (mypy does not know inspect's hook)
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(name)(run)
        return run

    return register


def _hold_untrusted(context: Any) -> None:  # noqa: ANN401 (Typer's vendored context type)
    """Raise UsageError when this run would go by what a ragcli.toml that is not trusted may not set."""
    config = context.find_object(Config)
    if config is None or config.file is None:
        return
    used = [
        name.rstrip("_")
        for name, value in context.params.items()
        if getattr(context.get_parameter_source(name), "name", "") == "DEFAULT_MAP"
        and needs_trust(config.file, name, value)
    ]
    places = {name: context.params.get(name) for name in ("home", "index")}
    if places["home"] is None and os.sep not in str(places["index"]):
        # the home is beside the file; a link there could make any index of the user's this one
        folder = find_index(find_home(None, find_config()), str(places["index"]))
        used += ["indexes/ (a link that leads out)"] if leads_out(config.file, folder) else []
    if used and not is_trusted(config.file, config.content):
        raise UsageError(
            f"{config.file} sets {', '.join(used)}, which a file that is not trusted may not",
            "look at it, then run: ragcli config trust",
        )


def run_guarded(action: Callable[[], ExitCode], *, debug: bool) -> int:
    """Run ``action``; every way it can end becomes an exit code and at most one line on stderr."""
    try:
        code = action()
        sys.stdout.flush()
    except RagcliError as error:
        _report(str(error), debug=debug)
        return error.exit_code
    except KeyboardInterrupt:
        _report("interrupted", debug=debug)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # the reader (head, say) has what it wanted; nothing is wrong, and Python must not flush into the pipe again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except OSError as error:
        name = f"{os.fspath(error.filename)}: " if error.filename else ""
        _report(f"{name}{error.strerror or error}", debug=debug)
        return ExitCode.ERROR
    except Exception as error:  # noqa: BLE001 (a bug of ours: it must not look like "nothing found")
        _report(f"this is a bug in ragcli: {type(error).__name__}: {error}; run again with --debug", debug=debug)
        return ExitCode.BUG
    return code


def _report(message: str, *, debug: bool) -> None:
    from ragcli.render.visible import visible  # file names in messages may hold anything

    if debug:
        import traceback

        from ragcli.render.visible import visible_lines

        sys.stderr.write(visible_lines(traceback.format_exc()))
    with suppress(BrokenPipeError):
        sys.stderr.write(f"ragcli: {visible(message)}\n")


def _env(index: str, home: Path | None, json: bool, quiet: bool, verbose: bool, offline: bool) -> Env:
    if verbose:
        import logging  # 15 ms that other runs need not pay

        logging.basicConfig(format="ragcli: %(message)s", stream=sys.stderr, level=logging.ERROR)
        logging.getLogger("ragcli").setLevel(logging.INFO)
    if offline:
        from ragcli.offline import forbid_network

        os.environ["HF_HUB_OFFLINE"] = os.environ["RAGCLI_OFFLINE"] = "1"
        forbid_network()
    return Env(find_home(home, find_config()), index, json=json, quiet=quiet, verbose=verbose, offline=offline)
